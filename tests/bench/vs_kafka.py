#!/usr/bin/env python3
"""Harrow beside Apache Kafka on this machine: what a broker costs, how fast it answers, how fast it starts and fails over.

vs_kafka.py --binary build/release/harrow --jars build/kafka-libs [--repeats 3] [--scale PERCENT] [--only one,three,gap,floor]
vs_kafka.py --page            writes results/vs-kafka.md from the last run's rows in results/vs-kafka.jsonl
vs_kafka.sh fetches the jars first.

Both have the same server.properties, one process a node, on loopback and on the same disk. Each figure is taken in turns,
Kafka first, and its median over the repeats counts; ratios are of medians of one run. The clients are the same for both: librdkafka
(rdk_client.c) and Kafka's own ProducerPerformance. Processor time is that of all broker processes, as /proc/PID/stat shows
it, read from the same clock without its rounding. A first load that is not measured warms both up, and
the machine's memory is touched before.
"""
import argparse
import datetime
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path[:0] = [os.path.join(HERE, "..", "interop"), os.path.join(HERE, "..", "interop", "differential")]
import wire  # noqa: E402
from peers import AS_DISTRIBUTED, HarrowNodes, KafkaNodes  # noqa: E402
from served import expect, until  # noqa: E402

ROWS, PAGE = os.path.join(ROOT, "results", "vs-kafka.jsonl"), os.path.join(ROOT, "results", "vs-kafka.md")
TOOL_S = 180
SLICE_S = 15  # how long an idle node stands before its memory is read

TOUCHED_BYTES = 8 << 30


# --- Measuring -------------------------------------------------------------------------------------------------------

def processor_s(pids):
    """Of whole processes: what /proc/PID/stat shows in hundredths, from the clock behind it."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def resident_mib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    return total / 1024 / len(pids)


def busy_s():
    with open("/proc/stat") as file:
        ticks = list(map(int, file.readline().split()[1:9]))
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def touch_memory():
    """A virtual machine gets each page from its host when it is first written, which costs several times the write. What
    was touched and given back is used first: neither broker pays for it."""
    most = min(TOUCHED_BYTES, int(re.search(r"MemAvailable:\s+(\d+)", open("/proc/meminfo").read()).group(1)) * 1024 // 2)
    subprocess.run([sys.executable, "-c", "import mmap, sys; n = int(sys.argv[1]); m = mmap.mmap(-1, n); m[::4096] = bytes([1]) * (n // 4096)", str(most // 4096 * 4096)], check=True, timeout=TOOL_S)


def good_answers(ports, brokers):
    """How many of the addresses answer a Metadata request with all brokers."""
    count = 0
    for port in ports:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as one:
                one.settimeout(2)
                body = struct.pack(">hhih", 3, 5, 1, -1) + struct.pack(">i?", 0, False)
                one.sendall(struct.pack(">i", len(body)) + body)
                size = struct.unpack(">i", one.recv(4, socket.MSG_WAITALL))[0]
                count += struct.unpack(">i", one.recv(size, socket.MSG_WAITALL)[8:12])[0] >= brokers
        except (OSError, struct.error):
            pass
    return count


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.client = os.path.join(tempfile.mkdtemp(prefix="harrow-bench-"), "rdk_client")
        built = subprocess.run(["cc", "-O2", os.path.join(HERE, "rdk_client.c"), "-lrdkafka", "-o", self.client], capture_output=True, text=True)
        expect(built.returncode == 0, f"rdk_client.c needs a C compiler and librdkafka's headers (librdkafka-dev): {built.stderr}")
        self.java = ["java", *AS_DISTRIBUTED, "-cp", os.path.join(arguments.jars, "*")]
        self.begin = time.time()
        git = lambda *words: subprocess.run(["git", *words], capture_output=True, text=True, cwd=HERE).stdout.strip()
        model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
        self.about = {"run": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "commit": git("rev-parse", "--short", "HEAD"), "machine": f"{model}, {os.cpu_count()} cores", "kafka": "4.3.1"}
        self.topics = 0

    def row(self, figure, subject, value, **more):
        row = {**self.about, "figure": figure, "subject": subject, "value": round(value, 6), "load": os.getloadavg()[0], **more}
        with open(ROWS, "a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{time.time() - self.begin:6.1f} s  {figure}: {subject} {value:.4g} {more or ''}", flush=True)

    def scaled(self, records):
        return max(200, records * self.arguments.scale // 100)

    def tool(self, cluster, *words):
        """rdk_client; its figures, and what the brokers and others used meanwhile."""
        return self.under(cluster, [self.client, words[0], cluster.bootstrap, *map(str, words[1:])], json.loads)

    def under(self, cluster, command, read):
        pids = cluster.pids()
        own = os.times()
        start, used, busy = time.time(), processor_s(pids), busy_s()
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S)
        used, wall = processor_s(pids) - used, time.time() - start
        now = os.times()
        client = now.children_user + now.children_system - own.children_user - own.children_system
        expect(done.returncode == 0, f"{' '.join(command[:3])}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
        figures = read(done.stdout)
        figures.update(broker_s=used, broker_cores=round(used / wall, 2), other_cores=round(max(0.0, (busy_s() - busy - used - client) / wall), 2))
        return figures

    def topic(self, cluster, partitions, **config):
        """A new topic that is led; its name."""
        self.topics += 1
        name = f"bench-{self.topics}"
        one = wire.Connection(cluster.bootstrap.split(",")[0])
        try:
            replicas = min(3, cluster.brokers)
            config = {"min.insync.replicas": (replicas + 1) // 2, **config}
            answer = one.ask("CreateTopics", 7, {"topics": [{"name": name, "num_partitions": partitions, "replication_factor": replicas, "configs": [{"name": k, "value": str(v)} for k, v in config.items()]}], "timeout_ms": 60000}, 60)
            expect(answer["topics"][0]["error_code"] == 0, f"{name}: {answer}")

            def led():
                rows = one.ask("Metadata", 7, {"topics": [{"name": name}]})["topics"][0]["partitions"]
                return len(rows) == partitions and all(row["leader_id"] > 0 and len(row["isr_nodes"]) == replicas for row in rows)

            until(led, f"{name} is led", 60)
        finally:
            one.close()
        return name

    # --- figures

    def clusters(self, brokers, memory=True):
        """Starts both; measures how long that takes and what an idle node needs."""
        found = {}
        for name, make in self.makers(brokers).items():
            cluster = make()
            found[name] = cluster
            for repeat in range(self.arguments.repeats if brokers == 1 else 2):
                if repeat:
                    cluster.stop()
                start = time.time()
                for node in cluster.ports:
                    cluster.launch(node)
                until(lambda: good_answers(cluster.ports.values(), brokers) == brokers, f"{name} is ready", 120, 0.002 if name == "Harrow" else 0.02)
                self.row(f"start to first answer, s, {nodes(brokers)}", name, time.time() - start)
        if memory:
            time.sleep(SLICE_S)
            for name, cluster in found.items():
                self.row(f"memory of an idle node, MiB, {nodes(brokers)}", name, resident_mib(cluster.pids()))
        return found

    def makers(self, brokers, settings=None, flags=()):
        return {"Kafka": lambda: KafkaNodes(self.arguments.jars, brokers, settings, java=AS_DISTRIBUTED), "Harrow": lambda: HarrowNodes(self.arguments.binary, brokers, settings, flags=flags)}

    def in_turns(self, figure):
        for repeat in range(self.arguments.repeats):
            for name, cluster in self.both.items():
                figure(name, cluster)

    def produce(self, size, codec, records, acks, brokers, speed):
        def once(name, cluster):
            topic = self.topic(cluster, 3)
            safe = ["enable.idempotence=true"] if acks == "all" else []
            got = self.tool(cluster, "produce", topic, self.scaled(records), size, f"acks={acks}", f"compression.type={codec}", *safe)
            facts = {key: got[key] for key in ("client_cores", "broker_cores", "other_cores")}
            if size == 100 and codec == "none":
                self.row(f"broker CPU s a million 100 B records, librdkafka, acks={acks}, {nodes(brokers)}", name, got["broker_s"] / got["records"] * 1e6, **facts)
            if speed:
                self.row(f"records/s, librdkafka, {size} B, {codec}, {nodes(brokers)}", name, got["records_per_s"], **facts)
            if brokers == 1 and size == 100 and codec == "none":
                read = self.tool(cluster, "read", topic, self.scaled(records))
                self.row("broker CPU s to read back a million 100 B records, one node", name, read["broker_s"] / read["records"] * 1e6, records_per_s=read["records_per_s"])

        self.in_turns(once)

    def java_default(self, records, acks, brokers):
        def once(name, cluster):
            topic = self.topic(cluster, 3)
            count = self.scaled(records)
            command = [*self.java, "org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", cluster.bootstrap, "--topic", topic, "--throughput", "-1", "--num-records", str(count), "--record-size", "100",
                       "--warmup-records", str(count // 5), "--reporting-interval", "600000", "--command-property", f"acks={acks}"]
            got = self.under(cluster, command, lambda text: {"records_per_s": float(re.findall(r"([\d.]+) records/sec", text)[-1])})
            self.row(f"broker CPU s a million 100 B records, Java default batches, acks={acks}, {nodes(brokers)}", name, got["broker_s"] / count * 1e6, records_per_s=got["records_per_s"], broker_cores=got["broker_cores"], other_cores=got["other_cores"])

        self.in_turns(once)

    def latencies(self, records, acks, brokers):
        def once(name, cluster):
            topic = self.topic(cluster, 1)
            safe = ["enable.idempotence=true"] if acks == "all" else []
            got = self.tool(cluster, "trip", topic, self.scaled(records), 100, f"acks={acks}", *safe)
            self.row(f"round trip of one acked send, ms, acks={acks}, {nodes(brokers)}", name, got["p50_us"] / 1000, p99_us=got["p99_us"], other_cores=got["other_cores"])
            got = self.tool(cluster, "e2e", topic, self.scaled(records), 100, "acks=all")
            self.row(f"end to end p99, us, {nodes(brokers)}", name, got["p99_us"], p50_us=got["p50_us"], other_cores=got["other_cores"])

        self.in_turns(once)

    def on(self, brokers):
        acks = "1" if brokers == 1 else "all"
        self.both = self.clusters(brokers)
        try:
            for name, cluster in self.both.items():
                topic = self.topic(cluster, 3)
                self.tool(cluster, "produce", topic, self.scaled(1_000_000), 100, f"acks={acks}")
                self.tool(cluster, "read", topic, self.scaled(1_000_000))
            self.produce(100, "none", 1_000_000 if brokers == 1 else 600_000, acks, brokers, brokers == 1)
            if brokers == 1:
                for size, codec, records in ((100, "lz4", 800_000), (100, "zstd", 800_000), (1024, "none", 150_000), (1024, "lz4", 150_000), (1024, "zstd", 150_000)):
                    self.produce(size, codec, records, acks, brokers, True)
            self.java_default(1_000_000 if brokers == 1 else 400_000, acks, brokers)
            self.latencies(3000 if brokers == 1 else 1500, acks, brokers)
            for name, cluster in self.both.items():
                self.row(f"memory of a node after load, MiB, {nodes(brokers)}", name, resident_mib(cluster.pids()))
        finally:
            for cluster in self.both.values():
                problems = cluster.stop()
                cluster.discard()
                expect(not problems, f"{problems}")

    def gap(self):
        """kill -9 of a leader under a writer; the longest time without an acknowledgement, and its parts."""
        default = self.makers(3)
        ways = [("default timings", "Kafka", default["Kafka"], 16), ("default timings", "Harrow", default["Harrow"], 16), ("--fast-failover", "Harrow", self.makers(3, flags=["--fast-failover"])["Harrow"], 6)]
        for timings, name, make, seconds in ways:
            cluster = make()
            try:
                cluster.start()
                until(lambda: good_answers(cluster.ports.values(), 3) == 3, f"{name} is ready", 120)
                for _ in range(1 if timings == "default timings" else self.arguments.repeats):
                    self.gap_once(timings, name, cluster, seconds)
                    until(lambda: good_answers(cluster.ports.values(), 3) == 3, f"{name} is whole again", 120)
            finally:
                cluster.stop()
                cluster.discard()

    def gap_once(self, timings, name, cluster, seconds):
        topic = self.topic(cluster, 1)
        writer = subprocess.Popen([self.client, "gap", cluster.bootstrap, topic, str(seconds), "100", "acks=all", "enable.idempotence=true", "log_level=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            expect(writer.stdout.readline() == "writing\n", "the writer writes")
            time.sleep(2)
            old = leader_of(cluster, topic)
            controller = active_controller(cluster)
            if old == controller:  # its loss adds an election; the goal is about a leader
                note = "the active controller, too"
            else:
                note = "not the active controller"
            killed = time.time()
            cluster.kill(old)
            watch = {}

            def look():
                while time.time() < killed + 60 and "at" not in watch:
                    now = leader_of(cluster, topic, without=old)
                    if now not in (None, old, -1):
                        watch["at"] = time.time()
                    time.sleep(0.003)

            watcher = threading.Thread(target=look)
            watcher.start()
            out, _ = writer.communicate(timeout=TOOL_S)
            watcher.join()
        finally:
            if writer.poll() is None:
                writer.kill()
                writer.wait()
        expect(writer.returncode == 0, f"the writer lost records: {out}")
        got = json.loads(out)
        expect("at" in watch, "no other leader was seen")
        self.row(f"longest gap after kill -9 of a leader, s, {timings}", name, got["gap_ms"] / 1000, until_another_leads_s=round(watch["at"] - killed, 3), until_the_client_goes_on_s=round(got["gap_end_s"] - watch["at"], 3), killed=note, records=got["records"])
        cluster.launch(old)

    def floor(self):
        done = subprocess.run([self.arguments.binary, "bench", "append", "--scale", str(self.arguments.scale)], capture_output=True, text=True, timeout=TOOL_S)
        expect(done.returncode == 0, done.stderr)
        for line in done.stdout.splitlines():
            row = json.loads(line)
            if row["task"] != "append-floor":
                continue
            figure = f"append beside a bare loop, {row['batch_bytes']} B batches, {row['in_flight']} in flight, us a request"
            self.row(figure, "bare loop", row["bare_ns"] / 1000, wall_us=row["bare_wall_ns"] / 1000)
            self.row(figure, "Harrow", row["serve_ns"] / 1000, wall_us=row["serve_wall_ns"] / 1000)


def leader_of(cluster, topic, without=None):
    for node, process in list(cluster.processes.items()):
        if node == without:
            continue
        try:
            one = wire.Connection(f"127.0.0.1:{cluster.ports[node]}")
            try:
                return one.ask("Metadata", 7, {"topics": [{"name": topic}]}, 5)["topics"][0]["partitions"][0]["leader_id"]
            finally:
                one.close()
        except (OSError, wire.Closed, wire.Silence, IndexError):
            continue
    return None


def active_controller(cluster):
    one = wire.Connection(cluster.bootstrap.split(",")[0])
    try:
        return one.ask("DescribeQuorum", 2, {"topics": [{"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]})["topics"][0]["partitions"][0]["leader_id"]
    finally:
        one.close()


def nodes(brokers):
    return "one node" if brokers == 1 else "three nodes"


# --- The page --------------------------------------------------------------------------------------------------------

# (figure, goal: the ratio to Kafka that Harrow should reach; a larger figure is better)
GOALS = [
    ("broker CPU s a million 100 B records, librdkafka, acks=1, one node", 0.3, False),
    ("broker CPU s a million 100 B records, Java default batches, acks=1, one node", 0.25, False),
    ("broker CPU s a million 100 B records, librdkafka, acks=all, three nodes", 0.35, False),
    ("broker CPU s a million 100 B records, Java default batches, acks=all, three nodes", 0.2, False),
    ("broker CPU s to read back a million 100 B records, one node", 1.0, False),
    *[(f"records/s, librdkafka, {size} B, {codec}, one node", 1.5, True) for size in (100, 1024) for codec in ("none", "lz4", "zstd")],
    ("round trip of one acked send, ms, acks=1, one node", 0.5, False),
    ("round trip of one acked send, ms, acks=all, three nodes", 0.5, False),
    ("end to end p99, us, one node", 0.3, False),
    ("end to end p99, us, three nodes", 0.3, False),
    ("memory of an idle node, MiB, one node", 0.03, False),
    ("memory of an idle node, MiB, three nodes", 0.03, False),
    ("memory of a node after load, MiB, one node", 0.1, False),
    ("memory of a node after load, MiB, three nodes", 0.1, False),
    ("start to first answer, s, one node", 0.01, False),
    ("start to first answer, s, three nodes", 0.02, False),
    ("longest gap after kill -9 of a leader, s, default timings", 1.0, False),
]
BROKER_IDLES = 0.6  # of a core: below, something else was the limit of a throughput row


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def document(rows):
    last = [row for row in rows if row["run"] == rows[-1]["run"]]
    about = last[-1]
    values, facts = {}, {}
    for row in last:
        values.setdefault((row["figure"], row["subject"]), []).append(row["value"])
        facts.setdefault((row["figure"], row["subject"]), []).append(row)
    median = lambda figure, subject: statistics.median(values[(figure, subject)]) if (figure, subject) in values else None
    spread = lambda figure, subject: f"{number(median(figure, subject))} ({number(min(values[(figure, subject)]))} to {number(max(values[(figure, subject)]))})"
    others = [row["other_cores"] for row in last if "other_cores" in row]
    loud = statistics.median(others) if others else 0
    lines = ["# Beside Apache Kafka", "",
             "Written by `tests/bench/vs_kafka.py`; every repeat is a row of `vs-kafka.jsonl`. Both brokers run on the same machine with the same settings, in",
             "turns, and each figure is the median of its repeats (smallest to largest). Kafka runs with the memory and collector options of its own start scripts.", "",
             f"Apache Kafka {about['kafka']}; Harrow at commit {about['commit']}; {about['machine']}; {about['run']}. Brokers and clients share the cores.",
             f"Other work on the machine took {loud:.2f} cores in the median of the loaded runs" + (f" and up to {max(others):.2f}: **the machine was busy**, and the figures want another run on a quiet one." if loud > 0.15 else ": it was quiet."), "",
             "| figure | Kafka | Harrow | ratio | goal | |", "|---|---|---|---|---|---|"]
    missed = []
    for figure, goal, more_is_better in GOALS:
        kafka, harrow = median(figure, "Kafka"), median(figure, "Harrow")
        if kafka is None or harrow is None:
            lines.append(f"| {figure} | | | | {goal} | not measured |")
            missed.append(f"{figure}: not measured")
            continue
        ratio = harrow / kafka
        met = ratio >= goal if more_is_better else ratio <= goal
        verdict = "met" if met else "**missed**"
        if not met and more_is_better:
            cores = statistics.median(row["broker_cores"] for row in facts[(figure, "Harrow")])
            if cores < BROKER_IDLES:
                verdict = f"the client is the limit: Harrow uses {cores:.2f} cores meanwhile"
        if verdict == "**missed**":
            missed.append(f"{figure}: {ratio:.2f} instead of {goal}")
        lines.append(f"| {figure} | {spread(figure, 'Kafka')} | {spread(figure, 'Harrow')} | {ratio:.3g} | {'at least ' if more_is_better else ''}{goal} | {verdict} |")
    fast = "longest gap after kill -9 of a leader, s, --fast-failover"
    if (fast, "Harrow") in values:
        met = max(values[(fast, "Harrow")]) < 1
        lines.append(f"| {fast} | | {spread(fast, 'Harrow')} | | below 1 s | {'met' if met else '**missed**'} |")
        if not met:
            missed.append(f"{fast}: {max(values[(fast, 'Harrow')]):.2f} s")
    lines += ["", "## Beside a bare loop", "", "`harrow bench append`: a loop of recv, CRC-32C, pwrite and an answer, and `harrow serve` under the same requests; processor time a request. Goal: at most 1.6 times.", "",
              "| requests | bare loop, us | Harrow, us | ratio | |", "|---|---|---|---|---|"]
    floors = list(dict.fromkeys(row["figure"] for row in last if row["figure"].startswith("append beside")))
    if not floors:
        missed.append("append beside a bare loop: not measured")
    for figure in floors:
        ratio = median(figure, "Harrow") / median(figure, "bare loop")
        lines.append(f"| {figure[len('append beside a bare loop, '):-len(', us a request')]} | {median(figure, 'bare loop'):.2f} | {median(figure, 'Harrow'):.2f} | {ratio:.2f} | {'met' if ratio <= 1.6 else '**missed**'} |")
        if ratio > 1.6:
            missed.append(f"{figure}: {ratio:.2f} times the bare loop instead of 1.6")
    gaps = [row for row in last if row["figure"].startswith("longest gap")]
    if gaps:
        lines += ["", "## The parts of a gap", "", "From kill -9 until the brokers name another leader (noticing, fencing, electing), and from then until the client's next acknowledgement (finding it, sending again).", "",
                  "| timings | broker | gap, s | until another leads, s | until the client goes on, s | the killed leader was |", "|---|---|---|---|---|---|"]
        lines += [f"| {row['figure'].rsplit(', ', 1)[1]} | {row['subject']} | {row['value']:.3f} | {row['until_another_leads_s']} | {row['until_the_client_goes_on_s']} | {row['killed']} |" for row in gaps]
    lines += ["", "## Missed", ""] + ([f"- {one}" for one in missed] or ["Nothing."])
    return "\n".join(lines) + "\n"


def write_page():
    with open(ROWS) as file:
        rows = [json.loads(line) for line in file]
    with open(PAGE, "w") as file:
        file.write(document(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--jars")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=int, default=100, help="percent of the full size")
    parser.add_argument("--only", default="one,three,gap,floor")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page:
        if not arguments.binary or not arguments.jars:
            parser.error("--binary and --jars are needed")
        arguments.binary = os.path.abspath(arguments.binary)
        bench = Bench(arguments)
        parts = {"one": lambda: bench.on(1), "three": lambda: bench.on(3), "gap": bench.gap, "floor": bench.floor}
        touch_memory()
        for part in arguments.only.split(","):
            parts[part]()
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
