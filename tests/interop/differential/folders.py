"""What the two leave on disk: the same batches must make the same segment files, each must serve the other's folder."""
import glob
import os
import re
import shutil
import struct

import batches
from batches import T0, batch
from script_data import create, produce

SEGMENT_BYTES = 1 << 20
SETTINGS = dict(segment_bytes=str(SEGMENT_BYTES), index_interval_bytes="1024", retention_ms="-1")
TOPICS = {"files-plain": {}, "files-codecs": {}, "files-timed": {"segment_ms": "600000"}, "files-small-index": {"segment_index_bytes": "128"}, "files-deleted": {}}


def fill(x):
    """The same batches for both, with producer ids and times of their own making."""
    for topic, settings in TOPICS.items():
        create(x, topic, 1, **{**SETTINGS, **settings})
    text = lambda i, size: f"record {i} ".encode() + bytes((i * 7 + j * j) % 251 for j in range(size))
    step = lambda topic, i, records: produce(x, f"file of {topic}, {i}", 8, topic, records)
    for i in range(60):  # more than two segments
        step("files-plain", i, batch(values=[(f"k{i % 5}".encode(), text(i, 9000)) for _ in range(5)], base_time=T0 + 100 * i, producer=(4001, 0, 5 * i)))
    codecs = [codec for codec in batches.CODECS if batches.available(codec)]
    for i in range(50):
        step("files-codecs", i, batch(values=[text(i, 100 + 13 * i)] * (1 + i % 7), codec=codecs[i % len(codecs)], base_time=T0 + 10 * (i % 9)))
    for i in range(30):  # record times that roll segments, and go back
        step("files-timed", i, batch(values=[text(i, 300)] * 3, base_time=T0 + (i * 97_000 if i % 4 else i * 31_000)))
    for i in range(60):  # indexes that are full before their segment
        step("files-small-index", i, batch(values=[text(i, 1500)], base_time=T0 + i))
    for i in range(40):
        step("files-deleted", i, batch(values=[text(i, 50_000)], base_time=T0 + i))
    x.do("files: records go", "DeleteRecords", 2, {"topics": [{"name": "files-deleted", "partitions": [{"partition_index": 0, "offset": 33}]}], "timeout_ms": 10000})


def read(path):
    with open(path, "rb") as file:
        return file.read()


def entries(data, size, form):
    return [struct.unpack_from(form, data, at) for at in range(0, len(data) - size + 1, size)]


def described(folder, topic):
    """{file: what is in it} of one partition's folder, after a clean stop."""
    found = {}
    paths = sorted(path for path in glob.glob(os.path.join(folder, f"{topic}-0", "*")) if not path.endswith(".deleted"))
    if topic == "files-deleted":  # one removes the segments below the log's start at once, the other with its next round
        last = max(os.path.basename(path) for path in paths if path.endswith(".log"))[:20]
        paths = [path for path in paths if not os.path.basename(path)[:20].isdigit() or os.path.basename(path).startswith(last)]
    for path in paths:
        name, data = os.path.basename(path), read(path)
        if name.endswith(".log"):
            found[name] = {f"batch at {at}": row for at, row in positions(data)}
        elif name.endswith(".timeindex"):
            found[name] = entries(data, 12, ">qi")
        elif name.endswith(".index"):
            found[name] = entries(data, 8, ">ii")
        elif name.endswith(".snapshot"):
            found[name] = snapshot(data)
        elif name == "partition.metadata":
            found[name] = re.sub(r"topic_id: \S{22}", "topic_id: an id", data.decode()).split()
        else:
            found[name] = data.decode(errors="replace")
    return found


def positions(data):
    at = 0
    while at + 12 <= len(data):
        length, = struct.unpack_from(">i", data, at + 8)
        yield at, data[at:at + 12 + length].hex()
        at += 12 + length


def snapshot(data):
    version, crc, count = struct.unpack_from(">hIi", data)
    if crc != batches.crc32c(data[6:]):
        return "a wrong checksum"
    return {"version": version, "entries": [struct.unpack_from(">qhiqiqiq", data, 10 + 46 * i) for i in range(count)]}


def compare(kafka, harrow):
    """[(topic and file, what, Kafka's, Harrow's)]; and how many files and batches were alike."""
    rows, counts = [], {"files": 0, "batches": 0, "index entries": 0}
    for topic in TOPICS:
        ours, theirs = described(harrow, topic), described(kafka, topic)
        for name in sorted({*ours, *theirs}):
            a, b = theirs.get(name, "(no such file)"), ours.get(name, "(no such file)")
            if a == b:
                counts["files"] += 1
                if name.endswith(".log"):
                    counts["batches"] += len(a)
                elif name.endswith("index"):
                    counts["index entries"] += len(a)
            elif isinstance(a, dict) and isinstance(b, dict):
                rows += [(f"file {topic}/{name}", key, a.get(key, "(absent)"), b.get(key, "(absent)")) for key in {**a, **b} if a.get(key) != b.get(key)]
            else:
                rows.append((f"file {topic}/{name}", "content", a, b))
    return rows, counts


def holdings(x, topics):
    """Everything that a client can read of these topics: offsets, batches."""
    found = {}
    for topic in topics:
        offset_at = lambda stamp: x.ask("ListOffsets", 5, {"replica_id": -1, "topics": [{"name": topic, "partitions": [{"partition_index": 0, "timestamp": stamp}]}]})["topics"][0]["partitions"][0]
        start, end = offset_at(-2), offset_at(-1)
        rows, at = [], start["offset"]
        while at < end["offset"]:
            answer = x.ask("Fetch", 11, {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 25, "topics": [{"topic": topic, "partitions": [{"partition": 0, "fetch_offset": at, "partition_max_bytes": 1 << 25}]}]})
            got = answer["responses"][0]["partitions"][0]
            more = batches.described(got["records"])
            if got["error_code"] or not more:
                rows.append(f"stuck at {at}: error {got['error_code']}")
                break
            rows += [x.batch(row) for row in more]
            last = bytes.fromhex(more[-1])
            at = struct.unpack_from(">q", last)[0] + struct.unpack_from(">i", last, 23)[0] + 1
        # Below a log's start one finds records whose segment is still there, and does not tell; the other finds the start.
        times = {stamp: offset_at(T0 + stamp) for stamp in (0, 1500, 700_000)} if start["offset"] == 0 else {}
        found[topic] = {"start": start["offset"], "end": end["offset"], "batches": rows, "by time": {k: (v["error_code"], v["offset"], v["timestamp"]) for k, v in times.items()}}
    return found


def groups_of(x):
    """Committed offsets of every group."""
    found = {}
    listed = sorted(row["group_id"] for row in x.ask("ListGroups", 3)["groups"])
    for group in listed:
        answer = x.ask("OffsetFetch", 7, {"group_id": group, "topics": None})
        found[group] = sorted((topic["name"], p["partition_index"], p["committed_offset"], p["metadata"]) for topic in answer["topics"] for p in topic["partitions"])
    return found


def everything(x):
    names = sorted(topic["name"] for topic in x.ask("Metadata", 8, {"topics": None})["topics"] if not topic["name"].startswith("__"))
    kept = [name for name in names if name.startswith("files-") or name in ("written", "stamped", "compact", "recoded", "once", "read", "cut", "timed")]
    configs = x.ask("DescribeConfigs", 4, {"resources": [{"resource_type": 2, "resource_name": name, "configuration_keys": ["max.message.bytes", "cleanup.policy", "retention.ms", "segment.bytes"]} for name in kept]})
    return {"topics": names, "holdings": holdings(x, kept), "groups": groups_of(x), "configs": x.normal({"rows": [{"resource_name": r["resource_name"], "values": sorted((c["name"], c["value"]) for c in r["configs"])} for r in configs["results"]]})}


def copy(folder, to):
    shutil.copytree(folder, to)
    for lock in glob.glob(os.path.join(to, ".lock")):
        os.remove(lock)
    return to


def append_after(x):
    """A folder that is served takes new records, and remembers its producers."""
    answers = []
    for i, (epoch, sequence) in enumerate([(0, 300), (0, 300), (0, 310)]):
        answer = x.ask("Produce", 8, {"acks": -1, "timeout_ms": 10000, "topic_data": [{"name": "files-plain", "partition_data": [{"index": 0, "records": batch(values=[b"later"] * 5, base_time=T0 + 10_000, producer=(4001, epoch, sequence))}]}]})
        row = answer["responses"][0]["partition_responses"][0]
        answers.append((row["error_code"], row["base_offset"]))
    return answers


APPENDED_AFTER = [(0, 300), (0, 300), (45, -1)]
