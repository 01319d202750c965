"""The desk as a process: it starts, says that it is ready, and stops in good order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from argon2 import PasswordHasher

from services.desk.api import Desk
from services.desk.handlers.configuration import apply_configuration
from tests.support import eventually
from tests.support.configuration import CALENDARS
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.x import Scripted, serving_x

PROJECT = Path(__file__).parents[3]


def run(role: str, environment: dict[str, str], **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "services.desk", role]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, cwd=PROJECT, env=clean | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The role `api` once it is ready, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = run("api", environment | {"CASESTREAM_PORT": str(port)})
    try:

        def is_ready() -> bool:
            assert process.poll() is None, process.communicate()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        eventually(is_ready, 60)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()


@pytest.fixture
def environment(fresh_database: Callable[[str], str], kafka: str, topic_prefix: str, signing_key: Path) -> dict[str, str]:
    return {
        "CASESTREAM_DATABASE": fresh_database("desk"),
        "CASESTREAM_KAFKA": kafka,
        "CASESTREAM_TOPIC_PREFIX": topic_prefix,
        "CASESTREAM_SIGNING_KEY": str(signing_key),
    }


def test_it_starts_logs_json_and_stops_in_good_order(environment: dict[str, str]) -> None:
    with serving(environment) as (process, _):
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines
    assert all((line["service"], line["role"]) == ("desk", "api") for line in lines)


@pytest.mark.requirement("COM-5")
def test_pages_that_follow_the_calls_end_with_the_process_in_good_order(
    environment: dict[str, str], make_desk: Callable[..., Desk]
) -> None:
    apply_configuration(make_desk().publisher, a_configuration_text(), "test", uuid4(), datetime.now(UTC))
    with (
        serving(environment | {"CASESTREAM_DATABASE": make_desk().settings.database}) as (process, url),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        assert client.post("/sign-in", data={"user": "rita", "password": PASSWORD}).status_code == 303
        with client.stream("GET", "/calls/stream") as answer:
            lines = answer.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: calls"
            process.send_signal(signal.SIGTERM)
            # What is cut off raises: this one comes to its end.
            assert "".join(lines)
        process.communicate(timeout=30)
    assert process.returncode == 0


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


@pytest.mark.requirement("SLA-1")
def test_feeds_of_closed_days_are_read_by_the_process_itself(
    environment: dict[str, str], make_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    day = datetime.now(UTC).date() + timedelta(days=30)
    content = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{day:%Y%m%d}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    desk = make_desk()
    with serving_x(tmp_path) as host:
        host.files["/days.ics"] = Scripted(200, content.encode())
        calendars = [CALENDARS[0] | {"feeds": [{"url": f"{host.url}/days.ics"}]}, *CALENDARS[1:]]
        apply_configuration(desk.publisher, a_configuration_text(calendars=calendars), "test", uuid4(), datetime.now(UTC))
        reached = {"CASESTREAM_FEEDS_PRIVATE_HOSTS": "127.0.0.1", "CASESTREAM_FEEDS_CA_FILE": host.ca_file}
        with serving(environment | reached | {"CASESTREAM_DATABASE": desk.settings.database}) as (process, _):
            eventually(lambda: desk.feeds.states()[0][0].days == (day,))
            process.send_signal(signal.SIGTERM)
            _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
