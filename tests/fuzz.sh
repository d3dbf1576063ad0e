#!/usr/bin/env bash
# tests/fuzz.sh [SECONDS]: builds the libFuzzer targets (preset fuzz) and runs each for SECONDS (default 20), from small
# corpora that it makes itself. Inputs that fail stay in build/fuzz/corpus/<target>/; exit 1 if there was one.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
./dev _build fuzz fuzzers || exit 2
corpus=build/fuzz/corpus
rm -rf "$corpus"
mkdir -p "$corpus"/{wire,batch,log,scenario,node}

python3 - "$corpus" <<'PY'
"""Seeds: real scenarios, real messages of tests/interop/vectors behind their first bytes, and edits of a log's folder."""
import gzip, os, pathlib, random, struct, sys
corpus = pathlib.Path(sys.argv[1])
dice = random.Random(1)
for n, path in enumerate(sorted(pathlib.Path("scenarios").glob("*.yaml"))):
    (corpus / "scenario" / f"{n:02}").write_bytes(path.read_bytes())
shortest = "harrow: 1\nfaults: [{ at: 10s, kill: any-broker }, { when: \"isr(orders/0) < 3\", reset: broker(1) }]\n"
(corpus / "scenario" / "short").write_text(shortest)
# Every message and version number, with bodies of zeros, ones and small numbers.
for message in range(0, 200, 5):
    for body in (bytes(40), bytes([1] * 40), bytes([0, 0, 0, 1] * 12), bytes([0, 3]) + b"abc" + bytes(30)):
        (corpus / "wire" / f"{message}-{body[:4].hex()}").write_bytes(bytes([0, message, dice.randrange(16)]) + body)
for row in range(64):
    for listener in (0, 1):
        body = bytes(dice.choice([0, 0, 0, 1, 2, 3, 255]) for _ in range(60))
        (corpus / "node" / f"{row}-{listener}").write_bytes(bytes([listener, row, dice.randrange(16)]) + body)
text = b"one text, one text, one text, another one text" * 4
packed = {0: text, 1: gzip.compress(text)}
for codec in range(5):
    (corpus / "batch" / f"codec-{codec}").write_bytes(bytes([codec]) + packed.get(codec, text))
def varint(n):
    n = (n << 1) ^ (n >> 63)
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])
def batch(records, attributes=0):
    body = b""
    for i, (key, value) in enumerate(records):
        one = b"\0" + varint(0) + varint(i) + varint(len(key)) + key + varint(len(value)) + value + varint(1) + varint(1) + b"h" + varint(-1)
        body += varint(len(one)) + one
    if attributes & 7 == 1:
        body = gzip.compress(body)
    rest = struct.pack(">hiqqqhii", attributes, len(records) - 1, 1767600000000, 1767600000000, -1, -1, -1, len(records)) + body
    return struct.pack(">qi", 0, 9 + len(rest)) + struct.pack(">ibI", 0, 2, 0) + rest
for what in (5, 6, 7):
    for attributes in (0, 1, 0x20):
        (corpus / "batch" / f"batch-{what}-{attributes}").write_bytes(bytes([what]) + batch([(b"k", b"v" * 30), (b"key", b"")], attributes) + batch([(b"k", b"v")]))
for n in range(60):
    edits = b""
    for _ in range(dice.randrange(1, 4)):
        edits += bytes([dice.randrange(32)]) + struct.pack(">H", dice.randrange(1024)) + bytes([dice.randrange(6), dice.randrange(8)]) + os.urandom(0) + bytes(dice.randrange(256) for _ in range(8))
    (corpus / "log" / f"{n:02}").write_bytes(bytes([dice.randrange(16), dice.randrange(64), dice.randrange(4)]) + edits)
PY

status=0
for target in wire batch log scenario node; do
  work=$corpus/$target
  if timeout $((seconds * 3 + 60)) "build/fuzz/tests/${target}_fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=3000 \
    -artifact_prefix="$work/failed-" "$work" >"$work.log" 2>&1; then
    printf 'ok    %-10s %s\n' "$target" "$(grep -E 'DONE|Done' "$work.log" | tail -n 1)"
  else
    status=1
    printf 'FAIL  %-10s\n' "$target"
    grep -E 'CHECK|ERROR|SUMMARY|runtime error|Test unit written' "$work.log" | head -n 12 | sed 's/^/      | /'
  fi
done
exit $status
