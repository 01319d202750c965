from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from tests.service.sla.harness import SlaStreams, streams


@pytest.fixture
def sla(kafka: str, topic_prefix: str, fresh_database: Callable[[str], str]) -> Iterator[SlaStreams]:
    create_topics(kafka, topic_prefix, 1)
    with streams(kafka, topic_prefix, fresh_database("sla")) as made:
        yield made


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    configure_logging("sla", "test", "CRITICAL")
