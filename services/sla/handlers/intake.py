"""Reading Kafka messages into facts: only the fields that clocks need, each checked as its event's model would.

This is the hottest code of the service. So ids and moments written as our services write them stay text, of which records take what they
need; making UUIDs and datetimes of them, and text of these again, would take longer than all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from services.sla.domain.cases import CaseFact
from services.sla.domain.communications import CommunicationFact
from services.sla.domain.records import Facts
from services.sla.domain.tasks import TaskFact
from shared.calendars.openings import micros
from shared.schemas import events, topics
from shared.schemas.envelope import LARGEST_REVISION, LARGEST_VERSION, Undecodable
from shared.schemas.events import PAYLOADS, Code, Line

Fact = CaseFact | TaskFact | CommunicationFact


class Garbage(Undecodable):
    """No event that belongs here at all."""


Id = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")] | UUID,
    Field(union_mode="left_to_right"),
]
"""A UUID: its usual text as it is, any other form of it read."""
Instant = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$")] | AwareDatetime,
    Field(union_mode="left_to_right"),
]
"""A moment: its usual text as it is (to be read by `_micros`), any other form of it read."""


class OwnerFields(TypedDict):
    """`OwnerRef`."""

    kind: Literal["user", "role", "unit"]
    code: str


class _TaskFieldsBase(TypedDict):
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


class TaskFields(_TaskFieldsBase, total=False):
    """What clocks need of `TaskState`."""

    assignee: str | None
    starts_at: Instant | None
    triggered_at: Instant | None
    due_at: Instant | None
    completed_at: Instant | None


class _CaseFieldsBase(TypedDict):
    case_id: Id
    number: str
    subject: Code
    title: Line
    method: Code
    state: Literal["pending", "responded", "temporarily_resolved", "finally_resolved", "completed", "cancelled"]
    priority: Code
    unit: Code
    opened_at: Instant


class CaseFields(_CaseFieldsBase, total=False):
    """What clocks need of `CaseState`."""

    owner: str | None
    waiting_for_customer: bool
    responded_at: Instant | None
    resolved_at: Instant | None
    completed_at: Instant | None


class _CommunicationFieldsBase(TypedDict):
    communication_id: Id
    conversation_id: Id
    method: Code
    case_ids: tuple[Id, ...]
    direction: Literal["inbound", "outbound"]
    occurred_at: Instant


class CommunicationFields(_CommunicationFieldsBase, total=False):
    """What clocks need of `CommunicationRecorded`."""

    subject_line: Line


_TASK = TypeAdapter[TaskFields](TaskFields)
_CASE = TypeAdapter[CaseFields](CaseFields)
_COMMUNICATION = TypeAdapter[CommunicationFields](CommunicationFields)
REQUIRED = ("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_revision")
_IS_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


class Envelope(NamedTuple):
    """What clocks need of an event's headers."""

    at: int
    revision: int
    config_version: int


def read_envelope(headers: Mapping[str, bytes]) -> Envelope:
    """The headers (one without a value may be None), checked as `shared.schemas.envelope.decode` checks them. Raises `Undecodable`."""
    try:
        if not _IS_ID(headers["ce_id"]):
            UUID(headers["ce_id"].decode())
        _ = headers["ce_source"], headers["ce_subject"]
        at = _micros(headers["ce_time"].decode())
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
def _micros(at: str | datetime) -> int:
    """The moment in microseconds. What happened together tells the same moment: several times in an event, and in many of a batch."""
    return micros(datetime.fromisoformat(at) if isinstance(at, str) else at)


@lru_cache(10_000)
def _maybe(at: str | datetime | None) -> int | None:
    return None if at is None else micros(datetime.fromisoformat(at) if isinstance(at, str) else at)


def _task(envelope: Envelope, fields: TaskFields, _is_expired: bool) -> TaskFact:
    owner = fields["owner"]
    facts = Facts(
        str(fields["case_id"]),
        fields["case_number"],
        fields["subject_line"],
        owner["kind"],
        owner["code"],
        fields.get("assignee") or "",
        fields["unit"],
        fields["priority"],
        "",
        fields["subject"],
        fields["definition"] or "",
    )
    return TaskFact(
        str(fields["task_id"]),
        envelope.revision,
        envelope.config_version,
        envelope.at,
        fields["state"],
        _micros(fields["planned_at"]),
        _maybe(fields.get("starts_at")),
        _maybe(fields.get("triggered_at")),
        _maybe(fields.get("due_at")),
        _maybe(fields.get("completed_at")),
        facts,
    )


def _case(envelope: Envelope, fields: CaseFields, _is_expired: bool) -> CaseFact:
    owner = fields.get("owner") or ""
    facts = Facts(
        str(fields["case_id"]),
        fields["number"],
        fields["title"],
        "user" if owner else "unit",
        owner or fields["unit"],
        owner,
        fields["unit"],
        fields["priority"],
        fields["method"],
        fields["subject"],
    )
    return CaseFact(
        facts.case_id,
        envelope.revision,
        envelope.config_version,
        envelope.at,
        fields["state"],
        fields.get("waiting_for_customer", False),
        _micros(fields["opened_at"]),
        _maybe(fields.get("responded_at")),
        _maybe(fields.get("resolved_at")),
        _maybe(fields.get("completed_at")),
        facts,
    )


def _communication(envelope: Envelope, fields: CommunicationFields, is_expired: bool) -> CommunicationFact:
    cases = fields["case_ids"]
    facts = Facts(
        case_id=str(cases[0]) if cases else "",
        title=fields.get("subject_line", ""),
        method=fields["method"],
        conversation=str(fields["conversation_id"]),
    )
    return CommunicationFact(
        str(fields["communication_id"]),
        facts.conversation,
        envelope.revision,
        envelope.config_version,
        _micros(fields["occurred_at"]),
        fields["direction"] == "inbound",
        is_expired,
        facts,
    )


Reader = tuple[Callable[[bytes], Any], Callable[[Envelope, Any, bool], Fact], bool]

READERS: dict[bytes, Reader] = {
    payload.event_type.encode(): reader
    for reader, payloads in (
        ((_TASK.validator.validate_json, _task, False), (p for p in PAYLOADS.values() if issubclass(p, events.TaskState))),
        ((_CASE.validator.validate_json, _case, False), (p for p in PAYLOADS.values() if issubclass(p, events.CaseState))),
        ((_COMMUNICATION.validator.validate_json, _communication, False), (events.CommunicationRecorded,)),
        ((_COMMUNICATION.validator.validate_json, _communication, True), (events.CommunicationExpired,)),
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
        problems = [f"{'.'.join(str(p) for p in e['loc']) or 'data'}: {e['msg']}" for e in error.errors()[:5]]
        kind = Garbage if any(e["type"] == "json_invalid" for e in error.errors()[:1]) else Undecodable
        raise kind(f"data of {name.decode()}: {'; '.join(problems)}") from error
    except RecursionError as error:
        raise Undecodable("data nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"data of {name.decode()}: {error}") from error
