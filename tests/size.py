#!/usr/bin/env python3
"""`harrow size` as people use it: exit codes, errors, what is printed, and designs pushed over their limits by simulation.

tests/size.py --binary build/release/harrow [--quick]

--quick leaves the simulations out. Recorded traffic is looked for in ../shared/data; without it those parts are skipped, loudly.
"""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
USUAL = ["--ingress", "200MB/s", "--record", "1KiB", "--egress", "3x", "--retention", "3d", "--survive", "zone", "--slo", "produce-p99=50ms"]
# Narrow links: three of these carry the peak, but not with a zone lost; six carry both.
NARROW = """harrow-hardware: 1
prices: { date: 2026-01-01, region: test, currency: EUR, cross-zone-a-gb: 0.01, source: made up for this test }
machines:
  - { name: narrow, vcpu: 8, memory: 32GiB, net: 160Mbps, disks: 1, disk-size: 2TB, disk: 500MB/s, disk-iops: 50000, disk-read: 100us, disk-sync: 100us, hour: 0.10 }
"""
# A disk that binds long before the link does.
SLOW = """harrow-hardware: 1
prices: { date: 2026-01-01, region: test, currency: EUR, cross-zone-a-gb: 0.01, source: made up for this test }
machines:
  - { name: slow, vcpu: 8, memory: 32GiB, net: 10Gbps, disks: 1, disk-size: 2TB, disk: 16MB/s, disk-iops: 50000, disk-read: 100us, disk-sync: 100us, hour: 0.10 }
"""

failures = []


def expect(condition, what, output=""):
    if not condition:
        failures.append(what)
        print(f"FAIL {what}\n{output}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="harrow-size-"))
    environment = {**os.environ, "NO_COLOR": "1"}

    def size(*arguments):
        done = subprocess.run([binary, "size", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout, done.stderr

    # equations: text and JSON say the same
    code, text, errors = size(*USUAL, "--equations")
    expect(code == 0 and errors == "", "equations answer", text + errors)
    for words in ("Design 1", "Design 3", "<- binds", "cross-zone traffic", "page cache", "rebuild", "room", "Other people's rules", "Taken as given"):
        expect(words in text, f"the text has '{words}'", text)
    expect(max(map(len, text.splitlines())) <= 200, "no line is longer than a wide terminal", text)
    code, text, errors = size(*USUAL, "--equations", "--format", "json")
    answer = json.loads(text)
    expect(len(answer["designs"]) == 3 and answer["impossible"] is None, "three designs as JSON", text)
    first = answer["designs"][0]
    for key in ("profile", "brokers", "partitions", "cost", "constraints", "binding", "confirmed", "growth"):
        expect(key in first, f"a design has '{key}'", text)
    expect({"name", "now", "broker_lost", "zone_lost"} <= set(first["constraints"][0]), "constraints in three states", text)
    cost = first["cost"]
    expect(abs(cost["machines"] + cost["storage"] + cost["cross_zone"] - cost["month"]) < 0.05, "cost adds up", str(cost))
    expect(len(answer["assumptions"]) >= 10, "assumptions are listed", text)

    # impossible: exit 1, the constraint and the nearest that is possible
    code, text, errors = size(*USUAL, "--keys", "zipf(1000, 1.3)", "--equations", "--format", "json")
    impossible = json.loads(text)["impossible"]
    expect(code == 1 and impossible["constraint"] == "hot_partition" and impossible["nearest"]["brokers"] >= 3, "a hot key is impossible", text)
    code, text, errors = size(*USUAL, "--most-brokers", "3", "--equations")
    expect(code in (0, 1), "few brokers have an answer", text + errors)
    code, text, errors = size("--ingress", "200MB/s", "--record", "1KiB", "--egress", "3x", "--retention", "3d", "--slo", "produce-p99=200us", "--equations")
    expect(code == 1 and "Not possible" in text and "nearest" in text, "a latency below the way there is impossible", text)

    # mistakes: exit 2, one line that says what was expected
    for arguments, words in (
        (["--ingress", "200", *USUAL[2:]], "missing unit in '200'"),
        (["--ingress", "200MB", *USUAL[2:]], "is a size, not a rate"),
        (["--ingress", "-1MB/s", *USUAL[2:]], "must not be negative"),
        ([*USUAL, "--zones", "1"], "needs two zones"),
        ([*USUAL, "--slo", "produce-p99=1s"], "contradict"),
        ([*USUAL, "--brokers", "3"], "wants --machine"),
        ([*USUAL, "--machine", "m5.larg"], "did you mean 'm5.large'"),
        (["--preset", "nobody"], "no preset 'nobody'"),
        (["--ingress", "1MB/s"], "--record is missing"),
        ([*USUAL, "--hardware", "absent.yaml"], "cannot be read"),
        ([*USUAL, "--sloo", "x"], "unknown option"),
    ):
        code, text, errors = size(*arguments, "--equations")
        expect(code == 2 and words in errors, f"{' '.join(arguments[-2:])} is a mistake that says '{words}'", text + errors)
    (folder / "unpriced.yaml").write_text(NARROW.replace(", hour: 0.10", ""))
    code, text, errors = size(*USUAL, "--hardware", "unpriced.yaml", "--equations")
    expect(code == 2 and "unpriced.yaml:4:" in errors and "without a price" in errors, "a machine without a price", errors)

    # traces
    rows = ["time_ms,key,bytes"] + [f"{i * 10},{'a' if i % 4 else i},{400 + i % 200}" for i in range(5000)]
    (folder / "trace.csv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0))
    code, text, errors = size("--traffic", "trace.csv.gz", "--key", "key", "--speed", "100x", "--egress", "1x", "--retention", "1d", "--equations", "--partition-rate", "100MB/s")
    expect(code == 0 and "5,000 records" in text, "a trace gives a wish", text + errors)
    (folder / "disorder.csv").write_text("time_ms,bytes\n1000,5\n900,5\n")
    code, text, errors = size("--traffic", "disorder.csv", "--egress", "1x", "--retention", "1d", "--equations")
    expect(code == 2 and "disorder.csv:3:" in errors and "out of order" in errors, "a trace out of order", errors)
    (folder / "hole.csv").write_text("time_ms,bytes\n" + "".join(f"{t},5\n" for t in [*range(0, 100_000, 500), *range(900_000, 1_000_000, 500)]))
    code, text, errors = size("--traffic", "hole.csv", "--egress", "1x", "--retention", "1d", "--equations")
    expect(code == 2 and "a hole of" in errors, "a trace with a hole", errors)
    for name, arguments in (("wikipedia-edits-2015/edits.csv.gz", ["--key", "user", "--speed", "10000x"]), ("azure-llm-2023/requests.csv.gz", ["--record", "4KiB", "--speed", "1000x"])):
        if not (DATA / name).exists():
            print(f"SKIPPED: {name} is not in {DATA}")
            continue
        code, text, errors = size("--traffic", str(DATA / name), *arguments, "--egress", "2x", "--retention", "7d", "--equations")
        expect(code == 0 and "Design 1" in text, f"{name} has an answer", text + errors)
    code, text, errors = size(str(ROOT / "scenarios" / "first-light.yaml"), "--equations")
    expect(code == 0 and "Design 1" in text, "a scenario has an answer", text + errors)

    if not options.quick:
        # A zone's loss at the peak: the recommended design keeps its objective, the next smaller one does not.
        (folder / "narrow.yaml").write_text(NARROW)
        narrow = ["--ingress", "10MB/s", "--record", "1KiB", "--egress", "3x", "--retention", "1d", "--survive", "zone", "--slo", "produce-p99=100ms", "--hardware", "narrow.yaml", "--only", "--confirm", "--format", "json"]
        code, text, errors = size(*narrow)
        design = json.loads(text)["designs"][0]
        expect(code == 0 and design["brokers"] == 6 and design["confirmed"]["held"], "six narrow machines are recommended and hold", text + errors)
        zone = [loss for loss in design["confirmed"]["losses"] if loss["what"] == "zone"][0]
        expect(zone["held"] and zone["lost"] == 0 and zone["acked"] > 1000, "they survive a zone", str(zone))
        code, text, errors = size(*narrow, "--machine", "narrow", "--brokers", "3")
        smaller = json.loads(text)["designs"][0]["confirmed"]
        zone = [loss for loss in smaller["losses"] if loss["what"] == "zone"][0]
        expect(code == 1 and not zone["held"], "three do not", text + errors)
        expect(smaller["ladder"][0]["multiple"] <= 1 and any(step["multiple"] == 1 and step["held"] for step in smaller["ladder"]), "though three carry the peak itself", text + errors)

        # What binds is what gives way when the simulated cluster is pushed past its knee.
        (folder / "slow.yaml").write_text(SLOW)
        for name, text_of, expected in (("narrow", NARROW, "net_out"), ("slow", SLOW, "disk_write")):
            code, text, errors = size("--ingress", "10MB/s", "--record", "1KiB", "--egress", "3x", "--retention", "1d", "--survive", "none", "--replication", "3", "--hardware", f"{name}.yaml", "--only", "--confirm", "--format", "json")
            design = json.loads(text)["designs"][0]
            confirmed = design["confirmed"]
            expect(design["estimate"]["knee_constraint"] == expected, f"{expected} is predicted to bind {name}", text)
            expect(confirmed["gave_way"] == expected, f"{expected} gave way in the simulation of {name}", text)
            ratio = confirmed["knee"] / design["estimate"]["knee"]
            expect(0.85 < ratio < 1.15 or confirmed["differences"], f"the knees agree, or it is said that they do not ({ratio:.2f})", text)
            past = confirmed["past_knee"] / confirmed["knee"]
            expect(1 < past <= 1.06, f"5 % past the knee it does not hold ({past:.3f})", text)

    print("failed: " + ", ".join(failures) if failures else "passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
