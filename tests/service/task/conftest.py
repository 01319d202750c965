"""The task service's parts on a real database and Kafka: batches are fed to it as its consumer loop would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from services.task.consumer import handlers
from shared.clock import Clock
from shared.ids import derive, task_id
from shared.messaging import EventPublisher, ReferenceData, StaticReference
from shared.messaging.batch import BatchProcessor, Incoming, Taken
from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseLifeCycle,
    CaseOpened,
    CaseState,
    ClockKind,
    ClockLagOver,
    ItemKind,
    LeadLifeCycle,
    LeadOpened,
    LeadSource,
    LeadState,
)
from shared.schemas.parts import CustomerRef
from shared.storage import Database, Transaction
from shared.storage.offsets import assigned
from tests.support.configuration import a_configuration

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning at nine, in London too."""


class TestClock:
    """Stands where the test puts it."""

    __test__ = False

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Move on."""
        self.now += timedelta(**by)
        return self.now


class Overheard(EventPublisher):
    """The real publisher; the test sees what it published."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.events: list[Event] = []

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            yield tx
        self.events += [emitted.event for emitted in tx.emitted]


class TaskService:
    """The service with its consumer's batches in the test's hand."""

    def __init__(self, url: str, kafka: str, prefix: str, reference: ReferenceData, clock: Clock, partition: int = 0) -> None:
        self.partition = partition
        self.url, self.reference, self.clock = url, reference, clock
        self.publisher = Overheard(Database(url, pool_size=8, service="task"), kafka, prefix, "task")
        self.database = self.publisher.database
        self._processor = BatchProcessor("task", handlers(reference, clock), self.publisher, reference)
        self._positions: dict[tuple[str, int], int] = {}

    def feed(self, *events: Event) -> Taken:
        """Take these events in as one batch, each by its place on this service's partition of its topic."""
        for where in {(event.data.topic, self.partition) for event in events}:
            if where not in self._positions:
                with self.database.transaction() as tx:
                    self._positions[where] = assigned(tx, {where: 0})[where].next_offset
        offsets = dict(self._positions)
        batch = []
        for event in events:
            where = (event.data.topic, self.partition)
            batch.append(Incoming(where, offsets[where], event.key.encode(), event.headers(), event.value()))
            offsets[where] += 1
        return self._processor.take(batch, self._positions)

    def close(self) -> None:
        self.publisher.close()
        self.database.close()

    @property
    def events(self) -> list[Event]:
        """What it has published."""
        return self.publisher.events

    def heard(self, case_id: UUID | None = None) -> list[tuple[str, str]]:
        """(what happened, to which definition) in order, of one case or all: `("triggered", "inspect-leak")`."""
        return [
            (event.type.removeprefix("casestream.").removeprefix("task.").removesuffix(".v1"), getattr(event.data, "definition", "") or "")
            for event in self.events
            if case_id in (None, event.data.case_id)
        ]

    def rows(self, sql: str, *params: object) -> list[dict[str, Any]]:
        """A look into the tables."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), params).fetchall()

    def task(self, case_id: UUID, definition: str) -> dict[str, Any]:
        """The row of a case's task."""
        return self.rows("select * from tasks where id = %s", task_id(case_id, definition))[0]  # type: ignore[arg-type]


def assert_gapless(events: Iterable[Event]) -> None:
    """Every aggregate's revisions are 1, 2, 3, ... in the order of publishing, and no event's id occurs twice."""
    revisions: dict[str, list[int]] = {}
    ids = []
    for event in events:
        revisions.setdefault(event.subject, []).append(event.revision)
        ids.append(event.id)
    for subject, seen in revisions.items():
        assert sorted(seen) == list(range(1, len(seen) + 1)), subject
    assert len(ids) == len(set(ids))


def a_case_event(
    case: object = 1,
    kind: type[CaseState] = CaseOpened,
    *,
    revision: int = 1,
    time: datetime = NOW,
    config_version: int = 1,
    **changes: Any,
) -> Event:
    """An event of the case with this name; a leak for `repairs` unless `changes` say otherwise."""
    case_id = derive("test case", case)
    fields: dict[str, Any] = {
        "case_id": case_id,
        "number": f"C-{case}",
        "subject": "leak",
        "title": "Water everywhere",
        "communication_id": derive("communication", case),
        "conversation_id": derive("conversation", case),
        "method": "email",
        "customer": CustomerRef(contact_id=derive("contact", case), name="Carla Customer", email="carla@customer.example"),
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": time,
    }
    data = kind(**(fields | changes))
    event_id = derive("test event", case, revision, kind.__name__)
    return Event(event_id, kind.event_type, "/test/case", str(case_id), time, revision, config_version, "", str(case_id), data)


def a_lead_event(kind: type[LeadState] = LeadOpened, revision: int = 1, *, lead: str = "", time: datetime = NOW, **changes: Any) -> Event:
    """An event of the lead with this name; of type `shared-ownership` with `repairs` unless `changes` say otherwise."""
    lead_id = derive("test lead", *([lead] if lead else []))
    fields: dict[str, Any] = {
        "lead_id": lead_id,
        "number": "L-2026-000001",
        "lead_type": "shared-ownership",
        "title": "A flat",
        "source": LeadSource.WEBSITE,
        "customer": CustomerRef(contact_id=derive("contact"), name="Joan Example", email="joan@customer.example"),
        "state": LeadLifeCycle.PENDING,
        "status": "new",
        "priority": 5,
        "importance": 5,
        "unit": "repairs",
        "opened_at": time,
    }
    event_id = derive("test event", lead_id, revision, kind.__name__)
    return Event(event_id, kind.event_type, "/test/case", str(lead_id), time, revision, 1, "", str(lead_id), kind(**(fields | changes)))


def a_lag_over(task: dict[str, Any], due_at: datetime, number: int = 1) -> Event:
    """sla's word that the task's lag, which was to end at `due_at`, is over."""
    data = ClockLagOver(
        clock_id=derive("clock", task["id"], "lag"),
        kind=ClockKind.LAG,
        item_kind=ItemKind.TASK,
        item_id=task["id"],
        case_id=task["case_id"],
        started_at=NOW,
        due_at=due_at,
        fired_at=due_at,
    )
    event_id = derive("test lag", task["id"], due_at, number)
    return Event(event_id, data.event_type, "/test/sla", str(data.clock_id), due_at, number, 1, "", str(task["case_id"]), data)


@pytest.fixture(scope="session")
def task_topics(kafka: str) -> str:
    """The prefix of topics that all tests of this service share: they publish, and look at their own events only."""
    prefix = f"t{derive('task tests', datetime.now(UTC)).hex[:8]}."
    create_topics(kafka, prefix, 1)
    return prefix


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def reference() -> ReferenceData:
    return StaticReference(a_configuration())


MakeService = Callable[..., TaskService]


@pytest.fixture
def make_service(
    fresh_database: Callable[[str], str], kafka: str, task_topics: str, reference: ReferenceData, clock: TestClock
) -> Iterator[MakeService]:
    configure_logging("task", "test", "ERROR")
    made: list[TaskService] = []

    def make(reference: ReferenceData = reference, clock: Clock = clock) -> TaskService:
        service = TaskService(fresh_database("task"), kafka, task_topics, reference, clock)
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(make_service: MakeService) -> TaskService:
    return make_service()


def batches(events: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    """`events` in batches of `size`."""
    for start in range(0, len(events), size):
        yield events[start : start + size]
