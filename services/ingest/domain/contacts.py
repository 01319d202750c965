"""Handles as other systems write them, in the one form by which contacts are matched (CON-1)."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from services.ingest.domain.mail import clean_text
from shared import handles
from shared.ids import CommunicationId, ConversationId, derive


class Upload(NamedTuple):
    """A file that came with a contact. `filename` is never empty and holds no path; `content_type` is a media type without parameters."""

    filename: str
    content_type: str
    content: bytes


def normal_handle(kind: str, value: str, region: str) -> str:
    """`value` in its normal form, as `shared.handles` has it, without what no text may have. Raises `BadHandle`."""
    return handles.normal_handle(kind, clean_text(value), region)


def contact_event_id(source_system: str, external_id: str) -> CommunicationId:
    """The communication of an upstream contact: the same contact reported again is the same communication."""
    return CommunicationId(derive("contact-event", source_system, external_id))


def contact_key_id(source_system: str, key: str) -> CommunicationId:
    """The communication of a contact that has no id in its source, by the key under which it is sent: whatever is sent under it again."""
    return CommunicationId(derive("contact-key", source_system, key))


def entry_id(user: str, key: str) -> CommunicationId:
    """The communication that a member of staff enters under this key of theirs: nobody else's key leads to it."""
    return CommunicationId(derive("contact-entry", user, key))


def contact_conversation(source_system: str, conversation: str, communication: UUID) -> ConversationId:
    """The conversation that the source names, a name of its own only; without a name the communication begins one."""
    if conversation:
        return ConversationId(derive("contact-conversation", source_system, conversation))
    return ConversationId(derive("conversation", communication))
