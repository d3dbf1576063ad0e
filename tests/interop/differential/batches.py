"""Record batches, well-formed or not, byte by byte: the same on every run."""
import gzip
import struct

try:
    import lz4.frame
    import snappy
    import zstandard
except ImportError:  # differential.sh installs them; without them the codecs are left out and the report says so
    lz4 = snappy = zstandard = None

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
T0 = 1_700_000_000_000


def table():
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


TABLE = table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sized(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta, key, value, headers=(), time_delta=0):
    body = b"\0" + varint(time_delta) + varint(offset_delta) + sized(key) + sized(value) + varint(len(headers))
    body += b"".join(sized(name) + sized(data) for name, data in headers)
    return varint(len(body)) + body


def available(codec):
    return codec in ("none", "gzip") or lz4 is not None


def compressed(codec, data):
    if codec == "none":
        return data
    if codec == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if codec == "snappy":
        return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + sized_block(snappy.compress(data))
    if codec == "lz4":
        return lz4.frame.compress(data, block_linked=False)
    return zstandard.ZstdCompressor(level=3).compress(data)


def sized_block(data):
    return struct.pack(">i", len(data)) + data


def batch(records=None, values=None, codec="none", base_time=T0, max_time=None, producer=(-1, -1, -1), attributes=0, count=None, last_delta=None, base_offset=0, leader_epoch=-1, magic=2, crc=None, length=None, payload=None):
    """`values` is the short form: values or (key, value) or (key, value, headers), one millisecond apart. The other
    arguments overrule what a decent client would write."""
    if records is None:
        rows = [one if isinstance(one, tuple) else (None, one) for one in (values if values is not None else [b"v"])]
        records = [record(i, row[0], row[1], row[2] if len(row) > 2 else (), i) for i, row in enumerate(rows)]
    count = len(records) if count is None else count
    payload = compressed(codec, b"".join(records)) if payload is None else payload
    last_delta = max(count - 1, 0) if last_delta is None else last_delta
    max_time = base_time + max(len(records) - 1, 0) if max_time is None else max_time
    tail = struct.pack(">hiqqqhii", attributes | CODECS[codec], last_delta, base_time, max_time, *producer, count) + payload
    crc = crc32c(tail) if crc is None else crc
    length = 9 + len(tail) if length is None else length
    return struct.pack(">qiibI", base_offset, length, leader_epoch, magic, crc) + tail


def old_message(magic, value=b"old"):
    """A message set of the formats before batches."""
    import zlib
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", T0) if magic == 1 else b"") + struct.pack(">i", -1) + sized_block(value)
    return struct.pack(">qiI", 0, len(body) + 4, zlib.crc32(body)) + body


def described(records):
    """What a fetched run of batches holds: one row a whole batch, as far as it is meant to be equal everywhere."""
    if records is None:
        return None
    rows, at = [], 0
    while at + 12 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        data = records[at:at + 12 + length]
        if len(data) < 12 + length:
            break  # cut short by the size asked for: as many bytes as fit, which may differ
        rows.append(data.hex())
        at += 12 + length
    return rows
