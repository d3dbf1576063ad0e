#!/usr/bin/env bash
# Runs clients.py with unmodified Python clients, installed once into build/venv-clients.
# Usage: tests/interop/clients.sh BINARY [clients.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/python_clients.sh
. "$here/python_clients.sh"
binary=$(realpath "$1")
shift
python_clients
exec "$python_clients" "$here/clients.py" --binary "$binary" "$@"
