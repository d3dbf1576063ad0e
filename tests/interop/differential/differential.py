#!/usr/bin/env python3
"""One script of requests against Apache Kafka and against Harrow: every API that both offer, in its lowest, a middle and its
highest version, good requests and bad ones; the answers are compared field by field, the segment files that the same batches
made entry by entry, and each serves the folder that the other left. What differs must stand in known.py.

differential.py --binary build/release/harrow --jars build/kafka-libs [--brokers 1,3]
differential.sh fetches the jars and the codecs.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import folders  # noqa: E402
import script_data  # noqa: E402
import script_groups  # noqa: E402
import wire  # noqa: E402
from known import known  # noqa: E402
from peers import HarrowNodes, KafkaNodes, SMALL  # noqa: E402
from served import expect, until  # noqa: E402
from subject import Subject, differences, flat  # noqa: E402

# Retention must not take the script's old records away while it runs.
SETTINGS = {"log.retention.ms": -1, "log.initial.task.delay.ms": 600_000}


def offered(x):
    """{API: (lowest, highest)} that this broker offers and the tables know."""
    by_key = {api.key: api for api in wire.APIS.values()}
    rows = x.ask("ApiVersions", 3, {"client_software_name": "differential", "client_software_version": "1"})["api_keys"]
    spans = {}
    for row in rows:
        api = by_key.get(row["api_key"])
        if api is not None:
            spans[api.name] = max(row["min_version"], api.versions[0]), min(row["max_version"], api.versions[1])
    return spans


def settled(x):
    """All brokers are there and lead."""
    until(lambda: len(x.ask("Metadata", 1, {"topics": []})["brokers"]) == x.cluster.brokers, f"{x.name}'s brokers are there", 120)


def perform(name, cluster, versions=None):
    x = Subject(name, cluster)
    settled(x)
    x.versions = versions or offered(x)
    for part in (*script_data.PARTS, *script_groups.PARTS, folders.fill):
        begin = time.monotonic()
        try:
            part(x)
        except Exception as error:  # one part that breaks off must not hide the others
            x.outcomes[f"the part {part.__name__}"] = "broke off: " + "".join(traceback.format_exception(error))[-1500:]
        print(f"  {name}: {part.__name__}, {time.monotonic() - begin:.1f} s", flush=True)
    return x


def served(cluster, copied):
    """What a cluster tells about a folder that it did not write."""
    x = Subject(cluster.name, cluster)
    settled(x)
    until(lambda: all(p["leader_id"] == 1 for topic in x.ask("Metadata", 1, {"topics": None})["topics"] for p in topic["partitions"]), f"{cluster.name} leads what {copied} holds", 60)
    until(lambda: all(x.ask("FindCoordinator", 1, {"key": "static", "key_type": 0})["error_code"] == 0 and row["error_code"] == 0
                      for row in [x.ask("OffsetFetch", 7, {"group_id": group, "topics": None}) for group in ("static", "members-0", "alone-0-2")]), "its groups are loaded", 60)
    return folders.everything(x), folders.append_after(x)


def dump(jars, folder):
    """Kafka's dump-log over the segments of our topics."""
    logs = sorted(os.path.join(folder, f"{topic}-0", name) for topic in folders.TOPICS for name in os.listdir(os.path.join(folder, f"{topic}-0")) if name.endswith((".log", ".index", ".timeindex")))
    done = subprocess.run(["java", *SMALL, "-cp", os.path.join(jars, "*"), "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(logs)], capture_output=True, text=True, timeout=300)
    bad = [line for line in (done.stdout + done.stderr).splitlines() if any(word in line for word in ("isvalid: false", "mismatch", "Mismatch", "Exception", "out of order", "Could not"))]
    return done.returncode, bad, done.stdout.count("isvalid: true")


def script_on(brokers, arguments, problems):
    """Both perform the script; returns the two subjects and, for one node, where they left their folders."""
    kept, subjects = {}, {}
    for name, make in (("Kafka", lambda: KafkaNodes(arguments.jars, brokers, SETTINGS)), ("Harrow", lambda: HarrowNodes(arguments.binary, brokers, SETTINGS))):
        cluster = make()
        try:
            cluster.start()
            subjects[name] = perform(name, cluster, subjects["Kafka"].versions if name == "Harrow" else None)
            if brokers == 1:
                subjects[name].everything = folders.everything(subjects[name])
            problems += cluster.stop()
            if brokers == 1:
                kept[name] = folders.copy(cluster.data(1), os.path.join(arguments.work, name))
        finally:
            cluster.discard()
    return subjects["Kafka"], subjects["Harrow"], kept


def exchange(kept, subjects, arguments, problems):
    """Each serves the other's folder; a row for the page each."""
    rows = []
    ways = (("Harrow", "Kafka", lambda data: HarrowNodes(arguments.binary, 1, SETTINGS, data)), ("Kafka", "Harrow", lambda data: KafkaNodes(arguments.jars, 1, SETTINGS, data)))
    for server, writer, make in ways:
        data = folders.copy(kept[writer], os.path.join(arguments.work, f"{writer}-for-{server}"))
        cluster = make(data)
        try:
            cluster.start()
            told, appended = served(cluster, f"{writer}'s folder")
            stopped = cluster.stop()
            problems += stopped
            wrong = [f"{path}: {a} -> {b}" for _, path, a, b in differences({"": subjects[writer].everything}, {"": told})]
            if appended != folders.APPENDED_AFTER:
                wrong.append(f"appends to the folder were answered {appended}")
            batches = sum(len(held["batches"]) for held in told["holdings"].values())
            rows.append((f"{server} serves a folder of {writer}'s", f"{len(told['topics'])} topics, {batches} batches, {len(told['groups'])} groups with their offsets; appends after it", wrong))
        except Exception as error:  # told like any other failure
            rows.append((f"{server} serves a folder of {writer}'s", "", ["".join(traceback.format_exception(error))[-1500:] + cluster.said(1)[-1500:]]))
        finally:
            cluster.discard()
    code, bad, sound = dump(arguments.jars, kept["Harrow"])
    rows.append(("Kafka's dump-log reads Harrow's segments and indexes", f"{sound} batches sound", bad[:5] + ([f"exit {code}"] if code else []) + ([] if sound > 100 else ["too few batches"])))
    return rows


def page(sections):
    lines = ["# Side by side with Apache Kafka 4.3.1", "",
             "Written by `tests/interop/differential/differential.py`: one script of requests, sent byte by byte alike to Apache Kafka and to Harrow.",
             "Every API that both offer is asked in its lowest, a middle and its highest version, with good requests and bad ones. Answers are compared",
             "field by field; ids, ports, clocks and throttle times are given the same names in both first. A difference that is not",
             "in `known.py` fails the test, and so does a row of it that no longer occurs.", ""]
    for section in sections:
        lines += section + [""]
    return "\n".join(lines)


def outcome_rows(kafka, harrow, found, brokers):
    steps = {}
    different = {step for step, *_ in found}
    for step in kafka.outcomes:
        api = step.rsplit(", ", 1)[1].rsplit(" ", 1)[0] if ", " in step and step.rsplit(", ", 1)[1].rsplit(" ", 1)[0] in wire.APIS else "connections and the rest"
        row = steps.setdefault(api, [0, 0])
        row[0] += 1
        row[1] += step in different
    lines = [f"## Answers on {brokers} node{'s' if brokers > 1 else ''}", "", "| API | versions asked | steps | with a known difference |", "|---|---|---|---|"]
    for api, (count, known_ones) in sorted(steps.items()):
        lines.append(f"| {api} | {', '.join(map(str, sorted(kafka.used.get(api, ()))))} | {count} | {known_ones or ''} |")
    fields = sum(len(one) for one in map(flat, kafka.outcomes.values()))
    return lines + ["", f"{len(kafka.outcomes)} steps, {fields} fields."]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--brokers", default="1,3")
    parser.add_argument("--out", default=os.path.join(HERE, "..", "..", "..", "results", "differential.md"), help="- prints")
    parser.add_argument("--keep", help="writes the outcomes there, as JSON")
    arguments = parser.parse_args()
    arguments.work = tempfile.mkdtemp(prefix="harrow-differential-")
    problems, sections = [], []
    try:
        for brokers in map(int, arguments.brokers.split(",")):
            table = known(brokers)
            kafka, harrow, kept = script_on(brokers, arguments, problems)
            found = differences(kafka.outcomes, harrow.outcomes)
            if arguments.keep:
                with open(f"{arguments.keep}-{brokers}.json", "w") as file:
                    json.dump({"versions": kafka.versions, "kafka": kafka.outcomes, "harrow": harrow.outcomes}, file, default=str)
            section = outcome_rows(kafka, harrow, found, brokers)
            if brokers == 1:
                rows, counts = folders.compare(kept["Kafka"], kept["Harrow"])
                found += rows
                section += ["", "## Files of the same batches", "", ", ".join(f"{count} {what}" for what, count in counts.items()) + " alike."]
                expect(counts["batches"] > 100 and counts["index entries"] > 20, f"too few files were compared: {counts}")
                exchanged = exchange(kept, {"Kafka": kafka, "Harrow": harrow}, arguments, problems)
                section += ["", "## Folders exchanged", "", "| what | how much | result |", "|---|---|---|"]
                section += [f"| {what} | {how_much} | {'**failed**' if wrong else 'ok'} |" for what, how_much, wrong in exchanged]
                problems += [f"{what}: {line}" for what, _, wrong in exchanged for line in wrong[:10]]
            unexplained = [row for row in found if not any(one.explains(*row) for one in table)]
            problems += [f"{brokers} nodes: {step}: {path}: Kafka {str(a)[:200]!r}, Harrow {str(b)[:200]!r}" for step, path, a, b in unexplained]
            problems += [f"{brokers} nodes: this known difference does not occur any more: {one.reason}" for one in table if one.count == 0 and not one.may_go]
            section += ["", "### Known differences", "", "| reason | where, for example | Kafka | Harrow | fields |", "|---|---|---|---|---|"]
            cell = lambda value: str(value)[:60].replace("|", "/").replace("\n", " ")
            section += [f"| {one.reason} | {cell(one.example[0])}: {cell(one.example[1])} | {cell(one.example[2])} | {cell(one.example[3])} | {one.count} |" for one in table if one.count]
            sections.append(section)
            print(f"{brokers} nodes: {len(kafka.outcomes)} steps, {len(found)} differences, {len(unexplained)} of them unexplained", flush=True)
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)
    text = page(sections)
    if arguments.out == "-":
        print(text)
    elif not problems:
        with open(arguments.out, "w") as file:
            file.write(text)
    for problem in problems:
        print(problem)
    print("FAIL" if problems else "good")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
