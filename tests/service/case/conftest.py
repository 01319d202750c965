"""The case service on a real database (and, for its API, a real Kafka)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import pytest

from services.case.consumer import handlers
from shared.messaging import StaticReference
from shared.messaging.handler import Handlers
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.storage import Database
from tests.support.case import NOW, a_case_configuration


class CaseService:
    """The service's handlers on a database: `take` takes in events of one topic and gives what it emitted."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self.database = database
        self.reference = StaticReference(configuration)
        self.now: datetime = NOW
        self._handlers: Handlers = handlers(self.reference, lambda: self.now)

    def take(self, topic: str, events: Sequence[Event]) -> list[Event]:
        handler = self._handlers[topic]
        with self.database.transaction() as tx:
            state = handler.load(tx, events)
            for event in events:
                handler.apply[type(event.data)](state, event)
            handler.save(tx, state)
            return [emitted.event for emitted in tx.emitted]

    def receive(self, *events: Event) -> list[Event]:
        return self.take(topics.COMMUNICATIONS, events)

    def rows(self, sql: str, *params: object) -> list[tuple[object, ...]]:
        with self.database.read() as tx:
            return tx.rows(sql, params)

    def count(self, table: str) -> int:
        return int(str(self.rows(f"select count(*) from {table}")[0][0]))


@pytest.fixture(scope="session")
def case_topics(kafka: str) -> str:
    """The prefix of the topics that all tests of this service share."""
    prefix = f"t{secrets.token_hex(4)}."
    create_topics(kafka, prefix, 1)
    return prefix


@pytest.fixture
def case_database(fresh_database: Callable[[str], str]) -> Iterator[Database]:
    database = Database(fresh_database("case"), service="case")
    yield database
    database.close()


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_case_configuration())
