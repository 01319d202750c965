"""How the server of Exchange web services is spoken with: HTTPS, logins, and the issuer of tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import lxml.etree
import spnego

if TYPE_CHECKING:
    from tests.support.exchange import ExchangeServer


@dataclass
class Answer:
    """An answer that is given instead of the true one."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    """No answer at all, until the server is closed."""
    stream: Iterator[bytes] | None = None
    """What comes after another, in place of a body."""


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error here."""


def handler(server: ExchangeServer) -> type[BaseHTTPRequestHandler]:
    """What serves one connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        ntlm: Any = None
        user = ""

        def setup(self) -> None:
            super().setup()
            with server._lock:
                server.open_connections += 1

        def finish(self) -> None:
            with server._lock:
                server.open_connections -= 1
            super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                self.token(parse_qs(body.decode()))
                return
            if server.login_offers:
                self.give(Answer(401, b"", server.login_offers.popleft()))
                return
            user = self.login()
            if user is None:
                return
            if server.answers:
                self.give(server.answers.popleft())
                return
            self.give(server.spoil(server.answer(user, lxml.etree.fromstring(body))))

        def give(self, answer: Answer) -> None:
            if answer.is_silent:
                server.await_stop()
                self.close_connection = True
                return
            server.given.append(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.stream is not None:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in answer.stream:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
                return
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = self.close_connection or int(answer.headers.get("Content-Length", 0)) > len(answer.body)

        def login(self) -> str | None:
            kind, _, value = self.headers.get("Authorization", "").partition(" ")
            if kind == "Basic" and "Basic" in server.logins:
                user, _, password = base64.b64decode(value).decode().partition(":")
                if server.users.get(user) == password:
                    return user
            if kind == "Bearer" and value in server.tokens:
                return "app"
            if "NTLM" in server.logins:
                # NTLM logs in a connection, not a request.
                if self.user:
                    return self.user
                if kind == "NTLM":
                    return self.ntlm_step(value)
            self.give(Answer(401, b"", {"WWW-Authenticate": ", ".join(sorted(server.logins))}))
            return None

        def ntlm_step(self, value: str) -> str | None:
            self.ntlm = self.ntlm or spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
            try:
                token = self.ntlm.step(base64.b64decode(value))
            except spnego.exceptions.SpnegoError:
                self.ntlm = None
                self.give(Answer(401, b"", {"WWW-Authenticate": "NTLM"}))
                return None
            if self.ntlm.complete:
                self.user = self.ntlm.client_principal
                return self.user
            self.give(Answer(401, b"", {"WWW-Authenticate": f"NTLM {base64.b64encode(token).decode()}"}))
            return None

        def token(self, form: dict[str, list[str]]) -> None:
            if server.token_answers:
                self.give(server.token_answers.popleft())
                return
            right = form["grant_type"] == ["client_credentials"] and server.clients.get(form["client_id"][0]) == form["client_secret"][0]
            token = f"token{len(server.tokens)}"
            answer: dict[str, Any] = {"error": "invalid_client"}
            if right:
                server.tokens.add(token)
                answer = {"access_token": token, "token_type": "Bearer", "expires_in": server.token_seconds, "scope": "changed"}
            self.give(Answer(200 if right else 401, json.dumps(answer).encode(), {"Content-Type": "application/json"}))

    return Handler
