"""One of the two clusters under comparison: how it is asked, and what of its answers is meant to be equal."""
import struct
import time

import batches
import wire

FOREIGN = "11112222333344445555666677778888"
RECENT = batches.T0 + 30 * 86_400_000  # the script's records are older; what is newer came from a clock
SIGNS = {"finalized_features_epoch", "total_bytes", "usable_bytes", "last_fetch_timestamp", "last_caught_up_timestamp", "broker_epoch", "min_expires_at", "heartbeat_interval_ms"}
CLOCKS = {"log_append_time_ms", "timestamp", "last_timestamp"}
DROPPED = {"throttle_time_ms"}
# Lists whose order neither broker promises, by what names an element.
KEYS = ("name", "topic", "topic_id", "api_key", "resource_name", "group_id", "partition_index", "partition", "index", "broker_id", "node_id", "member_id", "replica_id", "resource_type", "producer_id", "key")


def identity(row):
    return [str(row.get(key)) for key in KEYS if key in row]


class Subject:
    def __init__(self, name, cluster):
        self.name, self.cluster = name, cluster
        self.names = {FOREIGN: "an id that no topic has"}  # a value that is this cluster's own -> what it is called in both
        self.ids, self.leaders = {}, {}  # of topics, of partitions
        self.outcomes = {}    # step -> what came of it
        self.used = {}        # api -> versions
        self.connections = {}
        self.versions = {}
        self.ports = {port: node for node, port in cluster.ports.items()}

    # --- asking

    def connection(self, node=1, which="main"):
        key = (node, which)
        if key not in self.connections:
            self.connections[key] = wire.Connection(f"127.0.0.1:{self.cluster.ports[node]}")
        return self.connections[key]

    def drop(self, node=1, which="main"):
        found = self.connections.pop((node, which), None)
        if found:
            found.close()

    def ask(self, api, version, body=None, node=1, which="main", seconds=30):
        """The answer as it is; nothing is noted."""
        try:
            return self.connection(node, which).ask(api, version, body, seconds)
        except (wire.Closed, wire.Silence, wire.Short):
            self.drop(node, which)
            raise

    def do(self, step, api, version, body=None, node=1, which="main", seconds=30, only=None):
        """Asks, notes the outcome under the step's name and the version, and returns the answer, {} if there was none."""
        self.used.setdefault(api, set()).add(version)
        return self.note(f"{step}, {api} {version}", lambda: self.ask(api, version, body, node, which, seconds), only)

    def note(self, step, act, only=None):
        answer = {}
        try:
            answer = act()
            self.learn(answer)
            outcome = self.normal(answer if only is None else only(answer))
        except wire.Closed:
            outcome = "the connection was closed"
        except wire.Silence:
            outcome = "no answer"
        except OSError as error:
            outcome = f"cannot be asked: {error.strerror}"
        except wire.Short as error:
            outcome = f"an answer that cannot be read: {error}"
        if step in self.outcomes:
            raise KeyError(f"two steps are called {step}")
        self.outcomes[step] = outcome
        return answer

    def until(self, wanted, seconds=30):
        """Repeats until it holds; what does not hold in time is seen by the step that comes next."""
        end = time.monotonic() + seconds
        while not wanted() and time.monotonic() < end:
            time.sleep(0.02)

    def three(self, api):
        """The lowest, a middle and the highest version that Apache Kafka offers and the tables know."""
        low, high = self.versions[api]
        return sorted({low, (low + high) // 2, high})

    # --- comparing

    def learn(self, value):
        """Ids that the cluster made itself get the name of what they are ids of."""
        if isinstance(value, list):
            for one in value:
                self.learn(one)
        elif isinstance(value, dict):
            if value.get("name") and value.get("topic_id", wire.NO_ID) != wire.NO_ID:
                self.names.setdefault(value["topic_id"], f"id of {value['name']}")
            for one in value.values():
                self.learn(one)

    def call(self, value, name):
        if value and value not in self.names:
            self.names[value] = name

    def normal(self, value, field=""):
        if field == "error_message" and value:
            return "(words)"  # each has its own
        if field == "port":
            return f"port of node {self.ports[value]}" if value in self.ports else value
        if field == "cluster_id" and value:
            return "the cluster's id"
        if field == "records":
            return [self.batch(row) for row in batches.described(value) or []]
        if field in ("log_dir",):
            return "folder"
        if field in SIGNS and isinstance(value, int):
            return "positive" if value > 0 else value
        if field in CLOCKS and isinstance(value, int) and value > RECENT:
            return "now"
        if isinstance(value, dict):
            return {key: self.normal(one, key) for key, one in value.items() if key not in DROPPED}
        if isinstance(value, list):
            rows = [self.normal(one, field) for one in value]
            return sorted(rows, key=identity) if rows and isinstance(rows[0], dict) else rows
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value in self.names and (isinstance(value, str) or field == "producer_id"):
            return self.names[value]
        if isinstance(value, str):
            for own, name in self.names.items():
                if isinstance(own, str) and len(own) > 12 and own in value:
                    value = value.replace(own, name)
        return value

    def batch(self, text):
        """A stored batch. What the broker stamped with its clock, and the checksum over it, cannot be equal."""
        data = bytearray.fromhex(text)
        attributes, = struct.unpack_from(">h", data, 21)
        sound = struct.unpack_from(">I", data, 17)[0] == batches.crc32c(bytes(data[21:]))
        if attributes & 8:
            data[17:21], data[35:43] = b"\0" * 4, b"\0" * 8
        return f"{'' if sound else 'wrong checksum '}{data.hex()}"


def flat(value, path=""):
    """{path: leaf}; list elements go by what names them, so that one that is missing is one difference."""
    if isinstance(value, dict):
        rows = {}
        for key, one in value.items():
            rows.update(flat(one, f"{path}.{key}" if path else key))
        return rows or {path: {}}
    if isinstance(value, list):
        rows, seen = {}, {}
        for one in value:
            name = "|".join(identity(one)) if isinstance(one, dict) else ""
            seen[name] = seen.get(name, -1) + 1
            rows.update(flat(one, f"{path}[{name}{'#' + str(seen[name]) if seen[name] or not name else ''}]"))
        return rows or {path: []}
    return {path: value}


ABSENT = "(absent)"


def differences(kafka, harrow):
    """[(step, path, Kafka's, Harrow's)]"""
    found = []
    for step in {**kafka, **harrow}:
        a, b = (flat(one.get(step, "(the script did not come here)")) for one in (kafka, harrow))
        found += [(step, path, a.get(path, ABSENT), b.get(path, ABSENT)) for path in {**a, **b} if a.get(path, ABSENT) != b.get(path, ABSENT)]
    return found
