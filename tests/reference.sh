#!/usr/bin/env bash
# The committed reference pages and the schema are what the reader's own tables say.
# Usage: tests/reference.sh BINARY [--rewrite]
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
status=0
page() {
  local file=$1
  shift
  if [ "${rewrite:-}" = yes ]; then "$@" >"$file"; return; fi
  if ! "$@" | cmp -s - "$file"; then
    echo "$file is not what '${*:2}' prints: run ./dev fix" >&2
    status=1
  fi
}
[ "${2:-}" != --rewrite ] || rewrite=yes
page scenarios/scenario.schema.json "$binary" check --schema
page scenarios/scenario-files.md "$binary" check --reference scenario
page scenarios/faults.md "$binary" check --reference faults
exit $status
