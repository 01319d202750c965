from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from shared.messaging import StaticReference
from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from tests.service.notify.harness import NotifyService
from tests.support.configuration import a_configuration


@pytest.fixture(scope="session")
def notify_topics(kafka: str) -> str:
    """Topics of these tests' own; the prefix."""
    prefix = f"n{secrets.token_hex(4)}."
    create_topics(kafka, prefix, 1)
    return prefix


@pytest.fixture
def notify(kafka: str, notify_topics: str, fresh_database: Callable[[str], str]) -> Iterator[NotifyService]:
    service = NotifyService(kafka, notify_topics, fresh_database("notify"), StaticReference(a_configuration()))
    yield service
    service.close()


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    configure_logging("notify", "test", "CRITICAL")
