#!/usr/bin/env bash
# PostgreSQL as the official image has it, for an owner that is not root: POSTGRES_USER, POSTGRES_PASSWORD_FILE, POSTGRES_DB.
set -euo pipefail
umask 077
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1):$PATH
data=${PGDATA:-/var/lib/postgresql/data/main}

if [[ ! -s $data/PG_VERSION ]]; then
  # made beside and then renamed: a first start that was cut off begins anew
  rm -rf "$data.new"
  initdb -D "$data.new" -U "$POSTGRES_USER" --auth=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" -E UTF8
  echo 'host all all all scram-sha-256' >> "$data.new/pg_hba.conf"
  [[ $POSTGRES_DB = postgres ]] || postgres --single -D "$data.new" postgres <<< "CREATE DATABASE $POSTGRES_DB"
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
