#!/usr/bin/env bash
# ./dev fix: rewrites what tests compare with: text expectations, golden hashes, the scenario schema. Look at the
# difference before you commit it; a changed golden hash needs a reason in the same commit.
set -euo pipefail
for test in raft controller group; do build/release/tests/${test}_test --rewrite >/dev/null || true; done
python3 tests/unit/wire/generate_test.py --rewrite >/dev/null 2>&1 || true
tests/reference.sh build/release/harrow --rewrite
python3 tests/golden/golden.py --rewrite
git --no-pager diff --stat
