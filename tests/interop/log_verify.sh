#!/usr/bin/env bash
# Logs that somebody else wrote: Apache Kafka fills a folder (every codec, keys and headers, an idempotent producer, groups,
# deleted records, several segments, a compacted topic), stops, and `harrow log verify` finds nothing wrong in it, before a clean stop and after
# kill -9. The other way round, Kafka's own dump-log reads the folders of a simulated cluster, compacted segments among them. A
# damaged byte must be found.
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

kafka_start "$work/kafka" log.segment.bytes=1048576 log.index.interval.bytes=512 log.roll.ms=3600000 \
  log.cleaner.backoff.ms=200 log.cleaner.min.cleanable.ratio=0.01
for codec in none gzip snappy lz4 zstd; do
  seq 20000 | awk '{ print "key" $1 % 17 ":value " $1 " of a record that is long enough to fill segments" }' |
    client -P -K : -t "orders-$codec" -z "$codec" -H source=test -X batch.num.messages=500 -X enable.idempotence=true
done
kafka_class org.apache.kafka.tools.TopicCommand --bootstrap-server "$kafka_address" --create --topic profiles --partitions 1 --config cleanup.policy=compact >/dev/null
seq 240000 | awk '{ print "key" $1 % 97 ":" ($1 % 7 == 3 ? "" : "value " $1 " of a record that is long enough to fill segments") }' |
  client -P -K : -Z -t profiles -z lz4 -X batch.num.messages=100 -X enable.idempotence=true
for _ in $(seq 120); do
  if grep -q '^profiles 0 [1-9]' "$work/kafka/data/cleaner-offset-checkpoint" 2>/dev/null; then break; fi
  sleep 0.5
done
grep -q '^profiles 0 [1-9]' "$work/kafka/data/cleaner-offset-checkpoint" || fail "Kafka has not compacted its topic"
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

"$binary" run scenarios/compaction-under-faults.yaml --seed 1 --out "$work/run-compacted" --export-disks "$work/compacted" >"$work/run.out" 2>&1 || fail "run: $(tail -n 5 "$work/run.out")"
"$binary" log verify "$work/compacted" >"$work/verify" 2>&1 || fail "a simulated cluster that compacts: $(cat "$work/verify")"
segments=$(find "$work/compacted" -path '*profiles-*' \( -name '*.log' -o -name '*index' \) -size +0 | sort | head -n 40)
[ -n "$segments" ] || fail "the simulated cluster left no compacted segments"
kafka_class org.apache.kafka.tools.DumpLogSegments --print-data-log --files "$(echo "$segments" | paste -sd,)" >"$work/dumped" 2>&1 || fail "dump-log: $(tail -n 5 "$work/dumped")"
# A batch that only remembers its producer has no record: the tool looks for its largest time among none, and says -1.
awk '/Found timestamp mismatch/ { held = $0; next } held != "" { if ($0 !~ /log timestamp: -1$/) print held; held = "" } { print }' "$work/dumped" >"$work/judged"
mv "$work/judged" "$work/dumped"
if grep -qiE 'exception|isvalid: false|mismatch|out of order' "$work/dumped"; then fail "dump-log found: $(grep -iE 'exception|isvalid: false|mismatch|out of order' "$work/dumped" | head -n 3)"; fi
grep -q 'deleteHorizonMs: OptionalLong\[' "$work/dumped" || fail "dump-log saw no delete horizon"
compacted=$(grep -c 'payload:' "$work/dumped")
metadata=$(find "$work/disks" -path '*__cluster_metadata*' -name '*.log' -size +0 | sort | head -n 1)
kafka_class org.apache.kafka.tools.DumpLogSegments --cluster-metadata-decoder --files "$metadata" >"$work/dumped" 2>&1 || fail "dump-log: $(tail -n 5 "$work/dumped")"
grep -q REGISTER_BROKER_RECORD "$work/dumped" || fail "dump-log does not read our metadata log: $(tail -n 5 "$work/dumped")"
echo "log_verify.sh: Kafka's folders verified, the damage found, $count records of a simulated cluster and $compacted compacted ones read by Kafka's dump-log"
