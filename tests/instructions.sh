#!/usr/bin/env bash
# Instructions a round trip: the saturated benchmark under callgrind at two lengths; what the longer one costs more, by the
# requests that it answers more. Fails when this is more than 5 % above results/instructions.json; `--rewrite` writes the
# present number there. Seconds would measure the machine; instructions measure the program.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 - "$@" <<'PY'
import json, pathlib, re, subprocess, sys

committed = pathlib.Path("results/instructions.json")
most_percent = 5


def run(scale):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "build/release/harrow", "bench", "saturated", "--scale", str(scale)],
        capture_output=True, text=True, timeout=300)
    row = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    counted = int(re.search(r"Collected : (\d+)", done.stderr).group(1))
    return counted, row["requests"]


short, short_requests = run(10)
long, long_requests = run(20)
now = (long - short) // (long_requests - short_requests)
print(f"{now} instructions a round trip ({long_requests - short_requests} round trips counted)")
if "--rewrite" in sys.argv[1:]:
    committed.write_text(json.dumps({"instructions_a_round_trip": now}) + "\n")
    sys.exit(0)
before = json.loads(committed.read_text())["instructions_a_round_trip"]
print(f"{committed}: {before}; now {(now - before) * 100 / before:+.1f} %")
sys.exit(1 if now * 100 > before * (100 + most_percent) else 0)
PY
