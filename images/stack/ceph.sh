#!/usr/bin/env bash
# A Ceph of one monitor, one OSD in a file and radosgw, for one machine: one copy of everything. It ends when one of them does.
# The keys of its S3 user are made here and written where only those who mount them see them.
set -euo pipefail
umask 077
home=/var/lib/ceph-node keys=/run/millrace/s3/env tls=/run/millrace/s3-tls size=${CEPH_BYTES:-21474836480} port=${S3_PORT:-7480}
export CEPH_CONF=$home/ceph.conf

configure() {
  cat > "$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = v2:127.0.0.1:3300
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
keyring = $home/keyring
admin_socket =
log_file =
log_to_stderr = true
debug_rgw = 0/1
run_dir = /tmp
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
auth_allow_insecure_global_id_reclaim = false
[mon]
mon_data = $home/mon
mon_cluster_log_file =
# shares of a disk that is not Ceph's alone: its own data are bounded by CEPH_BYTES
mon_data_avail_warn = 3
mon_data_avail_crit = 1
[osd]
osd_data = $home/osd
osd_objectstore = bluestore
bluestore_block_size = $size
osd_memory_target = 1073741824
[client.rgw]
rgw_gc_obj_min_wait = 60
rgw_gc_processor_period = 60
CONF
}

create() {
  rm -rf "${home:?}"/{mon,osd,keyring,monmap,osd-uuid}
  mkdir -p "$home/mon" "$home/osd"
  configure
  ceph-authtool -C "$home/keyring" --gen-key -n mon. --cap mon 'allow *'
  for name in client.admin client.rgw osd.0; do
    ceph-authtool "$home/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap mgr 'allow *' --cap osd 'allow *'
  done
  monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" --addv a '[v2:127.0.0.1:3300]' "$home/monmap"
  ceph-mon -i a --mkfs --monmap "$home/monmap" --keyring "$home/keyring"
  cat /proc/sys/kernel/random/uuid > "$home/osd-uuid"
}

user() { # the S3 user's keys, as the variables that every S3 client reads
  local shown
  shown=$(radosgw-admin user info --uid=millrace 2>/dev/null \
    || radosgw-admin user create --uid=millrace --display-name=Millrace --gen-access-key --gen-secret)
  key() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" <<< "$shown" | head -n 1 | sed 's,\\/,/,g'; }
  printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(key access_key)" "$(key secret_key)" > "$keys.new"
  mv "$keys.new" "$keys"
}

trap 'kill $(jobs -p) 2>/dev/null; wait' TERM INT
[[ -e $home/created ]] || create
ceph-mon -i a -f &
if [[ ! -e $home/created ]]; then
  timeout 60 ceph osd new "$(<"$home/osd-uuid")" 0
  ceph-osd -i 0 --mkfs --osd-uuid "$(<"$home/osd-uuid")"
  touch "$home/created"
fi
ceph-osd -i 0 -f &
user
radosgw -n client.rgw -f --rgw-frontends "beast ssl_port=$port ssl_certificate=$tls/tls.crt ssl_private_key=$tls/tls.key" &
wait -n
echo "one of Ceph's processes ended" >&2
kill $(jobs -p) 2>/dev/null || true
wait
exit 1
