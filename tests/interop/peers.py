"""Apache Kafka and Harrow side by side on this machine's loopback: the same nodes, ports and server.properties, one process
a node. Kafka comes from its published jars (kafka/peer.sh fetches them)."""
import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import expect, free_ports, until  # noqa: E402

START_S, STOP_S = 300, 300
SMALL = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
# What Kafka's own start scripts say.
AS_DISTRIBUTED = ["-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
# Both know it; a folder formatted with it can be served by either.
RELEASE = "4.2"


def node_settings(node, ports, controllers, data):
    """What a node needs to know; the rest is the caller's."""
    few = min(3, len(ports))
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
        "listeners": f"PLAINTEXT://127.0.0.1:{ports[node]},CONTROLLER://127.0.0.1:{controllers[node]}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[node]}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        "offsets.topic.replication.factor": few,
        "transaction.state.log.replication.factor": few,
        "transaction.state.log.min.isr": (few + 1) // 2,
        "share.coordinator.state.topic.replication.factor": few,
        "share.coordinator.state.topic.min.isr": (few + 1) // 2,
        "group.initial.rebalance.delay.ms": 0,
    }


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Nodes:
    """`data`: the folder of a single node that exists already; otherwise new ones are formatted."""

    name = None

    def __init__(self, brokers, settings=None, data=None):
        self.brokers, self.folder = brokers, tempfile.mkdtemp(prefix="harrow-peers-")
        self.processes = {}
        self.given = data
        nodes = range(1, brokers + 1)
        ports = free_ports(2 * brokers)
        self.ports, controllers = dict(zip(nodes, ports)), dict(zip(nodes, ports[brokers:]))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        # As Kafka's, without a dash in front, which its own tools would take for an option.
        cluster_id = "K" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        for node in nodes:
            with open(self.path(f"node-{node}.properties"), "w") as file:
                lines = {**node_settings(node, self.ports, controllers, self.data(node)), **(settings or {})}
                file.writelines(f"{key}={value}\n" for key, value in lines.items())
            if data is None:
                self.format(cluster_id, file.name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def data(self, node):
        return self.given or self.path(f"data-{node}")

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=STOP_S)
        expect(done.returncode == 0, f"{' '.join(command[-6:])}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def start(self):
        for node in self.ports:
            self.launch(node)
        for node in self.ports:
            self.await_ready(node)
        return self

    def launch(self, node):
        with open(self.path(f"node-{node}.log"), "a") as log:
            self.processes[node] = subprocess.Popen(self.command(node), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def await_ready(self, node):
        def ready():
            expect(self.processes[node].poll() is None, f"{self.name}'s node {node} ended before it was ready: {self.said(node)}")
            return answers(self.ports[node])

        until(ready, f"{self.name}'s node {node} is ready", START_S, 0.05)

    def said(self, node):
        with open(self.path(f"node-{node}.log")) as file:
            return file.read()[-3000:]

    def pids(self):
        return [process.pid for process in self.processes.values()]

    def kill(self, node):
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def stop(self):
        """Cleanly; nodes that had ended by themselves are told as problems."""
        problems = [f"{self.name}'s node {node} had ended with exit {process.returncode}: {self.said(node)}" for node, process in self.processes.items() if process.poll() is not None]
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for node, process in self.processes.items():
            try:
                # The last of several has no quorum to leave; nobody waits for it.
                process.wait(timeout=STOP_S if self.brokers == 1 else 20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                if self.brokers == 1:
                    problems.append(f"{self.name}'s node {node} did not stop")
        self.processes.clear()
        return problems

    def discard(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


class KafkaNodes(Nodes):
    name = "Kafka"

    def __init__(self, jars, brokers, settings=None, data=None, java=None):
        self.java = ["java", *(java or SMALL), "-cp", os.path.join(jars, "*")]
        super().__init__(brokers, settings, data)

    def format(self, cluster_id, properties):
        self.run(*self.java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "--release-version", RELEASE, "-c", properties)

    def command(self, node):
        return [*self.java, "kafka.Kafka", self.path(f"node-{node}.properties")]


class HarrowNodes(Nodes):
    name = "Harrow"

    def __init__(self, binary, brokers, settings=None, data=None, flags=()):
        self.binary, self.flags = os.path.abspath(binary), list(flags)
        super().__init__(brokers, settings, data)

    def format(self, cluster_id, properties):
        self.run(self.binary, "format", "-t", cluster_id, "-c", properties)

    def command(self, node):
        return [self.binary, "serve", "--config", self.path(f"node-{node}.properties"), "--quiet", *self.flags]
