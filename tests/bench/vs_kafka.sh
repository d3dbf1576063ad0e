#!/usr/bin/env bash
# Runs vs_kafka.py with Apache Kafka's jars, which are fetched once. For a quiet machine; takes about ten minutes.
# Usage: tests/bench/vs_kafka.sh BINARY [vs_kafka.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/kafka/peer.sh
. "$here/../interop/kafka/peer.sh"
binary=$(realpath "$1")
shift
kafka_fetch
exec python3 "$here/vs_kafka.py" --binary "$binary" --jars "$kafka_libs" "$@"
