"""Health and metrics for a role without an API, served from a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from shared.observability.metrics import exposition

Ready = Callable[[], list[str]]
"""Why this process cannot do its work just now, one reason each; empty: it is ready. Quick, and safe in any thread."""

Facts = Callable[[], dict[str, object]]
"""What else an operator wants to know of this process, such as `config_version`; quick, and safe in any thread."""


def no_facts() -> dict[str, object]:
    """Nothing else to tell."""
    return {}


class HealthServer:
    """A running server; `port` is the one it got (useful when 0 was asked for)."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; returns when the thread has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_health(host: str, port: int, ready: Ready, facts: Facts = no_facts) -> HealthServer:
    """Serve `/health/live`, `/health/ready` (503 with the reasons while there are any) and `/metrics` until closed."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/health/live":
                self._answer(200, b'{"live":true}')
            elif path == "/health/ready":
                status, content = readiness(ready, facts)
                self._answer(status, orjson.dumps(content, default=str))
            elif path == "/metrics":
                body, content_type = exposition()
                self._answer(200, body, content_type)
            else:
                self._answer(404, b'{"title":"Not found","status":404}', "application/problem+json")

        def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A probe every second is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A probe that hung up is no news either."""

    return HealthServer(Server((host, port), Handler))


def readiness(ready: Ready, facts: Facts = no_facts) -> tuple[int, dict[str, object]]:
    """Status and content of `/health/ready`. A check that breaks is itself a reason, named by its error's type only."""
    more: dict[str, object] = {}
    try:
        reasons = ready()
        more = facts()
    except Exception as error:  # noqa: BLE001 - it is not swallowed: it becomes the answer
        reasons = [f"the readiness check failed: {type(error).__name__}"]
    return (503 if reasons else 200), {"ready": not reasons, "reasons": reasons} | more
