#!/usr/bin/env bash
# same_hash.sh SCENARIO PRESET...: one scenario and seed give one hash in release (twice) and in each preset; another
# seed gives another.
set -euo pipefail
scenario=$1
shift
hash_of() {
  local out
  out=$("build/$1/harrow" run "$scenario" --seed "$2" --format json -q --out "build/same-hash/$1-$2" || true)
  printf '%s' "$out" | python3 -c 'import json,sys; print(json.load(sys.stdin)["trace_hash"])'
}
reference=$(hash_of release 7)
echo "release, seed 7: $reference"
[ "$(hash_of release 7)" = "$reference" ] || { echo "not repeatable"; exit 1; }
[ "$(hash_of release 8)" != "$reference" ] || { echo "seed 8 gives the same hash"; exit 1; }
for preset in "$@"; do
  got=$(hash_of "$preset" 7)
  echo "$preset, seed 7: $got"
  [ "$got" = "$reference" ] || { echo "another hash in $preset"; exit 1; }
done
