#!/usr/bin/env python3
"""1,000 connections and 10,000 partitions on one process: memory, descriptors and threads, stage by stage, and a bound for each.

tests/interop/bounds.py --binary build/release/harrow [--partitions 10000] [--connections 1000] [--record FILE]
Every partition gets records and index files; every connection has produced, fetched and found a coordinator before it is counted. Three
cases: one node; one node that may have no more than 4,096 descriptors; three brokers in one process, every partition on each.
"""
import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import raw
from raw import Connection, batch
from served import expect, until

TOPICS = 100
MOST_FOR_FILES = 4096          # descriptors that a node keeps for its files
OTHER_DESCRIPTORS = 120        # pollers, listeners, connections between nodes, locks
KIB_A_REPLICA, KIB_A_CONNECTION = 24, 24
START_S = 300
BATCH = batch([b"x" * 100])
BATCHES = 3
NOT_LEADER = 6


class Process:
    def __init__(self, binary, brokers, topics, partitions, most_descriptors):
        self.binary, self.brokers = binary, brokers
        self.topics, self.partitions = topics, partitions
        self.folder = tempfile.mkdtemp(prefix="harrow-bounds-")
        self.most_descriptors = most_descriptors
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        for name in ("ready", "admin"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        limit = self.most_descriptors

        def limited():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        command = [self.binary, "serve", "--port", "0", "--brokers", str(self.brokers), "--data", self.path("data"), "--ready-file", self.path("ready"), "--admin-file", self.path("admin"),
                   "--set", "log.index.interval.bytes=64", "--set", "offsets.topic.num.partitions=3"]
        for n in range(self.topics):
            command += ["--topic", f"bounds-{n:03}:{self.partitions // self.topics}:{self.brokers}"]
        self.log = open(self.path("log"), "a")
        begin = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, preexec_fn=limited)
        until(lambda: os.path.exists(self.path("ready")) or self.process.poll() is not None, "ready", START_S)
        expect(self.process.poll() is None, f"harrow serve ended: {self.said()}")
        self.ports = [int(address.rsplit(":", 1)[1]) for address in open(self.path("ready")).read().strip().split(",")]
        return time.monotonic() - begin

    def said(self):
        return open(self.path("log")).read()[-3000:]

    def figures(self):
        """Memory in KiB, the most of it, descriptors of sockets and of files, threads, processor seconds."""
        expect(self.process.poll() is None, f"the process ended with exit {self.process.returncode}: {self.said()}")
        status = open(f"/proc/{self.process.pid}/status").read()
        number = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M).group(1))
        sockets = files = 0
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                kind = os.readlink(f"/proc/{self.process.pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            sockets += kind.startswith("socket:")
            files += not kind.startswith("socket:")
        times = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return {"rss": number("VmRSS"), "peak": number("VmHWM"), "sockets": sockets, "files": files, "threads": number("Threads"), "cpu": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")}

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def discard(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def leaders(connection, topics):
    """{(topic, partition): port}"""
    answer = connection.ask(raw.METADATA, 1, raw.metadata(*topics))
    ports, found = {}, {}
    for _ in range(answer.take("i")):
        node = answer.take("i")
        answer.text()
        ports[node] = answer.take("i")
        answer.text()
    answer.take("i")
    for _ in range(answer.take("i")):
        answer.take("h")
        name = answer.text()
        answer.take("b")
        for _ in range(answer.take("i")):
            answer.take("h")
            partition, leader = answer.take("i"), answer.take("i")
            for _ in range(2):  # replicas, in-sync replicas
                for _ in range(answer.take("i")):
                    answer.take("i")
            if leader >= 0:
                found[(name, partition)] = ports[leader]
    return found


def case(binary, name, brokers, partitions, connections, most_descriptors):
    """Rows of the table, and what is out of bounds."""
    problems, rows = [], []
    served = Process(binary, brokers, TOPICS, partitions, most_descriptors)
    replicas = partitions * brokers

    def note(stage, extra=""):
        figures = served.figures()
        rows.append((name, stage, figures, extra))
        print(f"{name:<28} {stage:<34} {figures['rss'] / 1024:8.1f} MiB (most {figures['peak'] / 1024:8.1f})  {figures['sockets']:5} sockets {figures['files']:6} others {figures['threads']:3} threads  {extra}", flush=True)
        return figures

    try:
        bare = Process(binary, brokers, 0, 0, most_descriptors)
        try:
            bare.topics = 0
            bare.start()
            begin = bare.figures()
            rows.append((name, "no topics", begin, ""))
            bare.stop()
        finally:
            bare.discard()
        took = served.start()
        made = note("partitions made", f"ready after {took:.1f} s")
        topics = [f"bounds-{n:03}" for n in range(TOPICS)]
        with Connection(served.ports[0], 120) as first:
            at = until(lambda: (lambda found: len(found) == partitions and found)(leaders(first, topics)), "every partition has a leader", START_S, 1)
        by_port = {}
        for place, port in sorted(at.items()):
            by_port.setdefault(port, []).append(place)
        # Each connection has a share of the partitions of one broker.
        open_ones, shares = [], []
        for n in range(connections):
            port = served.ports[n % brokers]
            open_ones.append(Connection(port, 120))
            places, index, of = by_port[port], n // brokers, (connections - n % brokers + brokers - 1) // brokers
            shares.append(places[index::of])
        opened = note("connections open")
        for round_number in range(BATCHES):
            for c, share in zip(open_ones, shares):
                for topic, partition in share:
                    # A leader that is still making its logs says so, and is asked again, as clients do.
                    error, base = until(lambda: (lambda found: found[0] != NOT_LEADER and found)(c.produce(topic, partition, BATCH)), f"{topic}-{partition} is led", START_S)
                    expect((error, base) == (0, round_number), f"{topic}-{partition}: error {error}, offset {base}")
        for n, (c, share) in enumerate(zip(open_ones, shares)):
            expect(c.ask(raw.API_VERSIONS, 0, b"").take("h") == 0, "ApiVersions")
            if share:
                error, session, inner, records = c.fetch(*share[0], 0, epoch=0)
                expect((error, inner) == (0, 0) and len(records) == BATCHES * len(BATCH), f"fetch of {share[0]}: {error}, {inner}, {len(records)} bytes")
            c.ask(raw.FIND_COORDINATOR, 0, raw.text(f"group-{n}"))
        used = note("everything written and read")
        time.sleep(10)
        idle = note("idle for 10 s")
        rows[-1] = (*rows[-1][:3], f"{(idle['cpu'] - used['cpu']) * 10:.1f} % of a processor")
        for c in open_ones:
            c.close()
        until(lambda: served.figures()["sockets"] <= made["sockets"] + 2 * brokers, "the connections' sockets are gone", 60, 0.5)
        note("connections closed")
        served.process.kill()
        served.process.wait()
        took = served.start()
        again = note("after kill -9 and a new start", f"ready after {took:.1f} s")
        with Connection(served.ports[0], 120) as first:
            found = until(lambda: (lambda now: len(now) == partitions and now)(leaders(first, topics)), "every partition is led again", START_S, 1)
        for port in served.ports:
            with Connection(port, 120) as c:
                for topic, partition in [place for place, its in sorted(found.items()) if its == port][::50]:
                    error, session, inner, records = c.fetch(topic, partition, 0)
                    expect((error, inner) == (0, 0) and len(records) == BATCHES * len(BATCH), f"after kill -9, {topic}-{partition}: {error}, {inner}, {len(records or b'')} bytes")
        code = served.stop()
        expect(code == 0, f"SIGTERM ended it with exit {code}: {served.said()}")

        files = brokers * min(MOST_FOR_FILES, (most_descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)[1]) // 2 // brokers)
        for stage, figures in (("written", used), ("idle", idle), ("again", again)):
            if figures["files"] > files + OTHER_DESCRIPTORS:
                problems.append(f"{name}, {stage}: {figures['files']} descriptors that are no sockets, above {files + OTHER_DESCRIPTORS}")
            if figures["threads"] != begin["threads"]:
                problems.append(f"{name}, {stage}: {figures['threads']} threads, {begin['threads']} without load")
            if figures["sockets"] > made["sockets"] + connections + 6 * brokers:
                problems.append(f"{name}, {stage}: {figures['sockets']} sockets for {connections} connections")
        a_replica = (used["rss"] - begin["rss"] - (opened["rss"] - made["rss"])) / replicas
        if a_replica > KIB_A_REPLICA:
            problems.append(f"{name}: {a_replica:.1f} KiB a replica, above {KIB_A_REPLICA}")
        a_connection = (idle["rss"] - made["rss"]) / connections
        rows.append((name, "by replica and by connection", None, f"{a_replica:.1f} KiB a replica with its records' indexes; {(opened['rss'] - made['rss']) / connections:.1f} KiB a connection when opened"))
        print(f"{name:<28} {rows[-1][3]}", flush=True)
    except Exception as why:  # whatever it is, the case has failed
        problems.append(f"{name}: {type(why).__name__}: {why}; {served.said() if served.process else ''}")
    finally:
        served.discard()
    return rows, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--partitions", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--cases", default="one,few,three")
    parser.add_argument("--record", help="writes the table there, as Markdown")
    arguments = parser.parse_args()
    binary = os.path.realpath(arguments.binary)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    expect(hard > arguments.connections + 100, f"this suite itself needs {arguments.connections + 100} descriptors, and may have {hard}")
    cases = {"one": ("one node", 1, arguments.partitions, None), "few": ("one node, 4,096 descriptors", 1, arguments.partitions, 4096), "three": ("three brokers", 3, arguments.partitions, None)}
    rows, problems = [], []
    for key in arguments.cases.split(","):
        name, brokers, partitions, most = cases[key]
        its, wrong = case(binary, name, brokers, partitions, arguments.connections, most)
        rows += its
        problems += wrong
    if arguments.record and not problems:
        with open(arguments.record, "w") as file:
            file.write(f"# Bounds\n\n{arguments.partitions:,} partitions in {TOPICS} topics and {arguments.connections:,} connections on one process, with files that are kept. Every partition holds {BATCHES} batches and\n"
                       f"has its index files; every connection has produced, fetched in a session and asked for a coordinator. With three brokers in the process each\nhas a replica of every partition ({3 * arguments.partitions:,} in all). "
                       "`tests/interop/bounds.py` makes this table and fails beyond its bounds:\n"
                       f"threads as without load; {MOST_FOR_FILES:,} descriptors a node for files, or half of what the system allows; {KIB_A_REPLICA} KiB a replica.\n\n"
                       "| case | stage | memory, MiB | the most so far, MiB | sockets | other descriptors | threads | |\n|---|---|---|---|---|---|---|---|\n")
            for name, stage, figures, extra in rows:
                cells = [f"{figures['rss'] / 1024:.1f}", f"{figures['peak'] / 1024:.1f}", figures["sockets"], figures["files"], figures["threads"]] if figures else [""] * 5
                file.write(f"| {name} | {stage} | " + " | ".join(map(str, cells)) + f" | {extra} |\n")
    for problem in problems:
        print(f"FAIL  {problem}")
    print(f"bounds: {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
