#!/usr/bin/env bash
# kcat against a served cluster, whose leader is killed with -9 while kcat produces and a group of two reads.
# Run by served.py: kcat_cluster.sh BINARY --bootstrap LIST --brokers N. Lines to standard output and answers on standard input
# are served.py's.
set -euo pipefail
binary=$1 list=$3 brokers=$5
replicas=$((brokers < 3 ? brokers : 3))
work=$(mktemp -d)
running=()

finish() {
  local code=$? pid
  for pid in "${running[@]+"${running[@]}"}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT

fail() {
  echo "kcat_cluster.sh: $*"
  exit 1
}
client() { timeout 90 kcat -b "$list" -X broker.address.family=v4 -X reconnect.backoff.max.ms=500 "$@"; }
create() { timeout 60 "$binary" topics --bootstrap-server "$list" --create --topic "$1" --partitions "$2" --replication-factor "$replicas" >/dev/null; }
# ask WORDS...: to whoever runs the cluster; the answer is in $answer.
ask() {
  echo "$*"
  read -r answer
}

# make TAG N: "key|value" a line; some values are empty, which -Z makes null.
make() {
  awk -v tag="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; ++i) { value = i % 13 == 5 ? "" : tag " " i; for (j = 0; j < i % 5; ++j) value = value == "" ? "" : value " abcdefghijklmnopqrstuvwxyz"; print "key" i % 7 "|" value } }'
}
# by_key FILE: its lines, key by key, in order within each.
by_key() { sort -s -t '|' -k 1,1 "$1"; }
# read_all TOPIC: what is there, as it was given; NULL values as nothing.
read_all() { client -C -q -e -o beginning -t "$1" -X fetch.wait.max.ms=50 -Z -f '%k|%s\n' | sed 's/|NULL$/|/'; }

client -L -J >"$work/metadata"
python3 - "$work/metadata" "$brokers" <<'PY' || fail "metadata: $(cat "$work/metadata")"
import json, sys
found = json.load(open(sys.argv[1]))
assert len(found["brokers"]) == int(sys.argv[2]), found
PY

# Every codec, keyed over three partitions, with a header.
for codec in none gzip snappy lz4 zstd; do
  create "kc-$codec" 3
  make "$codec" 300 >"$work/sent"
  client -P -t "kc-$codec" -K '|' -Z -H origin=kcat -z "$codec" -X acks=all -X enable.idempotence=true <"$work/sent"
  read_all "kc-$codec" >"$work/got"
  cmp <(by_key "$work/sent") <(by_key "$work/got") || fail "$codec: other records, or another order, came back"
  client -C -q -e -o beginning -t "kc-$codec" -f '%p %o %h %T\n' >"$work/places"
  awk '$2 != next_at[$1] + 0 { print "offset " $2 " of partition " $1 " after " next_at[$1] - 1; exit 1 } { next_at[$1]++ } $3 != "origin=kcat" { print "header " $3; exit 1 } $4 < 1600000000000 { print "timestamp " $4; exit 1 }' "$work/places" || fail "$codec: offsets, headers or timestamps: $(head -n 3 "$work/places")"
done
[ "$(awk '{ print $1 }' "$work/places" | sort -u | wc -l)" -ge 2 ] || fail "keys were not spread over partitions"

# Offsets by time and at the ends.
middle=$(client -C -q -e -o beginning -t kc-none -p 0 -f '%o %T\n' | awk '$1 == 20 { print $2 }')
found=$(client -Q -t "kc-none:0:$middle" | sed -n 's/.*offset \([0-9]*\).*/\1/p')
if [ -z "$middle" ] || [ -z "$found" ] || [ "$found" -gt 20 ]; then fail "the offset at $middle is '$found'"; fi
client -C -q -e -o "s@$middle" -t kc-none -p 0 -f '%T\n' | awk -v at="$middle" '$1 < at { exit 1 }' || fail "seeking to a time gives older records"

# A leader dies while one kcat produces and two read as a group.
create kc-live 3
make live 1500 >"$work/live"
for member in 1 2; do
  (exec timeout 200 kcat -b "$list" -X broker.address.family=v4 -X reconnect.backoff.max.ms=500 -u -E -G kc-readers -X auto.offset.reset=earliest -X session.timeout.ms=6000 -X heartbeat.interval.ms=500 -Z -f '%p %o %k|%s\n' kc-live >"$work/member-$member" 2>"$work/member-$member.err") &
  running+=("$!")
done
awk '{ print } NR % 10 == 0 { fflush(); system("sleep 0.05") }' "$work/live" |
  client -E -P -t kc-live -K '|' -Z -X acks=all -X enable.idempotence=true -X linger.ms=5 2>"$work/producer.err" &
producer=$!
sleep 2
ask kill-leader kc-live 0
read -r word old new <<<"$answer"
[ "$word" = killed ] || fail "nobody was killed: $answer"
if [ "$brokers" -gt 1 ] && [ "$old" = "$new" ]; then fail "no other leader: $answer"; fi
wait "$producer" || fail "the producer gave up: $(tail -n 3 "$work/producer.err")"
read_all kc-live >"$work/got"
cmp <(by_key "$work/live") <(by_key "$work/got") || fail "records were lost, doubled or out of order when $old was killed: $(wc -l <"$work/got") of $(wc -l <"$work/live")"
for _ in $(seq 300); do
  sed 's/|NULL$/|/' "$work"/member-[12] | sort -u >"$work/read"
  [ "$(wc -l <"$work/read")" -lt 1500 ] || break
  sleep 0.2
done
[ "$(wc -l <"$work/read")" -eq 1500 ] || fail "the group read $(wc -l <"$work/read") of 1500: $(tail -n 9 "$work"/member-*.err)"
for member in 1 2; do
  # Within a member a partition's offsets go up; where it was assigned anew they may begin again.
  awk '{ if ($1 in last && $2 > last[$1] + 1 && $2 != 0) { gap = 1; print "gap before offset " $2 " of partition " $1 } last[$1] = $2 } END { exit gap }' "$work/member-$member" >"$work/gaps" || [ "$(wc -l <"$work/gaps")" -le 3 ] || fail "member $member: $(head -n 3 "$work/gaps")"
done
ask restart
[ "$answer" = restarted ] || fail "restart: $answer"
# Members leave one after the other; what they committed stays.
for pid in "${running[@]}"; do
  kill -TERM "$pid"
  wait "$pid" || true
done
running=()
echo "key0|one more" | client -P -t kc-live -K '|'
[ "$(client -q -G kc-readers -X auto.offset.reset=earliest -c 1 -f '%k|%s\n' kc-live 2>/dev/null)" = "key0|one more" ] || fail "the group did not go on where it was"
echo "five codecs, offsets by time, $old killed under a writer and a group of two"
