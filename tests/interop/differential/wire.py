"""Kafka's messages by the product's own tables, for a client without opinions: what a step wants to send is sent, sensible or
not, and an answer comes back as it is. Reads core/wire/schema/*.kf by itself; it shares no code with the generator, so that
a table that both brokers do not understand in the same way shows.
"""
import glob
import os
import re
import socket
import struct
import uuid

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "core", "wire", "schema")
FOREVER = 32767
NUMBERS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d"}
BASE = {*NUMBERS, "bool", "string", "uuid", "bytes", "records"}
NO_ID = "0" * 32


def span(text, most=FOREVER):
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    low = int(match[1])
    return low, most if match[2] else int(match[3]) if match[3] else low


class Field:
    FORM = re.compile(r"(\w+): (\[)?(\w+)\]?(\?\S*)?(?: (\d\S*))?(?: tag (\d+)(?: from (\d+))?)?(?: = (\S+))?(?: ignorable)?")

    def __init__(self, line, parent):
        name, array, kind, nullable, versions, tag, tag_from, default = self.FORM.fullmatch(line).groups()
        self.name, self.array, self.kind = name, bool(array), kind
        self.nullable = None if nullable is None else span(nullable[1:]) if len(nullable) > 1 else (0, FOREVER)
        low, high = span(versions) if versions else (0, FOREVER)
        self.versions = max(low, parent[0]), min(high, parent[1])
        self.tag, self.tag_from = None if tag is None else int(tag), int(tag_from or 0)
        self.text = default
        self.fields = []  # of its struct

    def at(self, version):
        return self.versions[0] <= version <= self.versions[1]

    def tagged(self, version):
        return self.tag is not None and version >= self.tag_from

    def may_be_null(self, version):
        return self.nullable is not None and self.nullable[0] <= version <= self.nullable[1]

    def default(self, version):
        if self.text == "null":
            return None
        if self.array:
            return []
        if self.kind not in BASE:
            return {}
        if self.kind in NUMBERS:
            return int(self.text or 0)
        return {"bool": self.text == "true", "string": self.text or "", "uuid": NO_ID, "bytes": b"", "records": None if self.may_be_null(version) else b""}[self.kind]


class Api:
    def __init__(self, key, name, low, high, flexible):
        self.key, self.name, self.versions, self.flexible = key, name, (low, high), flexible
        self.request, self.response = [], []


def read_tables(folder=SCHEMA):
    apis = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.kf"))):
        api, stack, structs = None, [], {}
        with open(path, encoding="utf-8") as lines:
            for raw in lines:
                line = raw.strip()
                if not line or line.startswith("#"):
                    continue
                depth = (len(raw) - len(raw.lstrip())) // 2
                if depth == 0:
                    heading = re.fullmatch(r"api (\d+) (\w+), versions (\S+?)(?:, flexible (\d+)\+)?(?:, on [a-z ]+)?(?:, newest unstable)?", line)
                    if heading:
                        low, high = span(heading[3])
                        api = Api(int(heading[1]), heading[2], low, high, int(heading[4] or FOREVER))
                        apis[api.name] = api
                    else:
                        structs = {}
                        stack = [(getattr(api, line), (0, FOREVER))]
                    continue
                del stack[depth:]
                fields, versions = stack[-1]
                if line.startswith("struct "):
                    stack.append((structs.setdefault(line[7:], []), (0, FOREVER)))
                    continue
                field = Field(line, versions)
                fields.append(field)
                if field.kind not in BASE:
                    field.fields = structs.setdefault(field.kind, [])
                    stack.append((field.fields, field.versions))
    return apis


APIS = read_tables()


# --- Writing ---------------------------------------------------------------------------------------------------------

def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def count_of(length, flexible, form=">i"):
    """A length; None is null."""
    if flexible:
        return uvarint(0 if length is None else length + 1)
    return struct.pack(form, -1 if length is None else length)


def write_one(field, value, version, flexible):
    kind = field.kind
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    if kind == "bool":
        return b"\1" if value else b"\0"
    if kind == "uuid":
        return bytes.fromhex(value)
    if kind == "string":
        data = None if value is None else value.encode() if isinstance(value, str) else value
        return count_of(None if data is None else len(data), flexible, ">h") + (data or b"")
    if kind in ("bytes", "records"):
        return count_of(None if value is None else len(value), flexible) + (value or b"")
    if field.nullable is not None and not field.array:
        return b"\xff" if value is None else b"\1" + write_struct(field.fields, value, version, flexible)
    return write_struct(field.fields, value, version, flexible)


def write_field(field, value, version, flexible):
    if not field.array:
        return write_one(field, value, version, flexible)
    if value is None:
        return count_of(None, flexible)
    return count_of(len(value), flexible) + b"".join(write_one(field, one, version, flexible) for one in value)


def write_struct(fields, values, version, flexible):
    unknown = set(values) - {field.name for field in fields} - {"_tags"}
    if unknown:
        raise KeyError(f"no such fields: {sorted(unknown)}")
    out, tags = [], dict(values.get("_tags", {}))
    for field in fields:
        if not field.at(version):
            continue
        value = values.get(field.name, field.default(version))
        if field.tagged(version):
            if value != field.default(version):
                tags[field.tag] = write_field(field, value, version, flexible)
        else:
            out.append(write_field(field, value, version, flexible))
    if flexible:
        out.append(uvarint(len(tags)))
        for tag, data in sorted(tags.items()):
            out.append(uvarint(tag) + uvarint(len(data)) + data)
    return b"".join(out)


def request_frame(api, version, correlation, client_id, body):
    """The bytes behind the length. `body` is a dict of fields, or bytes as they are."""
    name = None if client_id is None else client_id.encode()
    head = struct.pack(">hhi", api.key, version, correlation) + count_of(None if name is None else len(name), False, ">h") + (name or b"")
    flexible = version >= api.flexible
    if flexible:
        head += b"\0"
    return head + (body if isinstance(body, bytes) else write_struct(api.request, body, version, flexible))


# --- Reading ---------------------------------------------------------------------------------------------------------

class Short(Exception):
    """An answer that ends too early, or goes on behind its end."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Short(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def length(self, flexible, form=">i"):
        size = self.uvarint() - 1 if flexible else self.number(form)
        return None if size < 0 else size


def read_one(r, field, version, flexible):
    kind = field.kind
    if kind in NUMBERS:
        return r.number(NUMBERS[kind])
    if kind == "bool":
        return r.take(1) != b"\0"
    if kind == "uuid":
        return r.take(16).hex()
    if kind == "string":
        size = r.length(flexible, ">h")
        return None if size is None else r.take(size).decode()
    if kind in ("bytes", "records"):
        size = r.length(flexible)
        return None if size is None else bytes(r.take(size))
    if field.nullable is not None and not field.array and r.number(">b") < 0:
        return None
    return read_struct(r, field.fields, version, flexible)


def read_field(r, field, version, flexible):
    if not field.array:
        return read_one(r, field, version, flexible)
    count = r.length(flexible)
    return None if count is None else [read_one(r, field, version, flexible) for _ in range(count)]


def read_struct(r, fields, version, flexible):
    out, tags = {}, {}
    for field in fields:
        if not field.at(version):
            continue
        if field.tagged(version):
            tags[field.tag] = field
            out[field.name] = field.default(version)
        else:
            out[field.name] = read_field(r, field, version, flexible)
    if flexible:
        for _ in range(r.uvarint()):
            tag, size = r.uvarint(), r.uvarint()
            end = r.at + size
            if tag in tags:
                out[tags[tag].name] = read_field(r, tags[tag], version, flexible)
            else:
                out[f"_tag{tag}"] = r.take(size).hex()
            if r.at != end:
                raise Short(f"tag {tag} has {size} bytes and ends at {r.at} instead of {end}")
    return out


def read_response(api, version, frame):
    """The fields of an answer; `_layout` tells when ApiVersions was answered in the layout of version 0."""
    r = Reader(frame)
    r.take(4)
    if api.name == "ApiVersions":
        if frame[4:6] == b"\0\x23":
            return {"_layout": 0, **finished(r, read_struct(r, api.response, 0, False))}
    elif version >= api.flexible:
        if r.uvarint() != 0:
            raise Short("tags in the header of an answer")
    return finished(r, read_struct(r, api.response, version, version >= api.flexible))


def finished(r, fields):
    if r.at != len(r.data):
        raise Short(f"{len(r.data) - r.at} bytes behind the answer")
    return fields


# --- Connections -----------------------------------------------------------------------------------------------------

class Closed(Exception):
    """The broker ended the connection."""


class Silence(Exception):
    """No answer within the time."""


class Connection:
    def __init__(self, address, client_id="differential"):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id, self.correlation = client_id, 0

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed() from error

    def send(self, api, version, body):
        self.correlation += 1
        frame = request_frame(APIS[api], version, self.correlation, self.client_id, body)
        self.send_raw(struct.pack(">i", len(frame)) + frame)
        return self.correlation

    def read_exactly(self, size):
        out = bytearray()
        while len(out) < size:
            try:
                more = self.socket.recv(size - len(out))
            except socket.timeout as error:
                raise Silence() from error
            except OSError as error:
                raise Closed() from error
            if not more:
                raise Closed()
            out += more
        return bytes(out)

    def read_frame(self, seconds=30):
        self.socket.settimeout(seconds)
        return self.read_exactly(struct.unpack(">i", self.read_exactly(4))[0])

    def receive(self, api, version, correlation, seconds=30):
        frame = self.read_frame(seconds)
        if frame[:4] != struct.pack(">i", correlation):
            raise Short(f"an answer with correlation {frame[:4].hex()}")
        return read_response(APIS[api], version, frame)

    def ask(self, api, version, body=None, seconds=30):
        return self.receive(api, version, self.send(api, version, body or {}), seconds)


def new_id():
    return uuid.uuid4().hex
