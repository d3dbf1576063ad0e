#!/usr/bin/env python3
"""Apache Kafka's own command-line tools, as published, against served clusters: the Java clients at work.

java_tools.py --binary build/release/harrow [--brokers 1,3] [--jars build/kafka-libs]
java_tools.sh fetches the jars. The tools are started one by one; a class-data archive makes their starts bearable.
"""
import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from served import expect, run_suite, until

TOOLS = "org.apache.kafka.tools."
TOOL_S = 120
BASE_MS = 1_700_000_000_000


class Tools:
    """One cluster, and how to call the tools with it."""

    def __init__(self, jars, cluster):
        self.cluster = cluster
        self.java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=off", "-cp", os.path.join(jars, "*")]
        self.archive = os.path.join(jars, "tools.jsa")
        self.at = ("--bootstrap-server", cluster.bootstrap)

    def command(self, name, *arguments):
        class_name = name if name.startswith("kafka.") else TOOLS + name
        share = ["-XX:SharedArchiveFile=" + self.archive] if os.path.exists(self.archive) else []
        return [*self.java[:-2], *share, *self.java[-2:], class_name, *arguments]

    def run(self, name, *arguments, given=None, code=0):
        done = subprocess.run(self.command(name, *arguments), input=given, capture_output=True, text=True, timeout=TOOL_S)
        expect(code is None or done.returncode == code, f"{name} {' '.join(arguments)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr if code != 0 else done.stdout

    def make_archive(self):
        if not os.path.exists(self.archive):
            command = self.command("TopicCommand", *self.at, "--list")
            subprocess.run([command[0], "-XX:ArchiveClassesAtExit=" + self.archive, *command[1:]], capture_output=True, timeout=TOOL_S)

    # Their names for the tools
    def topics(self, *arguments, **more):
        return self.run("TopicCommand", *self.at, *arguments, **more)

    def create(self, topic, partitions=3, *more):
        said = self.topics("--create", "--topic", topic, "--partitions", str(partitions), "--replication-factor", str(min(3, self.cluster.brokers)), *more)
        expect(f"Created topic {topic}." in said, said)

    def groups(self, *arguments, **more):
        return self.run("consumer.group.ConsumerGroupCommand", *self.at, *arguments, **more)

    def offsets(self, *arguments):
        """{partition: offset} of one topic."""
        said = self.run("GetOffsetShell", *self.at, *arguments)
        return {int(p): int(offset) if offset else None for p, offset in re.findall(r"^\S+:(\d+):(-?\d*)$", said, re.M)}

    def consume(self, topic, count, *arguments):
        return self.run("consumer.ConsoleConsumer", *self.at, "--topic", topic, "--max-messages", str(count), "--timeout-ms", "30000", *arguments).splitlines()


def table(text):
    """Rows of a tool's table by its headings, which begin with GROUP."""
    rows, heads = [], None
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["GROUP"]:
            heads = words
        elif heads and words:
            rows.append(dict(zip(heads, words)))
    return rows


def topics_and_configs(t):
    nodes = t.cluster.brokers
    t.create("events", 3, "--config", "retention.ms=3600000")
    expect("already exists" in t.topics("--create", "--topic", "events", code=1), "creating twice")
    expect("replica" in t.topics("--create", "--topic", "wide", "--replication-factor", "9", code=1), "a replication factor above the brokers' number")
    described = t.topics("--describe", "--topic", "events")
    expect("PartitionCount: 3" in described and "retention.ms=3600000" in described, described)
    expect(len(re.findall(r"Leader: \d+\tReplicas: [\d,]+\tIsr: [\d,]+", described)) == 3, described)
    t.topics("--alter", "--topic", "events", "--partitions", "4")
    expect("PartitionCount: 4" in t.topics("--describe", "--topic", "events"), "four partitions")
    expect("does not exist" in t.topics("--describe", "--topic", "nowhere", code=1), "an unknown topic")
    configs = lambda *more, **kind: t.run("kafka.admin.ConfigCommand", *t.at, "--entity-type", kind.get("kind", "topics"), "--entity-name", kind.get("name", "events"), *more, code=kind.get("code", 0))
    expect("Completed updating" in configs("--alter", "--add-config", "max.message.bytes=50000,cleanup.policy=[compact,delete]"), "configs --alter")
    said = configs("--describe")
    expect("max.message.bytes=50000" in said and "cleanup.policy=compact,delete" in said and "retention.ms=3600000" in said, said)
    configs("--alter", "--delete-config", "max.message.bytes,cleanup.policy")
    said = configs("--describe")
    expect("max.message.bytes" not in said and "retention.ms=3600000" in said, said)
    expect("InvalidConfigurationException" in configs("--alter", "--add-config", "retention.ms=soon", code=1), "a wrong value")
    said = configs("--describe", "--all", kind="brokers", name="1")
    expect("log.retention.hours=" in said and "num.partitions=" in said, said[:500])


def dynamic_configs(t):
    """Values of brokers and of the whole cluster: taken at once, shown with where they come from, refused as Kafka refuses them."""
    command = lambda of, *more, kind="brokers", code=0: t.run("kafka.admin.ConfigCommand", *t.at, "--entity-type", kind, *of, *more, code=code)
    everybody, one, topic = ("--entity-default",), ("--entity-name", "1"), ("--entity-name", "lines-kept")
    t.create("lines-kept", 1)
    expect("Completed updating default config" in command(everybody, "--alter", "--add-config", "log.retention.ms=7200000,message.max.bytes=2000000"), "a default of the cluster")
    expect("Completed updating config for broker 1" in command(one, "--alter", "--add-config", "log.retention.ms=3600000"), "a value of a broker")
    said = command(everybody, "--describe")
    expect("log.retention.ms=7200000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7200000}" in said, said)
    said = command(one, "--describe")
    expect("log.retention.ms=3600000" in said and "DYNAMIC_BROKER_CONFIG:log.retention.ms=3600000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7200000" in said, said)
    said = command(topic, "--describe", "--all", kind="topics")
    expect("max.message.bytes=2000000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=2000000, DEFAULT_CONFIG:message.max.bytes=1048588}" in said, said)
    command(topic, "--alter", "--add-config", "max.message.bytes=3000", kind="topics")
    said = command(topic, "--describe", kind="topics")
    expect("DYNAMIC_TOPIC_CONFIG:max.message.bytes=3000, DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=2000000" in said, said)
    big = "x" * 5000 + "\n"
    t.run("ConsoleProducer", *t.at, "--topic", "lines-kept", given=big, code=None)
    expect(t.offsets("--topic", "lines-kept") == {0: 0}, "the limit counts at once")
    command(topic, "--alter", "--delete-config", "max.message.bytes", kind="topics")
    t.run("ConsoleProducer", *t.at, "--topic", "lines-kept", given=big)
    expect(t.offsets("--topic", "lines-kept") == {0: 1}, "and so does its end")
    said = command(one, "--alter", "--add-config", "num.partitions=7", code=1)
    expect("Cannot update these configs dynamically" in said and "num.partitions" in said, said)
    said = command(one, "--alter", "--add-config", "log.retention.ms=soon", code=1)
    expect("Invalid value soon for configuration log.retention.ms: Not a number of type LONG" in said, said)
    said = command(topic, "--alter", "--add-config", "retention.mss=1", kind="topics", code=1)
    expect("Unknown topic config name: retention.mss" in said, said)
    command(one, "--alter", "--delete-config", "log.retention.ms")
    command(everybody, "--alter", "--delete-config", "log.retention.ms,message.max.bytes")
    said = command(one, "--describe", "--all")
    expect(re.search(r"log\.retention\.ms=null .*synonyms=\{\}", said) and "log.retention.hours=168 sensitive=false synonyms={DEFAULT_CONFIG:log.retention.hours=168}" in said, said)
    # These ask for what has a configuration (ListConfigResources) first.
    for kind in ("client-metrics", "groups"):
        command((), "--describe", kind=kind)


def produce_and_consume(t):
    t.create("lines", 1)
    sent = []
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = [f"codec:{codec},n:{i}|{codec}-{i % 3}|{codec} {i} " + "x" * i for i in range(10)] + [f"NULL|{codec}-null|NULL"]
        sent += lines
        t.run("ConsoleProducer", *t.at, "--topic", "lines", "--compression-codec", codec, "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=|",
              "--reader-property", "key.separator=|", "--reader-property", "null.marker=NULL", given="\n".join(lines) + "\n")
    shows = [word for name in ("print.key=true", "print.offset=true", "print.headers=true", "print.timestamp=true", "null.literal=NULL", "key.separator=|", "headers.separator=,") for word in ("--formatter-property", name)]
    got = t.consume("lines", len(sent), "--from-beginning", *shows)
    expect(len(got) == len(sent), f"{len(got)} of {len(sent)} lines came back")
    for i, (line, wanted) in enumerate(zip(got, sent)):
        stamp, offset, headers, key, value = line.split("|", 4)
        expect(offset == f"Offset:{i}" and re.fullmatch(r"CreateTime:\d{13}", stamp), line)
        head, wanted_key, wanted_value = wanted.split("|", 2)
        expect((key, value) == (wanted_key, wanted_value), f"{line} instead of {wanted}")
        expect(headers == ("NO_HEADERS" if head == "NULL" else head), line)
    # A group stops in the middle, goes on there, and is done.
    first = t.consume("lines", 20, "--group", "readers", "--from-beginning", "--formatter-property", "null.literal=NULL")
    rest = t.consume("lines", len(sent) - 20, "--group", "readers", "--from-beginning", "--formatter-property", "null.literal=NULL")
    expect(first + rest == [line.split("|", 2)[2] for line in sent], "a group resumes where it was")
    expect(t.consume("lines", 2, "--partition", "0", "--offset", "12", "--formatter-property", "null.literal=NULL") == [line.split("|", 2)[2] for line in sent[12:14]], "from an offset")
    said = t.run("ConsoleProducer", *t.at, "--topic", "lines", "--command-property", "max.request.size=5000000", given="x" * 2_000_000 + "\n", code=None)
    expect(t.offsets("--topic", "lines") == {0: len(sent)}, f"an oversized record was taken: {said[:300]}")
    return len(sent)


def offsets_and_groups(t, count):
    expect(t.offsets("--topic", "lines", "--time", "earliest") == {0: 0}, "earliest")
    expect(t.offsets("--topic", "lines", "--time", str(BASE_MS)) == {0: 0}, "a time before everything")
    expect(t.offsets("--topic", "lines", "--time", "max-timestamp")[0] in range(count), "max-timestamp")
    expect("readers" in t.groups("--list").split(), "groups --list")
    rows = table(t.groups("--describe", "--group", "readers"))
    expect(len(rows) == 1 and (rows[0]["CURRENT-OFFSET"], rows[0]["LOG-END-OFFSET"], rows[0]["LAG"]) == (str(count), str(count), "0"), f"{rows}")
    expect(table(t.groups("--describe", "--group", "readers", "--state"))[0]["STATE"] == "Empty" if "STATE" in t.groups("--describe", "--group", "readers", "--state") else False, "groups --state")
    reset = ("--reset-offsets", "--group", "readers", "--topic", "lines")
    expect(table(t.groups(*reset, "--shift-by", "-5", "--dry-run"))[0]["NEW-OFFSET"] == str(count - 5), "a dry run")
    expect(table(t.groups(*reset, "--to-datetime", "2023-11-14T22:13:20.000", "--execute"))[0]["NEW-OFFSET"] == "0", "to a time")
    expect(len(t.consume("lines", count, "--group", "readers")) == count, "everything once more")
    t.groups("--delete-offsets", "--group", "readers", "--topic", "lines")
    t.groups("--delete", "--group", "readers")
    expect("readers" not in t.groups("--list").split(), "the group is gone")
    expect("GroupIdNotFoundException" in t.groups("--delete", "--group", "readers", code=None), "deleting an unknown group")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 1, "partitions": [{"topic": "lines", "partition": 0, "offset": 5}]}, file)
        file.flush()
        expect("low_watermark: 5" in t.run("DeleteRecordsCommand", *t.at, "--offset-json-file", file.name), "delete-records")
    expect(t.offsets("--topic", "lines", "--time", "-2") == {0: 5}, "records were deleted")


def performance(t):
    t.create("perf", 3)
    said = t.run("ProducerPerformance", *t.at, "--topic", "perf", "--num-records", "3000", "--record-size", "100", "--throughput", "-1", "--command-property", "acks=all")
    expect("3000 records sent" in said, said)
    expect(sum(t.offsets("--topic", "perf").values()) == 3000, "3000 records")
    said = t.run("ConsumerPerformance", *t.at, "--topic", "perf", "--num-records", "3000", "--timeout", "30000")
    expect(re.search(r", 3000, ", said), said)


def cluster_and_files(t):
    nodes = t.cluster.brokers
    said = t.run("MetadataQuorumCommand", *t.at, "describe", "--status")
    leader = re.search(r"LeaderId:\s+(\d+)", said)
    expect(leader and 1 <= int(leader.group(1)) <= nodes and re.search(r"HighWatermark:\s+[1-9]", said), said)
    said = t.run("MetadataQuorumCommand", *t.at, "describe", "--replication")
    expect(len(re.findall(r"\b(?:Leader|Follower)\b", said)) == nodes, said)
    said = t.run("BrokerApiVersionsCommand", *t.at)
    expect(len(re.findall(r"Produce\(0\): \d+ to 13", said)) == nodes and len(re.findall(r"Fetch\(1\): \d+ to 18", said)) == nodes, said)
    expect(len(t.run("ClusterTool", "cluster-id", *t.at).strip().split()[-1]) == 22, "cluster-id")
    said = t.run("LogDirsCommand", *t.at, "--describe", "--topic-list", "perf")
    expect(len(re.findall(r'"partition":"perf-\d"', said)) == 3 * min(3, nodes), said)
    expect("metadata.version" in t.run("FeatureCommand", *t.at, "describe"), "features")
    said = t.run("LeaderElectionCommand", *t.at, "--election-type", "preferred", "--all-topic-partitions")
    expect("rror" not in said, said)
    node = t.cluster.partitions("lines")[0]
    files = sorted(glob.glob(t.cluster.path(f"data-{node}/lines-0/*.log")))
    said = t.run("DumpLogSegments", "--print-data-log", "--deep-iteration", "--files", ",".join(files))
    expect(said.count("| offset: ") == 55 and "isvalid: true" in said and "isvalid: false" not in said and "compresscodec: zstd" in said, said[:2000])


class Output:
    """A tool that runs beside; its lines, each a JSON object."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.rows = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.rows.append(json.loads(line))

    def named(self, name):
        return [row for row in list(self.rows) if row.get("name") == name]

    def end(self, wait_s=TOOL_S):
        try:
            self.process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(timeout=TOOL_S)
        self.reader.join()
        return self.process.returncode

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join()


def verifiable(t):
    """A producer and a group of two that check themselves; on several nodes a leader is killed while they work."""
    several = t.cluster.brokers > 1
    count, pace = (2400, 200) if several else (400, 200)
    t.create("verified", 3)
    beside = []
    try:
        group = ("--bootstrap-server", t.cluster.bootstrap, "--topic", "verified", "--group-id", "verifiers", "--reset-policy", "earliest", "--session-timeout", "6000")
        consumers = [Output(t.command("VerifiableConsumer", *group)) for _ in range(2)]
        beside += consumers
        share = lambda one: len(one.named("partitions_assigned")[-1]["partitions"]) if one.named("partitions_assigned") else 0
        until(lambda: all(map(share, consumers)) and sum(map(share, consumers)) == 3, "two members share", 60)
        with open(t.cluster.path("producer.properties"), "w") as file:
            file.write("retries=2147483647\nenable.idempotence=true\n")  # by itself the tool does not try again
        producer = Output(t.command("VerifiableProducer", "--command-config", file.name, "--bootstrap-server", t.cluster.bootstrap, "--topic", "verified", "--max-messages", str(count), "--throughput", str(pace), "--acks", "-1", "--repeating-keys", "5"))
        beside.append(producer)
        acked = lambda: producer.named("producer_send_success")
        until(lambda: len(acked()) > count // 10, "records are acknowledged", 60)
        if several:
            expect(producer.process.poll() is None, "the producer is at work")
            t.cluster.kill_leader("verified", 0)
            expect(producer.process.poll() is None, "the producer has ended before another leader was found")
        expect(producer.end() == 0, "the verifiable producer failed")
        expect(len(acked()) == count and not producer.named("producer_send_error"), f"{len(acked())} of {count} acknowledged, {producer.named('producer_send_error')[:2]}")
        consumed = lambda: sum(row["count"] for one in consumers for row in one.named("records_consumed"))
        until(lambda: consumed() >= count, f"the group reads all {count}", 60)
        t.cluster.restart()
        # One leaves; the other takes over.
        consumers[1].process.terminate()
        until(lambda: share(consumers[0]) == 3, "the other takes over", 60)
        consumers[0].process.terminate()
        for one in consumers:
            one.end()
        commits = [row for one in consumers for row in one.named("offsets_committed")]
        expect(commits and (several or all(row["success"] for row in commits)), "commits")
    finally:
        for one in beside:
            one.discard()
    values = collections.Counter()
    rows = t.consume("verified", count, "--from-beginning", "--formatter-property", "print.key=true", "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true")
    by_key = {}
    places = set()
    for row in rows:
        partition, offset, key, value = row.split("\t")
        values[value] += 1
        places.add((partition, offset))
        by_key.setdefault(key, []).append(int(value))
    expect(len(rows) == count and max(values.values()) == 1 and len(places) == count, f"{len(rows)} of {count}, {values.most_common(1)}")
    expect(all(list_ == sorted(list_) for list_ in by_key.values()) and len(by_key) == 5, "order per key")
    expect({(f"Partition:{row['partition']}", f"Offset:{row['offset']}") for row in acked()} == places, "the offsets are those that were acknowledged")
    rows = table(t.groups("--describe", "--group", "verifiers"))
    expect(sum(int(row["CURRENT-OFFSET"]) for row in rows) == count and all(row["LAG"] == "0" for row in rows), f"{rows}")


def deletion(t):
    if t.cluster.brokers > 1:
        said = t.run("LeaderElectionCommand", *t.at, "--election-type", "preferred", "--topic", "verified", "--partition", "0", code=None)
        expect("Successfully completed leader election" in said or "Valid replica already elected" in said, said)
    t.topics("--delete", "--topic", "events")
    until(lambda: "events" not in t.topics("--list").split(), "a deleted topic goes")


def program(jars):
    def run(cluster):
        t = Tools(jars, cluster)
        t.make_archive()
        count = None
        for part in (topics_and_configs, dynamic_configs, produce_and_consume, offsets_and_groups, performance, cluster_and_files, verifiable, deletion):
            begin = time.monotonic()
            if part is offsets_and_groups:
                part(t, count)
            else:
                count = part(t) or count
            print(f"  {part.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--brokers", default="1,3")
    parser.add_argument("--jars", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "kafka-libs"))
    arguments = parser.parse_args()
    good = [run_suite(arguments.binary, "java-tools", int(n), program(arguments.jars)) for n in arguments.brokers.split(",")]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
