#!/usr/bin/env python3
"""What the command line promises: files checked one by one, draws shown, replays verified, failing seeds kept.

tests/cli.py --binary build/release/harrow
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SHORT = """harrow: 1
name: short
topics: [{ name: orders, partitions: 1 }]
workload:
  producers: [{ name: shop, topic: orders, rate: 20/s }]
  consumers: [{ name: billing, topics: [orders] }]
faults:
  - { at: 8s, kill: leader(orders/0), restart: after 2s }
  - random: { from: 10s, until: 30s, mean-gap: 3s, pick: { kill: 1, pause: 1, move-leader: 1, one-way: 1, clock-step: 1 } }
stop: { heal: 32s, after: 45s }
"""
# A limit that no run can meet: every seed fails.
FAILING = SHORT.replace("name: short", "name: failing") + 'checks: [{ slo: { produce-p50: "< 1us" } }]\n'
WRONG = SHORT.replace("kill: leader", "kil: leader")
LOOP = """harrow: 1
name: loop
topics: [{ name: orders, partitions: 1 }]
workload:
  producers: [{ name: shop, topic: orders, replay: { file: recorded.csv, time: ms, key: key, loop: LOOP } }]
stop: { heal: 50s, after: 60s }
"""

failures = []


def expect(condition, what, output=""):
    if not condition:
        failures.append(what)
        print(f"FAIL {what}\n{output}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    binary = os.path.abspath(parser.parse_args().binary)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="harrow-cli-"))
    environment = {**os.environ, "HARROW_OUT": str(folder / "runs"), "NO_COLOR": "1"}

    def harrow(*arguments):
        done = subprocess.run([binary, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    for name, text in {"short.yaml": SHORT, "failing.yaml": FAILING, "wrong.yaml": WRONG, "loop.yaml": LOOP.replace("LOOP", "true"), "once.yaml": LOOP.replace("LOOP", "false")}.items():
        (folder / name).write_text(text)
    (folder / "recorded.csv").write_text("ms,key\n1000,a\n1500,b\n3000,c\n")

    # check: all files are looked at, whatever the first one is
    code, out, err = harrow("check", "wrong.yaml", "short.yaml", "missing.yaml", "failing.yaml")
    expect(code == 2, "check of a wrong file exits 2", err)
    expect("wrong.yaml:8:" in err and "missing.yaml" in err, "check names each wrong file", err)
    expect("short.yaml: good" in err and "failing.yaml: good" in err, "check says which files are good behind a wrong one", err)

    # check --expand: the draws of the seed, which the run then carries out
    code, first, err = harrow("check", "short.yaml", "--expand", "--seed", "3")
    _, second, _ = harrow("check", "short.yaml", "--expand", "--seed", "4")
    drawn = [line[6:] for line in first.splitlines() if line.startswith("#   - { at: ")]
    expect(code == 0 and len(drawn) > 2, "check --expand shows the drawn faults", first + err)
    expect(first != second, "another seed draws other faults", first)
    again = folder / "drawn.yaml"
    again.write_text(SHORT.split("  - random")[0] + "".join(f"  - {line}\n" for line in drawn) + "stop: { heal: 32s, after: 45s }\n")
    code, _, err = harrow("check", "drawn.yaml")
    expect(code == 0, "drawn faults are lines of the grammar", err + again.read_text())
    (folder / "expanded.yaml").write_text(first)
    code, third, err = harrow("check", "expanded.yaml", "--expand", "--seed", "3")
    expect(code == 0 and third.replace("expanded", "short") == first, "the expanded file expands to itself", err)

    # replay --verify: the same, or the first event that is not
    code, out, err = harrow("run", "short.yaml", "--seed", "3", "--events", "--out", "three")
    expect(code == 0, "the run passes", out + err)
    code, out, err = harrow("replay", "three", "--verify", "--out", "again")
    expect(code == 0 and out.startswith("the same"), "a replay of a run is the same", out + err)
    harrow("run", "short.yaml", "--seed", "4", "--events", "--out", "four")
    # the folder of seed 3 with what happened in seed 4: a run that went another way than its replay
    shutil.copy(folder / "four" / "events.jsonl.zst", folder / "three" / "events.jsonl.zst")
    shutil.copy(folder / "four" / "hashes.csv", folder / "three" / "hashes.csv")
    text = (folder / "three" / "run.json").read_text()
    four = (folder / "four" / "run.json").read_text()
    hash_of = lambda run: run.split('"trace_hash"')[1].split('"')[1]
    (folder / "three" / "run.json").write_text(text.replace(hash_of(text), hash_of(four)))
    code, out, err = harrow("replay", "three", "--verify", "--out", "again")
    expect(code == 4 and "the first event that differs is number" in out and out.count('"t_s":') == 2, "verify names the first differing event", out + err)
    (folder / "three" / "events.jsonl.zst").unlink()
    code, out, err = harrow("replay", "three", "--verify", "--out", "again")
    expect(code == 4 and "they part between" in out, "without events, verify says between which times", out + err)
    code, out, err = harrow("replay", "short.yaml", "--seed", "5", "--verify")
    expect(code == 0, "verify of a file runs twice and finds the same", out + err)

    # swarm: each failing seed is kept, with the command that repeats it
    code, out, err = harrow("swarm", "failing.yaml", "--seeds", "1..3", "--jobs", "2")
    expect(code == 1, "a swarm with failures exits 1", out + err)
    kept = sorted((folder / "runs" / "failing").glob("*-s*"))
    expect(sorted(path.name.rsplit("-s", 1)[1] for path in kept) == ["1", "2", "3"], "each failing seed has a run folder", str(kept))
    expect(all((path / "run.json").exists() and (path / "report.html").exists() for path in kept), "a kept folder is whole", str(kept))
    expect("harrow run failing.yaml --seed 1" in out and "kept in " in out, "the swarm prints the command and the folder", out)
    expect(os.path.exists(folder / "runs" / "latest-failed" / "run.json"), "latest-failed leads to a kept run")

    # replay workloads: once, or round after round
    import json
    counts = {}
    for name in ("once", "loop"):
        code, out, err = harrow("run", f"{name}.yaml", "--format", "json", "--out", name)
        expect(code == 0, f"{name}.yaml passes", out + err)
        counts[name] = json.loads(out)["records"]["sent"]
    expect(counts["once"] == 3, "a file that is not looped ends with its end", str(counts))
    expect(30 < counts["loop"] < 90, "a looped file of 2 s is sent for about 40 s", str(counts))
    (folder / "recorded.csv").write_text("ms,key\n1000,a\n1000,b\n")
    code, out, err = harrow("run", "loop.yaml", "--out", "loop")
    expect(code == 2 and "cannot be looped" in err, "a file without a span cannot be looped", out + err)

    # serve and the console tools: mistakes are named, nothing is started
    for arguments, word in [
        (["serve", "--brokers", "0"], "--brokers"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--topic", "orders:x"], "NAME:PARTITIONS:RF"),
        (["serve", "--set", "num.partitons=3"], "did you mean num.partitions"),
        (["serve", "--memory", "--data", "d"], "--memory"),
        (["topics", "--topic", "orders"], "exactly one action"),
        (["topics", "--create"], "--topic"),
        (["topics", "--list", "--bootstrap-server", "localhost"], "HOST:PORT"),
        (["console-producer"], "--topic"),
        (["console-consumer", "--topic", "t", "--offset", "3"], "--partition"),
        (["groups", "--describe"], "--group"),
        (["format", "-c", "x"], "-t UUID"),
    ]:
        code, out, err = harrow(*arguments)
        expect(code == 2 and word in err, f"harrow {' '.join(arguments)} exits 2 and says {word}", err)
    (folder / "server.properties").write_text("node.id=1\nmade.up.key=1\nlisteners=PLAINTEXT:9092\n")
    code, out, err = harrow("serve", "--config", "server.properties")
    expect(code == 2 and "server.properties:2: unknown key 'made.up.key'" in err and "server.properties:3: listeners" in err, "server.properties: unknown keys and wrong values are named with their line", err)
    _, first, _ = harrow("random-uuid")
    _, second, _ = harrow("random-uuid")
    expect(len(first.strip()) == 22 and first != second, "random-uuid prints another id each time", first + second)

    shutil.rmtree(folder)
    print(f"cli: {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
