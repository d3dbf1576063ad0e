#!/usr/bin/env bash
# Runs differential/differential.py with Apache Kafka's jars and the Python codecs, which are fetched once. Exits 77 (skipped)
# where Java is absent, or Maven while the jars are.
# Usage: tests/interop/differential.sh BINARY [differential.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/kafka/peer.sh
. "$here/kafka/peer.sh"
binary=$(realpath "$1")
shift
command -v java >/dev/null || { echo "differential.sh: skipped: there is no java"; exit 77; }
[ -e "$kafka_libs/complete" ] || command -v mvn >/dev/null || { echo "differential.sh: skipped: there is no mvn to fetch the jars with"; exit 77; }
kafka_fetch
# shellcheck source=tests/interop/python_clients.sh
. "$here/python_clients.sh"
python_clients
exec "$python_clients" "$here/differential/differential.py" --binary "$binary" --jars "$kafka_libs" "$@"
