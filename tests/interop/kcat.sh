#!/usr/bin/env bash
# A real client against a real node: kcat produces and consumes over `harrow serve`, with every codec; what was
# acknowledged is there after kill -9; SIGTERM stops cleanly.
# Usage: tests/interop/kcat.sh BINARY [RECORDS]
set -euo pipefail
binary=$(realpath "$1")
records=${2:-1000}
work=$(mktemp -d)
server=
address=

finish() {
  local code=$?
  if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null || true; fi
  if [ "$code" -ne 0 ]; then
    echo "kcat.sh: failed; the server said:" >&2
    cat "$work"/server.*.err >&2 || true
  fi
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "kcat.sh: $*" >&2
  exit 1
}

starts=0
start() {
  starts=$((starts + 1))
  rm -f "$work/ready"
  "$binary" serve --port "${1:-0}" --data "$work/data" --ready-file "$work/ready" >"$work/server.$starts.out" 2>"$work/server.$starts.err" &
  server=$!
  for _ in $(seq 600); do
    if [ -s "$work/ready" ]; then
      address=$(cat "$work/ready")
      return
    fi
    kill -0 "$server" 2>/dev/null || fail "the server ended before it was ready"
    sleep 0.05
  done
  fail "the server was not ready within 30 s"
}

client() { timeout 60 kcat -b "$address" -X broker.address.family=v4 "$@"; }
read_all() { client -C -q -e -o beginning -K : -X fetch.wait.max.ms=50 -t "$1"; }

# make TOPIC: the records of a topic, "key:value" a line, values of different lengths.
make() {
  awk -v topic="$1" -v n="$records" 'BEGIN {
    for (i = 0; i < n; ++i) {
      value = topic "-" i
      for (j = 0; j < i % 7; ++j) value = value "-abcdefghijklmnopqrstuvwxyz"
      print "key" i % 17 ":" value
    }
  }'
}

expect_all() {
  for codec in $codecs; do
    read_all "orders-$codec" >"$work/got"
    cmp "$work/orders-$codec" "$work/got" || fail "orders-$codec came back otherwise ($1)"
  done
}

codecs="none gzip snappy lz4 zstd"
start
client -L >"$work/metadata"
grep -q "broker 1 at $address" "$work/metadata" || fail "kcat -L does not show the broker: $(cat "$work/metadata")"

for codec in $codecs; do
  make "orders-$codec" >"$work/orders-$codec"
  client -P -K : -t "orders-$codec" -z "$codec" -X acks=all <"$work/orders-$codec"
done
# An idempotent producer writes the same bytes once.
make orders-idempotent >"$work/orders-idempotent"
client -P -K : -t orders-idempotent -X enable.idempotence=true <"$work/orders-idempotent"
codecs="$codecs idempotent"
expect_all "at once"
client -L >"$work/metadata"
for codec in $codecs; do
  grep -q "topic \"orders-$codec\" with 1 partitions" "$work/metadata" || fail "kcat -L does not show orders-$codec"
done

# A consumer group reads and commits.
client -q -G readers -X auto.offset.reset=earliest -K : -c "$records" orders-none >"$work/got"
cmp "$work/orders-none" "$work/got" || fail "the group read something else"

# kill -9 loses nothing that was acknowledged.
kill -9 "$server"
wait "$server" 2>/dev/null || true
start
expect_all "after kill -9"
echo "key0:after" >"$work/more"
client -P -K : -t orders-none <"$work/more"
cat "$work/more" >>"$work/orders-none"
expect_all "after writing more"
# The group goes on where it was.
client -q -G readers -X auto.offset.reset=earliest -K : -c 1 orders-none >"$work/got"
cmp "$work/more" "$work/got" || fail "the group lost its place"

# A producer that is at work when the server is killed goes on with the next one: everything is there, once, in order.
make live >"$work/live"
awk '{ print } NR % 25 == 0 { fflush(); system("sleep 0.05") }' "$work/live" |
  client -E -P -K : -t live -X enable.idempotence=true -X linger.ms=5 2>"$work/producer.err" &
producer=$!
sleep 0.8
kill -9 "$server"
wait "$server" 2>/dev/null || true
start "${address##*:}"
wait "$producer" || fail "the producer gave up: $(cat "$work/producer.err")"
read_all live >"$work/got"
cmp "$work/live" "$work/got" || fail "records were lost or came twice through kill -9"

# A clean stop, and a start after it.
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" -eq 0 ] || fail "SIGTERM ended the server with exit $code"
start
expect_all "after a clean stop"
kill -INT "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" -eq 0 ] || fail "SIGINT ended the server with exit $code"
"$binary" log verify "$work/data" >"$work/verify" || fail "log verify: $(cat "$work/verify")"
echo "kcat.sh: $records records with each of $codecs: produced, consumed, and there after kill -9"
