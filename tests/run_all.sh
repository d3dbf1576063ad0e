#!/usr/bin/env bash
# ./dev test: builds every preset and runs every test. Steps are named; each says how long it took; the closing line
# counts them. Called by ./dev, from the root of the tree.
set -uo pipefail
only=${1:-all}
passed=0
failed=0
failures=()

step() {
  local name=$1 begin=$SECONDS log
  shift
  log=build/step.log
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-52s %4d s\n' "$name" $((SECONDS - begin))
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAIL  %-52s %4d s\n' "$name" $((SECONDS - begin))
    tail -n 60 "$log" | sed 's/^/      | /'
  fi
}

mkdir -p build
step "build release (everything)" ./dev _build release
step "tidy: house rules" python3 tests/tidy/tidy.py
step "ctest release, fast" ctest --test-dir build/release -L fast --output-on-failure --timeout 300
if [ "$only" != fast ]; then
  step "ctest release, slow" ctest --test-dir build/release -L slow --output-on-failure --timeout 1800
  step "build asan" ./dev _build asan
  step "ctest asan, fast" ctest --test-dir build/asan -L fast --output-on-failure --timeout 900
  step "build clang" ./dev _build clang harrow
  step "build O0" ./dev _build O0 harrow
  step "one hash in every build" tests/same_hash.sh
  step "build museum" ./dev _build museum harrow
  step "museum: bugs caught, control silent" tests/museum.sh
  step "swarm: 50 first-light seeds" build/release/harrow swarm scenarios/first-light.yaml --seeds 1..50
fi
for name in "${failures[@]+"${failures[@]}"}"; do echo "failed: $name"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
