"""The desk as a process: it starts, says that it is ready, and stops in good order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from argon2 import PasswordHasher

from tests.support import eventually

PROJECT = Path(__file__).parents[3]


def run(role: str, environment: dict[str, str], **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "services.desk", role]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, cwd=PROJECT, env=clean | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_it_starts_logs_json_and_stops_in_good_order(
    fresh_database: Callable[[str], str], kafka: str, topic_prefix: str, signing_key: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {
        "CASESTREAM_DATABASE": fresh_database("desk"),
        "CASESTREAM_KAFKA": kafka,
        "CASESTREAM_TOPIC_PREFIX": topic_prefix,
        "CASESTREAM_PORT": str(port),
        "CASESTREAM_SIGNING_KEY": str(signing_key),
    }
    process = run("api", environment)
    try:

        def is_ready() -> bool:
            assert process.poll() is None, process.communicate()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        eventually(is_ready, 60)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines
    assert all((line["service"], line["role"]) == ("desk", "api") for line in lines)


def test_a_bad_key_stops_it_with_the_settings_name(signing_key: Path) -> None:
    signing_key.write_text("no key")
    environment = {"CASESTREAM_DATABASE": "x", "CASESTREAM_KAFKA": "x", "CASESTREAM_PORT": "1", "CASESTREAM_SIGNING_KEY": str(signing_key)}
    process = run("api", environment)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert error.startswith("setting CASESTREAM_SIGNING_KEY:")


def test_a_password_is_hashed_for_a_configuration() -> None:
    process = run("hash-password", {}, stdin=subprocess.PIPE)
    out, _ = process.communicate("open sesame\n", timeout=60)
    assert PasswordHasher().verify(out.strip(), "open sesame")
