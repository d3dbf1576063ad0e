#!/usr/bin/env python3
"""Faults on a running cluster: by HTTP, by `harrow chaos` and from a file, seen by kcat and by the cluster itself.

tests/interop/chaos.py --binary build/release/harrow
Needs kcat. Three brokers in one process; everything stays on this machine and ends with the test.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Served:
    def __init__(self, binary, *options):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="harrow-chaos-")
        self.log = open(os.path.join(self.folder, "log"), "w")
        ready, self.admin = os.path.join(self.folder, "ready"), os.path.join(self.folder, "admin")
        command = [binary, "serve", "--brokers", "3", "--port", "0", "--ready-file", ready, "--admin-file", self.admin, "--topic", "orders:3:3", "--fast-failover", *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if os.path.exists(ready):
                break
            expect(self.process.poll() is None, "harrow serve ended: " + open(self.log.name).read())
            time.sleep(0.05)
        self.bootstrap = open(ready).read().strip()
        self.url = "http://" + open(self.admin).read().strip()

    def ask(self, method, path, body=""):
        request = urllib.request.Request(self.url + path, data=body.encode() if body else None, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as failed:
            return failed.code, failed.read().decode()

    def fault(self, line):
        status, body = self.ask("POST", "/faults", line)
        expect(status == 200, f"{line}: {status} {body}")
        return json.loads(body)

    def faults(self):
        return json.loads(self.ask("GET", "/faults")[1])

    def topic(self, name="orders"):
        """leader and ISR by partition, as the cluster describes them"""
        text = subprocess.run(["kcat", "-b", self.bootstrap, "-L", "-J", "-t", name], capture_output=True, text=True, timeout=60).stdout
        topics = json.loads(text)["topics"] if text else []
        return {p["partition"]: (p["leader"], sorted(r["id"] for r in p["isrs"])) for t in topics for p in t["partitions"]}

    def until(self, what, condition, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {what}; {self.faults()}; {self.topic()}")

    def whole(self):
        return all(isr == [1, 2, 3] for _, isr in self.topic().values()) and len(self.topic()) == 3

    def produce(self, lines, *options):
        return subprocess.run(["kcat", "-b", self.bootstrap, "-P", "-t", "orders", "-p", "0", "-X", "acks=all", "-X", "enable.idempotence=true", *options], input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=90)

    def read(self):
        out = subprocess.run(["kcat", "-b", self.bootstrap, "-C", "-t", "orders", "-p", "0", "-o", "beginning", "-e", "-q"], capture_output=True, text=True, timeout=90)
        return out.stdout.split()

    def holds(self, lines):
        """A new leader may know of less than was acknowledged until its followers have asked once: what counts is soon."""
        self.until(f"{lines} are there", lambda: self.read() == lines)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = -9
        self.log.close()
        text = open(self.log.name).read()
        shutil.rmtree(self.folder)
        return code, text


def processes(served):
    """kill and stop make another broker the leader, and the node comes back at the same address."""
    served.produce(["a1", "a2"])
    before = served.topic()[0][0]
    killed = served.fault("kill: leader(orders/0), restart: after 2s")
    expect(killed["target"] == f"broker-{before}", killed)
    served.until("another leader", lambda: served.topic().get(0, (before,))[0] not in (before, -1))
    expect(served.produce(["a3"]).returncode == 0, "a write while one broker is down")
    served.until("everybody back", served.whole)
    expect(served.faults()[-1]["state"] == "over", served.faults())
    served.fault("stop: broker(2), restart: after 1s")
    served.until("everybody back after a stop", served.whole)
    served.holds(["a1", "a2", "a3"])


def frozen(served):
    """A paused leader is fenced, and wakes up as a follower."""
    before = served.topic()[1][0]
    served.fault("pause: leader(orders/1), for: 4s")
    served.until("another leader", lambda: served.topic().get(1, (before,))[0] not in (before, -1))
    served.until("everybody back", served.whole)


def links(served):
    """A broker that is cut off leaves the ISR and comes back; a partition by pairs does the same."""
    served.fault("isolate: broker(3), for: 5s")
    served.until("broker 3 out", lambda: all(3 not in isr for _, isr in served.topic().values()))
    served.until("broker 3 back", served.whole)
    served.fault("partition: [[broker(1)], [broker(2), broker(3)]], for: 8s")
    served.until("broker 1 out", lambda: any(isr in ([2, 3], [1]) for _, isr in served.topic().values()))
    served.until("broker 1 back", served.whole)
    served.fault("reset: all")
    expect(served.produce(["b1"]).returncode == 0, "a write after all connections were reset")


def protocol(served):
    """Injected errors are told and retried; a lost answer does not write twice."""
    before = ["a1", "a2", "a3", "b1"]
    served.holds(before)
    served.fault("inject: NOT_LEADER_OR_FOLLOWER, api: Produce, calls: 2")
    expect(served.produce(["c1"]).returncode == 0, "retried")
    served.until("both calls used", lambda: served.faults()[-1]["state"] == "over")
    served.fault("disconnect: all, api: Produce, after: commit")
    expect(served.produce(["c2"]).returncode == 0, "retried after a lost answer")
    served.until("the call used", lambda: served.faults()[-1]["state"] == "over")
    served.holds(before + ["c1", "c2"])
    served.fault("inject: TOPIC_AUTHORIZATION_FAILED, api: Produce, calls: 1")
    refused = served.produce(["c3"])
    expect("authoriz" in refused.stderr.lower(), refused.stderr)
    served.holds(before + ["c1", "c2"])  # a refused record is not stored


def disks(served):
    """A stalled disk holds what waits for it; a full one halts the node, which comes back."""
    served.fault("stall-disk: broker(2), for: 2s")
    expect(served.produce(["d1"]).returncode == 0, "a write beside a stalled disk")
    served.until("the disk goes on", lambda: served.faults()[-1]["state"] == "over")
    served.until("whole", served.whole)
    leader = served.topic()[0][0]
    served.fault(f"full-disk: broker({leader}), for: 2s")
    expect(served.produce(["d2"]).returncode == 0, "the others take over from a full disk")
    expect(served.ask("DELETE", "/faults")[0] == 200, "heal")
    served.until("whole after heal", served.whole)
    served.holds(["a1", "a2", "a3", "b1", "c1", "c2", "d1", "d2"])


def administration(served):
    before = served.topic()[2]
    served.fault("move-leader: orders/2")
    served.until("moved", lambda: served.topic()[2][0] not in (before[0], -1))
    served.fault("create-topic: scratch, partitions: 2, replication: 1")
    expect(len(served.topic("scratch")) == 2, served.topic("scratch"))
    served.fault("add-partitions: scratch, to: 5")
    served.until("five partitions", lambda: len(served.topic("scratch")) == 5)
    served.fault("delete-topic: scratch")
    served.until("gone", lambda: not any(served.topic("scratch").values()))
    served.fault("clock-step: broker(1), by: -90s")
    served.fault("advance-clock: broker(1), by: 500ms")
    served.until("whole", served.whole)


def command_line(served):
    """`harrow chaos` says the same, and what is wrong with a fault."""
    def chaos(*words):
        return subprocess.run([served.binary, "chaos", served.admin, *words], capture_output=True, text=True, timeout=60)
    wrong = chaos("kil: broker(1)")
    expect(wrong.returncode == 2 and "did you mean 'kill'" in wrong.stderr, wrong)
    expect(chaos("power-loss: broker(1)").returncode == 2, "needs a machine")
    expect("there is no broker 9" in chaos("kill: broker(9)").stderr, "no such broker")
    done = chaos("rolling-restart: all, restart: after 200ms, gap: 200ms")
    expect(done.returncode == 0 and json.loads(done.stdout)["state"] in ("in effect", "over"), done)
    served.until("whole", served.whole)
    listed = chaos("list")
    expect(listed.returncode == 0 and json.loads(listed.stdout)[-1]["kind"] == "rolling-restart", listed)
    expect(subprocess.run([served.binary, "chaos", "127.0.0.1:1", "list"], capture_output=True, timeout=60).returncode == 1, "nobody there")


def from_a_file(binary):
    folder = tempfile.mkdtemp(prefix="harrow-chaos-")
    path = os.path.join(folder, "faults.yaml")
    with open(path, "w") as file:
        file.write("faults:\n  - { at: 1s, kill: broker(1), restart: after 1s }\n  - { when: isr(orders/0) < 3, inject: REQUEST_TIMED_OUT, api: Produce, calls: 1 }\n")
    served = Served(binary, "--faults", path)
    try:
        served.until("the kill is over", lambda: served.faults()[0]["state"] == "over")
        served.until("the condition was seen", lambda: "at_s" in served.faults()[1])
        served.until("whole", served.whole)
    finally:
        code, text = served.stop()
    expect(code == 0, text)
    with open(path, "w") as file:
        file.write("- { at: 1s, kill: broker(4) }\n")
    bad = subprocess.run([binary, "serve", "--brokers", "3", "--port", "0", "--faults", path], capture_output=True, text=True, timeout=60)
    expect(bad.returncode == 2 and f"{path}:1:" in bad.stderr and "there is no broker 4" in bad.stderr, bad)
    shutil.rmtree(folder)


def judged(binary, history):
    """What the brokers answered passes the checks; a history in which an answer is changed, or a record goes missing, does not."""
    def judge(path):
        done = subprocess.run([binary, "judge", path, "--idempotent", "--format", "json"], capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout)
    code, found = judge(history)
    expect(code == 0 and all(check["evaluated"] > 0 for check in found["checks"] if check["id"] in ("I13", "I57", "I38")), found)
    rows = [json.loads(line) for line in open(history)]
    polls = [row for row in rows if row["op"] == "poll"]
    for harm in ("value", "gap"):
        harmed = [dict(row) for row in rows]
        victim = next(row for row in harmed if row["op"] == "poll" and row["offset"] == polls[0]["offset"] and row["partition"] == polls[0]["partition"])
        if harm == "value":
            victim["value"] = "f" * 16
        else:
            harmed.remove(victim)
            following = next(row for row in harmed if row["op"] == "poll" and row["partition"] == victim["partition"] and row["offset"] == victim["offset"] + 1)
            following["from"] = victim["offset"]
        path = history + "." + harm
        with open(path, "w") as file:
            file.writelines(json.dumps(row) + "\n" for row in harmed)
        code, found = judge(path)
        os.remove(path)
        expect(code == 1, f"{harm}: {found}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    binary = os.path.realpath(parser.parse_args().binary)
    parts = [processes, frozen, links, protocol, disks, administration, command_line]
    history = tempfile.mktemp(prefix="harrow-chaos-", suffix=".jsonl")
    served = Served(binary, "--record", history)
    failed = 0
    try:
        for part in parts:
            begin = time.monotonic()
            try:
                part(served)
                print(f"ok    {part.__name__:<20} {time.monotonic() - begin:.1f} s", flush=True)
            except (AssertionError, subprocess.TimeoutExpired, OSError) as why:
                failed += 1
                print(f"FAIL  {part.__name__}: {why}", flush=True)
                served.ask("DELETE", "/faults")
    finally:
        code, text = served.stop()
    if code != 0:
        failed += 1
        print(f"FAIL  stop: {code}\n{text}")
    try:
        judged(binary, history)
        print("ok    judged", flush=True)
    except AssertionError as why:
        failed += 1
        print(f"FAIL  judged: {why}")
    os.remove(history)
    try:
        from_a_file(binary)
        print("ok    from_a_file", flush=True)
    except AssertionError as why:
        failed += 1
        print(f"FAIL  from_a_file: {why}")
    print(f"chaos: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
