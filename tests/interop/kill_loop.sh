#!/usr/bin/env bash
# kill_loop.py with the clients of build/venv-clients.
# Usage: tests/interop/kill_loop.sh BINARY [kill_loop.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/python_clients.sh
. "$here/python_clients.sh"
binary=$(realpath "$1")
shift
python_clients
exec "$python_clients" "$here/kill_loop.py" --binary "$binary" "$@"
