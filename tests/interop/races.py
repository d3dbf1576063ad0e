#!/usr/bin/env python3
"""Three brokers as three threads of one process, built with ThreadSanitizer, under load and under faults: no data race is reported.

tests/interop/races.py --binary build/tsan/harrow [--seconds 60]
Needs kcat. What clients get is other suites' business; here it must only be work: records go in and come out, members join groups,
metrics are asked for, and every kind of fault that reaches into another thread is applied.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from chaos import Served
from served import expect

FAULTS = [
    "kill: broker(1), restart: after 1s", "move-leader: orders/0", "pause: broker(2), for: 1s", "inject: NOT_LEADER_OR_FOLLOWER, api: Produce, calls: 5", "isolate: broker(3), for: 2s",
    "disconnect: all, api: Fetch", "stall-disk: broker(1), for: 1s", "reset: all", "stop: broker(2), restart: after 1s", "clock-step: broker(1), by: -5s", "advance-clock: broker(3), by: 500ms",
    "create-topic: scratch, partitions: 2, replication: 3", "add-partitions: scratch, to: 4", "delete-topic: scratch", "partition: [[broker(1)], [broker(2), broker(3)]], for: 2s", "rolling-restart: all, restart: after 200ms, gap: 500ms",
]


class Load:
    """kcat in a loop, until told to stop; counts what it moved."""

    def __init__(self, served):
        self.served, self.stopping = served, threading.Event()
        self.written = self.read = self.asked = 0
        self.threads = [threading.Thread(target=run) for run in (self.write, self.write, self.take, self.take, self.ask)]
        for thread in self.threads:
            thread.start()

    def kcat(self, *options, given=""):
        try:
            return subprocess.run(["kcat", "-b", self.served.bootstrap, "-X", "broker.address.family=v4", *options], input=given, capture_output=True, text=True, timeout=60).stdout
        except subprocess.TimeoutExpired:
            return ""

    def write(self):
        while not self.stopping.is_set():
            self.kcat("-P", "-t", "orders", "-X", "acks=all", "-X", "message.timeout.ms=15000", "-z", "lz4", given="".join(f"record {i}\n" for i in range(500)))
            self.written += 500

    def take(self):
        while not self.stopping.is_set():
            self.read += len(self.kcat("-q", "-G", "readers", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "-c", "300", "orders").split("\n"))

    def ask(self):
        while not self.stopping.wait(0.5):
            for path in ("/metrics", "/faults", "/ready"):
                try:
                    self.served.ask("GET", path)
                    self.asked += 1
                except OSError:
                    pass

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    binary = os.path.realpath(arguments.binary)
    with open(binary, "rb") as file:
        expect(b"ThreadSanitizer" in file.read(), f"{binary} is not built with ThreadSanitizer (preset tsan)")
    os.environ["TSAN_OPTIONS"] = "halt_on_error=0 exitcode=66 " + os.environ.get("TSAN_OPTIONS", "")
    history = tempfile.mktemp(prefix="harrow-races-", suffix=".jsonl")
    served, applied, refused, problems = Served(binary, "--record", history), 0, [], []
    try:
        load = Load(served)
        try:
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                for line in FAULTS:
                    status, body = served.ask("POST", "/faults", line)
                    applied += status == 200
                    if status != 200:
                        refused.append(f"{line}: {body.strip()}")
                    time.sleep(1)
                served.ask("DELETE", "/faults")
        except OSError as why:
            problems.append(f"the admin port: {why}")
        finally:
            load.stop()
    finally:
        code, text = served.stop()
        if os.path.exists(history):
            os.remove(history)
    reports = re.findall(r"WARNING: ThreadSanitizer: .*?(?=\n={10,}|\Z)", text, re.S)
    print(f"{load.written} records sent, {load.read} read, {load.asked} questions to the admin port, {applied} faults applied, {len(refused)} refused, {len(reports)} reports, exit {code}")
    if code != 0:
        problems.append(f"ended with exit {code}: {text[-2000:]}")
    if not (load.written and load.read and load.asked and applied >= len(FAULTS) // 2):
        problems.append(f"too little was done: {refused}")
    problems += reports[:5]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
