"""Handles as other systems write them, in the one form by which contacts are matched (CON-1)."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import phonenumbers

from services.ingest.domain.mail import clean_text
from shared.ids import CommunicationId, ConversationId, derive

LONGEST_HANDLE = 320


class Upload(NamedTuple):
    """A file that came with a contact. `filename` is never empty and holds no path; `content_type` is a media type without parameters."""

    filename: str
    content_type: str
    content: bytes


class BadHandle(Exception):
    """The value is no handle of its kind; the text says why, without the value."""


def normal_handle(kind: str, value: str, region: str) -> str:
    """`value` in its normal form. Raises `BadHandle`. An empty one stays: a number that was withheld is nobody's.

    email: lower case; phone: E.164, a national number taken for one of `region` (ISO 3166); x: lower case, without @; other: trimmed.
    """
    value = clean_text(value).strip()
    if not value:
        return ""
    if kind == "phone":
        return _phone(value, region)
    if kind == "email":
        local, at, domain = value.rpartition("@")
        if not (local and at and domain) or any(letter.isspace() for letter in value):
            raise BadHandle("the sender's email address has not the form name@domain")
        return value.lower()
    if kind == "x":
        handle = value.removeprefix("@").lower()
        if not handle or any(letter.isspace() for letter in handle):
            raise BadHandle("the sender's X handle is empty or has spaces")
        return handle
    return value


def contact_event_id(source_system: str, external_id: str) -> CommunicationId:
    """The communication of an upstream contact: the same contact reported again is the same communication."""
    return CommunicationId(derive("contact-event", source_system, external_id))


def contact_key_id(source_system: str, key: str) -> CommunicationId:
    """The communication of a contact that has no id in its source, by the key under which it is sent: whatever is sent under it again."""
    return CommunicationId(derive("contact-key", source_system, key))


def contact_conversation(source_system: str, conversation: str, communication: UUID) -> ConversationId:
    """The conversation that the source names, a name of its own only; without a name the communication begins one."""
    if conversation:
        return ConversationId(derive("contact-conversation", source_system, conversation))
    return ConversationId(derive("conversation", communication))


def _phone(value: str, region: str) -> str:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException as error:
        raise BadHandle("the sender's phone number cannot be read as one") from error
    if not phonenumbers.is_possible_number(number):
        raise BadHandle("the sender's phone number has not the length of one")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
