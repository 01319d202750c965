"""Whole platforms for tests: every process of every service, on the tests' Kafka and PostgreSQL."""

import email
import email.policy
import secrets
import shutil
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from services.cli.stack import client
from services.cli.stack.platform import SAMPLE_CONFIGURATION, Stack
from services.cli.stack.postgres import SERVICES, drop_database, role_of, with_database
from tests.support.platform import CLONE, remove_topics

StartStack = Callable[..., Stack]


@pytest.fixture(scope="module")
def start_stack(kafka: str, database: str) -> Iterator[StartStack]:
    """Starts a platform with topics, database and state folder of its own; all of it is removed after the module.

    `start_stack(replicas=2, variables={"CASESTREAM_BATCH_SIZE": "50"})` returns the `Stack` once it is ready.
    """
    started: list[tuple[Stack, str]] = []

    def start(replicas: int = 1, configuration: Path = SAMPLE_CONFIGURATION, **more: Any) -> Stack:
        name = f"stack_{secrets.token_hex(4)}"
        folder = CLONE / ".casestream" / "test" / name
        with psycopg.connect(database, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = with_database(database, name)
        stack = Stack(folder, replicas, f"{name}.", kafka, url, configuration=configuration, **more)
        started.append((stack, name))
        stack.up()
        return stack

    yield start
    for stack, name in started:
        stack.down()
        remove_topics(kafka, stack.prefix)
        _remove_database(database, name)
        shutil.rmtree(stack.folder)


def _remove_database(admin_url: str, name: str) -> None:
    drop_database(admin_url, name)
    with psycopg.connect(admin_url, autocommit=True) as server:
        for service in SERVICES:
            server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role_of(name, service))))


def call(stack: Stack, service: str, path: str, *, user: str | None = None, token: str | None = None, **options: Any) -> httpx.Response:
    """Call a service's API as a local user, as the bearer of a token, or as the command line's machine.

    With `json=...` it is a POST, unless `method` says otherwise. An error answer is returned, not raised.
    """
    bearer = token or (stack.token(user) if user else stack.machine_token())
    method = options.pop("method", "POST" if "json" in options else "GET")
    headers = {"Authorization": f"Bearer {bearer}"}
    return httpx.request(method, f"{stack.url(service)}{path}", headers=headers, timeout=30, trust_env=False, **options)


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    """The items of a page."""
    assert answer.status_code == 200, client.problem(answer)
    return list(answer.json()["items"])


def caught_mail(stack: Stack) -> list[EmailMessage]:
    """Every message in the mail folder, in the order of arrival."""
    files = sorted(stack.mail_folder.glob("*.eml"))
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
