#!/usr/bin/env python3
"""Served clusters for the suites of real clients: one process a node, from server.properties files, so that nodes can be
killed with -9 while a client is at work; and what the brokers saw, as rows of the compatibility table.

As a library: Cluster, run_suites, expect. As a program it runs a suite that is written in another language:

    served.py --binary B --suite NAME [--client-version V] [--brokers 1,3] -- PROGRAM [ARGUMENTS]

PROGRAM gets `--bootstrap LIST --brokers N` behind its arguments and passes by exit code 0. When it prints the line
`kill-leader TOPIC PARTITION`, that leader is killed with -9, and when another node leads, `killed OLD NEW` stands on its
standard input; `restart` starts the killed nodes again, answered by `restarted`. On several nodes, a suite during which no
leader changed has failed, whatever the program says.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = os.path.join(HERE, "..", "..", "build", "compatibility")
START_S, STOP_S, CHANGE_S, TOOL_S, PROGRAM_S = 60, 60, 30, 60, 300
OURSELVES = re.compile(r"harrow|broker-\d+-.*|other")
ASKED = re.compile(r'kafka_network_requestmetrics_requests_total\{broker="\d+",request="(\w+)",version="(\d+)",client_software_name="((?:[^"\\]|\\.)*)",client_software_version="((?:[^"\\]|\\.)*)"\} (\d+)')


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def until(wanted, what, seconds=30, pause=0.05):
    """Asks again until the answer is a true one; returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = wanted()
        if answer:
            return answer
        expect(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(pause)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """Nodes 1 to N, each a broker and a controller in a process of its own."""

    def __init__(self, binary, brokers, settings=None):
        self.binary, self.brokers = os.path.abspath(binary), brokers
        self.folder = tempfile.mkdtemp(prefix="harrow-suite-")
        self.processes, self.admins, self.seen = {}, {}, {}
        self.leader_changes = 0
        self.keep = False
        ports = free_ports(2 * brokers)
        self.ports = dict(zip(range(1, brokers + 1), ports))
        controllers = dict(zip(range(1, brokers + 1), ports[brokers:]))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        cluster_id = self.harrow("random-uuid").strip()
        for node in self.ports:
            lines = {
                "process.roles": "broker,controller",
                "node.id": node,
                "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
                "listeners": f"PLAINTEXT://127.0.0.1:{self.ports[node]},CONTROLLER://127.0.0.1:{controllers[node]}",
                "controller.listener.names": "CONTROLLER",
                "log.dirs": self.path(f"data-{node}"),
                "default.replication.factor": min(3, brokers),
                "min.insync.replicas": 2 if brokers >= 3 else 1,
                "group.initial.rebalance.delay.ms": 0,
                # A dead node is noticed within seconds, and a node on a busy machine is not taken for dead.
                "broker.heartbeat.interval.ms": 500,
                "broker.session.timeout.ms": 3000,
                **(settings or {}),
            }
            with open(self.path(f"node-{node}.properties"), "w") as file:
                file.writelines(f"{key}={value}\n" for key, value in lines.items())
            self.harrow("format", "-t", cluster_id, "-c", file.name)
        for node in self.ports:
            self.launch(node)
        for node in self.ports:
            self.await_ready(node)

    def path(self, name):
        return os.path.join(self.folder, name)

    def harrow(self, *arguments):
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, timeout=TOOL_S)
        expect(done.returncode == 0, f"harrow {' '.join(arguments)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def launch(self, node):
        for name in ("ready", "admin"):
            if os.path.exists(self.path(f"{name}-{node}")):
                os.remove(self.path(f"{name}-{node}"))
        with open(self.path(f"node-{node}.log"), "a") as log:
            self.processes[node] = subprocess.Popen(
                [self.binary, "serve", "--config", self.path(f"node-{node}.properties"), "--quiet", "--ready-file", self.path(f"ready-{node}"), "--admin-file", self.path(f"admin-{node}")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def await_ready(self, node):
        def ready():
            expect(self.processes[node].poll() is None, f"node {node} ended before it was ready: {self.said(node)}")
            return os.path.exists(self.path(f"ready-{node}")) and os.path.exists(self.path(f"admin-{node}"))

        until(ready, f"node {node} is ready", START_S)
        with open(self.path(f"admin-{node}")) as file:
            self.admins[node] = file.read().strip()

    def said(self, node):
        with open(self.path(f"node-{node}.log")) as file:
            return file.read()[-3000:]

    def note_requests(self, node):
        """Adds what this node's process was asked since it started; once a process, before it ends."""
        text = urllib.request.urlopen(f"http://{self.admins[node]}/metrics", timeout=10).read().decode()
        for api, version, name, software, count in ASKED.findall(text):
            key = (name, software, api, int(version))
            self.seen[key] = self.seen.get(key, 0) + int(count)

    def partitions(self, topic):
        """{partition: leader or None}"""
        text = self.harrow("topics", "--bootstrap-server", self.bootstrap, "--describe", "--topic", topic)
        return {int(p): int(leader) if leader.isdigit() else None for p, leader in re.findall(r"Partition: (\d+)\tLeader: (\S+)", text)}

    def kill_leader(self, topic, partition):
        """kill -9; returns the old and the new leader when there is one. The old one stays down until restart()."""
        old = self.partitions(topic).get(partition)
        expect(old in self.processes, f"{topic}-{partition} has no leader to kill")
        self.note_requests(old)
        process = self.processes.pop(old)
        process.kill()
        process.wait()
        begin = time.monotonic()
        if self.brokers == 1:
            self.restart()
            until(lambda: self.partitions(topic).get(partition) == old, f"{topic}-{partition} is led again", CHANGE_S)
            return old, old
        new = until(lambda: (lambda leader: leader not in (None, old) and leader)(self.partitions(topic).get(partition)), f"{topic}-{partition} has another leader", CHANGE_S)
        self.leader_changes += 1
        print(f"  killed node {old}; {topic}-{partition} is led by {new} after {time.monotonic() - begin:.2f} s", flush=True)
        return old, new

    def restart(self):
        down = [node for node in self.ports if node not in self.processes]
        for node in down:
            self.launch(node)
        for node in down:
            self.await_ready(node)

    def stop(self):
        """Cleanly; returns what went wrong. Every node's log folder must be sound afterwards."""
        problems = []
        self.processes = dict(sorted(self.processes.items()))
        for node, process in self.processes.items():
            if process.poll() is not None:
                problems.append(f"node {node} had ended with exit {process.returncode}: {self.said(node)}")
                continue
            self.note_requests(node)
        # All at once: the last finds no quorum any more in which to hand over, and must not wait for one.
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for node, process in self.processes.items():
            if any(problem.startswith(f"node {node} had ended") for problem in problems):
                continue
            try:
                code = process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                problems.append(f"node {node} did not stop within {STOP_S} s")
                continue
            if code != 0:
                problems.append(f"SIGTERM ended node {node} with exit {code}: {self.said(node)}")
        for node in self.ports:
            try:
                self.harrow("log", "verify", self.path(f"data-{node}"))
            except AssertionError as e:
                problems.append("\n".join(line for line in str(e).splitlines() if ": sound" not in line))
        return problems

    def discard(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def write_rows(suite, brokers, seen, ok, client_version):
    """Which requests the brokers saw from whom. Clients that do not tell their version go by the suite's."""
    os.makedirs(ROWS, exist_ok=True)
    with open(os.path.join(ROWS, f"{suite}-{brokers}.jsonl"), "w") as file:
        for (name, software, api, version), count in sorted(seen.items()):
            if OURSELVES.fullmatch(name):
                continue
            row = {"suite": suite, "brokers": brokers, "client": name, "version": software or client_version, "api": api, "request_version": version, "requests": count, "ok": ok}
            file.write(json.dumps(row) + "\n")


def run_suite(binary, suite, brokers, program, client_version="", settings=None):
    """program(cluster) raises if something is wrong. True if all is well."""
    begin = time.monotonic()
    problems, cluster = [], None
    keep = bool(os.environ.get("HARROW_KEEP_FAILED"))
    try:
        cluster = Cluster(binary, brokers, settings)
        program(cluster)
        if brokers > 1 and cluster.leader_changes == 0:
            problems.append("the suite saw no leader change")
    except KeyboardInterrupt:
        if cluster is not None:
            cluster.discard()
        raise
    except Exception as e:  # any client's error is this suite's failure
        problems.append("".join(traceback.format_exception(type(e), e, e.__traceback__)[-4:]))
        if cluster is not None:
            problems += [f"node {node} said: {cluster.said(node)}" for node in cluster.ports if cluster.said(node)]
            try:
                problems.append(cluster.harrow("topics", "--bootstrap-server", cluster.bootstrap, "--describe", "--exclude-internal"))
            except Exception as e:
                problems.append(f"no description of the topics: {e}")
    changes = 0
    if cluster is not None:
        try:
            problems += cluster.stop()
        finally:
            cluster.keep = keep and bool(problems)
            cluster.discard()
        if cluster.keep:
            problems.append(f"the cluster's files are in {cluster.folder}")
        changes = cluster.leader_changes
        if all(OURSELVES.fullmatch(name) for name, *_ in cluster.seen):
            problems.append("the brokers' metrics show no request of a client")
        write_rows(suite, brokers, cluster.seen, not problems, client_version)
    print(f"{'FAIL' if problems else 'good'} {suite} on {brokers}: {changes} leaders killed, {time.monotonic() - begin:.1f} s", flush=True)
    for problem in problems:
        print(problem, flush=True)
    return not problems


def converse(command):
    """A suite that is a program of its own, as run_suite wants it."""

    def program(cluster):
        with subprocess.Popen([*command, "--bootstrap", cluster.bootstrap, "--brokers", str(cluster.brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
            watchdog = threading.Timer(PROGRAM_S, child.kill)
            watchdog.start()
            try:
                for line in child.stdout:
                    words = line.split()
                    answer = None
                    if words[:1] == ["kill-leader"]:
                        answer = "killed {} {}".format(*cluster.kill_leader(words[1], int(words[2])))
                    elif words == ["restart"]:
                        cluster.restart()
                        answer = "restarted"
                    else:
                        print("  " + line.rstrip("\n"), flush=True)
                    if answer is not None:
                        child.stdin.write(answer + "\n")
                        child.stdin.flush()
                child.wait()
            except BaseException:
                child.kill()
                raise
            finally:
                watchdog.cancel()
        expect(child.returncode == 0, f"{os.path.basename(command[-1])} ended with exit {child.returncode}")

    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--suite", required=True)
    parser.add_argument("--client-version", default="")
    parser.add_argument("--brokers", default="1,3")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    good = [run_suite(arguments.binary, arguments.suite, int(n), converse(command), arguments.client_version) for n in arguments.brokers.split(",")]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
