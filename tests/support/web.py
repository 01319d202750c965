"""A service's API in a test: really served on a port of its own, called with tokens made for the test."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import structlog
import uvicorn
from fastapi import FastAPI

from shared.web.auth import TokenVerifier
from shared.web.permissions import PERMISSIONS, Grant, Scope
from shared.web.tokens import TokenSigner, new_signing_key
from tests.support import declared
from tests.support.waiting import eventually

SIGNER = TokenSigner(new_signing_key())
"""Signs the tokens of this test session."""


def a_verifier() -> TokenVerifier:
    """Give it to `create_app(verifier=...)`: it accepts what `a_token` makes."""
    return TokenVerifier(SIGNER.jwks, "casestream")


def a_token(
    user: str = "rita",
    *permissions: str,
    unit: str = "repairs",
    roles: tuple[str, ...] = ("agent",),
    scope: Scope = "all",
    machine: bool = False,
    life: timedelta = timedelta(minutes=10),
) -> str:
    """An access token. No permissions named: every one there is."""
    now, granted = datetime.now(UTC), frozenset(permissions or PERMISSIONS)
    if machine:
        return SIGNER.machine_token(user, granted, now, life)
    return SIGNER.user_token(user, roles, unit, Grant(granted, scope), now, life)


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def served(app: FastAPI, token: str | None = None) -> Iterator[httpx.Client]:
    """Serve `app` on a free port while the block runs; the client's requests carry `token` (default: one that may do
    everything). What it answers must be as its document declares, where it declares every member.
    """
    # By itself structlog draws tracebacks with every variable, which takes seconds.
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, server_header=False))
    # A thread cannot take signals; the test runner's stay as they are.
    thread = threading.Thread(target=server.run, name="api under test", daemon=True)
    thread.start()
    eventually(lambda: server.started or not thread.is_alive(), 10, 0.005)
    assert server.started, "the API under test did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = bearer(a_token() if token is None else token) if token != "" else {}
    try:
        hooks = {"response": [lambda response: declared.check(app, response)]}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, event_hooks=hooks) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
