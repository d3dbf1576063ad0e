#!/usr/bin/env python3
"""kill -9 of random nodes of three, for minutes, while an idempotent acks=all writer is at work and a group reads and commits.
Nothing that was acknowledged may be missing, come twice or out of order, and no commit may go back.

tests/interop/kill_loop.py --binary build/release/harrow [--minutes 1] [--seed 1] [--record FILE]
Needs confluent-kafka importable; kill_loop.sh installs it. Victims, moments and pauses come from the seed. The table counts kills,
leader changes and recoveries from unclean logs: if one of them is 0, the loop has shown nothing and fails.
"""
import argparse
import collections
import logging
import os
import random
import re
import statistics
import struct
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

import confluent_kafka as ck
from confluent_kafka import admin

from served import Cluster, expect, until

TOPIC, PARTITIONS = "kept", 6
GROUP = "kept-readers"
RECORDS_PER_S = 200
DELIVERY_S, SETTLE_S, READ_S = 120, 90, 120
RECOVERED = re.compile(r"^harrow_log_unclean_recoveries_total\{.*\} (\d+)$", re.M)
NUMBER = struct.Struct(">q")


class ClientLog(logging.Handler):
    """What librdkafka says. Lost connections are expected; an answer that it cannot read is a fault of ours."""

    def __init__(self):
        super().__init__()
        self.unreadable = []

    def emit(self, row):
        text = row.getMessage()
        if "PROTOERR" in text or "BADMSG" in text or "UNDERFLOW" in text.upper():
            self.unreadable.append(text)


CLIENT_LOG = ClientLog()
LOGGER = logging.getLogger("clients")
LOGGER.addHandler(CLIENT_LOG)
LOGGER.setLevel(logging.DEBUG)
LOGGER.propagate = False


def value_of(number, dice):
    """The number, and a body whose size and bytes follow from it."""
    return NUMBER.pack(number) + bytes([number & 0xFF]) * dice.randrange(0, 400)


class Writer(threading.Thread):
    """Numbers each partition's records from 0 on, and notes what is acknowledged."""

    def __init__(self, bootstrap, seed):
        super().__init__()
        self.dice = random.Random(f"writer {seed}")
        self.producer = ck.Producer({
            "bootstrap.servers": bootstrap, "broker.address.family": "v4", "acks": "all", "enable.idempotence": True, "linger.ms": 5,
            "delivery.timeout.ms": DELIVERY_S * 1000, "socket.timeout.ms": 10000, "retry.backoff.ms": 50, "retry.backoff.max.ms": 500, "reconnect.backoff.max.ms": 500,
        }, logger=LOGGER)
        self.sent = [0] * PARTITIONS
        self.acked = [{} for _ in range(PARTITIONS)]  # number: offset
        self.ack_times = [[time.monotonic()] for _ in range(PARTITIONS)]
        self.failed = []
        self.stopping = threading.Event()
        self.problem = None

    def delivered(self, number, error, message):
        if error is not None:
            self.failed.append((message.partition(), number, str(error)))
            return
        self.acked[message.partition()][number] = message.offset()
        self.ack_times[message.partition()].append(time.monotonic())

    def run(self):
        try:
            due = time.monotonic()
            while not self.stopping.is_set():
                partition = self.dice.randrange(PARTITIONS)
                number = self.sent[partition]
                try:
                    self.producer.produce(TOPIC, value=value_of(number, self.dice), key=b"k%d" % partition, partition=partition, on_delivery=lambda e, m, n=number: self.delivered(n, e, m))
                    self.sent[partition] += 1
                except BufferError:
                    pass
                due = max(due + 1 / RECORDS_PER_S, time.monotonic() - 1)
                self.producer.poll(max(0.0, due - time.monotonic()))
            left = self.producer.flush(DELIVERY_S)
            expect(left == 0, f"{left} records were neither acknowledged nor refused")
        except Exception as e:  # told by whoever joins
            self.problem = e


class Reader(threading.Thread):
    """One member of the group: a partition's numbers go up without a gap, and never begin behind the last commit."""

    def __init__(self, bootstrap, name, shared):
        super().__init__()
        self.name, self.shared = name, shared
        self.stopping = threading.Event()
        self.problem = None
        self.next = {}
        self.read = self.commits = self.refused = self.assignments = 0
        self.consumer = ck.Consumer({
            "bootstrap.servers": bootstrap, "broker.address.family": "v4", "group.id": GROUP, "client.id": name, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "reconnect.backoff.max.ms": 500, "fetch.wait.max.ms": 100,
        }, logger=LOGGER)

    def assigned(self, consumer, partitions):
        self.assignments += 1
        self.next = {p.partition: None for p in partitions}

    def revoked(self, consumer, partitions):
        self.next = {}

    def take(self, message):
        partition, number = message.partition(), NUMBER.unpack(message.value()[:8])[0]
        expect(message.value()[8:] == bytes([number & 0xFF]) * (len(message.value()) - 8), f"{partition}/{message.offset()}: another value than was written")
        expected = self.next.get(partition)
        if expected is None:
            committed = self.shared["committed"][partition]
            expect(message.offset() >= committed, f"{self.name} begins partition {partition} at {message.offset()}, behind the commit of {committed}")
            expect(message.offset() <= max(committed, self.shared["unsure"][partition]), f"{self.name} begins partition {partition} at {message.offset()}, above the commit of {committed}")
        else:
            expect((message.offset(), number) == expected, f"{self.name}: partition {partition}: offset {message.offset()} holds number {number}, not {expected}")
        self.next[partition] = (message.offset() + 1, number + 1)
        self.read += 1
        return partition, message.offset() + 1

    def run(self):
        try:
            self.consumer.subscribe([TOPIC], on_assign=self.assigned, on_revoke=self.revoked)
            uncommitted, last = {}, time.monotonic()
            while not self.stopping.is_set():
                for message in self.consumer.consume(200, 0.1):
                    if message.error() is not None:
                        expect(message.error().retriable() or not message.error().fatal(), f"{self.name}: {message.error()}")
                        continue
                    partition, offset = self.take(message)
                    uncommitted[partition] = offset
                uncommitted = {p: o for p, o in uncommitted.items() if p in self.next}
                if uncommitted and time.monotonic() - last > 0.5:
                    self.commit(uncommitted)
                    uncommitted, last = {}, time.monotonic()
            self.consumer.close()
        except Exception as e:  # told by whoever joins
            self.problem = e

    def commit(self, offsets):
        # What is refused may have been written all the same.
        for partition, offset in offsets.items():
            self.shared["unsure"][partition] = max(self.shared["unsure"][partition], offset)
        try:
            for done in self.consumer.commit(offsets=[ck.TopicPartition(TOPIC, p, o) for p, o in offsets.items()], asynchronous=False):
                if done.error is None:
                    self.shared["committed"][done.partition] = max(self.shared["committed"][done.partition], done.offset)
            self.commits += 1
        except ck.KafkaException:
            self.refused += 1  # nobody coordinates at the moment, or the group has moved on


class LeaderWatch(threading.Thread):
    """Counts what the cluster says: another leader than before, by partition."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
        self.admin = admin.AdminClient({"bootstrap.servers": bootstrap, "broker.address.family": "v4", "socket.timeout.ms": 2000, "reconnect.backoff.max.ms": 300}, logger=LOGGER)
        self.leaders, self.changes = {}, 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.2):
            try:
                topic = self.admin.list_topics(TOPIC, timeout=2).topics[TOPIC]
            except (ck.KafkaException, KeyError):
                continue
            for partition in topic.partitions.values():
                if partition.leader < 0:
                    continue
                before = self.leaders.get(partition.id)
                self.changes += before is not None and before != partition.leader
                self.leaders[partition.id] = partition.leader


class Killer:
    """Kills by the seed's dice. A restart is sometimes awaited, sometimes itself killed while it recovers."""

    def __init__(self, cluster, seed):
        self.cluster, self.dice = cluster, random.Random(f"killer {seed}")
        self.kills = self.early = self.rounds = 0
        self.together = collections.Counter()
        self.recovered_starts = self.recovered_logs = 0
        self.counted = set()
        self.moments = []

    def count_recoveries(self, node):
        """Once a process, as soon as it answers."""
        process = self.cluster.processes.get(node)
        if process is None or process.pid in self.counted or process.poll() is not None:
            return
        path = self.cluster.path(f"admin-{node}")
        if not os.path.exists(path) or not os.path.exists(self.cluster.path(f"ready-{node}")):
            return
        with open(path) as file:
            address = file.read().strip()
        try:
            found = RECOVERED.findall(urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode())
        except (urllib.error.URLError, OSError):
            return
        if not found:
            return
        logs = sum(map(int, found))
        self.counted.add(process.pid)
        self.recovered_starts += logs > 0
        self.recovered_logs += logs

    def kill(self, node):
        self.count_recoveries(node)
        process = self.cluster.processes.pop(node)
        expect(process.poll() is None, f"node {node} ended by itself with exit {process.returncode}: {self.cluster.said(node)}")
        ready = os.path.exists(self.cluster.path(f"ready-{node}"))
        process.kill()
        process.wait()
        self.kills += 1
        self.early += not ready

    def round(self):
        dice = self.dice
        time.sleep(dice.uniform(0.3, 5.0))
        count = dice.choices((1, 2, 3), (75, 15, 10))[0]
        victims = dice.sample(sorted(self.cluster.ports), count)
        self.rounds += 1
        self.together[count] += 1
        self.moments.append(time.monotonic())
        for node in victims:
            if node in self.cluster.processes:
                self.kill(node)
            time.sleep(dice.choice((0, 0, dice.uniform(0, 0.4))))
        time.sleep(dice.uniform(0, 3.0))
        for node in [n for n in self.cluster.ports if n not in self.cluster.processes]:
            self.cluster.launch(node)
        if dice.random() < 0.3:
            # Again, while the logs are being recovered or the node is catching up.
            time.sleep(dice.uniform(0.0, 0.5))
            node = dice.choice(victims)
            self.kill(node)
            self.cluster.launch(node)
        if dice.random() < 0.7:
            for node in self.cluster.ports:
                self.cluster.await_ready(node)
                self.count_recoveries(node)

    def settle(self):
        for node in self.cluster.ports:
            if node not in self.cluster.processes:
                self.cluster.launch(node)
        for node in self.cluster.ports:
            self.cluster.await_ready(node)
            self.count_recoveries(node)


def read_all(bootstrap, ends):
    """Every record of every partition, by assignment: {partition: [(offset, number)]}"""
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "broker.address.family": "v4", "group.id": "whoever", "enable.auto.commit": False, "auto.offset.reset": "earliest"}, logger=LOGGER)
    consumer.assign([ck.TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
    rows = {p: [] for p in range(PARTITIONS)}
    end = time.monotonic() + READ_S
    while any(ends[p] > (rows[p][-1][0] + 1 if rows[p] else 0) for p in rows):
        expect(time.monotonic() < end, f"reading back: {[len(r) for r in rows.values()]} of {ends} within {READ_S} s")
        for message in consumer.consume(1000, 0.5):
            if message.error() is None:
                rows[message.partition()].append((message.offset(), NUMBER.unpack(message.value()[:8])[0]))
    consumer.close()
    return rows


def judge(writer, rows):
    """What is wrong with what was read; an empty list if nothing is."""
    wrong = []
    for partition, found in rows.items():
        numbers = [number for _, number in found]
        lost = sorted(set(writer.acked[partition]) - set(numbers))
        if lost:
            wrong.append(f"partition {partition}: {len(lost)} acknowledged records are lost, the first is number {lost[0]} at offset {writer.acked[partition][lost[0]]}")
        if len(set(numbers)) != len(numbers):
            twice = [n for n, times in collections.Counter(numbers).items() if times > 1]
            wrong.append(f"partition {partition}: {len(twice)} numbers came twice, the first is {twice[0]}")
        if numbers != sorted(numbers):
            wrong.append(f"partition {partition}: out of order")
        places = dict((number, offset) for offset, number in found)
        moved = [n for n, offset in writer.acked[partition].items() if offset >= 0 and places.get(n, offset) != offset]
        if moved:
            wrong.append(f"partition {partition}: {len(moved)} records are at other offsets than were acknowledged, the first is number {moved[0]}")
    return wrong


def gaps_of(writer):
    """Pauses above a second between acknowledgements of one partition."""
    gaps = []
    for times in writer.ack_times:
        gaps += [later - earlier for earlier, later in zip(times, times[1:]) if later - earlier > 1.0]
    return sorted(gaps)


def loop(cluster, minutes, seed):
    bootstrap = cluster.bootstrap
    clients = admin.AdminClient({"bootstrap.servers": bootstrap, "broker.address.family": "v4"}, logger=LOGGER)
    for future in clients.create_topics([admin.NewTopic(TOPIC, PARTITIONS, 3, config={"segment.bytes": str(1 << 20)})]).values():
        future.result(20)
    shared = {"committed": [0] * PARTITIONS, "unsure": [0] * PARTITIONS}
    writer, watch, killer = Writer(bootstrap, seed), LeaderWatch(bootstrap), Killer(cluster, seed)
    readers = [Reader(bootstrap, f"reader-{i}", shared) for i in (1, 2)]
    begin = time.monotonic()
    for thread in (writer, watch, *readers):
        thread.start()
    problems = []
    try:
        while time.monotonic() - begin < minutes * 60:
            killer.round()
            for one in (writer, *readers):
                if one.problem is not None:
                    raise one.problem
        killer.settle()
        writer.stopping.set()
        writer.join()
        if writer.problem is not None:
            raise writer.problem
        lasted = time.monotonic() - begin
        rows = read_all(bootstrap, [max(acked.values(), default=-1) + 1 for acked in writer.acked])
        problems += judge(writer, rows)

        def caught_up():
            for one in readers:
                if one.problem is not None:
                    raise one.problem
            return all(shared["committed"][p] >= rows[p][-1][0] + 1 for p in rows if rows[p])

        until(caught_up, "the group has read and committed everything", SETTLE_S)
        kept = ck.Consumer({"bootstrap.servers": bootstrap, "broker.address.family": "v4", "group.id": GROUP}, logger=LOGGER)
        for place in kept.committed([ck.TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=20):
            if place.offset < shared["committed"][place.partition]:
                problems.append(f"the group's offset of partition {place.partition} is {place.offset}, and {shared['committed'][place.partition]} was committed")
        kept.close()
    finally:
        for one in (writer, watch, *readers):
            one.stopping.set()
        for one in (writer, watch, *readers):
            one.join(60)
    if writer.failed:
        problems.append(f"{len(writer.failed)} records were refused, the first: {writer.failed[0]}")
    if CLIENT_LOG.unreadable:
        problems.append(f"the clients could not read {len(CLIENT_LOG.unreadable)} answers, the first: {CLIENT_LOG.unreadable[0]}")
    acked, gaps = sum(map(len, writer.acked)), gaps_of(writer)
    table = [
        ("seed", seed),
        ("minutes", f"{lasted / 60:.1f}"),
        ("kills (kill -9), in rounds", f"{killer.kills}, in {killer.rounds}"),
        ("rounds that hit one, two, all three nodes", ", ".join(str(killer.together[n]) for n in (1, 2, 3))),
        ("kills before the node was ready again", killer.early),
        ("leader changes seen by a client", watch.changes),
        ("starts that recovered unclean logs", killer.recovered_starts),
        ("logs recovered in them", killer.recovered_logs),
        ("records sent, acknowledged, refused", f"{sum(writer.sent)}, {acked}, {len(writer.failed)}"),
        ("records read back", sum(map(len, rows.values()))),
        ("lost, twice, out of order, elsewhere, uncommitted", "none" if not problems else "; ".join(problems)),
        ("pauses above 1 s between acknowledgements of a partition", len(gaps)),
        ("the longest, the median of them", f"{gaps[-1]:.1f} s, {statistics.median(gaps):.1f} s" if gaps else "none"),
        ("records read by the group, commits, refused commits", f"{sum(r.read for r in readers)}, {sum(r.commits for r in readers)}, {sum(r.refused for r in readers)}"),
        ("assignments of the group's members", sum(r.assignments for r in readers)),
    ]
    for what, count in (("kill", killer.kills), ("leader change", watch.changes), ("recovery from unclean logs", killer.recovered_starts), ("acknowledged record", acked)):
        if count == 0:
            problems.append(f"not one {what}: the loop has shown nothing")
    return table, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", help="writes the table there, as Markdown")
    arguments = parser.parse_args()
    cluster, problems, table = None, [], []
    try:
        cluster = Cluster(arguments.binary, 3, {"offsets.topic.num.partitions": 5})
        table, problems = loop(cluster, arguments.minutes, arguments.seed)
    except Exception as e:  # any client's error is a failure
        problems.append("".join(traceback.format_exception(type(e), e, e.__traceback__)[-4:]))
        if cluster is not None:
            problems += [f"node {node} said: {cluster.said(node)}" for node in cluster.ports if cluster.said(node)]
    finally:
        if cluster is not None:
            try:
                for node in cluster.processes:
                    cluster.await_ready(node)
                problems += cluster.stop()
            except Exception as e:  # the first problem stands above it
                problems.append(f"stopping: {type(e).__name__}: {e}")
            finally:
                cluster.keep = bool(problems) and bool(os.environ.get("HARROW_KEEP_FAILED"))
                cluster.discard()
                if cluster.keep:
                    problems.append(f"the cluster's files are in {cluster.folder}")
    width = max((len(what) for what, _ in table), default=0)
    for what, figure in table:
        print(f"{what:<{width}}  {figure}")
    if arguments.record and not problems:
        with open(arguments.record, "w") as file:
            file.write(f"# kill -9 of random nodes\n\nThree nodes as three processes with data folders, an idempotent acks=all writer to {PARTITIONS} partitions (replication factor 3,\n"
                       "`min.insync.replicas=2`), two members of a group that read and commit. Victims, moments and pauses come from the seed; a restarted\n"
                       "node is sometimes killed again while it recovers. Afterwards everything is read back and compared with what was acknowledged.\n"
                       f"`tests/interop/kill_loop.sh build/release/harrow --minutes {arguments.minutes:g} --seed {arguments.seed} --record results/kill-loop.md` writes this file.\n\n| | |\n|---|---|\n")
            file.writelines(f"| {what} | {figure} |\n" for what, figure in table)
    print(f"{'FAIL' if problems else 'good'} kill_loop")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
