#!/usr/bin/env bash
# ./dev test [fast|all]: builds and runs the tests. Steps are named; each says how long it took; the closing line counts them.
# `fast` is below a minute behind the build; the default is what CI runs, sanitizers
# and fuzz targets included; `all` adds the hashes of the builds dev and O0.
# Called by ./dev, from the root of the tree.
set -uo pipefail
only=${1:-default}
passed=0
failed=0
failures=()

step() {
  local name=$1 begin=$SECONDS
  shift
  local log=build/step.log
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-60s %4d s\n' "$name" $((SECONDS - begin))
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAIL  %-60s %4d s\n' "$name" $((SECONDS - begin))
    tail -n 60 "$log" | sed 's/^/      | /'
  fi
}

mkdir -p build
step "build release, everything" ./dev _build release
step "house rules" python3 tests/tidy/tidy.py
step "tests labelled fast" ctest --test-dir build/release -L fast --output-on-failure --timeout 300
if [ "$only" != fast ]; then
  step "tests labelled slow (scenarios, real clients, Kafka's folders)" ctest --test-dir build/release -L slow --output-on-failure --timeout 1800
  step "compatibility table, from what the client suites did" tests/interop/table.py
  step "instructions a round trip" tests/instructions.sh
  step "swarm: leader-crash, seeds 1..50" build/release/harrow swarm scenarios/leader-crash.yaml --seeds 1..50
  step "swarm: first-light, seeds 1..50" build/release/harrow swarm scenarios/first-light.yaml --seeds 1..50
  step "build museum" ./dev _build museum harrow
  step "museum: what it caught is still caught" tests/museum.sh
  step "build clang: the program, the coroutine forms" ./dev _build clang harrow compiler_test
  step "coroutine forms, clang" timeout 60 build/clang/tests/compiler_test --gtest_brief=1
  step "one hash of first-light in release and clang" tests/same_hash.sh scenarios/first-light.yaml clang
fi
if [ "$only" != fast ]; then
  step "build asan, everything" ./dev _build asan
  step "tests labelled fast, under ASan and UBSan" ctest --test-dir build/asan -L fast --output-on-failure --timeout 900
  step "one hash of first-light under ASan" tests/same_hash.sh scenarios/first-light.yaml asan
  step "fuzz targets, 10 s each" tests/fuzz.sh 10
fi
if [ "$only" = all ]; then
  step "build dev: the program" ./dev _build dev harrow
  step "build O0: the program, the coroutine forms" ./dev _build O0 harrow compiler_test
  step "coroutine forms, O0" timeout 60 build/O0/tests/compiler_test --gtest_brief=1
  step "one hash of first-light in dev and at O0" tests/same_hash.sh scenarios/first-light.yaml dev O0
fi
for name in "${failures[@]+"${failures[@]}"}"; do echo "failed: $name"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
