"""Messages that staff write to customers: queued as they are asked for, and made with their files when they are sent (NOTE-2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any, NamedTuple

import orjson

from services.notify.domain.enclosing import Enclosed, enclose
from services.notify.domain.message import Address, Message, Written, numbered, write
from services.notify.domain.occasions import Delivery, Occasion, Recipient
from services.notify.domain.recipients import thread_reference
from services.notify.storage.deliveries import Claimed
from shared.schemas.envelope import Event
from shared.schemas.events import MessageAsked, MessageToSend
from shared.storage.objects import DamagedObject, ObjectStore

BY_HAND = "by-hand"
"""What stands where other deliveries have their communication definition. They have no template either."""


class Look(NamedTuple):
    """How a message is sent: from whom, and how the letter around it looks in its reader's language.

    `html`: subject line and text -> the letter.
    """

    sender: Address
    mail_domain: str
    language: str
    html: Callable[[str, str], str]


class NoFile(Exception):
    """A file that goes with the message cannot be had, and another attempt would not change that; the text says which."""


def is_by_hand(definition: str, template: str) -> bool:
    """Whether a delivery by this definition and template is a message that somebody wrote."""
    return definition == BY_HAND and not template


def delivery_of(event: Event, version: int) -> Delivery:
    """The delivery of a message that was asked for. Its id is the communication's, so that nothing has to say which belongs to which."""
    data: MessageToSend = event.data
    occasion = Occasion(
        on="message.asked",
        cause=event.id,
        item_kind=data.item_kind,
        item_id=data.item_id,
        case_id=data.case_id if isinstance(data, MessageAsked) else None,
        conversation_id=data.conversation_id,
        facts={
            "item": data.item_kind,
            "number": data.number,
            "method": data.method,
            "unit": data.unit,
            "customer": data.recipient_name,
            "reply_to": data.reply_to,
            "in_reply_to": data.in_reply_to,
            "subject_line": data.subject_line,
            "text": data.text,
            "files": orjson.dumps([file.model_dump() for file in data.files]).decode() if data.files else "",
            "changed_by": data.written_by,
            "at": event.time,
        },
        assignee=data.owner,
        unit=data.unit,
        config_version=version,
        traceparent=event.traceparent,
    )
    to = Recipient(data.recipient, data.recipient_name, "customer")
    return Delivery(data.communication_id, BY_HAND, "email", "", to, data.conversation_id, data.message_id, occasion)


def as_template(text: str) -> str:
    """What somebody wrote as the text of a template that has no tags."""
    return text.replace("#", "##")


def compose(claimed: Claimed, look: Look, objects: ObjectStore | None) -> Written:
    """The message with its files, the same bytes each time. Raises `NoFile`, `UnusableAddress`, and `StoreUnavailable` for now."""
    facts = claimed.facts
    answered, reply_to = facts.get("in_reply_to", ""), facts.get("reply_to", "")
    thread = thread_reference(claimed.thread_id, look.mail_domain)
    subject_line = numbered(facts["subject_line"], facts.get("number", ""))
    written = write(
        Message(
            message_id=claimed.message_id,
            sender=look.sender,
            to=Address(claimed.recipient, claimed.recipient_name),
            subject_line=subject_line,
            date=claimed.created_at.astimezone(UTC),
            text=facts["text"],
            html=look.html(subject_line, facts["text"]),
            reply_to=Address(reply_to) if reply_to else None,
            references=(thread, answered) if answered else (thread,),
            language=look.language,
            is_automatic=False,
        )
    )
    files = facts.get("files", "")
    if not files:
        return written
    return written._replace(content=enclose(written.content, [_enclosed(file, objects) for file in orjson.loads(files)]))


def _enclosed(file: dict[str, Any], objects: ObjectStore | None) -> Enclosed:
    name = str(file["filename"])
    if objects is None:
        raise NoFile(f"the file {name} cannot be read: the setting CASESTREAM_OBJECTS is not given")
    try:
        content = objects.get(str(file["sha256"]))
    except FileNotFoundError as error:
        raise NoFile(f"the file {name} is not in the object store any more") from error
    except DamagedObject as error:
        raise NoFile(f"the file {name} is damaged in the object store") from error
    return Enclosed(name, str(file["content_type"]), content)
