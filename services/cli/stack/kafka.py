"""A single Kafka node for one machine: somebody's own, a Docker container, or Apache Kafka's jars on a Java 17+.

The data survives stop and start. Ports are free ones, remembered in the state folder and moved when taken.
"""

import base64
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from services.cli.stack.errors import MissingComponentError, StackError
from services.cli.stack.ports import LOOPBACK, Ports
from services.cli.stack.processes import PidFile, last_lines, spawn, wait_until

KAFKA_VERSION = "4.1.1"
RESOURCES = Path(__file__).parent / "kafka_jars"
CLONE = Path(__file__).resolve().parents[3]
START_LIMIT_SECONDS = 180

# For one node on a small machine: no copies, few partitions for the internal topics, no wait for more consumers.
SETTINGS = {
    "offsets.topic.num.partitions": "8",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    # There is nobody else to elect.
    "controller.quorum.election.timeout.ms": "100",
    "controller.quorum.election.backoff.max.ms": "100",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "log.cleaner.dedupe.buffer.size": "33554432",
    # A node that leaves without a word may come back only after its session of 9 s has run out.
    "controlled.shutdown.enable": "true",
    "group.min.session.timeout.ms": "1000",
}


class Kafka:
    """The Kafka of one state folder; `external` (a bootstrap address) means that somebody else runs it. `settings`: in place of ours."""

    def __init__(
        self,
        folder: Path,
        *,
        external: str | None = None,
        progress: Callable[[str], None] = print,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder / "kafka"
        self._ports = Ports(folder / "ports.json")
        self._pid = PidFile(folder / "kafka.pid")
        self._log = folder / "logs" / "kafka.log"
        self._external = external
        self._progress = progress
        self._settings = {**SETTINGS, **(settings or {})}
        self._container = "casestream-" + sha256(str(folder.resolve()).encode()).hexdigest()[:12]

    @property
    def bootstrap(self) -> str:
        """The address clients connect to."""
        if self._external:
            return self._external
        return f"{LOOPBACK}:{self._ports.known().get('kafka', 0)}"

    @property
    def pid(self) -> int | None:
        """The broker's process, where it is one of ours."""
        return self._pid.pid()

    def is_ready(self) -> bool:
        """Whether a broker answers a request."""
        host, _, port = self.bootstrap.partition(",")[0].rpartition(":")
        return answers(host, int(port))

    def start(self) -> str:
        """Start the broker unless it runs, wait until it answers, and return its address."""
        if self.is_ready():
            return self.bootstrap
        if self._external:
            raise StackError(f"no Kafka answers at {self._external} (CASESTREAM_KAFKA)")
        if has_docker():
            self._start_container()
        elif self._pid.pid() is None:
            self._start_jars()
        if not wait_until(self._is_ready_or_gone, START_LIMIT_SECONDS, 0.05) or not self.is_ready():
            raise StackError(f"Kafka did not start: {last_lines(self._log)} ({self._log})")
        return self.bootstrap

    def stop(self) -> None:
        """Stop the broker, keeping its data."""
        if self._external:
            return
        self._pid.stop(signal.SIGTERM, 30)
        marker = self._folder / "container"
        if marker.exists():
            subprocess.run(["docker", "stop", self._container], capture_output=True, check=False)
            marker.unlink()

    def _is_ready_or_gone(self) -> bool:
        is_gone = not (self._folder / "container").exists() and self._pid.pid() is None
        return is_gone or self.is_ready()

    def _start_jars(self) -> None:
        java = require_java(self._progress)
        libraries = fetch_jars(CLONE / ".casestream" / "kafka" / "libs", self._progress)
        ports = self._ports.claim(["kafka", "kafka-controller"])
        self._folder.mkdir(parents=True, exist_ok=True)
        data = self._folder / "data"
        properties = self._folder / "server.properties"
        controller = f"{LOOPBACK}:{ports['kafka-controller']}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            # A fixed list and not a stored one, so that the controller's port may move.
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{ports['kafka']},CONTROLLER://{controller}",
            "log.dirs": str(data),
            **self._settings,
        }
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        launch = [java, "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
        launch += [f"-Dlog4j2.configurationFile={RESOURCES / 'log4j2.xml'}", "-cp", f"{libraries}/*"]
        if not (data / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            # With "=": one id in 64 begins with a dash and would be taken for an option.
            tool = [*launch, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", properties]
            formatted = subprocess.run([str(part) for part in tool], capture_output=True, text=True, check=False)
            if formatted.returncode != 0:
                raise StackError(f"Kafka's storage could not be formatted: {formatted.stderr.strip()[-300:]}")
        self._progress(f"starting Kafka {KAFKA_VERSION} on port {ports['kafka']}")
        self._pid.write(spawn([*launch, "kafka.Kafka", properties], self._log, folder=self._folder))

    def _start_container(self) -> None:
        port = self._ports.claim(["kafka"])["kafka"]
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": "/var/lib/kafka/data",
            **self._settings,
        }
        variables = [f"--env=KAFKA_{key.upper().replace('.', '_')}={value}" for key, value in settings.items()]
        self._progress(f"starting Kafka {KAFKA_VERSION} in Docker on port {port}")
        subprocess.run(["docker", "rm", "--force", self._container], capture_output=True, check=False)
        command = ["docker", "run", "--detach", f"--name={self._container}", f"--publish={LOOPBACK}:{port}:{port}"]
        command += [f"--volume={self._container}:/var/lib/kafka/data", "--env=KAFKA_HEAP_OPTS=-Xmx512m -Xms256m"]
        command += [*variables, f"apache/kafka:{KAFKA_VERSION}"]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        if started.returncode != 0:
            raise StackError(f"Docker could not start Kafka: {started.stderr.strip()[-300:]}")
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "container").write_text(self._container)


def answers(host: str, port: int) -> bool:
    """Whether a Kafka broker answers an ApiVersions request, which it does once it takes part in its cluster."""
    if port == 0:
        return False
    body = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((host or LOOPBACK, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            reply = connection.recv(10)
    except OSError:
        return False
    # length, the request's correlation id, no error
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)


def has_docker() -> bool:
    """Whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def java_version(java: str) -> int:
    """The major version of a Java program; 0 when it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def find_java() -> str | None:
    """A Java of version 17 or newer, from JAVA_HOME or the path."""
    home = os.environ.get("JAVA_HOME")
    candidates = [f"{home}/bin/java"] if home else []
    if found := shutil.which("java"):
        candidates.append(found)
    return next((java for java in candidates if java_version(java) >= 17), None)


def require_java(progress: Callable[[str], None]) -> str:
    """Java, installed first where we may; otherwise an error that says what to install."""
    wanted = []
    if find_java() is None:
        wanted.append("openjdk-17-jre-headless")
    if shutil.which("mvn") is None and not is_complete(CLONE / ".casestream" / "kafka" / "libs"):
        wanted.append("maven")
    if wanted:
        try:
            install_from_debian(wanted, progress)
        except MissingComponentError as error:
            raise MissingComponentError(f"Kafka needs a running Docker engine, or Java 17+ and Maven: {error}") from error
    java = find_java()
    if java is None:
        raise MissingComponentError("Kafka needs a running Docker engine, or Java 17 or newer: install one of them")
    return java


def install_from_debian(packages: list[str], progress: Callable[[str], None]) -> None:
    """Install Debian packages as root; elsewhere raise an error that says what to install."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingComponentError(f"please install {' and '.join(packages)}, or what your system calls them")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    progress("refreshing Debian's package lists")
    _apt(["update"], environment)
    shown = subprocess.run(["apt-cache", "show", packages[0]], capture_output=True, check=False)
    if packages[0].startswith("openjdk") and shown.returncode != 0:
        packages = ["default-jre-headless", *packages[1:]]
    progress(f"installing {' and '.join(packages)} (once, a few minutes at most)")
    _apt(["install", "--yes", "--no-install-recommends", *packages], environment)


def _apt(arguments: list[str], environment: dict[str, str]) -> None:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        problem = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingComponentError(f"apt-get {arguments[0]} failed: {problem}")


def is_complete(libraries: Path) -> bool:
    """Whether the jars of this version have been fetched."""
    return (libraries / f"kafka_2.13-{KAFKA_VERSION}.jar").exists()


def fetch_jars(libraries: Path, progress: Callable[[str], None]) -> Path:
    """Kafka's jars from Maven Central, once for a clone, whoever asks first."""
    if is_complete(libraries):
        return libraries
    libraries.parent.mkdir(parents=True, exist_ok=True)
    with libraries.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(libraries):
            progress(f"fetching Kafka {KAFKA_VERSION} by Maven (once, about a minute)")
            part = libraries.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part}", f"-Dkafka.version={KAFKA_VERSION}"]
            command = ["mvn", "-q", "-B", "-f", str(RESOURCES / "pom.xml"), *goal]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                problem = ((done.stdout + done.stderr).strip().splitlines() or ["no message"])[0]
                raise StackError(f"Maven could not fetch Kafka: {problem[:300]}")
            shutil.rmtree(libraries, ignore_errors=True)
            part.rename(libraries)
    return libraries
