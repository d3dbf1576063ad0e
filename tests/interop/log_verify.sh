#!/usr/bin/env bash
# Logs that somebody else wrote: Apache Kafka fills a folder (every codec, keys and headers, an idempotent producer, groups,
# deleted records, several segments), stops, and `harrow log verify` finds nothing wrong in it, before a clean stop and after
# kill -9. The other way round, Kafka's own dump-log reads the folders of a simulated cluster. A damaged byte must be found.
# Usage: tests/interop/log_verify.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "$1")
. tests/interop/kafka/peer.sh
work=$(mktemp -d)
trap 'kafka_stop; rm -rf "$work"' EXIT
fail() {
  echo "log_verify.sh: $*" >&2
  exit 1
}
client() { timeout 60 kcat -b "$kafka_address" -X broker.address.family=v4 "$@"; }

kafka_start "$work/kafka" log.segment.bytes=1048576 log.index.interval.bytes=512 log.roll.ms=3600000
for codec in none gzip snappy lz4 zstd; do
  seq 20000 | awk '{ print "key" $1 % 17 ":value " $1 " of a record that is long enough to fill segments" }' |
    client -P -K : -t "orders-$codec" -z "$codec" -H source=test -X batch.num.messages=500 -X enable.idempotence=true
done
client -q -G readers -X auto.offset.reset=earliest -c 100 orders-none >/dev/null 2>&1
echo '{"partitions":[{"topic":"orders-gzip","partition":0,"offset":5000}],"version":1}' >"$work/delete.json"
kafka_class org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$kafka_address" --offset-json-file "$work/delete.json" >/dev/null
cp -r "$work/kafka/data" "$work/running" # as a crash would leave it
kafka_stop

for folder in "$work/kafka/data" "$work/running"; do
  "$binary" log verify "$folder" >"$work/verify" 2>&1 || fail "a folder of Kafka: $(cat "$work/verify")"
  tail -n 3 "$work/verify"
done
"$binary" log dump "$work/kafka/data/orders-zstd-0" >"$work/dump"
[ "$(grep -c . "$work/dump")" -gt 10 ] || fail "log dump shows nothing: $(cat "$work/dump")"

# a check that cannot fail shows nothing
segment=$(ls "$work/kafka/data/orders-none-0/"*.log | head -n 1)
printf '\xff' | dd of="$segment" bs=1 seek=4000 conv=notrunc status=none
if "$binary" log verify "$work/kafka/data" >"$work/verify" 2>&1; then fail "a damaged segment was not found"; fi
grep -q "orders-none-0" "$work/verify" || fail "the damaged segment is not named: $(cat "$work/verify")"

"$binary" run scenarios/leader-crash.yaml --seed 7 --out "$work/run" --export-disks "$work/disks" >"$work/run.out" 2>&1 || fail "run: $(tail -n 5 "$work/run.out")"
"$binary" log verify "$work/disks" >"$work/verify" 2>&1 || fail "a simulated cluster: $(cat "$work/verify")"
tail -n 3 "$work/verify"
segments=$(find "$work/disks" -name '*.log' -size +0 -not -path '*__cluster_metadata*' | sort | head -n 12)
[ -n "$segments" ] || fail "the simulated cluster left no segments"
kafka_class org.apache.kafka.tools.DumpLogSegments --print-data-log --files "$(echo "$segments" | paste -sd,)" >"$work/dumped" 2>&1 || fail "dump-log: $(tail -n 5 "$work/dumped")"
if grep -qiE 'exception|isvalid: false|mismatch' "$work/dumped"; then fail "dump-log found: $(grep -iE 'exception|isvalid: false|mismatch' "$work/dumped" | head -n 3)"; fi
count=$(grep -c 'payload:' "$work/dumped")
[ "$count" -gt 100 ] || fail "dump-log read only $count records"
metadata=$(find "$work/disks" -path '*__cluster_metadata*' -name '*.log' -size +0 | sort | head -n 1)
kafka_class org.apache.kafka.tools.DumpLogSegments --cluster-metadata-decoder --files "$metadata" >"$work/dumped" 2>&1 || fail "dump-log: $(tail -n 5 "$work/dumped")"
grep -q REGISTER_BROKER_RECORD "$work/dumped" || fail "dump-log does not read our metadata log: $(tail -n 5 "$work/dumped")"
echo "log_verify.sh: Kafka's folders verified, the damage found, $count records of a simulated cluster read by Kafka's dump-log"
