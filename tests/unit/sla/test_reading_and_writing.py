"""Messages into facts, alerts into messages: both held against the published models."""

from __future__ import annotations

import types
import typing
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from msgspec import structs
from pydantic import AwareDatetime
from typing_extensions import get_type_hints

from services.sla.domain.clocks import AlertType
from services.sla.domain.communications import CommunicationFact
from services.sla.domain.records import Facts, ItemKind
from services.sla.handlers import intake
from services.sla.handlers.alerts import TYPES, derived, write_alert
from services.sla.handlers.intake import Garbage, read_fact
from shared.calendars.openings import moment
from shared.ids import clock_id, derive
from shared.schemas import events, topics
from shared.schemas.envelope import Undecodable, decode
from shared.schemas.events import PAYLOADS, CaseState, ClockOverdue, ClockState, ClockWithdrawn, CommunicationRecorded, LeadState, TaskState
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import OwnerRef
from tests.support.sla import a_case, a_communication, a_lead, a_task, as_event
from tests.unit.sla.rules import CASE, TASK, Life, a_task_fact, at


def read(event: Any, **headers: bytes | None) -> Any:
    given = {name: value for name, value in (dict(event.headers()) | headers).items() if value is not None}
    return read_fact(event.data.topic, given, event.value())


def ours(hint: Any) -> Any:
    """How a field of an event's model is declared where it is read for clocks."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return reduce(or_, [ours(part) for part in parts])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Literal[tuple(value.value for value in hint)]
    short: dict[Any, Any] = {UUID: intake.Id, tuple[UUID, ...]: tuple[intake.Id, ...], AwareDatetime: intake.Instant, Line: intake.Line}
    return intake.Code if hint == Code else short.get(hint, hint)


def test_every_field_that_is_read_is_declared_as_in_the_events_model() -> None:
    for fields, model in (
        (intake.TaskFields, events.TaskState),
        (intake.CaseFields, events.CaseState),
        (intake.LeadFields, events.LeadState),
        (intake.CommunicationFields, events.CommunicationRecorded),
        (intake.OwnerFields, OwnerRef),
    ):
        hints = get_type_hints(fields, include_extras=True)
        required = {field.name for field in structs.fields(fields) if field.required}
        theirs = typing.get_type_hints(model, include_extras=True)
        for name, hint in hints.items():
            assert name == "owner" or hint == ours(theirs[name]), name
            assert (name in required) == model.model_fields[name].is_required(), name


def test_when_the_customer_last_heard_is_read() -> None:
    told = read(as_event(a_case(customer_updated_at=datetime(2026, 3, 2, 9, tzinfo=UTC))))
    assert moment(told.updated_at) == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert read(as_event(a_case())).updated_at is None


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("lead_id", "no-id"),
        ("lead_type", ""),
        ("lead_type", "Garage"),
        ("unit", "u" * 65),
        ("title", "x" * 999),
        ("state", "completed"),
        ("priority", "high"),
        ("owner", 7),
        ("expected_completion_at", 1772442000),
        ("closed_at", "2026-03-02T09:00:00"),
    ],
)
def test_a_field_of_a_lead_that_is_not_as_its_model_wants_it_is_refused_by_name(field: str, bad: object) -> None:
    event = as_event(a_lead())
    with pytest.raises(Undecodable, match=field):
        read_fact(topics.CASES, dict(event.headers()), orjson.dumps(orjson.loads(event.value()) | {field: bad}))


def test_every_event_on_an_item_is_read_and_others_are_passed_over() -> None:
    case, task = a_case(), a_task(due_at=datetime(2026, 3, 2, tzinfo=UTC))
    fact = read(as_event(task, 7))
    assert (fact.task_id, fact.revision, moment(fact.due_at)) == (str(task.task_id), 7, task.due_at)
    assert read(as_event(case, 3)).facts.number == "C-1"
    lead = a_lead(expected_completion_at=datetime(2026, 3, 9, tzinfo=UTC))
    told = read(as_event(lead, 4))
    assert (told.lead_id, told.revision, moment(told.due_at)) == (str(lead.lead_id), 4, lead.expected_completion_at)
    assert told.facts == Facts("", "L-1", "A garage", "user", "sam", "sam", "sales", "6", "", "garage")
    assert isinstance(read(as_event(a_communication())), CommunicationFact)
    for payload in PAYLOADS.values():
        known = payload.event_type.encode() in intake.READERS
        assert known == issubclass(payload, CaseState | TaskState | LeadState | CommunicationRecorded)


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
    ("field", "bad"),
    [
        ("task_id", "no-id"),
        ("case_id", ""),
        ("case_id", 7),
        ("subject", ""),
        ("subject", "Leak"),
        ("unit", "u" * 65),
        ("priority", "high\n"),
        ("definition", "-"),
        ("subject_line", "x" * 999),
        ("state", "lost"),
        ("owner", {"kind": "team", "code": "repairs"}),
        ("owner", None),
        ("due_at", 1772442000),
        ("assignee", ["paul"]),
    ],
)
def test_a_field_that_is_not_as_its_model_wants_it_is_refused_by_name(field: str, bad: object) -> None:
    event = as_event(a_task())
    with pytest.raises(Undecodable, match=field) as refusal:
        read_fact(topics.TASKS, dict(event.headers()), orjson.dumps(orjson.loads(event.value()) | {field: bad}))
    assert not isinstance(refusal.value, Garbage)


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
    life.event(a_task_fact(due_at=at("2026-03-02 17:00"), start_by=at("2026-03-02 12:00")))
    life.until(at("2026-03-02 17:00"))
    assert life.record is not None
    assert "start-late" in {alert.type for alert in life.told}
    for alert in life.told:
        key, value, headers = write_alert(ItemKind.TASK, str(TASK), life.record.facts, 1, alert)
        plain = {name: text for name, text in headers if isinstance(text, bytes)}
        event = decode(key, plain, value, PAYLOADS[plain["ce_type"].decode()])
        state = event.data
        assert isinstance(state, ClockState)
        assert type(state) is TYPES[AlertType(alert.type)]
        assert (state.clock_id, state.item_id, state.case_id) == (clock_id(TASK, state.kind.value), TASK, CASE)
        assert (event.key, event.revision, event.subject) == (str(CASE), alert.revision, str(state.clock_id))
        assert state.assignee == "paul"
        assert event.traceparent


@pytest.mark.requirement("SLA-2", "SLA-3")
def test_an_alert_that_is_taken_back_is_named_by_its_event() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    life.until(at("2026-03-02 17:00"))
    done = at("2026-03-02 16:59")
    life.event(a_task_fact(2, state="completed", at=done, completed_at=done), now=at("2026-03-02 17:01"))
    assert life.record is not None
    events = []
    for alert in life.told:
        key, value, headers = write_alert(ItemKind.TASK, str(TASK), life.record.facts, 1, alert)
        plain = {name: text for name, text in headers if isinstance(text, bytes)}
        events.append(decode(key, plain, value, PAYLOADS[plain["ce_type"].decode()]))
    of_type = {type(event.data): event for event in events}
    assert of_type[ClockWithdrawn].data.alert_id == of_type[ClockOverdue].id != of_type[ClockWithdrawn].id
