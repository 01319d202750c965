"""A real S3 server (S3Proxy) as an ordinary process over a folder of its own, and a link to it that can be made bad."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate

from services.cli.stack.kafka import find_java
from shared.settings import ObjectSettings
from shared.storage.objects import ObjectStore, open_store
from tests.support.authority import Authority
from tests.support.platform import CLONE
from tests.support.waiting import eventually

KEY, SECRET, BUCKET = "AKIA0CASESTREAM0TEST", "secret/of+a/test", "casestream"
LOOPBACK = "127.0.0.1"
_JARS = CLONE / ".casestream" / "jars"


class S3:
    """`stop` and `start` keep what it holds, and its ports."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="s3-"))
        (self.folder / "data" / BUCKET).mkdir(parents=True)
        self.authority = Authority(self.folder)
        self.port, self.tls_port = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self._write_configuration()
        self.start()

    def __enter__(self) -> S3:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        java, jars = find_java(), sorted(_JARS.glob("s3proxy-*.jar"))
        assert java is not None, "Java is missing (python tools/prepare_tests.py)"
        assert jars, "S3Proxy is missing (python tools/prepare_tests.py)"
        command = [java, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", str(jars[-1])]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--properties", str(self.folder / "s3.properties")],
                stdout=log,
                stderr=log,
                env={**os.environ, "LOG_LEVEL": "warn"},
            )
        self._process = process
        eventually(lambda: self._answers() or process.poll() is not None, timeout=60)
        assert self._answers(), (self.folder / "log").read_text()[-2000:]

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def files(self) -> list[Path]:
        """What lies in the bucket."""
        return sorted(path for path in (self.folder / "data" / BUCKET).rglob("*") if path.is_file())

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.port}/", trust_env=False).status_code == 403
        except httpx.HTTPError:
            return False

    def _write_configuration(self) -> None:
        keystore = self.folder / "server.p12"
        key = serialization.load_pem_private_key(self.authority.key.read_bytes(), None)
        certificate = load_pem_x509_certificate(self.authority.certificate.read_bytes())
        encryption = serialization.BestAvailableEncryption(b"keystore")
        keystore.write_bytes(pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, encryption))  # type: ignore[arg-type]
        settings = {
            "s3proxy.endpoint": f"http://{LOOPBACK}:{self.port}",
            "s3proxy.secure-endpoint": f"https://{LOOPBACK}:{self.tls_port}",
            "s3proxy.keystore-path": keystore,
            "s3proxy.keystore-password": "keystore",
            "s3proxy.authorization": "aws-v4",
            "s3proxy.identity": KEY,
            "s3proxy.credential": SECRET,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.identity": "none",
            "jclouds.credential": "none",
            "jclouds.filesystem.basedir": self.folder / "data",
        }
        (self.folder / "s3.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def write_credentials(file: Path, key: str = KEY, secret: str = SECRET) -> Path:
    """Credentials as AWS's tools keep them."""
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    return file


@contextlib.contextmanager
def cloud_variables(endpoint: str) -> Iterator[None]:
    """The variables that name an S3 server which is not AWS's, as an installation sets them."""
    set_here = {"AWS_ENDPOINT": endpoint, "AWS_REGION": "us-east-1"}
    if endpoint.startswith("http:"):
        set_here["AWS_ALLOW_HTTP"] = "true"
    before = {name: os.environ.get(name) for name in (*set_here, "AWS_ALLOW_HTTP")}
    os.environ.pop("AWS_ALLOW_HTTP", None)
    os.environ.update(set_here)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def a_store(endpoint: str, folder: Path, bucket: str = BUCKET, **settings: object) -> ObjectStore:
    """A store on the server at `endpoint`; `settings` are those of `CASESTREAM_OBJECTS_*`, credentials and all if none are given."""
    given: dict[str, object] = {
        "kafka": "none:1",
        "database": "none",
        "port": 0,
        "objects": f"s3://{bucket}/files",
        "objects_credentials": settings.pop("objects_credentials", None) or write_credentials(folder / "credentials"),
    }
    with cloud_variables(endpoint):
        return open_store(ObjectSettings.model_validate(given | settings))


_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_SLOW_DOWN), _SLOW_DOWN)


class Link:
    """Passes connections on to a port, except the next ones that it is told to spoil. Counts those that came."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server((LOOPBACK, 0))
        self.endpoint = f"http://{LOOPBACK}:{self._listening.getsockname()[1]}"
        self.connections = 0
        self.throttled = 0
        self.silent = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        for end in self._open:
            _shut(end)

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listening.accept()
            except OSError:  # closed
                return
            self.connections += 1
            self._open.append(end)
            if self.throttled:
                self.throttled -= 1
                threading.Thread(target=_throttle, args=(end,), daemon=True).start()
            elif self.silent:
                self.silent -= 1
            else:
                there = socket.create_connection((LOOPBACK, self._port))
                self._open.append(there)
                for pair in ((end, there), (there, end)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _throttle(end: socket.socket) -> None:
    """Answer one request, read whole, with 503."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += end.recv(65536)
    head, _, body = head.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
    while len(body) < length:
        body += end.recv(65536)
    end.sendall(SLOW_DOWN)
    _shut(end)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _shut(target)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
