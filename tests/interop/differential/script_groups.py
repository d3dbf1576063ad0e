"""Steps about groups, configurations, tools, and connections that misbehave."""
import struct

import wire
from script_data import batch, create, leader, produce
from subject import FOREIGN

SUBSCRIPTION = b"\0\0" + struct.pack(">ih", 1, 7) + b"grouped" + b"\xff\xff\xff\xff"  # as a consumer's, version 0


def coordinators(x):
    for version in x.three("FindCoordinator"):
        def find(step, key, kind=0):
            body = {"coordinator_keys": [key], "key_type": kind} if version >= 4 else {"key": key, "key_type": kind} if version >= 1 else {"key": key}
            x.do(step, "FindCoordinator", version, body, only=any_node(x))

        find("of a group", "group")
        x.until(lambda: x.ask("FindCoordinator", 2, {"key": "group", "key_type": 0})["error_code"] == 0)
        find("of a group, now", "group-two")
        find("of an empty name", "")
        if version >= 1:
            find("of an unknown kind", "group", 9)
            find("of a share partition", f"g:{FOREIGN}:0", 2)
        if version >= 4:
            x.do("of two groups", "FindCoordinator", version, {"coordinator_keys": ["a", "b"], "key_type": 0}, only=any_node(x))
            x.do("of no groups", "FindCoordinator", version, {"key_type": 0})


def any_node(x):
    def change(answer):
        if x.cluster.brokers > 1:
            for row in [answer, *answer.get("coordinators", [])]:
                if row.get("node_id", -1) > 0:
                    row.update(node_id="a node", port="its port")
        return answer

    return change


def coordinator(x, group):
    answer = {}

    def known():
        answer.update(x.ask("FindCoordinator", 2, {"key": group, "key_type": 0}))
        return answer["error_code"] == 0

    x.until(known)

    def loaded():
        return x.ask("Heartbeat", 0, {"group_id": group, "generation_id": 1, "member_id": "nobody"}, node=answer["node_id"])["error_code"] not in (14, 15, 16)

    x.until(loaded)
    return answer["node_id"]


def join_body(version, group, member="", instance=None, protocols=(("range", SUBSCRIPTION),), kind="consumer", session=10000, **more):
    body = {"group_id": group, "session_timeout_ms": session, "member_id": member, "protocol_type": kind, "protocols": [{"name": name, "metadata": data} for name, data in protocols], **more}
    if version >= 1:
        body["rebalance_timeout_ms"] = 5000
    if version >= 5:
        body["group_instance_id"] = instance
    return body


def membership(x):
    create(x, "grouped", 2)
    for version in x.three("JoinGroup"):
        group = f"members-{version}"
        node = coordinator(x, group)
        def join(step, naming=None, **more):
            return x.do(step, "JoinGroup", version, join_body(version, more.pop("group", group), **more), node=node, only=lambda answer: called(x, naming, answer))

        join("a session too short", session=1)
        join("a session too long", session=10_000_000)
        join("an empty group", group="")
        join("an unknown member", member="nobody")
        join("no protocols", protocols=())
        join("no kind of protocol", kind="")
        first = join("a member comes", naming=f"member of {group}")
        member = first.get("member_id", "")
        if first.get("error_code") == 79:
            first = join("it comes with its id", member=member)
        generation = first.get("generation_id", -1)
        join("it comes once more", member=member)
        generation += 1
        ids = lambda v, **more: {"group_id": group, "generation_id": generation, "member_id": member, **more}
        for sync in x.three("SyncGroup"):
            more = {"protocol_type": "consumer", "protocol_name": "range"} if sync >= 5 else {}
            shares = [{"member_id": member, "assignment": b"\0\1share"}]
            x.do(f"sync of {version}: a wrong generation", "SyncGroup", sync, ids(sync, generation_id=77, **more), node=node)
            x.do(f"sync of {version}: an unknown member", "SyncGroup", sync, ids(sync, member_id="nobody", **more), node=node)
            x.do(f"sync of {version}: an unknown group", "SyncGroup", sync, ids(sync, group_id="nothing", **more), node=node)
            if sync >= 5:
                x.do(f"sync of {version}: another protocol", "SyncGroup", sync, ids(sync, protocol_type="consumer", protocol_name="other"), node=node)
                x.do(f"sync of {version}: another kind", "SyncGroup", sync, ids(sync, protocol_type="other", protocol_name="range"), node=node)
            x.do(f"sync of {version}", "SyncGroup", sync, ids(sync, assignments=shares, **more), node=node)
        for beat in x.three("Heartbeat"):
            x.do(f"heartbeat of {version}", "Heartbeat", beat, ids(beat), node=node)
            x.do(f"heartbeat of {version}: a wrong generation", "Heartbeat", beat, ids(beat, generation_id=77), node=node)
            x.do(f"heartbeat of {version}: an unknown member", "Heartbeat", beat, ids(beat, member_id="nobody"), node=node)
            x.do(f"heartbeat of {version}: an unknown group", "Heartbeat", beat, ids(beat, group_id="nothing"), node=node)
            x.do(f"heartbeat of {version}: an empty group", "Heartbeat", beat, ids(beat, group_id=""), node=node)
        join("another kind of protocol", kind="connect")
        join("a protocol that nobody shares", protocols=(("other", b""),))
        committing(x, version, group, generation, member, node)
        described(x, f"stable {version}", group, node)
        x.do(f"a group in use {version}", "DeleteGroups", x.three("DeleteGroups")[-1], {"groups_names": [group]}, node=node)
        two_members(x, version, node)
        for leave in x.three("LeaveGroup"):
            leaver = lambda who, instance=None: {"group_id": group, "members": [{"member_id": who, "group_instance_id": instance}]} if leave >= 3 else {"group_id": group, "member_id": who}
            x.do(f"nobody leaves {version}", "LeaveGroup", leave, leaver("nobody"), node=node)
            x.do(f"someone leaves an unknown group {version}", "LeaveGroup", leave, {**leaver("nobody"), "group_id": "nothing"}, node=node)
            if leave >= 3:
                x.do(f"an unknown instance leaves {version}", "LeaveGroup", leave, leaver("", "instance"), node=node)
                x.do(f"no members leave {version}", "LeaveGroup", leave, {"group_id": group}, node=node)
            if leave == x.three("LeaveGroup")[-1] or version == 0 and leave == x.three("LeaveGroup")[0]:
                x.do(f"it leaves {version}", "LeaveGroup", leave, leaver(member), node=node)
        x.do(f"heartbeat of {version} after all left", "Heartbeat", 0, ids(0), node=node)
        described(x, f"empty {version}", group, node)
    static_members(x)


def called(x, name, answer):
    if name:
        x.call(answer.get("member_id"), name)
    return answer


def two_members(x, version, node):
    """A second member joins while the first is asked to come back, by two connections at once."""
    group = f"pair-{version}"
    node = coordinator(x, group)

    def join(step, which, member, finish=None):
        body = join_body(version, group, member, protocols=(("range", b"r-" + which.encode()), ("roundrobin", b"rr-" + which.encode())))
        answer = x.ask("JoinGroup", version, body, node=node, which=which)
        if answer.get("error_code") == 79:
            answer = x.ask("JoinGroup", version, {**body, "member_id": answer["member_id"]}, node=node, which=which)
        return answer

    a = join("first", "a", "")
    x.call(a["member_id"], f"first of {group}")
    ask = lambda api, v, which="main", **more: x.do(f"{group}: {more.pop('step')}", api, v, {"group_id": group, "generation_id": more.pop("generation"), **more}, node=node, which=which)
    ask("SyncGroup", 3, step="the first alone", generation=a["generation_id"], member_id=a["member_id"], assignments=[{"member_id": a["member_id"], "assignment": b"all"}])
    body = join_body(version, group, protocols=(("range", b"r-b"), ("roundrobin", b"rr-b")))
    b_id = ""
    if version >= 4:
        b_id = x.ask("JoinGroup", version, body, node=node, which="b")["member_id"]
        x.call(b_id, f"second of {group}")
    connection = x.connection(node, "b")
    waiting = connection.send("JoinGroup", version, {**body, "member_id": b_id})
    x.until(lambda: x.ask("Heartbeat", 3, {"group_id": group, "generation_id": a["generation_id"], "member_id": a["member_id"]}, node=node)["error_code"] == 27)
    ask("Heartbeat", 3, step="heartbeat while another comes", generation=a["generation_id"], member_id=a["member_id"])
    ask("SyncGroup", 3, step="sync while another comes", generation=a["generation_id"], member_id=a["member_id"])
    x.do(f"{group}: commit while another comes", "OffsetCommit", 7, {"group_id": group, "generation_id_or_member_epoch": a["generation_id"], "member_id": a["member_id"], "topics": [{"name": "grouped", "partitions": [{"partition_index": 0, "committed_offset": 1, "committed_metadata": None}]}]}, node=node)
    for row in x.ask("DescribeGroups", 5, {"groups": [group]}, node=node)["groups"][0]["members"]:
        x.call(row["member_id"], f"second of {group}")
    described(x, f"preparing {version}", group, node, versions=1)
    again = x.do(f"{group}: the first comes back", "JoinGroup", version, join_body(version, group, a["member_id"], protocols=(("range", b"r-a"), ("roundrobin", b"rr-a"))), node=node, which="a",
                 only=lambda answer: named_members(x, group, answer))
    came = x.note(f"{group}: the second came, JoinGroup {version}", lambda: connection.receive("JoinGroup", version, waiting), only=lambda answer: named_members(x, group, answer))
    generation = again.get("generation_id", -1)
    described(x, f"completing {version}", group, node, versions=1)
    ask("Heartbeat", 3, step="heartbeat before the sync", generation=generation, member_id=again["member_id"])
    # The follower asks first and waits for the leader.
    waiting = connection.send("SyncGroup", 3, {"group_id": group, "generation_id": generation, "member_id": came["member_id"]})
    ask("SyncGroup", 3, "a", step="the leader shares out", generation=generation, member_id=again["member_id"], assignments=[{"member_id": again["member_id"], "assignment": b"left"}, {"member_id": came["member_id"], "assignment": b"right"}])
    x.note(f"{group}: the second's share", lambda: connection.receive("SyncGroup", 3, waiting))
    described(x, f"pair {version}", group, node, versions=1)
    x.do(f"{group}: the second leaves", "LeaveGroup", 1, {"group_id": group, "member_id": came["member_id"]}, node=node)
    ask("Heartbeat", 3, step="heartbeat after one left", generation=generation, member_id=again["member_id"])
    x.do(f"{group}: the first leaves", "LeaveGroup", 1, {"group_id": group, "member_id": again["member_id"]}, node=node)
    x.drop(node, "a")
    x.drop(node, "b")


def named_members(x, group, answer):
    """Whoever is not the first is the second."""
    for one in [answer.get("member_id"), *(row["member_id"] for row in answer.get("members", []))]:
        x.call(one, f"second of {group}")
    return answer


def static_members(x):
    group = "static"
    node = coordinator(x, group)
    version = x.three("JoinGroup")[-1]
    join = lambda step, member="", instance="one", naming=None: x.do(f"static: {step}", "JoinGroup", version, join_body(version, group, member, instance), node=node, only=lambda answer: called(x, naming, answer))
    first = join("comes", naming="static member, first life")
    sync = lambda step, member, generation, instance="one", **more: x.do(f"static: {step}", "SyncGroup", 5, {"group_id": group, "generation_id": generation, "member_id": member, "group_instance_id": instance, "protocol_type": "consumer", "protocol_name": "range", **more}, node=node)
    sync("shares out", first["member_id"], first["generation_id"], assignments=[{"member_id": first["member_id"], "assignment": b"all"}])
    second = join("comes back without an id", naming="static member, second life")
    sync("keeps its share", second["member_id"], second["generation_id"])
    join("the old life comes", member=first["member_id"])
    sync("the old life syncs", first["member_id"], first["generation_id"])
    x.do("static: the old life's heartbeat", "Heartbeat", 4, {"group_id": group, "generation_id": second["generation_id"], "member_id": first["member_id"], "group_instance_id": "one"}, node=node)
    x.do("static: a heartbeat of another instance", "Heartbeat", 4, {"group_id": group, "generation_id": second["generation_id"], "member_id": second["member_id"], "group_instance_id": "two"}, node=node)
    x.do("static: the old life commits", "OffsetCommit", 8, {"group_id": group, "generation_id_or_member_epoch": second["generation_id"], "member_id": first["member_id"], "group_instance_id": "one", "topics": [{"name": "grouped", "partitions": [{"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}]}]}, node=node)
    described(x, "static", group, node)
    x.do("static: leaves by instance", "LeaveGroup", 5, {"group_id": group, "members": [{"member_id": "", "group_instance_id": "one", "reason": "done"}]}, node=node)
    described(x, "static, left", group, node)


def committing(x, version, group, generation, member, node):
    for commit in x.three("OffsetCommit"):
        def put(step, topic="grouped", partition=0, offset=5, metadata="note", who=member, of=generation, name=group, **more):
            row = {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata, **({"committed_leader_epoch": 0} if commit >= 6 else {})}
            place = {"topic_id": x.ids.get(topic, FOREIGN)} if commit >= 10 else {"name": topic}
            x.do(f"commit of {version}: {step}", "OffsetCommit", commit, {"group_id": name, "generation_id_or_member_epoch": of, "member_id": who, "topics": [{**place, "partitions": [row]}], **more}, node=node)

        put("an offset", offset=5 + commit)
        put("a wrong generation", of=77)
        put("an unknown member", who="nobody")
        put("no member", who="", of=-1)
        put("an unknown topic", topic="nowhere")
        put("an unknown partition", partition=9)
        put("an empty group", name="")
        put("metadata too large", metadata="x" * 5000)
        put("no metadata", metadata=None, partition=1)
        put("a negative offset", offset=-1, partition=1)
        put("without a group", name=f"alone-{version}-{commit}", who="", of=-1)
        put("with a generation and no group", name=f"alone-{version}-{commit}-not", who="", of=3)
        x.do(f"commit of {version}: no topics", "OffsetCommit", commit, {"group_id": group, "generation_id_or_member_epoch": generation, "member_id": member}, node=node)
    for fetch in x.three("OffsetFetch"):
        def get(step, topics, name=group):
            if fetch >= 8:
                place = lambda topic: {"topic_id": x.ids.get(topic, FOREIGN)} if fetch >= 10 else {"name": topic}
                rows = None if topics is None else [{**place(topic), "partition_indexes": ids} for topic, ids in topics]
                body = {"groups": [{"group_id": name, "topics": rows}]}
            else:
                body = {"group_id": name, "topics": None if topics is None else [{"name": topic, "partition_indexes": ids} for topic, ids in topics]}
            x.do(f"committed of {version}: {step}", "OffsetFetch", fetch, body, node=node)

        get("some", [("grouped", [0, 1])])
        get("of an unknown partition", [("grouped", [9])])
        get("of an unknown topic", [("nowhere", [0])])
        get("of an unknown group", [("grouped", [0])], "nothing")
        get("of an empty group", [("grouped", [0])], "")
        get("no topics", [])
        if fetch >= 2:
            get("all", None)
            get("all of an unknown group", None, "nothing")
        if fetch >= 8:
            x.do(f"committed of {version}: two groups", "OffsetFetch", fetch, {"groups": [{"group_id": group, "topics": None}, {"group_id": "nothing", "topics": None}], "require_stable": True}, node=node)
        if fetch >= 9:
            x.do(f"committed of {version}: a member epoch in a classic group", "OffsetFetch", fetch, {"groups": [{"group_id": group, "member_id": member, "member_epoch": generation, "topics": None}]}, node=node)


def described(x, step, group, node, versions=None):
    for version in x.three("DescribeGroups")[-(versions or 3):]:
        x.do(f"{step}: described", "DescribeGroups", version, {"groups": [group]}, node=node)
        if not versions:
            x.do(f"{step}: described with operations", "DescribeGroups", version, {"groups": [group], **({"include_authorized_operations": True} if version >= 3 else {})}, node=node)


def many_groups(x):
    node = coordinator(x, "nothing")
    for version in x.three("DescribeGroups"):
        x.do("an unknown group", "DescribeGroups", version, {"groups": ["nothing"]}, node=node)
        x.do("an empty group", "DescribeGroups", version, {"groups": [""]}, node=node)
        x.do("no groups", "DescribeGroups", version, {}, node=node)
    ours = lambda answer: {**answer, "groups": [row for row in answer["groups"]]}
    for version in x.three("ListGroups"):
        x.do("all groups", "ListGroups", version, {}, only=ours)
        if version >= 4:
            x.do("groups in a state", "ListGroups", version, {"states_filter": ["Stable"]})
            x.do("groups in an unknown state", "ListGroups", version, {"states_filter": ["Dancing"]})
            x.do("groups in a state, small letters", "ListGroups", version, {"states_filter": ["empty"]})
        if version >= 5:
            x.do("groups of a type", "ListGroups", version, {"types_filter": ["classic"]})
            x.do("groups of another type", "ListGroups", version, {"types_filter": ["consumer"]})
            x.do("groups of an unknown type", "ListGroups", version, {"types_filter": ["dance"]})
    for version in x.three("OffsetDelete"):
        forget = lambda step, group, topic="grouped", partition=0: x.do(step, "OffsetDelete", version, {"group_id": group, "topics": [{"name": topic, "partitions": [{"partition_index": partition}]}]}, node=coordinator(x, group) if group else 1)
        alone = f"alone-0-{x.three('OffsetCommit')[0]}"
        forget("an offset of a group without members", alone)
        forget("an offset that is gone", alone)
        forget("an offset of an unknown topic", alone, "nowhere")
        forget("an offset of an unknown partition", alone, partition=9)
        forget("an offset of an unknown group", "nothing")
        forget("an offset of an empty group", "")
    for version in x.three("DeleteGroups"):
        group = f"alone-0-{x.three('OffsetCommit')[min(version, 2)]}"
        node = coordinator(x, group)
        x.do("a group without members", "DeleteGroups", version, {"groups_names": [group]}, node=node)
        x.do("a group that is gone", "DeleteGroups", version, {"groups_names": [group]}, node=node)
        x.do("an empty name", "DeleteGroups", version, {"groups_names": [""]}, node=node)
        x.do("no groups", "DeleteGroups", version, {}, node=node)


def configurations(x):
    create(x, "tuned", 1, max_message_bytes="5000")
    for version in x.three("DescribeConfigs"):
        def told(step, kind, name, keys=None, **more):
            more = {key: value for key, value in more.items() if key != "include_documentation" or version >= 3}
            x.do(step, "DescribeConfigs", version, {"resources": [{"resource_type": kind, "resource_name": name, "configuration_keys": keys}], **more}, only=without_places)

        told("all of a topic", 2, "tuned")
        told("some of a topic", 2, "tuned", ["retention.ms", "max.message.bytes", "no.such.thing"])
        told("some with synonyms", 2, "tuned", ["retention.ms", "max.message.bytes", "compression.type"], include_synonyms=True)
        told("some with documentation", 2, "tuned", ["retention.ms"], include_documentation=True)
        told("no key", 2, "tuned", [])
        told("an unknown topic", 2, "nowhere")
        told("an invalid name", 2, "a b")
        told("an empty name", 2, "")
        told("all of a broker", 4, "1")
        told("some of a broker", 4, "1", ["num.partitions", "log.retention.ms", "log.retention.hours", "compression.type", "no.such.thing"], include_synonyms=True)
        told("an unknown broker", 4, "77")
        told("a broker that is no number", 4, "x")
        told("the default broker", 4, "", ["num.partitions"])
        told("an unknown kind", 99, "x")
        told("a logger", 8, "1", ["no.such.logger"])
        told("a group", 32, "group")
        x.do("nothing", "DescribeConfigs", version, {})
        x.do("a topic twice", "DescribeConfigs", version, {"resources": [{"resource_type": 2, "resource_name": "tuned", "configuration_keys": ["retention.ms"]}] * 2})
    look = lambda step: x.do(f"then: {step}", "DescribeConfigs", 4, {"resources": [{"resource_type": 2, "resource_name": "tuned", "configuration_keys": ["retention.ms", "max.message.bytes", "cleanup.policy", "compression.type"]}]})
    for version in x.three("IncrementalAlterConfigs"):
        def change(step, *ops, kind=2, name="tuned", **more):
            x.do(step, "IncrementalAlterConfigs", version, {"resources": [{"resource_type": kind, "resource_name": name, "configs": [{"name": n, "config_operation": op, "value": value} for n, op, value in ops]}], **more})
            look(f"{step} {version}")

        change("set", ("retention.ms", 0, str(1000 + version)))
        change("only tried", ("retention.ms", 0, "77"), validate_only=True)
        change("remove", ("retention.ms", 1, None))
        change("append", ("cleanup.policy", 2, "compact"))
        change("append again", ("cleanup.policy", 2, "compact"))
        change("take away", ("cleanup.policy", 3, "delete"))
        change("append to what is no list", ("retention.ms", 2, "5"))
        change("an unknown operation", ("retention.ms", 9, "5"))
        change("an unknown name", ("no.such.thing", 0, "5"))
        change("remove an unknown name", ("no.such.thing", 1, None))
        change("a wrong value", ("retention.ms", 0, "soon"))
        change("a value out of range", ("segment.bytes", 0, "1"))
        change("a null value", ("retention.ms", 0, None))
        change("one name twice", ("retention.ms", 0, "5"), ("retention.ms", 1, None))
        change("one good and one wrong", ("retention.ms", 0, "5"), ("segment.bytes", 0, "x"))
        change("nothing")
        change("of an unknown topic", ("retention.ms", 0, "5"), name="nowhere")
        change("of an invalid name", ("retention.ms", 0, "5"), name="a b")
        change("of an empty name", ("retention.ms", 0, "5"), name="")
        change("of an unknown kind", ("retention.ms", 0, "5"), kind=99)
        change("of an unknown broker", ("log.cleaner.threads", 0, "2"), kind=4, name="77")
        change("of a broker, read-only", ("num.partitions.no", 0, "2"), kind=4, name="1")
        row = {"resource_type": 2, "resource_name": "tuned", "configs": [{"name": "retention.ms", "config_operation": 0, "value": "9"}]}
        x.do("a topic twice", "IncrementalAlterConfigs", version, {"resources": [row, row]})
        x.do("no resources", "IncrementalAlterConfigs", version, {})
    for version in x.three("AlterConfigs"):
        def replace(step, configs, kind=2, name="tuned", **more):
            x.do(step, "AlterConfigs", version, {"resources": [{"resource_type": kind, "resource_name": name, "configs": [{"name": n, "value": value} for n, value in configs]}], **more})
            look(f"{step}, old {version}")

        replace("replace", [("retention.ms", str(2000 + version)), ("cleanup.policy", "compact")])
        replace("replace with less", [("cleanup.policy", "delete")])
        replace("replace, only tried", [("retention.ms", "77")], validate_only=True)
        replace("replace with an unknown name", [("no.such.thing", "1")])
        replace("replace with a wrong value", [("retention.ms", "soon")])
        replace("replace with a null value", [("retention.ms", None)])
        replace("replace of an unknown topic", [("retention.ms", "1")], name="nowhere")
        replace("replace of an unknown kind", [("retention.ms", "1")], kind=99)
        replace("replace one name twice", [("retention.ms", "1"), ("retention.ms", "2")])
        replace("replace with nothing", [])


def without_places(answer):
    """What names this machine's ports and folders."""
    for result in answer.get("results", []):
        for row in result.get("configs") or []:
            if row["name"] in ("listeners", "advertised.listeners", "log.dirs", "log.dir", "controller.quorum.voters"):
                row["value"] = "a place" if row["value"] else row["value"]
                for synonym in row.get("synonyms", []):
                    synonym["value"] = "a place"
    return answer


def tools(x):
    for version in x.three("ElectLeaders"):
        def elect(step, topic, partition=0, kind=0):
            x.do(step, "ElectLeaders", version, {"topic_partitions": [{"topic": topic, "partitions": [partition]}], "timeout_ms": 10000, **({"election_type": kind} if version >= 1 else {})})

        elect("the preferred leader is there", "written")
        elect("of an unknown topic", "nowhere")
        elect("of an unknown partition", "written", 9)
        if version >= 1:
            elect("an unclean election of a healthy partition", "written", kind=1)
            elect("an unknown election", "written", kind=5)
        x.do("of everything", "ElectLeaders", version, {"topic_partitions": None, "timeout_ms": 10000})
    for version in x.three("DescribeLogDirs"):
        dirs = lambda step, topics: x.do(step, "DescribeLogDirs", version, {"topics": topics}, only=without_open_logs)
        dirs("one log", [{"topic": "read", "partitions": [0]}])
        dirs("an unknown log", [{"topic": "nowhere", "partitions": [0]}])
        dirs("an unknown partition", [{"topic": "read", "partitions": [0, 9]}])
        dirs("no logs", [])


def without_open_logs(answer):
    return answer


def frames(x):
    """Connections that misbehave: what becomes of them, and that others are not disturbed."""
    def raw(step, data, answers=0):
        def act():
            connection = x.connection(1, "raw")
            try:
                connection.send_raw(data)
                return {"bytes": connection.read_frame(5 if answers else 3)[:answers].hex()}
            finally:
                x.drop(1, "raw")

        x.note(f"bytes: {step}", act)

    head = lambda key, version, rest=b"": struct.pack(">hhihs", key, version, 7, 1, b"c") + rest
    framed = lambda data, size=None: struct.pack(">i", len(data) if size is None else size) + data
    raw("a negative length", framed(b"", -5))
    raw("length zero", framed(b""))
    raw("a length of two gigabytes", struct.pack(">i", 0x7FFFFFFF))
    raw("a length over the limit", struct.pack(">i", 104857601))
    raw("a frame that ends in the header", framed(b"\0\3"))
    raw("an unknown API", framed(head(999, 0)))
    raw("a negative API", framed(head(-1, 0)))
    raw("a negative version", framed(head(3, -1)))
    raw("a version too high", framed(head(3, 99)))
    raw("ApiVersions with a wild version", framed(head(18, 99, b"xyz")), 10)
    raw("an API that clusters use among themselves", framed(head(52, 0)))
    raw("a body that is cut", framed(head(3, 1, b"\0\0\0\2\0")))
    raw("an array longer than its frame", framed(head(3, 1, b"\x7f\xff\xff\xff")))
    raw("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    raw("bytes behind the request", framed(head(18, 0, b"zzz")), 6)
    raw("no client id", framed(struct.pack(">hhih", 18, 0, 7, -1)), 6)
    raw("an unknown tag in the header", framed(struct.pack(">hhihs", 18, 3, 7, 1, b"c") + b"\1\5\2ab" + b"\2a\2b\0"), 6)
    raw("an unknown tag in the body", framed(struct.pack(">hhihs", 18, 3, 7, 1, b"c") + b"\0" + b"\2a\2b\1\x63\1z"), 6)
    for api in ("ListOffsets", "Metadata", "OffsetFetch", "FindCoordinator", "CreateTopics", "DescribeConfigs"):
        for version in (wire.APIS[api].versions[0] - 1, wire.APIS[api].versions[1] + 1):
            raw(f"{api} {version}", framed(head(wire.APIS[api].key, version, b"\0" * 20)))
    two = struct.pack(">hhihs", 18, 0, 1, 1, b"c"), struct.pack(">hhihs", 18, 0, 2, 1, b"c")

    def pipelined():
        connection = x.connection(1, "raw")
        try:
            connection.send_raw(framed(two[0]) + framed(two[1]))
            return {"correlations": [connection.read_frame()[:4].hex() for _ in range(2)]}
        finally:
            x.drop(1, "raw")

    x.note("bytes: two requests at once", pipelined)
    x.do("others are not disturbed", "ApiVersions", 0, {}, only=lambda answer: {"error_code": answer["error_code"]})


PARTS = (coordinators, membership, many_groups, configurations, tools, frames)
