"""Events for `bench.timers`, of tasks and of cases: whole envelopes and payloads, made from the real models once and filled in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from shared.messaging.kafka import Producer, producer_settings
from shared.schemas import topics
from shared.schemas.events import CaseLifeCycle, CaseOpened, CaseState, CaseStatusChanged, TaskLifeCycle, TaskState
from shared.schemas.parts import CustomerRef, OwnerRef


class TaskEvents:
    """Writes task events as the task service would: whole envelopes and payloads, made from the real models once and filled in."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._producer = Producer(producer_settings(kafka) | {"linger.ms": 50})
        self._topic = prefix + topics.TASKS
        self._planned_at = datetime.now(UTC)

    def send(self, kind: type[TaskState], tasks: range, revision: int, due_at: Callable[[int], datetime], **changes: Any) -> int:
        """One event of `kind` for each task; how many that are."""
        now = datetime.now(UTC)
        template = _payload(kind, self._planned_at, changes).model_dump_json()
        head, *middle, tail = template.replace(str(_TASK), "\0").replace(str(_CASE), "\0").replace(_DUE_TEXT, "\0").split("\0")
        headers = [("ce_specversion", b"1.0"), ("ce_type", kind.event_type.encode()), ("ce_source", b"/casestream/task")]
        headers += [("ce_time", now.isoformat().encode()), ("ce_revision", str(revision).encode()), ("ce_configversion", b"1")]
        headers += [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("content-type", b"application/json")]
        topic = self._topic
        for number in tasks:
            task = f"00000000-0000-5000-8000-{number:012x}"
            case = f"00000000-0000-5000-9000-{number // 3:012x}"
            value = f"{head}{task}{middle[0]}{case}{middle[1]}{due_at(number):%Y-%m-%dT%H:%M:%SZ}{tail}"
            own = [*headers, ("ce_id", f"{revision:08x}-0000-5000-8000-{number:012x}".encode()), ("ce_subject", task.encode())]
            _produce(self._producer, topic, value, case, own)
        self._producer.flush(120)
        return len(tasks)


_TASK, _CASE = UUID(int=1), UUID(int=2)
_DUE = datetime(2199, 1, 1, tzinfo=UTC)
_NEXT_MONTH = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
_DUE_TEXT = "2199-01-01T00:00:00Z"


def _payload(kind: type[TaskState], now: datetime, changes: dict[str, Any]) -> TaskState:
    given: dict[str, Any] = {
        "task_id": _TASK,
        "case_id": _CASE,
        "case_number": "C-2026-000123",
        "case_title": "Water comes through the ceiling of the bathroom",
        "subject": "leak",
        "definition": "inspect-leak",
        "subject_line": "Inspect the leak and make it safe",
        "description": "Find where the water comes from, stop it, and report what has to be repaired.",
        "message": "Call the customer before you go.",
        "state": TaskLifeCycle.PENDING,
        "state_before": TaskLifeCycle.PLANNED,
        "owner": OwnerRef(kind="role", code="plumber"),
        "unit": "repairs",
        "priority": "high",
        "customer": CustomerRef(contact_id=UUID(int=3), name="Ann Bell", email="ann@mail.example"),
        "planned_at": now,
        "triggered_at": now,
        "due_at": _DUE,
    }
    return kind(**given | changes)


def a_month_away(number: int) -> datetime:
    """A due time in the weeks after the next month: none comes up while measuring."""
    return _NEXT_MONTH + timedelta(seconds=number % 2_000_000)


LIFE: Final[tuple[tuple[type[CaseState], int, dict[str, Any]], ...]] = (
    (CaseOpened, 0, {}),
    (CaseStatusChanged, 1, {"waiting_for_customer": True}),
    (CaseStatusChanged, 30, {}),
    (CaseStatusChanged, 31, {"state": CaseLifeCycle.RESPONDED, "responded_at": 31, "customer_updated_at": 31}),
    (
        CaseStatusChanged,
        50,
        {"state": CaseLifeCycle.COMPLETED, "responded_at": 31, "resolved_at": 50, "completed_at": 50, "customer_updated_at": 31},
    ),
)
"""A case's events: their type, when (hours from its opening), and what is other than at the opening; moments in hours as well."""


def write_cases(kafka: str, prefix: str, cases: int) -> int:
    """Write the life of each case, all first events first; how many events that are."""
    producer = Producer(producer_settings(kafka) | {"linger.ms": 50})
    opened_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=60)
    for revision, (kind, hours, changes) in enumerate(LIFE, 1):
        moments = {
            name: opened_at + timedelta(hours=value) for name, value in changes.items() if isinstance(value, int) and value is not True
        }
        template = _case(kind, opened_at, changes | moments).model_dump_json()
        head, *middle, tail = template.split(str(_CASE))
        headers = [("ce_specversion", b"1.0"), ("ce_type", kind.event_type.encode()), ("ce_source", b"/casestream/case")]
        headers += [("ce_time", (opened_at + timedelta(hours=hours)).isoformat().encode()), ("ce_revision", str(revision).encode())]
        headers += [("ce_configversion", b"1"), ("content-type", b"application/json")]
        for number in range(cases):
            case = f"00000000-0000-5000-9000-{number:012x}"
            own = [*headers, ("ce_id", f"{revision:08x}-0000-5000-9000-{number:012x}".encode()), ("ce_subject", case.encode())]
            _produce(producer, prefix + topics.CASES, case.join([head, *middle, tail]), case, own)
    producer.flush(120)
    return cases * len(LIFE)


def _case(kind: type[CaseState], opened_at: datetime, changes: dict[str, Any]) -> CaseState:
    given: dict[str, Any] = {
        "case_id": _CASE,
        "number": "C-2026-000123",
        "subject": "leak",
        "title": "Water comes through the ceiling of the bathroom",
        "communication_id": UUID(int=4),
        "conversation_id": UUID(int=5),
        "method": "email",
        "customer": CustomerRef(contact_id=UUID(int=3), name="Ann Bell", email="ann@mail.example"),
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": opened_at,
    }
    return kind(**given | changes)


def _produce(producer: Producer, topic: str, value: str, key: str, headers: list[tuple[str, str | bytes | None]]) -> None:
    while True:
        try:
            producer.produce(topic, value, key, headers=headers)
        except BufferError:
            producer.poll(0.1)
        else:
            return
