#!/usr/bin/env bash
# Runs java_tools.py with Apache Kafka's jars, which are fetched once into build/kafka-libs. Exits 77 (skipped) where Java
# is absent, or Maven while the jars are.
# Usage: tests/interop/java_tools.sh BINARY [java_tools.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/kafka/peer.sh
. "$here/kafka/peer.sh"
binary=$(realpath "$1")
shift
command -v java >/dev/null || { echo "java_tools.sh: skipped: there is no java"; exit 77; }
[ -e "$kafka_libs/complete" ] || command -v mvn >/dev/null || { echo "java_tools.sh: skipped: there is no mvn to fetch the jars with"; exit 77; }
kafka_fetch
exec python3 "$here/java_tools.py" --binary "$binary" --jars "$kafka_libs" "$@"
