#!/usr/bin/env bash
# Installs unmodified kafkajs into build/kafkajs (once, from npm) and runs kafkajs.js with it, on one node and on three.
# Exits 77 (skipped) where node or npm is absent.
# Usage: tests/interop/kafkajs.sh BINARY [served.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$here/../../build/kafkajs"
modules=$(cd "$here/../../build/kafkajs" && pwd)
binary=$(realpath "$1")
shift
for tool in node npm python3; do
  command -v "$tool" >/dev/null || { echo "kafkajs.sh: skipped: there is no $tool"; exit 77; }
done
version=2.2.4
packages="kafkajs@$version kafkajs-snappy@1.1.0 lz4js@0.2.0 zstd-codec@0.1.5"
if [ "$(cat "$modules/complete" 2>/dev/null)" != "$packages" ]; then
  # shellcheck disable=SC2086
  timeout 300 npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$modules" $packages
  echo "$packages" >"$modules/complete"
fi
export NODE_PATH=$modules/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1
exec python3 "$here/served.py" --binary "$binary" --suite kafkajs --client-version "$version" "$@" -- node "$here/kafkajs.js"
