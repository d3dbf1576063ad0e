#!/usr/bin/env python3
"""Golden hashes: a scenario and seed must give the hash of tests/golden/hashes.txt, in two processes.

Lines: scenario seed hash reason-of-last-change. `--rewrite` writes the present hashes (keeping reasons; a changed line
gets the reason given with --reason). Usage: golden.py [--binary build/release/harrow] [--rewrite [--reason TEXT]]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/golden/hashes.txt"


def hash_of(binary, scenario, seed):
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([binary, "run", str(ROOT / scenario), "--seed", str(seed), "--format", "json", "-q", "--out", folder],
                             capture_output=True, text=True, timeout=600)
    if not run.stdout.strip().startswith("{"):
        sys.exit(f"{scenario} seed {seed}: no result: {run.stderr.strip()[-300:]}")
    return json.loads(run.stdout)["trace_hash"]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default=str(ROOT / "build/release/harrow"))
    options.add_argument("--rewrite", action="store_true")
    options.add_argument("--reason", default="behaviour changed")
    options = options.parse_args()
    lines, wrong = [], 0
    for line in TABLE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            lines.append(line)
            continue
        scenario, seed, golden, reason = line.split(None, 3)
        first = hash_of(options.binary, scenario, seed)
        second = first if options.rewrite else hash_of(options.binary, scenario, seed)
        if first != second:
            print(f"{scenario} seed {seed}: two processes gave {first} and {second}")
            wrong += 1
        elif first != golden:
            print(f"{scenario} seed {seed}: {first}, golden is {golden}")
            wrong += 1
            reason = options.reason
        lines.append(f"{scenario} {seed} {first} {reason}")
    if options.rewrite:
        TABLE.write_text("\n".join(lines) + "\n")
        print(f"golden: {wrong} rewritten")
        return 0
    print(f"golden: {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
