"""Typed ids, and deterministic ones: the same cause always yields the same id, so that a repeat is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import NewType
from uuid import UUID, SafeUUID

CommunicationId = NewType("CommunicationId", UUID)
ConversationId = NewType("ConversationId", UUID)
ContactId = NewType("ContactId", UUID)
AccountId = NewType("AccountId", UUID)
CaseId = NewType("CaseId", UUID)
TaskId = NewType("TaskId", UUID)
ClockId = NewType("ClockId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
EventId = NewType("EventId", UUID)
UserId = NewType("UserId", str)
"""A member of staff: the short name they log in with, such as `amira.hassan`."""

NAMESPACE = UUID("6f0e9a3c-3f0b-5c59-9d59-0d4c1f6b7a11")
"""The namespace of every derived id; changing it would make every repeat look new."""

# The hash of the namespace, taken once: events are made by the thousand a second.
_BEGUN = sha1(NAMESPACE.bytes, usedforsecurity=False)
_KEPT = (1 << 128) - 1 & ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 5 << 76 | 0b10 << 62
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_new, _set = object.__new__, object.__setattr__  # a UUID is frozen once it is made


def derive(*parts: object) -> UUID:
    """The UUIDv5 of `parts` in order. Parts are joined by a unit separator, so ("ab", "c") and ("a", "bc") differ."""
    digest = _BEGUN.copy()
    digest.update("\x1f".join([part if type(part) is str else str(part) for part in parts]).encode())
    return _version_5(digest.digest())


def deriving(*parts: object) -> Callable[[str], UUID]:
    """`derive(*parts, last)` for many a `last` (several parts: joined by the unit separator), its beginning hashed once."""
    begun = _BEGUN.copy()
    begun.update("".join([f"{part}\x1f" for part in parts]).encode())

    def derived(last: str) -> UUID:
        digest = begun.copy()
        digest.update(last.encode())
        made = _new(UUID)  # as in `_version_5`
        _set(made, "int", int.from_bytes(digest.digest()[:16]) & _KEPT | _VERSION_5)
        _set(made, "is_safe", SafeUUID.unknown)
        return made

    return derived


def deriving_bytes(*parts: object) -> Callable[[str], bytes]:
    """The same as the UUID's 16 bytes."""
    begun = _BEGUN.copy()
    begun.update("".join([f"{part}\x1f" for part in parts]).encode())

    def derived(last: str) -> bytes:
        digest = begun.copy()
        digest.update(last.encode())
        return (int.from_bytes(digest.digest()[:16]) & _KEPT | _VERSION_5).to_bytes(16)

    return derived


def deriving_text(*parts: object) -> Callable[[str], str]:
    """The same as text, where nobody wants more."""
    begun = _BEGUN.copy()
    begun.update("".join([f"{part}\x1f" for part in parts]).encode())

    def derived(last: str) -> str:
        digest = begun.copy()
        digest.update(last.encode())
        text = digest.hexdigest()
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"

    return derived


def _version_5(digest: bytes) -> UUID:
    """The UUID of a hash. `UUID(bytes=..., version=5)` is the same in four times the time, which is spent forty times a mail."""
    made = _new(UUID)
    # Version and variant are RFC 9562's (5.5).
    _set(made, "int", int.from_bytes(digest[:16]) & _KEPT | _VERSION_5)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def event_id(cause: UUID | str, aggregate: UUID | str, event_type: str, ordinal: int = 0) -> EventId:
    """The id of the event of `event_type` that `cause` (an event or command) makes on `aggregate`.

    `ordinal` tells several events of one type, on one aggregate, by one cause apart.
    """
    return EventId(derive("event", cause, aggregate, event_type, ordinal))


def event_ids(cause: UUID | str) -> Callable[[str], str]:
    """`event_id` of this cause, as text, for many an aggregate and type, given as `which_event` says."""
    return deriving_text("event", cause)


def which_event(aggregate: str, event_type: str, ordinal: int = 0) -> str:
    """What `event_ids` tells the events of a cause apart by."""
    return f"{aggregate}\x1f{event_type}\x1f{ordinal}"


def communication_id(message_id: str, content_digest: str) -> CommunicationId:
    """The id of a mail: the same message in two mailboxes is one communication, a reused Message-ID with other content is two."""
    return CommunicationId(derive("communication", message_id, content_digest))


def conversation_id(root_message_id: str) -> ConversationId:
    """The conversation that began with this Message-ID."""
    return ConversationId(derive("conversation", root_message_id))


def contact_id(handle_kind: str, handle: str) -> ContactId:
    """The contact first known by this handle: two replicas that meet it at once agree."""
    return ContactId(derive("contact", handle_kind, handle))


def case_id(communication: UUID, subject: str) -> CaseId:
    """The case that `communication` opens under the subject with this code."""
    return CaseId(derive("case", communication, subject))


def task_id(case: UUID, definition: str) -> TaskId:
    """The task of the definition with this code within `case`; a definition occurs once in a case."""
    return TaskId(derive("task", case, definition))


def clock_id_bytes(item: str, kind: str) -> bytes:
    """`clock_id` as 16 bytes, of an item's UUID as text: made by the thousand."""
    return _clock(f"{item}\x1f{kind}")


_clock = deriving_bytes("clock")


def task_ids(case: UUID, definitions: Iterable[str]) -> list[UUID]:
    """`task_id` of each of these definitions within `case`."""
    return list(map(deriving("task", case), definitions))


def clock_id(item: UUID, kind: str) -> ClockId:
    """The clock of this kind (`due`, `response`, `resolution`, `expiry`, `lag`, ...) on an item."""
    return ClockId(derive("clock", item, kind))


def delivery_id(cause: UUID, definition: str, recipient: str) -> DeliveryId:
    """The message that `cause` (an event) sends to `recipient` by this communication definition."""
    return DeliveryId(derive("delivery", cause, definition, recipient))
