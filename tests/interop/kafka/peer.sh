# Sourced by tests: Apache Kafka as a peer, on this machine's loopback.
#   kafka_class CLASS ARGS...      runs a class of Kafka's jars (fetched once, into build/kafka-libs)
#   kafka_start DIR [KEY=VALUE...] formats DIR if it is empty, starts one node, returns when it answers; sets kafka_address
#   kafka_stop                     stops it cleanly; called again by whoever traps EXIT
here_kafka=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kafka_libs=$here_kafka/../../../build/kafka-libs
kafka_pid=

kafka_java=(java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$kafka_libs/*")

kafka_fetch() {
  if [ ! -e "$kafka_libs/complete" ]; then
    mvn -q -B -f "$here_kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$kafka_libs" >&2 || return 1
    touch "$kafka_libs/complete"
  fi
}

kafka_class() { kafka_fetch && "${kafka_java[@]}" "$@"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

kafka_start() {
  local dir=$1 port controller
  shift
  kafka_fetch
  port=$(free_port)
  controller=$(free_port)
  mkdir -p "$dir"
  {
    echo "process.roles=broker,controller"
    echo "node.id=1"
    echo "controller.quorum.voters=1@127.0.0.1:$controller"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller"
    echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port"
    echo "controller.listener.names=CONTROLLER"
    echo "log.dirs=$dir/data"
    for key in offsets.topic transaction.state.log share.coordinator.state.topic; do echo "$key.replication.factor=1"; done
    echo "transaction.state.log.min.isr=1"
    echo "share.coordinator.state.topic.min.isr=1"
    echo "group.initial.rebalance.delay.ms=0"
    printf '%s\n' "$@"
  } >"$dir/server.properties"
  if [ ! -e "$dir/data/meta.properties" ]; then
    kafka_class kafka.tools.StorageTool format -t "$(kafka_class kafka.tools.StorageTool random-uuid)" -c "$dir/server.properties" >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; return 1; }
  fi
  "${kafka_java[@]}" kafka.Kafka "$dir/server.properties" >>"$dir/server.log" 2>&1 </dev/null &
  kafka_pid=$!
  kafka_address=127.0.0.1:$port
  for _ in $(seq 240); do
    kill -0 "$kafka_pid" 2>/dev/null || { echo "Kafka ended before it was ready" >&2; tail -n 20 "$dir/server.log" >&2; return 1; }
    if timeout 5 kcat -b "$kafka_address" -X broker.address.family=v4 -L >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  echo "Kafka was not ready within two minutes" >&2
  return 1
}

kafka_stop() {
  [ -n "$kafka_pid" ] || return 0
  kill -TERM "$kafka_pid" 2>/dev/null || true
  wait "$kafka_pid" 2>/dev/null || true
  kafka_pid=
}
