#!/usr/bin/env python3
"""What a stranger may send to a listener: noise, half requests, sizes that are no sizes, batches that are no batches, mutations of what
real clients send. The answer is the protocol's error or a closed connection. Meanwhile another connection keeps producing, and must not
notice; afterwards the process has the memory, descriptors and threads of before, stops cleanly, and its log is sound.

tests/interop/bad_input.py --binary build/release/harrow [--seconds 20] [--seed 1]
SECONDS is for mutated requests; everything else has its own end. Needs kcat to record real requests. With a binary built by
AddressSanitizer memory is judged by it alone, leaks at the end included.
"""
import argparse
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import raw
from raw import Connection, batch, frame, i32
from served import expect, free_ports, until

NONE, OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TOPIC = 0, 1, 2, 3, 10, 17
INVALID_ACKS, ILLEGAL_GENERATION, INVALID_GROUP_ID, UNKNOWN_MEMBER, UNSUPPORTED_VERSION = 21, 22, 24, 25, 35
SESSION_NOT_FOUND, SESSION_EPOCH, INVALID_RECORD = 70, 71, 87
REQUEST_MAX_BYTES = 100 << 20
GROWTH_KIB = 48 << 10


class Broker:
    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="harrow-bad-input-")
        self.port, self.recorded_port, controller = free_ports(3)
        with open(self.path("node.properties"), "w") as file:
            file.write(f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n"
                       f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{self.recorded_port}\n"
                       f"log.dirs={self.path('data')}\nauto.create.topics.enable=false\noffsets.topic.num.partitions=3\n"
                       "connections.max.idle.ms=10000\ngroup.min.session.timeout.ms=500\ngroup.max.session.timeout.ms=60000\n")
        self.controller_port = controller
        self.sanitised = "__asan_init" in subprocess.run(["nm", "-D", binary], capture_output=True, text=True).stdout or b"AddressSanitizer" in open(binary, "rb").read()
        self.recorder = raw.Recorder(self.recorded_port, self.port)  # internal requests that follow the advertised address work, too
        self.log = open(self.path("log"), "w")
        self.process = subprocess.Popen([binary, "serve", "--config", self.path("node.properties"), "--ready-file", self.path("ready"), "--admin-file", self.path("admin"),
                                         "--topic", "steady:1:1", "--topic", "target:2:1"], stdout=self.log, stderr=self.log)
        until(lambda: os.path.exists(self.path("ready")) or self.process.poll() is not None, "ready", 120)
        expect(self.process.poll() is None, f"harrow serve ended: {self.said()}")
        self.admin_port = int(open(self.path("admin")).read().strip().rsplit(":", 1)[1])

    def path(self, name):
        return os.path.join(self.folder, name)

    def said(self):
        return open(self.path("log")).read()[-6000:]

    def connect(self, timeout=raw.ANSWER_S):
        return Connection(self.port, timeout)

    def sockets(self):
        """Descriptors of sockets, files, and all."""
        found = []
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{self.process.pid}/fd/{fd}"))
            except FileNotFoundError:
                pass
        return sum(f.startswith("socket:") for f in found), len(found)

    def figure(self, name):
        return int(re.search(rf"^{name}:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read(), re.M).group(1))

    def stop(self):
        self.recorder.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


class Steady(threading.Thread):
    """The connection beside: one record after the other, each acknowledged at the next offset."""

    def __init__(self, broker):
        super().__init__()
        self.connection = broker.connect(120)
        self.count, self.waits, self.problem = 0, [], None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                begin = time.monotonic()
                answer = self.connection.produce("steady", 0, batch([b"%d" % self.count]))
                self.waits.append(time.monotonic() - begin)
                expect(answer == (NONE, self.count), f"record {self.count}: {answer}")
                self.count += 1
                time.sleep(0.02)
        except Exception as e:  # told by whoever joins
            self.problem = e


# ---- What is not a request

def noise(broker, dice):
    for _ in range(200):
        with broker.connect() as c:
            try:
                c.send(dice.randbytes(dice.randrange(1, 300)))
            except OSError:
                pass
            if dice.random() < 0.3:
                c.reset()


def noise_behind_a_size(broker, dice):
    """The size is right, the rest is not: closed, since there is no knowing whom to answer."""
    for _ in range(200):
        with broker.connect() as c:
            body = dice.randbytes(dice.randrange(0, 200))
            c.send(i32(len(body)) + body)
            c.socket.shutdown(socket.SHUT_WR)
            expect(c.closed_by_peer(), f"left open after {body.hex()}")


def sizes(broker, dice):
    for size in (-1, -2147483648, 0, 1, 2147483647, REQUEST_MAX_BYTES + 1):
        with broker.connect() as c:
            c.send(i32(size) + b"\0" * 8)
            if size == 1:
                c.socket.shutdown(socket.SHUT_WR)
            expect(c.closed_by_peer(), f"a frame of {size} bytes is taken")


def announced_and_not_sent(broker, dice):
    """100 connections announce the largest frame and send a little of it: what is not there takes no memory."""
    before = broker.figure("VmRSS")
    open_ones = [broker.connect() for _ in range(100)]
    for c in open_ones:
        c.send(i32(REQUEST_MAX_BYTES) + struct.pack(">hhi", raw.PRODUCE, 7, 1) + b"\0" * 1000)
    time.sleep(0.3)
    grown = broker.figure("VmRSS") - before
    for c in open_ones:
        c.close()
    expect(broker.sanitised or grown < 100 * 256, f"{grown} KiB for 100 frames that were only announced")


def cut_anywhere(broker, dice):
    whole = frame(raw.PRODUCE, 7, raw.produce("target", 0, batch([b"cut"])))
    for end in range(1, len(whole)):
        with broker.connect() as c:
            c.send(whole[:end])
            if end % 3 == 0:
                c.reset()


def strangers(broker, dice):
    """Unknown APIs and versions close the connection; ApiVersions is told what there is, in the oldest form."""
    for api, version in ((999, 0), (-1, 0), (raw.PRODUCE, 99), (raw.FETCH, -1), (raw.METADATA, 32767), (4, 0), (7, 0)):
        with broker.connect() as c:
            c.send(frame(api, version, b""))
            expect(c.closed_by_peer(), f"API {api}, version {version}: left open")
    with broker.connect() as c:
        answer = c.ask(raw.API_VERSIONS, 99, b"")
        expect(answer.take("h") == UNSUPPORTED_VERSION, "ApiVersions 99")
        expect(c.ask(raw.API_VERSIONS, 0, b"").take("h") == NONE, "ApiVersions 0 behind it")


def bodies(broker, dice):
    """A known request with a body that is none closes the connection."""
    for api, version in ((raw.PRODUCE, 7), (raw.FETCH, 11), (raw.METADATA, 1), (raw.JOIN_GROUP, 2), (raw.OFFSET_COMMIT, 2)):
        for body in (b"\xff" * 40, b"", b"\x7f\xff\xff\xff" * 10):
            with broker.connect() as c:
                c.send(frame(api, version, body))
                c.socket.shutdown(socket.SHUT_WR)
                expect(c.closed_by_peer(), f"API {api}: left open")


# ---- Requests that are wrong

def batches(broker, dice):
    good = batch([b"v"])
    short = batch([b"v" * 100])
    wrong = {
        "magic 0": (batch([b"v"], magic=0), INVALID_RECORD), "magic 1": (batch([b"v"], magic=1), INVALID_RECORD), "magic 9": (batch([b"v"], magic=9), CORRUPT_MESSAGE),
        "checksum": (batch([b"v"], crc=1), CORRUPT_MESSAGE), "a byte of a record": (short[:-5] + b"\xff" + short[-4:], CORRUPT_MESSAGE),
        "too large": (batch([b"v" * (1 << 20)]), MESSAGE_TOO_LARGE), "count above": (batch([b"v"], count=2), INVALID_RECORD), "count below 0": (batch([b"v"], count=-1), None),
        "last offset": (batch([b"v"], last_delta=7), INVALID_RECORD), "no records": (b"", INVALID_RECORD), "two batches": (good + good, INVALID_RECORD),
        "half a batch": (short[:80], INVALID_RECORD), "half a header": (short[:30], INVALID_RECORD), "a codec that is none": (batch([b"v"], attributes=7), None), "no zstd frame": (batch([b"v"], attributes=4), None), "no gzip stream": (batch([b"v"], attributes=1), None),
        "a record of size -1": (batch([b"v"], body=raw.varint(-1)), None), "a record beyond its batch": (batch([b"v"], body=raw.varint(1 << 30) + b"xx"), None),
        "a control batch": (batch([b"v"], attributes=0x20), INVALID_RECORD),
    }
    with broker.connect() as c:
        for what, (records, code) in wrong.items():
            answer = c.produce("target", 0, records)
            expect(answer[0] == code if code is not None else answer[0] in (CORRUPT_MESSAGE, INVALID_RECORD, 76), f"{what}: {answer}, wanted {code}")
        expect(c.produce("target", 0, None)[0] != NONE, "null records")
        expect(c.produce("target", 0, good) == (NONE, 0), "a good batch behind the bad ones is the first")
        expect(c.produce("target", 0, good, acks=7)[0] == INVALID_ACKS, "acks 7")
        for topic, partition in (("nowhere", 0), ("target", 99), ("target", -1), ("", 0), ("a/b", 0)):
            expect(c.produce(topic, partition, good)[0] == UNKNOWN_TOPIC, f"produce to {topic}-{partition}")
    with broker.connect() as c:
        c.send(frame(raw.PRODUCE, 7, raw.produce("nowhere", 0, good, acks=0)))
        expect(c.closed_by_peer(), "an error without an answer must close the connection")


def topics(broker, dice):
    with broker.connect() as c:
        for name, code in (("nowhere", UNKNOWN_TOPIC), ("a/b", INVALID_TOPIC), ("", INVALID_TOPIC), ("x" * 250, INVALID_TOPIC), ("..", INVALID_TOPIC)):
            answer = c.ask(raw.METADATA, 1, raw.metadata(name))
            for _ in range(answer.take("i")):
                answer.take("i"), answer.text(), answer.take("i"), answer.text()
            answer.take("i")
            expect(answer.take("i") == 1 and answer.take("h") == code, f"metadata of '{name[:20]}'")
        for topic, partition, timestamp in (("nowhere", 0, -1), ("target", 77, -2)):
            answer = c.ask(raw.LIST_OFFSETS, 1, raw.list_offsets(topic, partition, timestamp))
            answer.take("i"), answer.text(), answer.take("i"), answer.take("i")
            expect(answer.take("h") == UNKNOWN_TOPIC, f"offsets of {topic}-{partition}")


def groups(broker, dice):
    with broker.connect() as c:
        def code(api, version, body, skip="i"):
            answer = c.ask(api, version, body)
            if skip:
                answer.take(skip)
            return answer.take("h")

        def settled(api, version, body):
            """The coordinator may still be loading or in the making."""
            return until(lambda: (lambda found: found not in (14, 15, 16) and [found])(code(api, version, body)), "a coordinator", 30)[0]

        c.ask(raw.FIND_COORDINATOR, 0, raw.text("strangers"))
        expect(settled(raw.JOIN_GROUP, 2, raw.join_group("")) == INVALID_GROUP_ID, "joining a group without a name")
        expect(settled(raw.JOIN_GROUP, 2, raw.join_group("strangers", "nobody")) == UNKNOWN_MEMBER, "joining as an unknown member")
        expect(settled(raw.HEARTBEAT, 1, raw.heartbeat("strangers", 3, "nobody")) == UNKNOWN_MEMBER, "an unknown member's heartbeat")
        expect(settled(raw.SYNC_GROUP, 1, raw.sync_group("strangers", 3, "nobody")) == UNKNOWN_MEMBER, "an unknown member's sync")
        answer = c.ask(raw.OFFSET_COMMIT, 2, raw.offset_commit("strangers", 3, "nobody", "target", 0, 5))
        answer.take("i"), answer.text(), answer.take("i"), answer.take("i")
        expect(answer.take("h") in (ILLEGAL_GENERATION, UNKNOWN_MEMBER), "a commit of a generation that never was")


def sessions(broker, dice):
    with broker.connect() as c:
        expect(c.fetch("target", 0, 0, session=123456, epoch=5)[0] == SESSION_NOT_FOUND, "a session that never was")
        error, session, inner, records = c.fetch("target", 0, 0, epoch=0)
        expect(error == NONE and inner == NONE and session != 0, "a session is opened")
        expect(c.fetch("target", 0, 0, session=session, epoch=9)[0] == SESSION_EPOCH, "an epoch out of turn")
        expect(c.fetch("target", 0, 0, session=session, epoch=1, wanted=False)[0] == NONE, "the session goes on")
        # Opened anew, the old number has expired.
        again = c.fetch("target", 0, 0, session=session, epoch=0)[1]
        expect(again not in (0, session) and c.fetch("target", 0, 0, session=session, epoch=2)[0] == SESSION_NOT_FOUND, "an expired session")
        for topic, partition, offset, code in (("nowhere", 0, 0, UNKNOWN_TOPIC), ("target", 55, 0, UNKNOWN_TOPIC), ("target", 0, 1 << 40, OFFSET_OUT_OF_RANGE), ("target", 0, -5, OFFSET_OUT_OF_RANGE)):
            found = c.fetch(topic, partition, offset)
            expect(found[2] == code and found[3] == b"", f"fetch of {topic}-{partition} at {offset}: {found}")


# ---- Peers with bad manners

def slow_loris(broker, dice):
    """Byte by byte; they are answered when they are done, and hold nobody up meanwhile."""
    whole = frame(raw.METADATA, 1, raw.metadata("target"))
    slow = [broker.connect() for _ in range(150)]
    for at in range(len(whole)):
        for c in slow:
            c.send(whole[at:at + 1])
        time.sleep(0.01)
    for c in slow:
        expect(c.answer().correlation == 7, "the slow one's answer")
        c.close()


def half_closed(broker, dice):
    """Whoever says nothing more still gets what it asked for."""
    for _ in range(50):
        with broker.connect() as c:
            c.send(frame(raw.METADATA, 1, raw.metadata("target")) + frame(raw.PRODUCE, 7, raw.produce("target", 1, batch([b"last words"]))))
            c.socket.shutdown(socket.SHUT_WR)
            c.answer(), c.answer()
            expect(c.closed_by_peer(), "left open after the peer's end")


def deaf(broker, dice):
    """Asks and asks and never reads: the broker stops reading from it."""
    ask = frame(raw.METADATA, 1, raw.metadata(*["target"] * 50)) * 50
    before = broker.figure("VmRSS")
    open_ones = [broker.connect(2) for _ in range(20)]
    for c in open_ones:
        try:
            for _ in range(40):
                c.send(ask)
        except (socket.timeout, OSError):
            pass
    grown = broker.figure("VmRSS") - before
    for c in open_ones:
        c.reset()
    expect(broker.sanitised or grown < 20 * 2048, f"{grown} KiB for 20 peers that do not read")


def left_while_waiting(broker, dice):
    """Long polls and joins whose peers have gone."""
    for n in range(100):
        c = broker.connect()
        c.send(frame(raw.FETCH, 11, raw.fetch("target", 0, 1, max_wait_ms=3000)) if n % 2 else frame(raw.JOIN_GROUP, 2, raw.join_group(f"left-{n % 5}")))
        c.reset() if n % 3 else c.close()


def silent(broker, dice):
    """Whoever connects and says nothing, or leaves its request half said, is shown the door (connections.max.idle.ms)."""
    half = frame(raw.METADATA, 1, raw.metadata("target"))[:9]
    open_ones = [broker.connect(60) for _ in range(40)]
    for c in open_ones[::2]:
        c.send(half)
    for c in open_ones:
        expect(c.closed_by_peer(), "a silent connection is kept")
        c.close()


def short_ones(broker, dice):
    for n in range(5000):
        c = broker.connect()
        if n % 10 == 0:
            c.send(frame(raw.API_VERSIONS, 0, b""))
        c.reset() if n % 2 else c.close()


def admin_port(broker, dice):
    """The HTTP side takes no better care of strangers."""
    open_ones = []
    for n in range(150):
        c = socket.create_connection(("127.0.0.1", broker.admin_port), raw.ANSWER_S)
        try:
            c.sendall((dice.randbytes(200), b"GET /metr", b"POST /faults HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{", b"GET /" + b"x" * 100000, b"POST /faults HTTP/1.1\r\nContent-Length: -5\r\n\r\n")[n % 5])
        except OSError:
            pass
        open_ones.append(c)
    with socket.create_connection(("127.0.0.1", broker.admin_port), raw.ANSWER_S) as c:
        c.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(b" 200 " in c.recv(4096), "the admin port still answers")
    for c in open_ones:
        c.close()


# ---- Mutations of real requests

def record_requests(broker):
    """What kcat and our own tools say to a broker, of topics that only they use."""
    address, own = f"127.0.0.1:{broker.recorded_port}", [broker.binary]
    before = len(broker.recorder.requests)

    ran = []

    def run(command, given=""):
        ran.append((command, subprocess.run(command, input=given, text=True, capture_output=True, timeout=120)))

    run([*own, "topics", "--bootstrap-server", address, "--create", "--topic", "taped", "--partitions", "2", "--replication-factor", "1"])
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        run(["kcat", "-b", address, "-X", "broker.address.family=v4", "-P", "-t", "taped", "-K", ":", "-z", codec, "-X", "enable.idempotence=true"], "".join(f"k{i}:value {i} {'x' * (i % 40)}\n" for i in range(60)))
    run(["kcat", "-b", address, "-X", "broker.address.family=v4", "-L"])
    run(["kcat", "-b", address, "-X", "broker.address.family=v4", "-q", "-G", "tapers", "-X", "auto.offset.reset=earliest", "-c", "100", "taped"])
    run(["kcat", "-b", address, "-X", "broker.address.family=v4", "-C", "-q", "-e", "-o", "beginning", "-t", "taped"])
    run([*own, "console-consumer", "--bootstrap-server", address, "--topic", "taped", "--from-beginning", "--group", "tapers-too", "--max-messages", "50"])
    run([*own, "groups", "--bootstrap-server", address, "--describe", "--group", "tapers"])
    run([*own, "groups", "--bootstrap-server", address, "--list"])
    run([*own, "topics", "--bootstrap-server", address, "--describe", "--topic", "taped"])
    run([*own, "topics", "--bootstrap-server", address, "--delete", "--topic", "taped-not"])
    taped = broker.recorder.requests[before:]
    found = sorted({struct.unpack(">h", request[4:6])[0] for request in taped})
    wanted = {raw.PRODUCE, raw.FETCH, raw.LIST_OFFSETS, raw.METADATA, raw.OFFSET_COMMIT, raw.OFFSET_FETCH, raw.FIND_COORDINATOR, raw.JOIN_GROUP, raw.SYNC_GROUP, raw.API_VERSIONS, raw.INIT_PRODUCER_ID}
    expect(wanted <= set(found), f"of {len(taped)} recorded requests none is of {sorted(wanted - set(found))}; {[(c[0], d.returncode, d.stderr[-300:]) for c, d in ran if d.returncode]}")
    by_hand = [frame(raw.PRODUCE, 7, raw.produce("target", 1, batch([b"a", b"b" * 50, b""]))), frame(raw.FETCH, 11, raw.fetch("target", 0, 0, epoch=0)), frame(raw.METADATA, 1, raw.metadata("target", "x")),
               frame(raw.LIST_OFFSETS, 1, raw.list_offsets("target", 0, -1)), frame(raw.JOIN_GROUP, 2, raw.join_group("mutants")), frame(raw.HEARTBEAT, 1, raw.heartbeat("mutants", 1, "m")),
               frame(raw.SYNC_GROUP, 1, raw.sync_group("mutants", 1, "m")), frame(raw.OFFSET_COMMIT, 2, raw.offset_commit("mutants", -1, "", "target", 0, 1)), frame(raw.INIT_PRODUCER_ID, 0, raw.text(None) + i32(1000))]
    # Each kind counts the same, however often a client asks.
    kinds = {}
    for request in taped + by_hand:
        kinds.setdefault(request[4:8], []).append(request)
    return list(kinds.values())


SPECIAL = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08", b"\x7f\xff", b"\0" * 8, b"\xff" * 8]


def mutated(dice, kinds):
    request = bytearray(dice.choice(dice.choice(kinds)))
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        at = dice.randrange(4, len(request)) if len(request) > 5 else 4
        act = dice.randrange(8)
        if act == 0:
            request[at:at + 1] = bytes([request[at] ^ 1 << dice.randrange(8)]) if at < len(request) else b""
        elif act == 1:
            special = dice.choice(SPECIAL)
            request[at:at + len(special)] = special
        elif act == 2:
            del request[at:at + dice.choice((1, 2, 4, 8, 30))]
        elif act == 3:
            request[at:at] = dice.randbytes(dice.choice((1, 2, 4, 8, 100)))
        elif act == 4:
            piece = request[at:at + dice.randrange(1, 60)]
            request[at:at] = piece * dice.choice((1, 2, 20))
        elif act == 5:
            other = dice.choice(dice.choice(kinds))
            request[at:] = other[dice.randrange(4, len(other)):]
        elif act == 6 and len(request) >= 8:
            request[6:8] = struct.pack(">h", dice.randrange(0, 18))
        else:
            request[at:at + 1] = dice.randbytes(1)
    # A batch whose checksum is right again is looked at more closely.
    magic = request.find(b"\0\0\0\0\x02")
    if magic > 12 and dice.random() < 0.5 and len(request) > magic + 30:
        size = struct.unpack(">i", request[magic - 4:magic])[0]
        if 0 < size < len(request):
            request[magic + 5:magic + 9] = struct.pack(">I", raw.crc32c(bytes(request[magic + 9:magic + size])))
    if dice.random() < 0.9:
        request[0:4] = struct.pack(">I", len(request) - 4)
    return bytes(request)


def mutations(broker, dice, kinds, seconds):
    end, sent, answered, connection, port = time.monotonic() + seconds, 0, 0, None, broker.port
    while time.monotonic() < end:
        if connection is None:
            port = broker.controller_port if dice.random() < 0.15 else broker.port
            connection = Connection(port, 0.1)
        request = mutated(dice, kinds)
        try:
            if dice.random() < 0.1:
                cut = dice.randrange(len(request))
                connection.send(request[:cut])
                connection.send(request[cut:])
            else:
                connection.send(request)
            sent += 1
            connection.socket.settimeout(dice.choice((0.001, 0.02, 0.1)))
            if connection.socket.recv(65536):
                answered += 1
                if dice.random() < 0.8:
                    continue
        except (socket.timeout, OSError):
            pass
        connection.reset() if dice.random() < 0.5 else connection.close()
        connection = None
        expect(broker.process.poll() is None, f"the process ended with exit {broker.process.returncode} behind {request.hex()}: {broker.said()}")
    if connection is not None:
        connection.close()
    expect(sent > 0 and answered > 0, f"{sent} sent, {answered} answered: nothing was tried")
    return f"{sent} requests, {answered} answers"


PARTS = [noise, noise_behind_a_size, sizes, announced_and_not_sent, cut_anywhere, strangers, bodies, batches, topics, groups, sessions, slow_loris, half_closed, deaf, left_while_waiting, silent, short_ones, admin_port]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    broker = Broker(os.path.realpath(arguments.binary))
    dice, failed = random.Random(arguments.seed), 0
    try:
        kinds = record_requests(broker)
        for warm in (noise, strangers, slow_loris):  # what is allocated once is there
            warm(broker, random.Random(0))
        steady = Steady(broker)
        steady.start()
        time.sleep(1)
        sockets, _ = broker.sockets()
        rss, threads = broker.figure("VmRSS"), broker.figure("Threads")
        steps = [(part.__name__, lambda part=part: part(broker, dice)) for part in PARTS] + [("mutations", lambda: mutations(broker, dice, kinds, arguments.seconds))]
        for name, step in steps:
            begin, beside = time.monotonic(), steady.count
            try:
                said = step()
                expect(broker.process.poll() is None, f"the process ended with exit {broker.process.returncode}")
                if steady.problem is not None:
                    raise AssertionError(f"the connection beside: {steady.problem}")
                # It went on meanwhile, or goes on now.
                until(lambda: steady.problem is not None or steady.count > beside, "the connection beside goes on", 120)
                print(f"ok    {name:<24} {time.monotonic() - begin:6.1f} s  {said or ''}", flush=True)
            except (AssertionError, OSError, EOFError) as why:
                failed += 1
                print(f"FAIL  {name}: {type(why).__name__}: {why}", flush=True)
                if broker.process.poll() is not None:
                    break
        steady.stopping.set()
        steady.join()
        if broker.process.poll() is None:
            try:
                expect(steady.problem is None, f"the connection beside: {steady.problem}")
                until(lambda: broker.sockets()[0] <= sockets, f"the sockets of strangers are gone: {broker.sockets()[0]} of {sockets}", 60, 0.5)
                grown = broker.figure("VmRSS") - rss
                expect(broker.figure("Threads") == threads, f"{broker.figure('Threads')} threads, {threads} before")
                expect(broker.sanitised or grown < GROWTH_KIB, f"{grown} KiB more than before")
                waits = sorted(steady.waits)
                print(f"ok    the connection beside    {steady.count} records, each at its offset; waits: median {waits[len(waits) // 2] * 1000:.1f} ms, longest {waits[-1] * 1000:.0f} ms", flush=True)
                print(f"ok    after all                {broker.sockets()[0]} sockets ({sockets} before), {threads} threads, memory {grown:+d} KiB of {rss}", flush=True)
            except (AssertionError, OSError) as why:
                failed += 1
                print(f"FAIL  afterwards: {why}", flush=True)
    finally:
        code = broker.stop()
    try:
        expect(code == 0, f"ended with exit {code}: {broker.said()}")
        verified = subprocess.run([broker.binary, "log", "verify", broker.path("data")], capture_output=True, text=True, timeout=120)
        expect(verified.returncode == 0, f"log verify: {verified.stdout}{verified.stderr}")
        print("ok    stopped cleanly, and the log is sound", flush=True)
    except AssertionError as why:
        failed += 1
        print(f"FAIL  {why}", flush=True)
    if failed and os.environ.get("HARROW_KEEP_FAILED"):
        print(f"its files are in {broker.folder}")
    else:
        shutil.rmtree(broker.folder, ignore_errors=True)
    print(f"bad_input: {failed} failed, seed {arguments.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
