#!/usr/bin/env bash
# PostgreSQL with TLS and two roles, each the owner of one database and no more: airflow of airflow, ledger of millrace. Its
# superuser has no password: it is whoever runs this, on the machine itself (psql -h /tmp -U postgres).
set -euo pipefail
umask 077
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1):$PATH
data=${PGDATA:-/var/lib/postgresql/data/main} secrets=/run/millrace/postgres

if [[ ! -s $data/PG_VERSION ]]; then
  # made beside and then renamed: a first start that was cut off begins anew
  rm -rf "$data.new"
  initdb -D "$data.new" -U postgres --auth=reject -E UTF8
  cat > "$data.new/pg_hba.conf" <<'HBA'
local all postgres peer map=own
hostssl airflow airflow all scram-sha-256
hostssl millrace ledger all scram-sha-256
HBA
  echo "own $(id -un) postgres" >> "$data.new/pg_ident.conf"
  # a command a line; the passwords are in no argument
  postgres --single -D "$data.new" postgres <<SQL
CREATE ROLE airflow LOGIN PASSWORD '$(<"$secrets/airflow")'
CREATE ROLE ledger LOGIN PASSWORD '$(<"$secrets/ledger")'
CREATE DATABASE airflow OWNER airflow
CREATE DATABASE millrace OWNER ledger
SQL
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp \
  -c ssl=on -c ssl_cert_file="$secrets/tls.crt" -c ssl_key_file="$secrets/tls.key" "$@"
