#!/usr/bin/env python3
"""Unmodified Python clients against served clusters: librdkafka (confluent-kafka) and kafka-python, on one node and on
three, where a leader is killed with -9 while a producer and a consumer are at work.

tests/interop/clients.py --binary build/release/harrow [--client confluent|kafka-python] [--brokers 1,3]
Needs both packages importable; clients.sh installs them into a virtual environment.
"""
import argparse
import sys
import threading
import time

from served import expect, run_suite, until

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
BASE_MS = (int(time.time()) - 3600) * 1000  # recent: old records would fall to retention while the suite runs


def records(tag, count=200):
    """(key, value, headers, timestamp): keys repeat; some keys and values are null; headers repeat and may be null."""
    made = []
    for i in range(count):
        key = None if i % 11 == 0 else f"{tag}-{i % 7}".encode()
        value = None if i % 13 == 5 and key is not None else f"{tag} {i} ".encode() + b"x" * (i % 50)
        headers = [("n", str(i).encode()), ("n", b"again"), ("empty", b"")] if i % 3 == 0 else []
        made.append((key, value, headers, BASE_MS + i))
    return made


def by_key(rows):
    found = {}
    for key, value, headers, stamp in rows:
        found.setdefault(key, []).append((value, [tuple(h) for h in headers], stamp))
    return found


def same(got, sent, what):
    expect(len(got) == len(sent), f"{what}: {len(got)} of {len(sent)} records came back")
    keyed, wanted = by_key(got), by_key(sent)
    for key in wanted:
        if key is None:  # may be spread over partitions
            expect(sorted(map(repr, keyed.get(key, []))) == sorted(map(repr, wanted[key])), f"{what}: records without a key differ")
        else:
            expect(keyed.get(key) == wanted[key], f"{what}: key {key} differs in content or order")


def fail_over(cluster, topic, send, flush, poll, leader, closing):
    """send(key, value) hands over; poll() gives [(key, value)] of a group's consumer; leader() of partition 0, as the client
    sees it. What was sent is returned, key by key, in order."""
    before = until(lambda: leader() or None, "the client sees a leader", 10)
    sent, got, stop, problems = {}, [], threading.Event(), []

    def read():
        try:
            while not stop.is_set():
                got.extend(poll())
        except Exception as e:  # told by whoever joins
            problems.append(e)

    def kill():
        try:
            cluster.kill_leader(topic, 0)
        except Exception as e:
            problems.append(e)
        killed.set()

    killed, count, after = threading.Event(), 0, 0
    reader, killer = threading.Thread(target=read), threading.Thread(target=kill)
    reader.start()
    try:
        while after < 60 and not problems:
            key, value = f"k{count % 5}".encode(), str(count).encode()
            send(key, value)
            sent.setdefault(key, []).append(value)
            count += 1
            if count == 150:
                killer.start()
            after += killed.is_set()
            time.sleep(0.005)
        flush()
        until(lambda: problems or leader() not in (None, before), "the client sees another leader", 30)
        until(lambda: problems or len({value for _, value in list(got)}) == count, f"the group reads all {count}", 60)
    finally:
        stop.set()
        reader.join()
        closing()
    expect(not problems, f"{problems}")
    cluster.restart()
    return sent


def once_and_in_order(got, sent, what):
    found = {}
    for key, value in got:
        found.setdefault(key, []).append(value)
    expect(found == sent, f"{what}: lost, doubled or out of order: {sum(map(len, found.values()))} of {sum(map(len, sent.values()))}")


class Confluent:
    name = "confluent-kafka"

    def __init__(self, bootstrap, replicas):
        import confluent_kafka
        from confluent_kafka import admin

        self.ck, self.admin_module = confluent_kafka, admin
        self.common = {"bootstrap.servers": bootstrap, "broker.address.family": "v4"}
        self.replicas = replicas
        self.admin = admin.AdminClient(self.common)

    def create(self, topic, partitions, config=None):
        for future in self.admin.create_topics([self.admin_module.NewTopic(topic, partitions, self.replicas, config=config or {})]).values():
            future.result(20)

    def consumer(self, group, **more):
        return self.ck.Consumer({**self.common, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000, **more})

    def produce(self, topic, rows, **config):
        producer = self.ck.Producer({**self.common, "enable.idempotence": True, "linger.ms": 5, **config})
        failed = []
        for key, value, headers, stamp in rows:
            producer.produce(topic, value=value, key=key, headers=headers, timestamp=stamp, on_delivery=lambda e, m: failed.append(e) if e else None)
        expect(producer.flush(30) == 0 and not failed, f"deliveries failed: {failed[:3]}")

    def read(self, consumer, count, timeout=30):
        got, end = [], time.time() + timeout
        while len(got) < count and time.time() < end:
            for message in consumer.consume(100, 0.2):
                expect(message.error() is None, f"consumer: {message.error()}")
                got.append((message.key(), message.value(), message.headers() or [], message.timestamp()[1]))
        return got

    def suite(self):
        # every codec
        for codec in CODECS:
            topic = f"ck-{codec}"
            self.create(topic, 3)
            rows = records(codec)
            self.produce(topic, rows, **{"compression.type": codec})
            consumer = self.consumer(f"g-{codec}")
            consumer.subscribe([topic])
            same(self.read(consumer, len(rows)), rows, topic)
            consumer.close()
        # acks 0 and 1
        for acks in ("0", "1"):
            self.create(f"ck-acks-{acks}", 1)
            self.produce(f"ck-acks-{acks}", records("acks"), **{"acks": acks, "enable.idempotence": False})
            consumer = self.consumer("g-acks")
            consumer.assign([self.ck.TopicPartition(f"ck-acks-{acks}", 0, 0)])
            same(self.read(consumer, 200), records("acks"), f"acks={acks}")
            consumer.close()
        # committed offsets resume
        consumer = self.consumer("g-resume")
        consumer.subscribe(["ck-none"])
        first = self.read(consumer, 50)
        consumer.commit(asynchronous=False)
        consumer.close()
        consumer = self.consumer("g-resume")
        consumer.subscribe(["ck-none"])
        rest = self.read(consumer, 200 - len(first))
        expect(len(first) + len(rest) == 200 and not self.read(consumer, 1, 1), f"resume: {len(first)} + {len(rest)}")
        # watermarks, seek to a time
        ends = [consumer.get_watermark_offsets(self.ck.TopicPartition("ck-none", p), timeout=10)[1] for p in range(3)]
        expect(sum(ends) == 200, f"watermarks {ends}")
        at = consumer.offsets_for_times([self.ck.TopicPartition("ck-none", p, BASE_MS + 150) for p in range(3)], timeout=10)
        left = sum(end - (t.offset if t.offset >= 0 else end) for end, t in zip(ends, at))
        expect(left == 50, f"offsets for a time leave {left} of 200")
        consumer.close()
        # a group of two rebalances, eager and cooperative
        for strategy in ("range", "cooperative-sticky"):
            group = f"g-two-{strategy}"
            one, two = (self.consumer(group, **{"partition.assignment.strategy": strategy}) for _ in range(2))
            one.subscribe(["ck-none"])
            expect(len(self.read(one, 200)) == 200, f"{group}: the first member reads everything")
            two.subscribe(["ck-none"])
            end = time.time() + 30
            while time.time() < end and not (one.assignment() and two.assignment() and len(one.assignment()) + len(two.assignment()) == 3):
                one.poll(0.1), two.poll(0.1)
            expect(len(one.assignment()) + len(two.assignment()) == 3 and one.assignment() and two.assignment(), f"{group}: {one.assignment()} {two.assignment()}")
            two.close()
            end = time.time() + 30
            while time.time() < end and len(one.assignment()) != 3:
                one.poll(0.1)
            expect(len(one.assignment()) == 3, f"{group}: the other takes over")
            one.close()
        # a static member comes back without a rebalance
        static = {"group.instance.id": "one"}
        one = self.consumer("g-static", **static)
        one.subscribe(["ck-none"])
        self.read(one, 200)
        member = one.memberid()
        one.close()
        one = self.consumer("g-static", **static)
        one.subscribe(["ck-none"])
        expect(len(self.read(one, 200)) == 200 and one.memberid() != member, "static member")
        one.close()
        # admin
        metadata = self.admin.list_topics(timeout=10)
        expect("ck-zstd" in metadata.topics and len(metadata.topics["ck-zstd"].partitions) == 3, "list_topics")
        resource = self.admin_module.ConfigResource(self.admin_module.ConfigResource.Type.TOPIC, "ck-none")
        expect(list(self.admin.describe_configs([resource]).values())[0].result(20)["cleanup.policy"].value == "delete", "describe_configs")
        own = [name for name, entry in list(self.admin.describe_configs([resource]).values())[0].result(20).items() if entry.source == self.admin_module.ConfigSource.DYNAMIC_TOPIC_CONFIG.value]
        expect(not own, f"a topic without settings of its own shows {own}")
        change = self.admin_module.ConfigEntry("retention.ms", "123456", incremental_operation=self.admin_module.AlterConfigOpType.SET)
        alter = self.admin_module.ConfigResource(self.admin_module.ConfigResource.Type.TOPIC, "ck-none", incremental_configs=[change])
        list(self.admin.incremental_alter_configs([alter]).values())[0].result(20)
        deadline = time.time() + 10
        while list(self.admin.describe_configs([resource]).values())[0].result(20)["retention.ms"].value != "123456":
            expect(time.time() < deadline, "incremental_alter_configs")
            time.sleep(0.1)
        list(self.admin.create_partitions([self.admin_module.NewPartitions("ck-gzip", 5)]).values())[0].result(20)
        try:
            self.create("ck-none", 1)
            expect(False, "creating twice")
        except self.ck.KafkaException as e:
            expect(e.args[0].code() == self.ck.KafkaError.TOPIC_ALREADY_EXISTS, f"creating twice: {e}")
        expect("g-resume" in [g.group_id for g in self.admin.list_consumer_groups().result(20).valid], "list_consumer_groups")
        described = self.admin.describe_consumer_groups(["g-resume"])["g-resume"].result(20)
        expect(described.state.name == "EMPTY", f"describe_consumer_groups: {described.state}")
        offsets = list(self.admin.list_consumer_group_offsets([self.ck.ConsumerGroupTopicPartitions("g-resume")]).values())[0].result(20)
        expect(sum(t.offset for t in offsets.topic_partitions if t.offset > 0) == len(first), "list_consumer_group_offsets")
        nodes = self.admin.describe_cluster().result(20).nodes
        expect(len(nodes) == len(self.common["bootstrap.servers"].split(",")), "describe_cluster")
        deleted = list(self.admin.delete_records([self.ck.TopicPartition("ck-acks-1", 0, 100)]).values())[0].result(20)
        expect(deleted.low_watermark == 100, "delete_records")
        list(self.admin.delete_consumer_groups(["g-resume"]).values())[0].result(20)
        list(self.admin.delete_topics(["ck-zstd"]).values())[0].result(20)
        deadline = time.time() + 10
        while "ck-zstd" in self.admin.list_topics(timeout=10).topics:
            expect(time.time() < deadline, "a deleted topic stays listed")
            time.sleep(0.1)
        # errors
        try:
            self.produce("ck-none", [(None, b"x" * 2_000_000, [], BASE_MS)], **{"message.max.bytes": 5_000_000})
            expect(False, "an oversized record was taken")
        except AssertionError as e:
            expect("MSG_SIZE_TOO_LARGE" in str(e), str(e))


    def fail_over(self, cluster):
        self.create("ck-live", 3)
        consumer = self.consumer("g-live")
        consumer.subscribe(["ck-live"])
        producer = self.ck.Producer({**self.common, "enable.idempotence": True, "linger.ms": 2, "topic.metadata.refresh.interval.ms": 500})
        failed = []

        def send(key, value):
            producer.produce("ck-live", key=key, value=value, on_delivery=lambda e, m: failed.append(e) if e else None)
            producer.poll(0)

        def poll():
            return [(m.key(), m.value()) for m in consumer.consume(100, 0.1) if m.error() is None]

        def leader():
            found = self.admin.list_topics("ck-live", timeout=10).topics["ck-live"].partitions
            return found[0].leader if found and found[0].leader > 0 else None

        sent = fail_over(cluster, "ck-live", send, lambda: expect(producer.flush(60) == 0, "flush"), poll, leader, consumer.close)
        expect(not failed, f"deliveries failed: {failed[:3]}")
        consumer = self.consumer("g-live-again")
        consumer.subscribe(["ck-live"])
        got = self.read(consumer, sum(map(len, sent.values())))
        once_and_in_order([(key, value) for key, value, _, _ in got], sent, "ck-live")
        consumer.close()

    def close(self):
        """An admin client of librdkafka has no close."""


class KafkaPython:
    name = "kafka-python"

    def __init__(self, bootstrap, replicas):
        import kafka
        from kafka import admin

        self.k, self.admin_module = kafka, admin
        self.bootstrap = bootstrap.split(",")
        self.replicas = replicas
        self.admin = kafka.KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def create(self, topic, partitions):
        self.admin.create_topics([self.admin_module.NewTopic(topic, partitions, self.replicas)])

    def consumer(self, *topics, group=None, **more):
        return self.k.KafkaConsumer(*topics, bootstrap_servers=self.bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500, **more)

    def read(self, consumer, count, timeout=30):
        got, end = [], time.time() + timeout
        while len(got) < count and time.time() < end:
            for batch in consumer.poll(timeout_ms=200).values():
                got += [(r.key, r.value, list(r.headers), r.timestamp) for r in batch]
        return got

    def suite(self):
        for codec in CODECS:
            topic = f"kp-{codec}"
            self.create(topic, 3)
            producer = self.k.KafkaProducer(bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec, acks="all")
            rows = records(codec)
            sent = [producer.send(topic, key=key, value=value, headers=headers, timestamp_ms=stamp) for key, value, headers, stamp in rows]
            for future in sent:
                future.get(timeout=30)
            producer.close()
            consumer = self.consumer(topic, group=f"kg-{codec}")
            same(self.read(consumer, len(rows)), rows, topic)
            consumer.commit()
            consumer.close()
            consumer = self.consumer(topic, group=f"kg-{codec}")
            expect(not self.read(consumer, 1, 1.5), f"{topic}: committed offsets do not resume")
            consumer.close()
        # a group of two
        one = self.consumer("kp-none", group="kg-two")
        expect(len(self.read(one, 200)) == 200, "kg-two: the first member reads everything")
        two = self.consumer("kp-none", group="kg-two")
        stop = threading.Event()

        def poll_two():
            while not stop.is_set():
                two.poll(timeout_ms=100)

        thread = threading.Thread(target=poll_two)
        thread.start()
        end = time.time() + 30
        while time.time() < end and not (two.assignment() and len(one.assignment()) + len(two.assignment()) == 3 and one.assignment()):
            one.poll(timeout_ms=100)
        shares = len(one.assignment()), len(two.assignment())
        stop.set()
        thread.join()
        two.close()
        one.close()
        expect(sum(shares) == 3 and min(shares) > 0, f"kg-two: {shares}")
        # seek to a time
        parts = [self.k.TopicPartition("kp-none", p) for p in range(3)]
        consumer = self.consumer()
        consumer.assign(parts)
        ends = consumer.end_offsets(parts)
        at = consumer.offsets_for_times({p: BASE_MS + 150 for p in parts})
        expect(sum(ends[p] - (at[p].offset if at[p] else ends[p]) for p in parts) == 50, f"offsets for a time: {at}")
        consumer.close()
        # admin
        expect("kp-zstd" in self.admin.list_topics(), "list_topics")
        groups = self.admin.list_consumer_groups() if hasattr(self.admin, "list_consumer_groups") else self.admin.list_groups()
        expect("kg-none" in str(groups), f"groups: {groups}")
        self.admin.delete_topics(["kp-zstd"])
        deadline = time.time() + 10
        while "kp-zstd" in self.admin.list_topics():
            expect(time.time() < deadline, "a deleted topic stays listed")
            time.sleep(0.1)

    def fail_over(self, cluster):
        self.create("kp-live", 3)
        consumer = self.consumer("kp-live", group="kg-live")
        producer = self.k.KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True, linger_ms=2)
        futures = []

        def send(key, value):
            futures.append(producer.send("kp-live", key=key, value=value))

        def poll():
            return [(r.key, r.value) for batch in consumer.poll(timeout_ms=100).values() for r in batch]

        def leader():
            found = [p for t in self.admin.describe_topics(["kp-live"]) for p in t["partitions"] if p["partition_index" if "partition_index" in p else "partition"] == 0]
            at = found[0]["leader_id" if "leader_id" in found[0] else "leader"] if found else -1
            return at if at > 0 else None

        sent = fail_over(cluster, "kp-live", send, lambda: producer.flush(60), poll, leader, consumer.close)
        for future in futures:
            future.get(timeout=30)
        producer.close()
        consumer = self.consumer("kp-live", group="kg-live-again")
        got = self.read(consumer, len(futures))
        once_and_in_order([(key, value) for key, value, _, _ in got], sent, "kp-live")
        consumer.close()

    def close(self):
        self.admin.close()


SUITES = {"confluent": Confluent, "kafka-python": KafkaPython}


def program(suite):
    def run(cluster):
        client = suite(cluster.bootstrap, min(cluster.brokers, 3))
        client.suite()
        if cluster.brokers > 1:
            client.fail_over(cluster)
        client.close()

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--client", choices=list(SUITES))
    parser.add_argument("--brokers", default="1,3")
    arguments = parser.parse_args()
    good = [
        run_suite(arguments.binary, suite.name, brokers, program(suite))
        for brokers in map(int, arguments.brokers.split(","))
        for name, suite in SUITES.items()
        if arguments.client in (None, name)
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
