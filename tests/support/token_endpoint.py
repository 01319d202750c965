"""An authorization server over HTTPS: tokens by client credentials (RFC 6749), and what others may ask about them (RFC 7662)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.support.authority import Authority

Answer = tuple[int, dict[str, str], bytes]


class TokenEndpoint:
    """Knows one client. `answers`: given instead, one after the other."""

    def __init__(self, client_id: str = "casestream", secret: str = "hush", seconds: int = 3600) -> None:
        self.client_id, self.secret, self.seconds = client_id, secret, seconds
        self.asked: list[dict[str, str]] = []
        self.tokens: dict[str, str] = {}
        """Valid tokens, and the user that each may read the mail of."""
        self.user = ""
        self.answers: list[Answer] = []
        self.url = ""

    def token(self, form: dict[str, str]) -> Answer:
        """Answer at `/token`."""
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.secret):
            return _json(401, {"error": "invalid_client", "error_description": f"no such secret: {form.get('client_secret')}"})
        token = f"token-{len(self.asked)}"
        self.tokens[token] = self.user
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.seconds})

    def introspect(self, token: str) -> Answer:
        """Answer at `/introspect`, to the mail server."""
        if token not in self.tokens:
            return _json(200, {"active": False})
        return _json(200, {"active": True, "username": self.tokens[token]})


def _json(status: int, answer: dict[str, Any], **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(answer).encode()


@contextmanager
def token_endpoint(authority: Authority, seconds: int = 3600) -> Iterator[TokenEndpoint]:
    """Serve while the block runs."""
    endpoint = TokenEndpoint(seconds=seconds)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(endpoint.token({name: values[0] for name, values in parse_qs(body.decode()).items()}))

        def do_GET(self) -> None:
            self._say(endpoint.introspect(self.headers["Authorization"].removeprefix("Bearer ")))

        def _say(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.context.wrap_socket(server.socket, server_side=True)
        endpoint.url = f"https://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="token endpoint", daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join(10)
