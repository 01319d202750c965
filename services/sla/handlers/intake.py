"""Reading Kafka messages into facts: only the fields that clocks need, each checked as its event's model would.

This is the hottest code of the service. So msgspec reads what is needed and skips the rest (a quarter of what pydantic takes), and ids stay
text, of which records take what they need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import DecodeError, Meta, Struct, ValidationError, json

from services.sla.domain.cases import CaseFact
from services.sla.domain.communications import CommunicationFact
from services.sla.domain.leads import LeadFact
from services.sla.domain.records import Facts
from services.sla.domain.tasks import TaskFact
from shared.calendars.openings import micros
from shared.schemas import events, topics
from shared.schemas.envelope import LARGEST_REVISION, LARGEST_VERSION, Undecodable
from shared.schemas.events import PAYLOADS
from shared.schemas.events.texts import CODE_LENGTH, CODE_PATTERN, LINE_LENGTH

Fact = CaseFact | TaskFact | LeadFact | CommunicationFact


class Garbage(Undecodable):
    """No event that belongs here at all."""


Id = str
"""A UUID, checked by `_id`."""
Code = str
"""Checked by `_code`: codes are few and come again and again, so most are looked up."""
Line = Annotated[str, Meta(max_length=LINE_LENGTH)]
Instant = Annotated[datetime, Meta(tz=True)]


class OwnerFields(Struct, gc=False):
    """`OwnerRef`."""

    kind: Literal["user", "role", "unit"]
    code: str


class TaskFields(Struct, gc=False):
    """What clocks need of `TaskState`."""

    task_id: Id
    case_id: Id
    case_number: str
    subject: Code
    definition: Code | None
    subject_line: Line
    state: Literal["planned", "pending", "in_progress", "completed", "cancelled"]
    owner: OwnerFields
    unit: Code
    priority: Code
    planned_at: Instant
    assignee: str | None = None
    starts_at: Instant | None = None
    triggered_at: Instant | None = None
    due_at: Instant | None = None
    completed_at: Instant | None = None
    start_by: Instant | None = None
    in_progress_at: Instant | None = None


class CaseFields(Struct, gc=False):
    """What clocks need of `CaseState`."""

    case_id: Id
    number: str
    subject: Code
    title: Line
    method: Code
    state: Literal["pending", "responded", "temporarily_resolved", "finally_resolved", "completed", "cancelled"]
    priority: Code
    unit: Code
    opened_at: Instant
    owner: str | None = None
    waiting_for_customer: bool = False
    responded_at: Instant | None = None
    resolved_at: Instant | None = None
    completed_at: Instant | None = None
    customer_updated_at: Instant | None = None


class LeadFields(Struct, gc=False):
    """What clocks need of `LeadState`."""

    lead_id: Id
    number: str
    lead_type: Code
    title: Line
    state: Literal["pending", "in_progress", "won", "lost", "cancelled"]
    priority: int
    unit: Code
    opened_at: Instant
    owner: str | None = None
    closed_at: Instant | None = None
    expected_completion_at: Instant | None = None


class CommunicationFields(Struct, gc=False):
    """What clocks need of `CommunicationRecorded`."""

    communication_id: Id
    conversation_id: Id
    method: Code
    case_ids: tuple[Id, ...]
    direction: Literal["inbound", "outbound"]
    occurred_at: Instant
    subject_line: Line = ""


REQUIRED = ("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_revision")
_IS_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_IS_CODE = re.compile(CODE_PATTERN).fullmatch


class Envelope(Struct, frozen=True, gc=False):
    """What clocks need of an event's headers."""

    at: int
    revision: int
    config_version: int


def read_envelope(headers: Mapping[str, bytes]) -> Envelope:
    """The headers (one without a value may be None), checked as `shared.schemas.envelope.decode` checks them. Raises `Undecodable`."""
    try:
        _id("ce_id", headers["ce_id"].decode())
        _ = headers["ce_source"], headers["ce_subject"]
        at = _when(headers["ce_time"])
        revision, config_version = int(headers["ce_revision"]), int(headers.get("ce_configversion", b"0"))
    except KeyError as error:
        missing = [name for name in REQUIRED if name not in headers]
        raise Undecodable(f"header missing: {', '.join(missing)}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise Undecodable(f"bad header: {error}") from error
    if not (0 <= revision <= LARGEST_REVISION and 0 <= config_version <= LARGEST_VERSION):
        raise Undecodable("bad header: ce_revision or ce_configversion out of range")
    return Envelope(at, revision, config_version)


@lru_cache(10_000)
def _when(text: bytes) -> int:
    """The moment that a header tells. What happened together tells the same one: many in a batch."""
    return micros(datetime.fromisoformat(text.decode()))


@lru_cache(10_000)
def _code(name: str, text: str) -> str:
    """A code. Raises `ValueError`."""
    if not 1 <= len(text) <= CODE_LENGTH or not _IS_CODE(text):
        raise ValueError(f"{name}: {text[:100]!r} is not a code")
    return text


def _id(name: str, text: str) -> str:
    """A UUID's usual text. Raises `ValueError`."""
    if _IS_ID(text):
        return text
    try:
        return str(UUID(text))
    except ValueError as error:
        raise ValueError(f"{name}: {text[:100]!r} is not a UUID") from error


def _maybe(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def _task(envelope: Envelope, fields: TaskFields, _is_expired: bool) -> TaskFact:
    owner, definition = fields.owner, fields.definition
    facts = Facts(
        _id("case_id", fields.case_id),
        fields.case_number,
        fields.subject_line,
        owner.kind,
        owner.code,
        fields.assignee or "",
        _code("unit", fields.unit),
        _code("priority", fields.priority),
        "",
        _code("subject", fields.subject),
        "" if definition is None else _code("definition", definition),
    )
    return TaskFact(
        _id("task_id", fields.task_id),
        envelope.revision,
        envelope.config_version,
        envelope.at,
        fields.state,
        micros(fields.planned_at),
        _maybe(fields.starts_at),
        _maybe(fields.triggered_at),
        _maybe(fields.due_at),
        _maybe(fields.completed_at),
        facts,
        _maybe(fields.start_by),
        _maybe(fields.in_progress_at),
    )


def _case(envelope: Envelope, fields: CaseFields, _is_expired: bool) -> CaseFact:
    owner, unit = fields.owner or "", _code("unit", fields.unit)
    facts = Facts(
        _id("case_id", fields.case_id),
        fields.number,
        fields.title,
        "user" if owner else "unit",
        owner or unit,
        owner,
        unit,
        _code("priority", fields.priority),
        _code("method", fields.method),
        _code("subject", fields.subject),
    )
    return CaseFact(
        facts.case_id,
        envelope.revision,
        envelope.config_version,
        envelope.at,
        fields.state,
        fields.waiting_for_customer,
        micros(fields.opened_at),
        _maybe(fields.responded_at),
        _maybe(fields.resolved_at),
        _maybe(fields.completed_at),
        facts,
        _maybe(fields.customer_updated_at),
    )


def _lead(envelope: Envelope, fields: LeadFields, _is_expired: bool) -> LeadFact:
    owner, unit = fields.owner or "", _code("unit", fields.unit)
    facts = Facts(
        "",
        fields.number,
        fields.title,
        "user" if owner else "unit",
        owner or unit,
        owner,
        unit,
        str(fields.priority),
        "",
        _code("lead_type", fields.lead_type),
    )
    return LeadFact(
        _id("lead_id", fields.lead_id),
        envelope.revision,
        envelope.config_version,
        envelope.at,
        fields.state,
        micros(fields.opened_at),
        _maybe(fields.expected_completion_at),
        _maybe(fields.closed_at),
        facts,
    )


def _communication(envelope: Envelope, fields: CommunicationFields, is_expired: bool) -> CommunicationFact:
    cases = [_id("case_ids", case) for case in fields.case_ids]
    facts = Facts(
        case_id=cases[0] if cases else "",
        title=fields.subject_line,
        method=_code("method", fields.method),
        conversation=_id("conversation_id", fields.conversation_id),
    )
    return CommunicationFact(
        _id("communication_id", fields.communication_id),
        facts.conversation,
        envelope.revision,
        envelope.config_version,
        micros(fields.occurred_at),
        fields.direction == "inbound",
        is_expired,
        facts,
    )


_COMMUNICATION = json.Decoder(CommunicationFields).decode

Reader = tuple[Callable[[bytes], Any], Callable[[Envelope, Any, bool], Fact], bool]

READERS: dict[bytes, Reader] = {
    payload.event_type.encode(): reader
    for reader, payloads in (
        ((json.Decoder(TaskFields).decode, _task, False), (p for p in PAYLOADS.values() if issubclass(p, events.TaskState))),
        ((json.Decoder(CaseFields).decode, _case, False), (p for p in PAYLOADS.values() if issubclass(p, events.CaseState))),
        ((json.Decoder(LeadFields).decode, _lead, False), (p for p in PAYLOADS.values() if issubclass(p, events.LeadState))),
        ((_COMMUNICATION, _communication, False), (events.CommunicationRecorded, events.CommunicationBounced)),
        ((_COMMUNICATION, _communication, True), (events.CommunicationExpired,)),
    )
    for payload in payloads
}
TOPIC_OF = {payload.event_type.encode(): payload.topic for payload in PAYLOADS.values()}
INPUTS = (topics.CASES, topics.TASKS)


def read_fact(topic: str, headers: Mapping[str, bytes], value: bytes | None) -> Fact | None:
    """The fact in a message of `topic` (without prefix); None: an event that clocks do not need. Raises `Undecodable` or `Garbage`."""
    name = headers.get("ce_type")
    if name is None:
        raise Garbage("header missing: ce_type")
    if TOPIC_OF.get(name) != topic:
        known = name in TOPIC_OF
        raise Garbage(f"{name.decode()} does not belong on {topic}" if known else f"unknown type {name[:200]!r}")
    reader = READERS.get(name)
    if reader is None:
        return None
    fields_of, build, is_expired = reader
    envelope = read_envelope(headers)
    if value is None:
        raise Undecodable("empty value on an event")
    try:
        return build(envelope, fields_of(value), is_expired)
    except ValidationError as error:
        raise Undecodable(f"data of {name.decode()}: {error}") from error
    except DecodeError as error:
        raise Garbage(f"data of {name.decode()}: {error}") from error
    except RecursionError as error:
        raise Undecodable("data nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"data of {name.decode()}: {error}") from error
