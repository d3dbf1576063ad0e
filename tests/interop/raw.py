"""Kafka's protocol by hand, for suites that must say what no client says: a few requests at one old version each, record batches,
and a proxy that records what real clients send.

    Connection(port)             a socket with timeouts; ask() sends a request and returns a Reader of the answer's body
    produce, fetch, ...          request bodies;  frame(api, version, body) a whole request
    batch(records, **changes)    a record batch of format 2, changed before or after its checksum
"""
import socket
import struct
import threading

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, DESCRIBE_GROUPS, API_VERSIONS, INIT_PRODUCER_ID = 11, 12, 13, 14, 15, 18, 22
ANSWER_S = 30


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def i8(n):
    return struct.pack(">b", n)


def i16(n):
    return struct.pack(">h", n)


def i32(n):
    return struct.pack(">i", n)


def i64(n):
    return struct.pack(">q", n)


def text(value):
    return i16(-1) if value is None else i16(len(value.encode())) + value.encode()


def sized(value):
    return i32(-1) if value is None else i32(len(value)) + value


def array(items):
    return i32(-1) if items is None else i32(len(items)) + b"".join(items)


def varint(n):
    n = n << 1 ^ n >> 63
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def record(delta, key, value):
    body = b"\0" + varint(0) + varint(delta)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(0)
    return varint(len(body)) + body


def batch(values, magic=2, attributes=0, count=None, last_delta=None, crc=None, base=0, producer=(-1, -1, -1), body=None):
    """`body` replaces the records; `crc` the right checksum."""
    records = b"".join(record(i, b"k", value) for i, value in enumerate(values)) if body is None else body
    count = len(values) if count is None else count
    behind = struct.pack(">hiqqqhii", attributes, len(values) - 1 if last_delta is None else last_delta, 1767600000000, 1767600000000, *producer, count) + records
    return struct.pack(">qiib", base, 9 + len(behind), 0, magic) + struct.pack(">I", crc32c(behind) if crc is None else crc) + behind


def produce(topic, partition, records, acks=-1):
    return text(None) + i16(acks) + i32(30000) + array([text(topic) + array([i32(partition) + sized(records)])])


def fetch(topic, partition, offset, session=0, epoch=-1, max_wait_ms=0, wanted=True):
    partitions = array([i32(partition) + i32(-1) + i64(offset) + i64(-1) + i32(1 << 20)])
    return i32(-1) + i32(max_wait_ms) + i32(1) + i32(50 << 20) + i8(0) + i32(session) + i32(epoch) + array([text(topic) + partitions] if wanted else []) + array([]) + text("")


def metadata(*topics):
    return array([text(topic) for topic in topics])


def list_offsets(topic, partition, timestamp):
    return i32(-1) + array([text(topic) + array([i32(partition) + i64(timestamp)])])


def offset_commit(group, generation, member, topic, partition, offset):
    return text(group) + i32(generation) + text(member) + i64(-1) + array([text(topic) + array([i32(partition) + i64(offset) + text("note")])])


def join_group(group, member="", protocol_type="consumer"):
    return text(group) + i32(6000) + i32(6000) + text(member) + text(protocol_type) + array([text("range") + sized(b"\0\0\0\0\0\0\0\0\0\0")])


def heartbeat(group, generation, member):
    return text(group) + i32(generation) + text(member)


def sync_group(group, generation, member):
    return text(group) + i32(generation) + text(member) + array([text(member) + sized(b"")])


def frame(api, version, body, correlation=7, client="stranger"):
    head = i16(api) + i16(version) + i32(correlation) + text(client)
    return i32(len(head) + len(body)) + head + body


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value[0]

    def text(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def sized(self):
        size = self.take("i")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]


class Connection:
    def __init__(self, port, timeout=ANSWER_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends it with a reset instead of a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("closed")
            data += part
        return data

    def answer(self):
        """The next answer behind its correlation id."""
        body = Reader(self.exactly(Reader(self.exactly(4)).take("i")))
        body.correlation = body.take("i")
        return body

    def ask(self, api, version, body):
        self.correlation += 1
        self.send(frame(api, version, body, self.correlation))
        answer = self.answer()
        if answer.correlation != self.correlation:
            raise AssertionError(f"the answer to {self.correlation} is numbered {answer.correlation}")
        return answer

    def closed_by_peer(self):
        """Whether the other side ends the connection; what it says before that is dropped."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except socket.timeout:
            return False

    def produce(self, topic, partition, records, acks=-1):
        """(error, base offset), at version 7"""
        answer = self.ask(PRODUCE, 7, produce(topic, partition, records, acks))
        answer.take("i"), answer.text(), answer.take("i"), answer.take("i")
        return answer.take("h"), answer.take("q")

    def fetch(self, topic, partition, offset, **how):
        """(error, session, partition's error or None, records or None), at version 11"""
        answer = self.ask(FETCH, 11, fetch(topic, partition, offset, **how))
        answer.take("i")
        error, session = answer.take("h"), answer.take("i")
        if answer.take("i") <= 0:
            return error, session, None, None
        answer.text(), answer.take("i"), answer.take("i")
        inner = answer.take("h")
        answer.take("q"), answer.take("q"), answer.take("q")
        for _ in range(max(answer.take("i"), 0)):
            answer.take("q"), answer.take("q")
        answer.take("i")
        return error, session, inner, answer.sized()


class Recorder:
    """A listener that passes everything on to `port` and keeps the requests of whoever connects."""

    def __init__(self, listen_port, port):
        self.port, self.requests, self.open = port, [], []
        self.listener = socket.create_server(("127.0.0.1", listen_port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return
            self.open += [client, server]
            threading.Thread(target=self.pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, False), daemon=True).start()

    def pass_on(self, source, target, keep):
        pending = b""
        try:
            while True:
                part = source.recv(65536)
                if not part:
                    break
                target.sendall(part)
                if not keep:
                    continue
                pending += part
                while len(pending) >= 4 and len(pending) >= 4 + struct.unpack(">i", pending[:4])[0]:
                    end = 4 + struct.unpack(">i", pending[:4])[0]
                    self.requests.append(pending[:end])
                    pending = pending[end:]
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        for one in self.open:
            one.close()
