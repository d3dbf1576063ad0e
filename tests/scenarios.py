#!/usr/bin/env python3
"""Every scenario ends as its file says: exit 0, or, with `expect:`, exit 1 by the named check.

Usage: scenarios.py [--binary B] [--seeds 1..3] [--only NAME]. Prints a line a scenario and 'N passed, N failed'.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SKIPPED = {"museum"}          # hunted with in the museum; its control has a swarm of its own
FEWER = {"seven-days": 1, "first-light": 1}


def expected_failure(path):
    """The check that this counter-example breaks; an extending file takes it over unless it says otherwise."""
    text = path.read_text()
    found = re.search(r"^expect: *\{ *fails: *([\w-]+) *\}", text, re.M)
    return found.group(1) if found else None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", default=str(ROOT / "build/release/harrow"))
    options.add_argument("--seeds", default="1..3")
    options.add_argument("--only", default="")
    options = options.parse_args()
    first, last = map(int, options.seeds.split(".."))
    passed = failed = skipped = 0
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        name = path.stem
        if name in SKIPPED or name.startswith("museum-") or (options.only and name != options.only):
            continue
        wanted = expected_failure(path)
        for seed in range(first, min(last, first + FEWER.get(name, 1000) - 1) + 1):
            with tempfile.TemporaryDirectory() as folder:
                run = subprocess.run([options.binary, "run", str(path), "--seed", str(seed), "--format", "json", "-q", "--out", folder],
                                     capture_output=True, text=True, timeout=900)
            if run.returncode == 5 or "skipped" in run.stderr.lower():
                print(f"SKIPPED  {name}: {run.stderr.strip().splitlines()[0] if run.stderr.strip() else 'its data is not here'}")
                skipped += 1
                break
            result = json.loads(run.stdout) if run.stdout.strip().startswith("{") else {}
            failure = (result.get("failure") or {}).get("check")
            good = run.returncode == 0 if wanted is None else run.returncode == 1 and failure == wanted
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAIL     {name} seed {seed}: exit {run.returncode}, {failure or run.stderr.strip()[-200:]}, wanted {wanted or 'a pass'}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


sys.exit(main())
