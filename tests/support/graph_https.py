"""The HTTPS under the fake of Microsoft Graph: a server that can be told to hang up, and certificates."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@dataclass
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200) -> Answer:
        return cls(status, json.dumps(value).encode())

    @classmethod
    def error(cls, status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
        answer = cls.json(
            {"error": {"code": code, "message": f"About contact@harbour.example: {code}", "innerError": {"request-id": "r"}}}, status
        )
        answer.headers = headers or {}
        return answer


class Listener(ThreadingHTTPServer):
    """Listens on a port of its own and has `answer` (method, target, headers in lower case, body) answer each call."""

    daemon_threads = False

    def __init__(self, answer: Callable[[str, str, dict[str, str], bytes], Answer], tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self._tls = tls
        self._open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            connection = self._tls.wrap_socket(request, server_side=True)
        except OSError:
            return
        self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        except OSError:
            pass  # The client hung up.
        finally:
            self._open.discard(connection)
            connection.close()

    def hang_up(self) -> None:
        """End all connections."""
        for connection in list(self._open):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        assert isinstance(self.server, Listener)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(self.command, self.path, headers, body)
        self.send_response(answer.status)
        own = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))} | answer.headers
        for name, value in own.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PATCH = _handle

    def log_message(self, *_: object) -> None:
        pass


def client_certificate(ends: datetime) -> tuple[str, bytes]:
    """A certificate that an application proves itself with: PEM with its key, and its DER alone."""
    key = rsa.generate_private_key(65537, 2048)
    certificate = _signed(key, ends)
    pem = _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)
    return pem.decode(), certificate.public_bytes(serialization.Encoding.DER)


def _signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, ends: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "graph")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
