"""Messages into facts, alerts into messages: both held against the published models."""

from __future__ import annotations

import typing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import AwareDatetime
from typing_extensions import get_type_hints

from services.sla.domain.clocks import AlertType
from services.sla.domain.communications import CommunicationFact
from services.sla.domain.records import ItemKind
from services.sla.handlers import intake
from services.sla.handlers.alerts import TYPES, derived, write_alert
from services.sla.handlers.intake import Garbage, read_fact
from shared.calendars.openings import moment
from shared.ids import clock_id, derive
from shared.schemas import events, topics
from shared.schemas.envelope import Undecodable, decode
from shared.schemas.events import PAYLOADS, ClockState, PlanMade
from tests.support.sla import a_case, a_communication, a_task, as_event
from tests.unit.sla.rules import CASE, TASK, Life, a_task_fact, at


def read(event: Any, **headers: bytes | None) -> Any:
    given = {name: value for name, value in (dict(event.headers()) | headers).items() if value is not None}
    return read_fact(event.data.topic, given, event.value())


def ours(hint: Any) -> Any:
    """How a field of an event's model is declared where it is read for clocks."""
    short: dict[Any, Any] = {UUID: intake.Id, AwareDatetime: intake.Instant, AwareDatetime | None: intake.Instant | None}
    return short.get(hint, tuple[intake.Id, ...] if hint == tuple[UUID, ...] else hint)


def test_every_field_that_is_read_is_declared_as_in_the_events_model() -> None:
    for fields, model in (
        (intake.TaskFields, events.TaskState),
        (intake.CaseFields, events.CaseState),
        (intake.CommunicationFields, events.CommunicationRecorded),
    ):
        hints = get_type_hints(fields, include_extras=True)
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        theirs = {name: ours(hint) for name, hint in typing.get_type_hints(model, include_extras=True).items()}
        for name, hint in hints.items():
            assert name == "owner" or hint == theirs[name] or name in ("unit", "priority", "definition", "state"), name
            if name == "state":
                assert set(typing.get_args(hint)) == {state.value for state in theirs[name]}
            assert (name in fields.__required_keys__) == (name in required), name


def test_every_event_on_an_item_is_read_and_others_are_passed_over() -> None:
    case, task = a_case(), a_task(due_at=datetime(2026, 3, 2, tzinfo=UTC))
    fact = read(as_event(task, 7))
    assert (fact.task_id, fact.revision, moment(fact.due_at)) == (str(task.task_id), 7, task.due_at)
    assert read(as_event(case, 3)).facts.number == "C-1"
    assert isinstance(read(as_event(a_communication())), CommunicationFact)
    for payload in PAYLOADS.values():
        known = payload.event_type.encode() in intake.READERS
        assert known == (payload.topic in (topics.CASES, topics.TASKS) and payload is not PlanMade)


@pytest.mark.parametrize(
    ("headers", "kind", "says"),
    [
        ({"ce_type": None}, Garbage, "ce_type"),
        ({"ce_type": b"casestream.task.triggered.v9"}, Garbage, "unknown type"),
        ({"ce_type": b"casestream.case.opened.v1"}, Garbage, "does not belong"),
        ({"ce_id": None}, Undecodable, "ce_id"),
        ({"ce_subject": None}, Undecodable, "ce_subject"),
        ({"ce_id": b"not-an-id"}, Undecodable, "bad header"),
        ({"ce_time": b"2026-03-02T09:00:00"}, Undecodable, "aware"),
        ({"ce_time": b"\xff"}, Undecodable, "bad header"),
        ({"ce_revision": b"-1"}, Undecodable, "range"),
        ({"ce_revision": b"9999999999999999999"}, Undecodable, "range"),
        ({"ce_configversion": b"x"}, Undecodable, "bad header"),
    ],
)
def test_bad_headers_are_refused_with_their_reason(headers: dict[str, bytes | None], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        read(as_event(a_task()), **headers)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"\xff", b"null", b"{}", b"[" * 100_000])
def test_bad_data_is_refused(value: bytes | None) -> None:
    with pytest.raises(Undecodable):
        read_fact(topics.TASKS, dict(as_event(a_task()).headers()), value)


@pytest.mark.parametrize(
    ("written", "other"),
    [
        (b'"2026-03-02T09:00:00Z"', b'"2026-03-02T10:00:00+01:00"'),
        (b'"2026-03-02T09:00:00Z"', b'"2026-03-02 09:00:00.000Z"'),
        (b'"2026-03-02T09:00:00Z"', b"1772442000"),
        (str(TASK).encode(), str(TASK).upper().encode()),
        (str(TASK).encode(), TASK.hex.encode()),
        (str(CASE).encode(), b"urn:uuid:" + str(CASE).encode()),
    ],
)
def test_other_forms_of_an_id_or_a_moment_read_the_same(written: bytes, other: bytes) -> None:
    event = as_event(a_task(task_id=TASK, case_id=CASE, due_at=datetime(2026, 3, 2, 9, tzinfo=UTC)))
    assert written in event.value()
    headers = dict(event.headers())
    assert read_fact(topics.TASKS, headers, event.value().replace(written, other)) == read_fact(topics.TASKS, headers, event.value())


@pytest.mark.parametrize(
    "bad",
    [
        "2026-13-02T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-03-02T09:00:00",
        "2026-03-02T25:00:00Z",
        "2026-03-02T09:00:60Z",
        "soon",
        "",
        "0000-01-01T00:00:00Z",
    ],
)
def test_moments_that_are_none_are_refused(bad: str) -> None:
    event = as_event(a_task(due_at=datetime(2026, 3, 2, 9, tzinfo=UTC)))
    with pytest.raises(Undecodable):
        read_fact(topics.TASKS, dict(event.headers()), event.value().replace(b"2026-03-02T09:00:00Z", bad.encode()))


def test_the_short_way_to_an_id_leads_to_the_same_one() -> None:
    for number in range(64):
        assert derived("alert", TASK, number) == str(derive("alert", TASK, number))


def test_alerts_are_events_that_everybody_can_decode() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    life.until(at("2026-03-02 17:00"))
    assert life.record is not None
    for alert in life.told:
        key, value, headers = write_alert(ItemKind.TASK, TASK, life.record.facts, 1, alert)
        plain = {name: text for name, text in headers if isinstance(text, bytes)}
        event = decode(key, plain, value, PAYLOADS[plain["ce_type"].decode()])
        state = event.data
        assert isinstance(state, ClockState)
        assert type(state) is TYPES[AlertType(alert.type)]
        assert (state.clock_id, state.item_id, state.case_id) == (clock_id(TASK, "due"), TASK, CASE)
        assert (event.key, event.revision, event.subject) == (str(CASE), alert.revision, str(state.clock_id))
        assert state.assignee == "paul"
        assert event.traceparent
