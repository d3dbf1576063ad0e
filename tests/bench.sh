#!/usr/bin/env bash
# ./dev bench: runs the benchmarks and appends their rows, with machine, date and commit, to results/bench.jsonl.
set -euo pipefail
machine="$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores"
commit=$(git rev-parse --short HEAD)
day=$(date -u +%F)
for what in "kernel" "cluster"; do
  build/release/harrow bench $what | python3 -c '
import json, sys
machine, commit, day = sys.argv[1:4]
for line in sys.stdin:
    line = line.strip()
    if not line.startswith("{"):
        continue
    row = json.loads(line)
    row.update(machine=machine, commit=commit, date=day)
    print(json.dumps(row))
' "$machine" "$commit" "$day" | tee -a results/bench.jsonl
done
