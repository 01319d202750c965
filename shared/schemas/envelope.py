"""The envelope of every event: CloudEvents 1.0.2 in binary mode on Kafka (attributes in `ce_*` headers, data as the value)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.ids import derive
from shared.schemas.topics import CONTACT_EVENTS

CONTENT_TYPE = b"application/json"


class Payload(BaseModel):
    """The data of one type of event. Readers ignore fields they do not know, so that a writer may be newer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    """The CloudEvents `type`, such as `casestream.task.triggered.v1`."""
    topic: ClassVar[str]
    """The topic (without prefix) that carries this type."""


class Event(NamedTuple):
    """One event, decoded: the attributes of its envelope and its data.

    `revision` is gapless per aggregate (`subject`), starting at 1. `config_version` is the configuration it was decided under (0: none).
    `key` is the Kafka key as text.
    """

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    revision: int
    config_version: int
    traceparent: str
    key: str
    data: Any
    """The `Payload` subclass that belongs to `type`."""

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers of this event."""
        return [
            _VERSION,
            ("ce_id", str(self.id).encode()),
            _header("ce_type", self.type),
            _header("ce_source", self.source),
            ("ce_subject", self.subject.encode()),
            _time_header(self.time),
            _header("ce_revision", self.revision),
            _header("ce_configversion", self.config_version),
            ("traceparent", self.traceparent.encode()),
            _CONTENT,
        ]

    def value(self) -> bytes:
        """The Kafka value of this event: its data as JSON."""
        return encode(self.data.__dict__)


_VERSION, _CONTENT = ("ce_specversion", b"1.0"), ("content-type", CONTENT_TYPE)


@lru_cache(maxsize=512)
def _header(name: str, value: str | int) -> tuple[str, bytes]:
    return name, str(value).encode()


@lru_cache(maxsize=512)
def _time_header(time: datetime) -> tuple[str, bytes]:
    return "ce_time", time.astimezone(UTC).isoformat().encode()


def encode(fields: Mapping[str, Any]) -> bytes:
    """Fields of a payload, parts of it among them, as JSON: the same bytes as pydantic's own, in a third of the time."""
    return orjson.dumps(fields, default=_fields, option=orjson.OPT_UTC_Z)


def _fields(part: object) -> dict[str, Any]:
    if isinstance(part, BaseModel):
        return part.__dict__
    raise TypeError(f"no JSON for {type(part).__name__}")


class Undecodable(Exception):
    """The message is no event that this release understands; the text says what is wrong and where."""


LARGEST_REVISION = 2**31 - 1
LARGEST_VERSION = 2**31 - 1
"""What the databases hold. A larger version would be waited for without end."""

REQUIRED_OF_ALL = ("ce_id", "ce_type", "ce_source", "ce_time")
REQUIRED_OF_US = (*REQUIRED_OF_ALL, "ce_subject", "ce_revision")
"""Our own events have revisions; what other systems publish need not."""


def decode(key: bytes | None, headers: Mapping[str, bytes], value: bytes | None, payload: type[Payload]) -> Event:
    """The event in a Kafka message whose type is known to be `payload`'s. Raises `Undecodable`."""
    is_foreign = payload.topic == CONTACT_EVENTS
    missing = [name for name in (REQUIRED_OF_ALL if is_foreign else REQUIRED_OF_US) if name not in headers]
    if missing:
        raise Undecodable(f"header missing: {', '.join(missing)}")
    if value is None:
        raise Undecodable("empty value on an event")
    try:
        time = datetime.fromisoformat(headers["ce_time"].decode())
        if time.tzinfo is not UTC:
            if time.tzinfo is None:
                raise Undecodable("header ce_time: no time zone")
            time = time.astimezone(UTC)
        source, subject = headers["ce_source"].decode(), headers.get("ce_subject", b"").decode()
        event_id = _id(headers["ce_id"].decode(), source, is_foreign)
        revision = _number(headers.get("ce_revision", b"1"), 0, LARGEST_REVISION)
        config_version = _number(headers.get("ce_configversion", b"0"), 0, LARGEST_VERSION)
        text_key = (key or b"").decode()
        traceparent = headers.get("traceparent", b"").decode("ascii")
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"bad header: {error}") from error
    if "\x00" in source or "\x00" in subject or "\x00" in text_key:
        raise Undecodable("bad header: a NUL, which no database can hold")
    try:
        data = payload.model_validate_json(value)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'data'}: {e['msg']}" for e in error.errors()[:5])
        raise Undecodable(f"data of {payload.event_type}: {problems}") from error
    except RecursionError as error:
        raise Undecodable("data nested too deeply") from error
    return Event(event_id, payload.event_type, source, subject, time, revision, config_version, traceparent, text_key, data)


def _id(text: str, source: str, is_foreign: bool) -> UUID:
    """The event's id. CloudEvents allow any text that is unique within the source; ours are UUIDs."""
    try:
        return UUID(text)
    except ValueError:
        if not is_foreign:
            raise
        return derive("foreign event", source, text)


def _number(text: bytes, least: int, most: int) -> int:
    if not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise Undecodable(f"bad header: {text[:40]!r} is not a number from {least} to {most}")
    return int(text)
