#!/usr/bin/env bash
# Builds the suite of unmodified franz-go in build/franz (modules are fetched once, as go.sum pins them; Go 1.19 will do)
# and runs it, on one node and on three. Exits 77 (skipped) where Go is absent.
# Usage: tests/interop/franz.sh BINARY [served.py's options]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$here/../../build/franz"
build=$(cd "$here/../../build/franz" && pwd)
binary=$(realpath "$1")
shift
for tool in go python3; do
  command -v "$tool" >/dev/null || { echo "franz.sh: skipped: there is no $tool"; exit 77; }
done
export GOTOOLCHAIN=local GOPATH=$build/path GOCACHE=$build/cache GOFLAGS="-mod=readonly -modcacherw"
version=$(cd "$here/franz" && go list -m -f '{{.Version}}' github.com/twmb/franz-go)
(cd "$here/franz" && timeout 600 go build -o "$build/franz" .)
exec python3 "$here/served.py" --binary "$binary" --suite franz-go --client-version "${version#v}" "$@" -- "$build/franz"
