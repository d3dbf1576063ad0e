"""Steps about the cluster, topics and records."""
import batches
import wire
from batches import T0, batch
from subject import FOREIGN

def named(x, version, since, topic):
    """How a topic is named in a request at this version: by name before `since`, by id from then on."""
    return {"topic_id": x.ids.get(topic, FOREIGN)} if version >= since else {"name": topic}


def topic_config(**config):
    return [{"name": name.replace("_", "."), "value": value} for name, value in config.items()]


def create(x, topic, partitions=1, replication=1, **config):
    """A topic for later steps; retention would remove the script's old records."""
    config.setdefault("retention_ms", "-1")
    answer = x.ask("CreateTopics", 7, {"topics": [{"name": topic, "num_partitions": partitions, "replication_factor": replication, "configs": topic_config(**config)}], "timeout_ms": 30000})
    x.learn(answer)
    row = answer["topics"][0]
    if row["error_code"]:
        raise RuntimeError(f"{topic}: {row}")
    x.ids[topic] = row["topic_id"]

    def led():
        found = x.ask("Metadata", 12, {"topics": [{"name": topic}], "allow_auto_topic_creation": False})["topics"][0]
        x.leaders.update({(topic, p["partition_index"]): p["leader_id"] for p in found["partitions"]})
        return found["error_code"] == 0 and len(found["partitions"]) == partitions and all(p["leader_id"] > 0 and len(p["isr_nodes"]) == replication for p in found["partitions"])

    x.until(led)


def leader(x, topic, partition=0):
    return x.leaders.get((topic, partition), 1)


def api_versions(x):
    for version in (*x.three("ApiVersions"), 5, 127):
        x.do("the APIs", "ApiVersions", version, {"client_software_name": "differential", "client_software_version": "1"})
    for name, software in {"no software name": ("", "1"), "a malformed software name": ("a b", "1"), "a malformed software version": ("a", "-")}.items():
        x.do(name, "ApiVersions", 3, {"client_software_name": software[0], "client_software_version": software[1]})


def cluster(x):
    for version in x.three("DescribeCluster"):
        x.do("the cluster", "DescribeCluster", version)
        x.do("the cluster with operations", "DescribeCluster", version, {"include_cluster_authorized_operations": True})
    x.do("the controllers from a broker", "DescribeCluster", 1, {"endpoint_type": 2})
    x.do("an unknown endpoint type", "DescribeCluster", 1, {"endpoint_type": 9})
    for version in x.three("DescribeQuorum"):
        asked = lambda topic, partition: {"topics": [{"topic_name": topic, "partitions": [{"partition_index": partition}]}]}
        hide = lambda answer: quorum_shape(answer)
        x.do("the quorum", "DescribeQuorum", version, asked("__cluster_metadata", 0), only=hide)
        x.do("the quorum of another topic", "DescribeQuorum", version, asked("orders", 0), only=hide)
        x.do("the quorum of another partition", "DescribeQuorum", version, asked("__cluster_metadata", 3), only=hide)
        x.do("no quorum", "DescribeQuorum", version, {}, only=hide)


def quorum_shape(answer):
    """Offsets, epochs and times of the metadata log differ with every run."""
    for topic in answer.get("topics") or []:
        for row in topic["partitions"]:
            for name in ("leader_epoch", "high_watermark"):
                row[name] = "positive" if row.get(name, 0) > 0 else row.get(name)
            for replica in row.get("current_voters", []) + row.get("observers", []):
                for name in ("log_end_offset", "last_fetch_timestamp", "last_caught_up_timestamp"):
                    if name in replica:
                        replica[name] = "positive" if replica[name] > 0 else replica[name]
                if replica.get("replica_directory_id", wire.NO_ID) != wire.NO_ID:
                    replica["replica_directory_id"] = "id of a folder"
    for node in answer.get("nodes", []):
        for listener in node["listeners"]:
            listener["port"] = "a port"
    return answer


def topics(x):
    few = min(3, x.cluster.brokers)
    for version in x.three("CreateTopics"):
        def made(step, *rows, **more):
            x.do(step, "CreateTopics", version, {"topics": list(rows), "timeout_ms": 30000, **more})

        row = lambda name, **more: {"name": name, "num_partitions": 2, "replication_factor": 1, **more}
        v = f"-v{version}"
        made("a topic, only tried", row("tried" + v), validate_only=True)
        made("a topic", row("plain" + v))
        made("with configs", row("configured" + v, configs=topic_config(retention_ms="-1", cleanup_policy="compact", max_message_bytes="100000")))
        made("twice in the cluster", row("plain" + v))
        made("twice in a request", row("double" + v), row("double" + v))
        made("twice in the cluster, only tried", row("plain" + v), validate_only=True)
        for step, name in {"an empty name": "", "a dot": ".", "two dots": "..", "a blank": "a b", "an umlaut": "\u00e4", "250 letters": "x" * 250, "249 letters": "y" * 248 + str(version), "a slash": "a/b"}.items():
            made(f"named: {step}", row(name), validate_only=True)
        made("a name that collides", row(f"plain.v{version}"), row(f"plain_v{version}"))
        made("a name that collides with a topic's", row(f"plain.v{version}"))
        made("no partitions", row("bad" + v, num_partitions=0))
        made("minus two partitions", row("bad" + v, num_partitions=-2))
        made("no replicas", row("bad" + v, replication_factor=0))
        made("minus two replicas", row("bad" + v, replication_factor=-2))
        made("more replicas than brokers", row("bad" + v, replication_factor=x.cluster.brokers + 1))
        made("default counts", row("default" + v, num_partitions=-1, replication_factor=-1))
        made("an unknown config", row("bad" + v, configs=topic_config(no_such_thing="1")))
        made("a wrong value", row("bad" + v, configs=topic_config(retention_ms="soon")))
        made("a value out of range", row("bad" + v, configs=topic_config(segment_bytes="1")))
        made("a wrong word", row("bad" + v, configs=topic_config(cleanup_policy="shred")))
        made("a null value", row("bad" + v, configs=[{"name": "retention.ms", "value": None}]))
        assigned = lambda *lists: {"num_partitions": -1, "replication_factor": -1, "assignments": [{"partition_index": i, "broker_ids": list(ids)} for i, ids in lists]}
        made("assigned", row("assigned" + v, **assigned((0, range(1, few + 1)), (1, [1]) if few == 1 else (1, [2, 1, 3]))))
        made("assigned with a count", row("bad" + v, assignments=[{"partition_index": 0, "broker_ids": [1]}]))
        made("assigned with a gap", row("bad" + v, **assigned((0, [1]), (2, [1]))))
        made("assigned twice", row("bad" + v, **assigned((0, [1]), (0, [1]))))
        made("assigned to nobody", row("bad" + v, **assigned((0, []))))
        made("assigned to one broker twice", row("bad" + v, **assigned((0, [1, 1]))))
        made("assigned to an unknown broker", row("bad" + v, **assigned((0, [77]))))
        made("assigned to a negative broker", row("bad" + v, **assigned((0, [-1]))))
        made("no topics")
        made("a good one beside a bad one", row("beside" + v), row("bad" + v, num_partitions=0))
        made("an internal name", row("__consumer_offsets"), validate_only=True)
    for version in x.three("CreatePartitions"):
        def grown(step, topic, count, assignments=None, **more):
            x.do(step, "CreatePartitions", version, {"topics": [{"name": topic, "count": count, "assignments": assignments}], "timeout_ms": 30000, **more})

        topic = f"plain-v{x.three('CreateTopics')[-1]}"
        now = 3 + version
        grown("more partitions, only tried", topic, now, validate_only=True)
        grown("more partitions", topic, now)
        grown("as many partitions", topic, now)
        grown("fewer partitions", topic, 1)
        grown("no partitions", topic, 0)
        grown("more partitions of an unknown topic", "nowhere", 3)
        grown("assigned partitions, one too many", topic, now + 1, [{"broker_ids": [1]}, {"broker_ids": [1]}])
        grown("partitions assigned to an unknown broker", topic, now + 1, [{"broker_ids": [77]}])
        grown("partitions assigned to nobody", topic, now + 1, [{"broker_ids": []}])
        x.do("twice in a request", "CreatePartitions", version, {"topics": [{"name": topic, "count": 9}, {"name": topic, "count": 10}], "timeout_ms": 30000})
        x.do("no topics", "CreatePartitions", version, {"timeout_ms": 30000})
    for version in x.three("DeleteTopics"):
        v = f"-v{version}"
        create(x, "doomed" + v)
        create(x, "doomed-too" + v)
        def deleted(step, *rows):
            ask = {"timeout_ms": 30000, "topics": list(rows)} if version >= 6 else {"timeout_ms": 30000, "topic_names": [row["name"] for row in rows]}
            x.do(step, "DeleteTopics", version, ask)

        deleted("a topic", {"name": "doomed" + v})
        deleted("a topic that is gone and one that is not", {"name": "doomed" + v}, {"name": "doomed-too" + v})
        deleted("an unknown topic", {"name": "nowhere"})
        deleted("an invalid name", {"name": "a b"})
        deleted("no topics")
        if version >= 6:
            create(x, "by-id")
            deleted("by id", {"name": None, "topic_id": x.ids["by-id"]})
            deleted("by an unknown id", {"name": None, "topic_id": FOREIGN})
            deleted("by name and id", {"name": "plain-v2", "topic_id": FOREIGN})
            deleted("by neither", {"name": None})
        deleted("twice", {"name": f"default-v{x.three('CreateTopics')[0]}"}, {"name": f"default-v{x.three('CreateTopics')[0]}"})


def metadata(x):
    create(x, "seen", 2)
    for version in x.three("Metadata"):
        quiet = {"allow_auto_topic_creation": False} if version >= 4 else {}
        def asked(step, topics, **more):
            x.do(step, "Metadata", version, {"topics": topics, **quiet, **more}, only=without_random_controller(x))

        asked("all topics", None if version >= 1 else [])
        asked("one topic", [{"name": "seen"}])
        asked("one topic twice", [{"name": "seen"}, {"name": "seen"}])
        if version >= 1:
            asked("no topics", [])
        if version >= 4:
            asked("an unknown topic", [{"name": "nowhere"}, {"name": "seen"}])
            asked("invalid names", [{"name": "a b"}, {"name": ""}, {"name": "x" * 250}])
        if 8 <= version <= 10:
            asked("operations of the cluster", [], include_cluster_authorized_operations=True)
        if version >= 8:
            asked("operations of a topic", [{"name": "seen"}], include_topic_authorized_operations=True)
        if version >= 12:
            asked("by id", [{"name": None, "topic_id": x.ids["seen"]}])
            asked("by an unknown id", [{"name": None, "topic_id": FOREIGN}])
            asked("by name and id", [{"name": "seen", "topic_id": x.ids["seen"]}])
            asked("by neither", [{"name": None}])
    x.do("an unknown topic is made", "Metadata", 4, {"topics": [{"name": "made-by-asking"}], "allow_auto_topic_creation": True}, only=without_random_controller(x))
    x.until(lambda: x.ask("Metadata", 4, {"topics": [{"name": "made-by-asking"}]})["topics"][0]["error_code"] == 0)
    x.do("the topic that was made", "Metadata", 4, {"topics": [{"name": "made-by-asking"}], "allow_auto_topic_creation": False}, only=without_random_controller(x))
    x.do("an invalid name is not made", "Metadata", 4, {"topics": [{"name": "not good"}], "allow_auto_topic_creation": True}, only=without_random_controller(x))
    for version in x.three("DescribeTopicPartitions"):
        described = lambda step, **body: x.do(step, "DescribeTopicPartitions", version, body)
        described("partitions of a topic", topics=[{"name": "seen"}])
        described("partitions of an unknown topic", topics=[{"name": "nowhere"}, {"name": "seen"}])
        described("no more than one partition", topics=[{"name": "seen"}], response_partition_limit=1)
        described("no partition", topics=[{"name": "seen"}], response_partition_limit=0)
        described("behind a cursor", topics=[{"name": "seen"}], cursor={"topic_name": "seen", "partition_index": 1})
        described("behind a negative cursor", topics=[{"name": "seen"}], cursor={"topic_name": "seen", "partition_index": -1})


def without_random_controller(x):
    """With several nodes any broker may be named as the controller; replicas are placed at random."""
    def change(answer):
        if x.cluster.brokers > 1:
            if answer.get("controller_id", -1) > 0:
                answer["controller_id"] = "a broker"
            for topic in answer.get("topics", []):
                for row in topic["partitions"]:
                    row["leader_id"] = "a broker" if row["leader_id"] > 0 else row["leader_id"]
                    row["replica_nodes"], row["isr_nodes"] = len(row["replica_nodes"]), len(row["isr_nodes"])
        return answer

    return change


def produce(x, step, version, topic, records, partition=0, acks=-1, transactional_id=None, **more):
    row = {**named(x, version, 13, topic), "partition_data": [{"index": partition, "records": records}]}
    return x.do(step, "Produce", version, {"acks": acks, "timeout_ms": 10000, "transactional_id": transactional_id, "topic_data": [row]}, node=leader(x, topic, partition), **more)


def producing(x):
    create(x, "written", 2)
    create(x, "small", max_message_bytes="1000")
    create(x, "compact", cleanup_policy="compact")
    create(x, "stamped", message_timestamp_type="LogAppendTime")
    create(x, "recoded", compression_type="gzip")
    create(x, "strict", message_timestamp_before_max_ms="1000")
    create(x, "odd")  # what one takes and the other refuses
    low, middle, high = x.three("Produce") if x.three("Produce")[0] >= 3 else (3, *x.three("Produce")[1:])
    for version in (low, middle, high):
        put = lambda step, records, topic="written", **more: produce(x, step, version, topic, records, **more)
        put("one batch", batch(values=[b"a", (b"k", b"b"), (b"k", None), (None, b"", [(b"h", b"1"), (b"h", None)])]))
        for codec in batches.CODECS:
            if batches.available(codec):
                put(f"{codec} batch", batch(values=[b"x" * 100] * 5, codec=codec), partition=1)
        put("acks of the leader", batch(values=[b"a"]), acks=1)
        put("acks two", batch(values=[b"a"]), acks=2)
        put("an unknown topic", batch(values=[b"a"]), topic="nowhere")
        put("an unknown partition", batch(values=[b"a"]), partition=99)
        put("a negative partition", batch(values=[b"a"]), partition=-1)
        put("a wrong checksum", batch(values=[b"a"], crc=1))
        put("magic 0", old_set(0))
        put("magic 1", old_set(1))
        put("magic 3", batch(values=[b"a"], magic=3))
        put("magic 2 with a message of magic 1 behind", batch(values=[b"a"]) + old_set(1))
        put("an oversized batch", batch(values=[b"x" * 2000]), topic="small")
        put("a batch of the largest size", batch(values=[b"x" * (1000 - 61 - 10)]), topic="small")
        put("empty records", b"")
        put("half a header", batch(values=[b"a"])[:30])
        put("half a batch", batch(values=[b"abcdefghijklmnop"])[:-5])
        put("a batch and half a one", batch(values=[b"a"]) + batch(values=[b"b"])[:40])
        put("a batch and half a header", batch(values=[b"a"]) + batch(values=[b"b"])[:10])
        put("a length that is too small", batch(values=[b"a"], length=20))
        put("a negative length", batch(values=[b"a"], length=-1))
        put("two batches", batch(values=[b"a"]) + batch(values=[b"b"]))
        put("no record in a batch", batch(records=[], count=0))
        put("one record less than it says", batch(values=[b"a"], count=2))
        put("one record more than it says", batch(values=[b"a", b"b"], count=1))
        put("a last offset that does not fit", batch(values=[b"a"], last_delta=5))
        put("offsets with a gap", batch(records=[batches.record(0, None, b"a"), batches.record(2, None, b"b")], last_delta=2))
        put("offsets backwards", batch(records=[batches.record(1, None, b"a"), batches.record(0, None, b"b")]), topic="odd")
        put("a base offset of its own", batch(values=[b"a"], base_offset=77))
        put("a leader epoch of its own", batch(values=[b"a"], leader_epoch=9))
        put("a control batch", batch(records=[batches.record(0, b"\0\0\0\1", b"\0\0\0\0\0\0")], attributes=0x20, producer=(5, 0, -1)))
        put("a transactional batch without a transaction", batch(values=[b"a"], attributes=0x10, producer=(5, 0, 0)), topic="odd", transactional_id="t")
        put("an unknown codec", batch(values=[b"a"], attributes=7))
        put("gzip of nothing", batch(values=[b"a"], codec="gzip", payload=b"this is no gzip"))
        put("a record that is cut", batch(records=[batches.record(0, None, b"abcdef")[:-3]]))
        put("bytes behind the records", batch(records=[batches.record(0, None, b"a") + b"zzz"]))
        put("no key for a compacted topic", batch(values=[b"a"]), topic="compact")
        put("a key for a compacted topic", batch(values=[(b"k", b"a")]), topic="compact")
        put("a null batch key among keys", batch(values=[(b"k", b"a"), b"b"]), topic="compact")
        put("from the year 2100", batch(values=[b"a"], base_time=4_102_444_800_000))
        put("too old", batch(values=[b"a"]), topic="strict")
        put("without a time", batch(values=[b"a"], base_time=-1, max_time=-1))
        put("a wrong largest time", batch(values=[b"a", b"b"], max_time=T0 + 50))
        put("stamped by the broker", batch(values=[b"a", b"b"]), topic="stamped")
        put("compressed by the broker", batch(values=[b"a", b"b"]), topic="recoded")
        put("already marked as stamped", batch(values=[b"a"], attributes=8), topic="odd")
        put("a delete horizon", batch(values=[b"a"], attributes=0x40))
        if version < 13:
            put("an invalid name", batch(values=[b"a"]), topic="a b")
            put("an empty name", batch(values=[b"a"]), topic="")
            put("to an internal topic", batch(values=[(b"k", b"a")]), topic="__consumer_offsets")
        # Two partitions of one request, one of them wrong.
        row = {**named(x, version, 13, "seen"), "partition_data": [{"index": 0, "records": batch(values=[b"a"])}, {"index": 7, "records": batch(values=[b"a"])}]}
        x.do("one good and one bad partition", "Produce", version, {"acks": -1, "timeout_ms": 10000, "topic_data": [row]}, node=leader(x, "seen"))
        x.do("one partition twice", "Produce", version, {"acks": -1, "timeout_ms": 10000, "topic_data": [{**named(x, version, 13, "odd"), "partition_data": [{"index": 0, "records": batch(values=[b"1"])}, {"index": 0, "records": batch(values=[b"2"])}]}]}, node=leader(x, "odd"))
        x.do("no topics", "Produce", version, {"acks": -1, "timeout_ms": 10000})
        silent(x, f"no acknowledgement, Produce {version}", version, "written", batch(values=[b"quiet"]))
        silent(x, f"no acknowledgement of what fails, Produce {version}", version, "written", batch(values=[b"a"], crc=1))
    produce(x, "no records", high, "odd", None, seconds=2)
    if batches.available("zstd"):
        produce(x, "zstd before version 7", 3, "written", batch(values=[b"a"], codec="zstd"))
    for version in (0, 2, 14):
        x.do("a version out of range", "Produce", version, struct_like_produce())


def old_set(magic):
    return batches.old_message(magic)


def struct_like_produce():
    return b"\xff\xff\0\0\x03\xe8\0\0\0\0"


def silent(x, step, version, topic, records):
    """acks=0 has no answer; the next question on the connection tells whether it still stands."""
    def act():
        node = leader(x, topic)
        row = {**named(x, version, 13, topic), "partition_data": [{"index": 0, "records": records}]}
        connection = x.connection(node, "silent")
        try:
            connection.send("Produce", version, {"acks": 0, "timeout_ms": 1000, "topic_data": [row]})
            return connection.ask("ApiVersions", 0)["error_code"]
        finally:
            x.drop(node, "silent")

    x.note(step, act)


def idempotence(x):
    create(x, "once")
    x.until(lambda: x.ask("InitProducerId", 0, {"transactional_id": None, "transaction_timeout_ms": 1000})["error_code"] not in (14, 15, 16))
    for version in x.three("InitProducerId"):
        first = x.do("a producer id", "InitProducerId", version, {"transactional_id": None, "transaction_timeout_ms": 1000}, only=lambda a: {**a, "producer_id": a["producer_id"] >= 0})
        x.do("an empty transactional id", "InitProducerId", version, {"transactional_id": "", "transaction_timeout_ms": 1000})
        if version >= 3:
            x.do("a known id without a transaction", "InitProducerId", version, {"transactional_id": None, "transaction_timeout_ms": 1000, "producer_id": 5, "producer_epoch": 0}, only=lambda a: {**a, "producer_id": a["producer_id"] >= 0})
    pid = first["producer_id"]
    x.call(pid, "the producer's id")
    version = x.three("Produce")[-1]
    put = lambda step, sequence, epoch=0, n=1, who=pid, version=version: produce(x, step, version, "once", batch(values=[b"v"] * n, producer=(who, epoch, sequence)), only=plain)
    plain = lambda answer: answer
    put("sequence 0", 0)
    put("sequence 0 again", 0)
    put("sequence 1", 1, n=3)
    put("sequence 1 again", 1, n=3)
    put("sequence 1 with another length", 1, n=2)
    put("a gap", 9)
    put("a gap at version 3", 9, version=3)
    put("sequence 4", 4)
    put("an older epoch, none yet", 5, epoch=-1)
    put("a newer epoch in the middle", 5, epoch=1)
    put("a newer epoch from 0", 0, epoch=1)
    put("the older epoch now", 5)
    put("the older epoch now, at version 3", 5, version=3)
    put("an unknown producer in the middle", 40, who=987_654_321)
    put("an unknown producer at 0", 0, who=987_654_322)
    put("a negative sequence", -1)
    for sequence in range(1, 7):
        put(f"six batches, {sequence}", sequence, epoch=1)
    put("the first of six again", 1, epoch=1)
    put("the second of six again", 2, epoch=1)
    for version in x.three("DescribeProducers"):
        x.do("producers", "DescribeProducers", version, {"topics": [{"name": "once", "partition_indexes": [0, 5]}]}, node=leader(x, "once"))
        x.do("producers of an unknown topic", "DescribeProducers", version, {"topics": [{"name": "nowhere", "partition_indexes": [0]}]})
        x.do("producers of an invalid name", "DescribeProducers", version, {"topics": [{"name": "a b", "partition_indexes": [0]}]})


def fetching(x):
    create(x, "read", 2)
    for i in range(4):
        produce(x, f"for reading, {i}", 8, "read", batch(values=[f"{i} {j}".encode() * 10 for j in range(5)], base_time=T0 + 1000 * i))
    for version in x.three("Fetch"):
        def partition(offset, number=0, **more):
            return {"partition": number, "fetch_offset": offset, "partition_max_bytes": 1 << 20, **more}

        def topic(name, *rows):
            return {"topic_id": x.ids.get(name, FOREIGN), "partitions": list(rows)} if version >= 13 else {"topic": name, "partitions": list(rows)}

        def get(step, *topics, **more):
            body = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": list(topics), **more}
            return x.do(step, "Fetch", version, body, node=leader(x, "read"), only=more_than_session)

        get("everything", topic("read", partition(0)))
        get("from the middle of a batch", topic("read", partition(7)))
        get("at the end", topic("read", partition(20)))
        get("behind the end", topic("read", partition(21)))
        get("before the start", topic("read", partition(-1)))
        get("an empty partition", topic("read", partition(0, 1)))
        get("an unknown partition", topic("read", partition(0, 9)))
        get("an unknown topic", topic("nowhere", partition(0)))
        get("two partitions", topic("read", partition(0), partition(0, 1)))
        get("a few bytes", topic("read", partition(0, partition_max_bytes=10)))
        get("a few bytes in all", topic("read", partition(0)), max_bytes=10)
        get("bytes for two batches", topic("read", partition(0, partition_max_bytes=600)))
        get("no bytes", topic("read", partition(0, partition_max_bytes=0)))
        get("read committed", topic("read", partition(0)), isolation_level=1)
        get("no topics")
        get("one partition twice", topic("read", partition(0), partition(5)))
        get("waiting in vain", topic("read", partition(20)), max_wait_ms=50, min_bytes=1)
        for name in ("written", "stamped", "compact", "recoded", "small", "once"):
            x.do(f"what {name} holds", "Fetch", version, {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 24, "topics": [topic(name, partition(0, partition_max_bytes=1 << 24))]}, node=leader(x, name), only=more_than_session)
        if version >= 9:
            get("the present leader epoch", topic("read", partition(0, current_leader_epoch=0)))
            get("a leader epoch to come", topic("read", partition(0, current_leader_epoch=5)))
        if version >= 12:
            get("a diverging epoch", topic("read", partition(20, last_fetched_epoch=3)))
            get("an epoch that agrees", topic("read", partition(20, last_fetched_epoch=0)))
        if version >= 7:
            first = get("a session is made", topic("read", partition(0), partition(0, 1)), session_id=0, session_epoch=0)
            session = first.get("session_id", 0)
            x.call(session, "session")
            get("nothing new in the session", session_id=session, session_epoch=1)
            get("another offset in the session", topic("read", partition(15)), session_id=session, session_epoch=2)
            get("a wrong session epoch", session_id=session, session_epoch=9)
            get("a partition is forgotten", session_id=session, session_epoch=3, forgotten_topics_data=[{**({"topic_id": x.ids["read"]} if version >= 13 else {"topic": "read"}), "partitions": [0]}])
            get("an unknown session", session_id=99, session_epoch=1)
            get("the session is closed", session_id=session, session_epoch=-1)
            get("the closed session", session_id=session, session_epoch=4)
            get("a partition in error in a session", topic("read", partition(0), partition(0, 9)), session_epoch=0)
        follower = {"replica_state": {"replica_id": 7, "replica_epoch": 1}} if version >= 15 else {"replica_id": 7}
        get("as a follower that is none", topic("read", partition(0)), **follower)
    x.do("a version out of range", "Fetch", 3, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0")


def more_than_session(answer):
    if answer.get("session_id"):
        answer = {**answer, "session_id": "a session"}
    return answer


def offsets(x):
    create(x, "timed")
    create(x, "untimed")
    for i, delta in enumerate((1000, 3000, 2000)):
        produce(x, f"for times, {i}", 8, "timed", batch(values=[b"a", b"b", b"c"], base_time=T0 + delta))
    for version in x.three("ListOffsets"):
        def listed(step, stamp, topic="timed", partition=0, epoch=None, **more):
            row = {"partition_index": partition, "timestamp": stamp}
            if epoch is not None and version >= 4:
                row["current_leader_epoch"] = epoch
            x.do(step, "ListOffsets", version, {"replica_id": -1, "topics": [{"name": topic, "partitions": [row]}], **more}, node=leader(x, topic))

        for step, stamp in {"earliest": -2, "latest": -1, "the largest time": -3, "the earliest here": -4, "the last tiered": -5, "the earliest to upload": -6, "an unknown sign": -7,
                            "before all": 0, "between": T0 + 1001, "in a later batch": T0 + 2500, "the last one": T0 + 3002, "behind all": T0 + 9000}.items():
            listed(step, stamp)
            listed(f"{step} of an empty log", stamp, "untimed")
        listed("an unknown topic", -1, "nowhere")
        listed("an unknown partition", -1, partition=9)
        listed("a negative partition", -1, partition=-1)
        listed("an invalid name", -1, "a b")
        if version >= 4:
            listed("the present epoch", -1, epoch=0)
            listed("an epoch to come", -1, epoch=5)
        if version >= 2:
            listed("read committed", -1, isolation_level=1)
        two = {"replica_id": -1, "topics": [{"name": "timed", "partitions": [{"partition_index": 0, "timestamp": -1}, {"partition_index": 0, "timestamp": -2}]}]}
        x.do("one partition twice", "ListOffsets", version, two, node=leader(x, "timed"))
        x.do("no topics", "ListOffsets", version, {"replica_id": -1})
        x.do("as a follower", "ListOffsets", version, {**two, "replica_id": 2, "topics": [{"name": "timed", "partitions": [{"partition_index": 0, "timestamp": -1}]}]}, node=leader(x, "timed"))
    for version in x.three("OffsetForLeaderEpoch"):
        def ended(step, epoch, topic="timed", partition=0, current=-1):
            body = {"topics": [{"topic": topic, "partitions": [{"partition": partition, "leader_epoch": epoch, "current_leader_epoch": current}]}], **({"replica_id": -1} if version >= 3 else {})}
            x.do(step, "OffsetForLeaderEpoch", version, body, node=leader(x, topic))

        ended("the end of epoch 0", 0)
        ended("the end of an epoch to come", 5)
        ended("the end of no epoch", -1)
        ended("the present leader epoch", 0, current=0)
        ended("a leader epoch to come", 0, current=5)
        ended("of an unknown topic", 0, "nowhere")
        ended("of an unknown partition", 0, partition=9)
    create(x, "cut")
    produce(x, "for deleting", 8, "cut", batch(values=[b"a"] * 10))
    for version in x.three("DeleteRecords"):
        def cut(step, offset, topic="cut", partition=0):
            x.do(step, "DeleteRecords", version, {"topics": [{"name": topic, "partitions": [{"partition_index": partition, "offset": offset}]}], "timeout_ms": 10000}, node=leader(x, topic))

        cut("some records", 3 + version)
        cut("the same records again", 3 + version)
        cut("fewer records", 1)
        cut("more than there are", 99)
        cut("a negative offset", -2)
        cut("records of an unknown topic", 1, "nowhere")
        cut("records of an unknown partition", 1, partition=9)
        cut("records of an internal topic", 1, "__cluster_metadata")
        x.do("before the new start", "Fetch", 11, {"max_wait_ms": 0, "min_bytes": 0, "topics": [{"topic": "cut", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}]}, node=leader(x, "cut")) if version == 0 else None
        x.do("the earliest after " + str(version), "ListOffsets", 5, {"replica_id": -1, "topics": [{"name": "cut", "partitions": [{"partition_index": 0, "timestamp": -2}]}]}, node=leader(x, "cut"))
    x.do("all records", "DeleteRecords", 2, {"topics": [{"name": "cut", "partitions": [{"partition_index": 0, "offset": -1}]}], "timeout_ms": 10000}, node=leader(x, "cut"))


PARTS = (api_versions, cluster, topics, metadata, producing, idempotence, fetching, offsets)
