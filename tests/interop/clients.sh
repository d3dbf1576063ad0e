#!/usr/bin/env bash
# Installs unmodified Python clients into build/venv-clients (once, from the package index) and runs clients.py with them.
# Usage: tests/interop/clients.sh BINARY [clients.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/../../build/venv-clients
binary=$(realpath "$1")
shift
if [ ! -e "$venv/complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  timeout 300 "$venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1 kafka-python==3.0.12 lz4==4.4.5 python-snappy==0.7.3 zstandard==0.25.0
  touch "$venv/complete"
fi
exec "$venv/bin/python" "$here/clients.py" --binary "$binary" "$@"
