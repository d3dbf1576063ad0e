#!/usr/bin/env bash
# Real clients against real clusters: the first steps that introductions to Kafka teach, word for word; three brokers as
# three processes whose leader is killed with -9 under an acks=all writer; one process with three brokers.
# Kafka's own tools take part when their jars are there already (build/kafka-libs).
# Usage: tests/interop/cluster.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
declare -A servers=()

finish() {
  local code=$? pid
  for pid in "${servers[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  if [ "$code" -ne 0 ]; then
    echo "cluster.sh: failed; the servers said:" >&2
    tail -n 20 "$work"/*.err >&2 || true
  fi
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "cluster.sh: $*" >&2
  exit 1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start NAME ARGS...: a server; `ready` waits for it and prints its list.
start() {
  local name=$1
  shift
  rm -f "$work/$name.ready"
  "$binary" serve --ready-file "$work/$name.ready" "$@" >"$work/$name.out" 2>>"$work/$name.err" &
  servers[$name]=$!
}
ready() {
  for _ in $(seq 600); do
    [ ! -s "$work/$1.ready" ] || return 0
    kill -0 "${servers[$1]}" 2>/dev/null || fail "$1 ended before it was ready"
    sleep 0.05
  done
  fail "$1 was not ready within 30 s"
}
# stop NAME: cleanly.
stop() {
  local code=0
  kill -TERM "${servers[$1]}"
  wait "${servers[$1]}" || code=$?
  unset "servers[$1]"
  [ "$code" -eq 0 ] || fail "SIGTERM ended $1 with exit $code"
}
harrow() { timeout 60 "$binary" "$@"; }

# ---- The first steps
port=$(free_port)
cat >"$work/server.properties" <<TEXT
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:$(free_port)
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$(free_port)
advertised.listeners=PLAINTEXT://localhost:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$work/kraft-combined-logs
num.partitions=1
offsets.topic.replication.factor=1
log.retention.hours=168
TEXT
uuid=$(harrow random-uuid)
[ ${#uuid} -eq 22 ] || fail "random-uuid printed '$uuid'"
harrow format -t "$uuid" -c "$work/server.properties" --standalone >"$work/said"
grep -q "^Formatting dynamic metadata voter directory $work/kraft-combined-logs with metadata.version" "$work/said" || fail "format said: $(cat "$work/said")"
grep -q "^cluster.id=$uuid$" "$work/kraft-combined-logs/meta.properties" || fail "meta.properties has another cluster id"
code=0
harrow format -t "$uuid" -c "$work/server.properties" --standalone 2>"$work/said" || code=$?
[ "$code" -eq 1 ] && grep -q "already formatted. Use --ignore-formatted" "$work/said" || fail "format formats twice"
start first --config "$work/server.properties"
ready first
grep -q 'Transitioning from RECOVERY to RUNNING' "$work/first.out" || fail "the line that tools wait for is missing: $(cat "$work/first.out")"
at="--bootstrap-server localhost:$port"
[ "$(harrow topics $at --create --topic quickstart-events --partitions 3 --replication-factor 1)" = "Created topic quickstart-events." ] || fail "topics --create"
code=0
harrow topics $at --create --topic quickstart-events 2>"$work/said" || code=$?
[ "$code" -eq 1 ] && grep -q "already exists" "$work/said" || fail "creating twice: $(cat "$work/said")"
harrow topics $at --describe --topic quickstart-events >"$work/said"
grep -qP "^Topic: quickstart-events\tTopicId: \S{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: " "$work/said" || fail "describe: $(cat "$work/said")"
[ "$(grep -cP "^\tTopic: quickstart-events\tPartition: [0-2]\tLeader: 1\tReplicas: 1\tIsr: 1" "$work/said")" = 3 ] || fail "describe: $(cat "$work/said")"
printf 'This is my first event\nThis is my second event\n' | harrow console-producer $at --topic quickstart-events
harrow console-consumer $at --topic quickstart-events --from-beginning --max-messages 2 2>"$work/said" | sort >"$work/got"
printf 'This is my first event\nThis is my second event\n' | cmp - "$work/got" || fail "the events came back otherwise"
grep -q "^Processed a total of 2 messages$" "$work/said" || fail "the consumer said: $(cat "$work/said")"
printf 'a:1\nb:2\na:3\n' | harrow console-producer $at --topic quickstart-events --property parse.key=true --property key.separator=:
harrow console-consumer $at --topic quickstart-events --from-beginning --group readers --timeout-ms 3000 --property print.key=true 2>/dev/null >"$work/got"
[ "$(grep -c '^a	' "$work/got") $(grep '^a	' "$work/got" | tr -d '\n')" = "2 a	1a	3" ] || fail "keys: $(cat "$work/got")"
[ "$(grep -c '^null	This' "$work/got")" = 2 ] || fail "null keys: $(cat "$work/got")"
echo c:4 | harrow console-producer $at --topic quickstart-events --property parse.key=true --property key.separator=:
[ "$(harrow console-consumer $at --topic quickstart-events --from-beginning --group readers --max-messages 1 2>/dev/null)" = 4 ] || fail "the group did not go on where it was"
harrow groups $at --list | grep -qx readers || fail "groups --list"
harrow groups $at --describe --group readers >"$work/got" 2>/dev/null
[ "$(awk '$2 == "quickstart-events" { at += $4; end += $5; lag += $6 } END { print at, end, lag }' "$work/got")" = "6 6 0" ] || fail "groups --describe: $(cat "$work/got")"
if [ -e "$here/../../build/kafka-libs/complete" ]; then
  # shellcheck source=tests/interop/kafka/peer.sh
  . "$here/kafka/peer.sh"
  kafka_class org.apache.kafka.tools.TopicCommand $at --describe --topic quickstart-events >"$work/theirs" 2>"$work/kafka.err"
  # Their tool prints settings in the order of a hash map, and eligible leader replicas, for which ours does not ask.
  harrow topics $at --describe --topic quickstart-events | cut -f 1-6 | sed 's/Configs: .*//' >"$work/ours"
  grep . "$work/theirs" | cut -f 1-6 | sed 's/Configs: .*//' | cmp - "$work/ours" || fail "Kafka's tool describes it as: $(cat "$work/theirs")"
  kafka_class org.apache.kafka.tools.consumer.ConsoleConsumer $at --topic quickstart-events --from-beginning --max-messages 6 2>"$work/kafka.err" | sort >"$work/got"
  [ "$(wc -l <"$work/got")" = 6 ] || fail "Kafka's console consumer read: $(cat "$work/got") $(cat "$work/kafka.err")"
fi
harrow topics $at --delete --topic quickstart-events
[ "$(harrow topics $at --list --exclude-internal)" = "" ] || fail "the topic is still there"
stop first

# Mistakes in the file are named with their line.
printf 'node.id=1\n# a comment\nlog.segment.bytes=12\n' >"$work/wrong.properties"
code=0
harrow serve --config "$work/wrong.properties" 2>"$work/said" || code=$?
[ "$code" -eq 2 ] && grep -q "wrong.properties:3: log.segment.bytes" "$work/said" || fail "a wrong value: exit $code, $(cat "$work/said")"

# ---- Three processes, kill -9 of a leader under a writer
uuid=$(harrow random-uuid)
voters= list=
for node in 1 2 3; do
  broker_port[node]=$(free_port)
  controller_port[node]=$(free_port)
  voters="$voters${voters:+,}$node@127.0.0.1:${controller_port[node]}"
  list="$list${list:+,}127.0.0.1:${broker_port[node]}"
done
for node in 1 2 3; do
  cat >"$work/node-$node.properties" <<TEXT
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:${broker_port[node]},CONTROLLER://127.0.0.1:${controller_port[node]}
controller.listener.names=CONTROLLER
log.dirs=$work/data-$node
default.replication.factor=3
min.insync.replicas=2
TEXT
  harrow format -t "$uuid" -c "$work/node-$node.properties" >/dev/null
  start "node$node" --config "$work/node-$node.properties" --fast-failover --quiet
done
for node in 1 2 3; do ready "node$node"; done
at="--bootstrap-server $list"
harrow topics $at --create --topic orders --partitions 3 --replication-factor 3 >/dev/null
leader_of_0() { harrow topics $at --describe --topic orders | sed -n 's/.*Partition: 0\tLeader: \([0-9none]*\)\t.*/\1/p'; }
: >"$work/slowly"  # it must exist before tail looks for it
awk 'BEGIN { for (i = 0; i < 4000; ++i) { print "key" i % 13 ":" i; if (i % 25 == 24) { fflush(); system("sleep 0.08") } } }' >>"$work/slowly" &
slowly=$!
tail -n +1 -f --pid="$slowly" "$work/slowly" 2>/dev/null |
  timeout 80 kcat -b "$list" -X broker.address.family=v4 -E -P -K : -t orders -X acks=all -X enable.idempotence=true -X linger.ms=5 2>"$work/producer.err" &
producer=$!
killed=0 changes=0
for round in 1 2; do
  sleep 2.5
  leader=$(leader_of_0)
  case $leader in 1 | 2 | 3) ;; *) fail "partition 0 has no leader: '$leader'" ;; esac
  kill -9 "${servers[node$leader]}"
  wait "${servers[node$leader]}" 2>/dev/null || true
  killed=$((killed + 1))
  begin=$(date +%s%N)
  for _ in $(seq 100); do
    now=$(leader_of_0)
    if [ "$now" != "$leader" ] && [ "$now" != none ] && [ -n "$now" ]; then changes=$((changes + 1)); break; fi
    sleep 0.05
  done
  echo "cluster.sh: round $round: killed $leader, $now leads after $((($(date +%s%N) - begin) / 1000000)) ms"
  start "node$leader" --config "$work/node-$leader.properties" --fast-failover --quiet
  ready "node$leader"
done
[ "$changes" -eq 2 ] || fail "only $changes leader changes were seen"
wait "$producer" || fail "the producer gave up: $(cat "$work/producer.err")"
timeout 60 kcat -b "$list" -X broker.address.family=v4 -C -q -e -o beginning -K : -t orders >"$work/got"
sort "$work/slowly" >"$work/sent.sorted"
sort "$work/got" | cmp - "$work/sent.sorted" || fail "records were lost or came twice through $killed kills: $(wc -l <"$work/got") of $(wc -l <"$work/slowly")"
for key in $(seq 0 12); do
  grep "^key$key:" "$work/slowly" >"$work/sent.key"
  grep "^key$key:" "$work/got" | cmp - "$work/sent.key" || fail "key$key came in another order"
done
for node in 1 2 3; do kill -TERM "${servers[node$node]}"; done
for node in 1 2 3; do
  code=0
  wait "${servers[node$node]}" || code=$?
  unset "servers[node$node]"
  [ "$code" -eq 0 ] || fail "node $node ended with exit $code when all were stopped at once"
done
"$binary" log verify "$work/data-1" >"$work/verify" || fail "log verify: $(cat "$work/verify")"

# ---- One process, three brokers
start cluster --brokers 3 --port 0 --topic orders:3:3 --admin-file "$work/admin" --data "$work/cluster"
ready cluster
list=$(cat "$work/cluster.ready")
[ "$(tr -cd , <<<"$list")" = ,, ] || fail "the ready file is no list of three: $list"
[ "$(python3 -c 'import sys, urllib.request as u; print(u.urlopen("http://" + sys.argv[1] + "/ready", timeout=5).read().decode().strip())' "$(cat "$work/admin")")" = ready ] || fail "/ready"
seq 1000 | harrow console-producer --bootstrap-server "$list" --topic orders
[ "$(harrow console-consumer --bootstrap-server "$list" --topic orders --from-beginning --max-messages 1000 2>/dev/null | sort -n | md5sum)" = "$(seq 1000 | md5sum)" ] || fail "1000 records through three brokers"
python3 - "$(cat "$work/admin")" <<'PY' || fail "/metrics"
import sys, urllib.request
text = urllib.request.urlopen("http://" + sys.argv[1] + "/metrics", timeout=5).read().decode()
total = lambda name: sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))
leaders, under = (total("kafka_server_replicamanager_" + name) for name in ("leadercount", "underreplicatedpartitions"))
records = sum(float(l.split()[-1]) for l in text.splitlines() if l.startswith("kafka_server_brokertopicmetrics_messagesin_total") and 'topic="orders"' in l)
offline, active = total("kafka_controller_kafkacontroller_offlinepartitionscount"), total("kafka_controller_kafkacontroller_activecontrollercount")
assert (leaders >= 3, under, records, offline, active) == (True, 0, 1000, 0, 1), text
PY
stop cluster
start cluster --brokers 3 --port 0 --data "$work/cluster"
ready cluster
[ "$(harrow console-consumer --bootstrap-server "$(cat "$work/cluster.ready")" --topic orders --from-beginning --max-messages 1000 2>/dev/null | wc -l)" = 1000 ] || fail "a restarted cluster has lost records"
stop cluster
echo "cluster.sh: first steps; $killed leaders killed with -9, nothing lost; three brokers in one process"
