#!/usr/bin/env bash
# ./dev bench [TASK...]: runs the benchmarks and appends their rows, with machine, date, commit and the load at the start, to
# results/bench.jsonl. Run it on a calm machine.
set -euo pipefail
machine="$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores"
commit=$(git rev-parse --short HEAD)
day=$(date -u +%F)
[ $# -gt 0 ] || set -- kernel cluster checks saturated brokers idle append
for what in "$@"; do
  load=$(cut -d' ' -f1 /proc/loadavg)
  seeds=1..20
  [ "$what" = checks ] && seeds=1..5
  build/release/harrow bench "$what" --seeds "$seeds" | python3 -c '
import json, sys
machine, commit, day, load = sys.argv[1:5]
for line in sys.stdin:
    line = line.strip()
    if not line.startswith("{"):
        continue
    row = json.loads(line)
    row.update(machine=machine, commit=commit, date=day, load=float(load))
    print(json.dumps(row))
' "$machine" "$commit" "$day" "$load" | tee -a results/bench.jsonl
done
