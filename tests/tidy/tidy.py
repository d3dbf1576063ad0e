#!/usr/bin/env python3
"""House rules as a test: who may include whom, what core/ must not say, how coroutines may be written.

Usage: tests/tidy/tidy.py [--self-test]. Exit 1 with one line a finding: file:line: rule: why.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# room -> rooms that it may include (each also itself and base)
LAYERS = {
    "core/base": [],
    "core/async": [],
    "core/host": ["core/async"],
    "core/model": [],
    "core/wire": ["core/model"],
    "core/raft": ["core/model", "core/wire"],
    "core/controller": ["core/model", "core/wire"],
    "core/group": ["core/model", "core/wire"],
    "core/log": ["core/async", "core/host", "core/model"],
    "core/replica": ["core/async", "core/log", "core/model"],
    "core/node": ["core/async", "core/host", "core/model", "core/wire", "core/raft", "core/controller", "core/group",
                  "core/log", "core/replica"],
    "core/client": ["core/async", "core/host", "core/model", "core/wire", "core/group"],
    "core/posix": ["core/host", "core/async", "core/node", "core/model", "core/client", "core/wire", "core/controller", "core/raft",
                   "core/group", "core/log", "core/replica"],
}
SIM_ONLY = re.compile(r'^core/posix')

WAITING_ROOMS = ("core/async", "core/host", "core/log", "core/node", "core/client", "core/posix", "sim/workload", "sim/cluster",
                 "sim/scenario", "sim/cli", "tests")

# pattern, rooms it is banned in, why
BANNED = [
    (r'\bunordered_(map|set)\b', ("core",), "its order is not fixed: use an ordered or flat container"),
    (r'std::(uniform|normal|exponential|bernoulli|poisson|discrete)_\w*distribution|random_device|std::mt19937', ("core", "sim"),
     "differs between libraries: draw from harrow::Random"),
    (r'std::chrono::\w*_clock', ("core", "sim/kernel", "sim/net", "sim/disk", "sim/cluster", "sim/faults", "sim/check", "sim/workload"),
     "time comes from the Host"),
    (r'std::(thread|mutex|atomic|async)\b|#include <(thread|mutex|atomic|future)>', ("core", "sim/kernel", "sim/net", "sim/disk", "sim/cluster", "sim/check"),
     "one thread a node"),
    (r'\bgetenv\b', ("core", "sim/kernel", "sim/net", "sim/disk", "sim/cluster", "sim/faults", "sim/check", "sim/workload", "sim/scenario", "sim/trace"),
     "only sim/cli reads the environment"),
    (r'std::(cout|cerr|clog|locale)\b|#include <iostream>', ("core",), "core has no console"),
    (r'catch \(\.\.\.\)', ("core", "sim"), "no exception crosses a room"),
    (r'\bassert\(', ("core", "sim"), "use CHECK: it stays on in release"),
    (r'#include <c?math(\.h)?>|std::(sqrt|exp|log|pow|sin|cos)\(', ("core", "sim/net", "sim/disk", "sim/workload", "sim/faults", "sim/kernel"),
     "libm may choose other instructions by processor"),
    (r'\bthread_local\b', ("core", "sim"), "only the frame pool in core/async"),
    (r'\b(TODO|FIXME|XXX|HACK)\b', ("core", "sim"), "finish it or say it in ROADMAP.md"),
    (r'\b\w+(Manager|Helper|Util|Utils|Impl)\b', ("core", "sim"), "name the noun"),
    (r'\bclass \w*(Manager|Helper|Util|Impl)\b', ("core", "sim"), "name the noun"),
]
ALLOWED = {
    ("core/async/ready.cpp", "thread_local"),
    ("core/async/ready.h", "thread_local"),
}
POSIX_MAY = ("std::thread", "std::atomic", "std::mutex", "<mutex>", "chrono")

SAFE_AWAIT = re.compile(
    r'^(co_await [^{\[?]+;'
    r'|(const )?[\w:<>,\*& ]+ \w+ = co_await [^{\[?]+;'
    r'|[\w\.\->\[\]\*]+ = co_await [^{\[?]+;'
    r'|co_return co_await [^{\[?]+;'
    r'|if \(co_await [^{\[?]+\).*)$')


def room_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def strip_comment(line, state):
    """The line without comments and string contents; state[0] says whether a block comment is open."""
    out, i = [], 0
    while i < len(line):
        if state[0]:
            end = line.find("*/", i)
            if end < 0:
                return "".join(out)
            state[0], i = False, end + 2
        elif line.startswith("//", i):
            break
        elif line.startswith("/*", i):
            state[0], i = True, i + 2
        elif line[i] in "\"'":
            quote, i = line[i], i + 1
            while i < len(line) and line[i] != quote:
                i += 2 if line[i] == "\\" else 1
            i += 1
            out.append(quote + quote)
        else:
            out.append(line[i])
            i += 1
    return "".join(out)


def without_guards(statement):
    """The statement behind `if (...)`, `while (...)`, `for (...)` and `else`, whatever their conditions hold."""
    while True:
        match = re.match(r'(else |(if|while|for) \()', statement)
        if not match:
            return statement
        if match.group(0) == "else ":
            statement = statement[5:]
            continue
        depth, at = 1, match.end()
        while at < len(statement) and depth:
            depth += {"(": 1, ")": -1}.get(statement[at], 0)
            at += 1
        if "co_await" in statement[:at]:
            return statement
        statement = statement[at:].strip()


def findings_of(path, text):
    room = room_of(path)
    state = [False]
    found = []
    pending = ""
    pending_line = 0
    for number, raw in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#include "([^"]+)"', raw)
        if include:
            target = room_of(include.group(1))
            if room in LAYERS and target.startswith(("core/", "sim/")) and target not in LAYERS[room] + [room, "core/base"]:
                found.append((number, "layers", f"{room} may not include {include.group(1)}"))
            if room.startswith("sim") and room != "sim/cli" and SIM_ONLY.match(target):
                found.append((number, "layers", "only sim/cli may include core/posix"))
            continue
        line = strip_comment(raw, state).rstrip('\\ ').strip()
        if not line:
            continue
        for pattern, rooms, why in BANNED:
            if any(room == r or room.startswith(r + "/") or room == r for r in rooms) and re.search(pattern, line):
                word = re.search(pattern, line).group(0)
                if (path, word) in ALLOWED or (room == "core/posix" and any(w in line for w in POSIX_MAY)):
                    continue
                found.append((number, "banned", f"'{word}': {why}"))
        if "#ifdef" in line and room.startswith(("core", "sim")) and path not in ("core/base/mutation.h", "core/base/check.h"):
            if "HARROW_MUSEUM" not in line or not path.startswith("sim/"):
                found.append((number, "ifdef", "variants are objects, not macros"))
        if "co_await" in line or pending:
            if not pending:
                pending_line = number
            pending = (pending + " " + line).strip()
            if pending.count("(") > pending.count(")") or not re.search(r'[;{}]$', pending):
                continue
            statement, pending = pending, ""
            if "co_await" not in statement or statement.startswith(("#", "operator")) or "operator co_await" in statement:
                continue
            if not room.startswith(WAITING_ROOMS):
                found.append((pending_line, "waiting", f"{room} decides and may not wait"))
            body = without_guards(statement)
            if not SAFE_AWAIT.match(body) and room.startswith(("core", "sim")):
                found.append((pending_line, "co_await", f"not one of the safe forms: {statement[:90]}"))
    return found


def main():
    if "--self-test" in sys.argv:
        return self_test()
    total = 0
    for folder in ("core", "sim"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix not in (".h", ".cpp"):
                continue
            path = file.relative_to(ROOT).as_posix()
            for number, rule, why in findings_of(path, file.read_text()):
                print(f"{path}:{number}: {rule}: {why}")
                total += 1
    print(f"tidy: {total} findings")
    return 1 if total else 0


def self_test():
    bad = {
        "core/raft/x.cpp": ['#include "core/host/net.h"', "co_await f();", "std::unordered_map<int, int> m;"],
        "core/node/x.cpp": ["x = y ? co_await g() : z;", "co_await f([c]{ return c; });", "switch (co_await g()) {", "// TODO in a comment is fine"],
        "sim/check/x.cpp": ['#include "core/posix/posix_host.h"', "auto x = std::chrono::steady_clock::now();"],
    }
    expected = {"core/raft/x.cpp": 3, "core/node/x.cpp": 3, "sim/check/x.cpp": 2}
    for path, lines in bad.items():
        got = findings_of(path, "\n".join(lines))
        assert len(got) == expected[path], (path, got)
    good = ["const Reached r = co_await p.replicated(end, deadline);", "co_await Sleep(timers, at);", "co_return co_await task;", "answer = co_await one;"]
    assert not findings_of("core/node/y.cpp", "\n".join(good)), findings_of("core/node/y.cpp", "\n".join(good))
    print("tidy: self-test passed")
    return 0


sys.exit(main())
