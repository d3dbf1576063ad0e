#!/usr/bin/env python3
"""Makes results/compatibility.md from the rows that the suites of real clients left: which client, in which version, asked
served brokers for which API in which versions, as the brokers saw it, and whether the suite that asked passed.

tests/interop/table.py [--rows build/compatibility] [--out results/compatibility.md]; `--out -` prints.
"""
import argparse
import glob
import json
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def ranges(versions):
    """[1, 2, 3, 5] as "1-3, 5"."""
    spans = []
    for version in sorted(versions):
        if spans and version == spans[-1][1] + 1:
            spans[-1][1] = version
        else:
            spans.append([version, version])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def document(rows):
    suites, uses = {}, {}
    for row in rows:
        suites[(row["suite"], row["brokers"])] = suites.get((row["suite"], row["brokers"]), True) and row["ok"]
        key = (row["client"], row["version"], row["api"], row["ok"])
        use = uses.setdefault(key, (set(), set()))
        use[0].add(row["request_version"])
        use[1].add(row["brokers"])
    lines = [
        "# Compatibility",
        "",
        "Written by `tests/interop/table.py` from what the brokers of the last client suites were asked (`./dev test`). Every client is",
        "unmodified, as its registry has it. On three nodes a leader was killed with -9 during each suite. A client that tells no",
        "software name goes by its client id. An API is *ok* when the suite that used it passed.",
        "",
        "| suite | on one node | on three, a leader killed |",
        "|---|---|---|",
    ]
    word = {True: "ok", False: "**failed**", None: "not run"}
    for suite in sorted({name for name, _ in suites}):
        lines.append(f"| {suite} | {word[suites.get((suite, 1))]} | {word[suites.get((suite, 3))]} |")
    lines += ["", "| client | version | API | request versions | nodes | result |", "|---|---|---|---|---|---|"]
    for (client, version, api, ok), (versions, brokers) in sorted(uses.items()):
        lines.append(f"| {client} | {version} | {api} | {ranges(versions)} | {ranges(brokers)} | {word[ok]} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=os.path.join(ROOT, "build", "compatibility"))
    parser.add_argument("--out", default=os.path.join(ROOT, "results", "compatibility.md"))
    arguments = parser.parse_args()
    rows = []
    for name in sorted(glob.glob(os.path.join(arguments.rows, "*.jsonl"))):
        with open(name) as file:
            rows += [json.loads(line) for line in file]
    if not rows:
        print("table.py: no suite has left rows in " + arguments.rows, file=sys.stderr)
        return 1
    text = document(rows)
    if arguments.out == "-":
        sys.stdout.write(text)
    else:
        with open(arguments.out, "w") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
