"""The communication that a mail becomes: its ids, its conversation, and its words within the bounds of an event."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from services.ingest.domain.accounts import Account
from services.ingest.domain.mail import Attachment, Bounce, ParsedMail, Robot, content_digest, own_text_length, passed_on
from shared.ids import CommunicationId, ConversationId, communication_id, conversation_id

# Together with the text these keep the largest event below Kafka's usual limit of a message, whatever a mail holds. The raw mail has it
# all.
MOST_RECIPIENTS = 100
MOST_REFERENCES = 30
MOST_FILES = 200
LONGEST_LINE = 998
LONGEST_HANDLE = 320
LONGEST_NAME = 200
LONGEST_TYPE = 255

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OURS = re.compile(rf"<({_UUID})\.{_UUID}@([^<>@\s]+)>", re.IGNORECASE)
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|rv|doorst)\s?:", re.IGNORECASE)
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)


class MailReceived(NamedTuple):
    """What a mail says as a communication. `files` are those that the event lists; the raw mail is not among them.

    `unreadable`: nothing could be read, so that the raw bytes are all there is to see. `own_text_length`: characters of `text`
    that are not quoted history; None: all.
    """

    communication_id: CommunicationId
    conversation_id: ConversationId
    method: str
    channel_account: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    subject_line: str
    text: str
    text_truncated: bool
    own_text_length: int | None
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    occurred_at: datetime
    received_at: datetime
    """When we received it; of an old one, when it was sent, as nobody knows better."""
    files: tuple[Attachment, ...]
    robot: Robot
    bounce: Bounce | None
    unreadable: bool
    old: bool = False
    """It was imported, from before our time."""
    is_ours: bool = False
    """An old one that was sent from the account: such a mailbox holds both sides."""


def as_history(mail: MailReceived, raw: bytes, is_ours: bool) -> MailReceived:
    """`mail` as an old one: at its own time, and without the report of a bounce, which concerns nothing that is under way.

    `is_ours`: whether its sender is a nominated account.
    """
    at = mail.occurred_at
    if at == mail.received_at:  # its date is missing or makes no sense
        passed = passed_on(raw)
        at = passed if passed is not None and _EARLIEST < passed < mail.received_at else _EARLIEST
    at = at.astimezone(UTC)
    return mail._replace(occurred_at=at, received_at=at, bounce=None, old=True, is_ours=is_ours)


def received(mail: ParsedMail, raw: bytes, account: Account, mail_domain: str, now: datetime, longest_text: int) -> MailReceived:
    """The communication of `mail`, whose bytes are `raw`. `mail_domain`: that of our own Message-IDs. `longest_text`: in bytes of UTF-8."""
    unreadable = mail.error is not None
    # What cannot be read as a mail has no transport headers to differ in: its bytes are its content.
    digest = hashlib.sha256(raw).hexdigest() if unreadable else content_digest(mail)
    message_id = mail.message_id[:LONGEST_LINE] or f"<{digest[:40]}@no-message-id.invalid>"
    subject_line = mail.subject[:LONGEST_LINE]
    if unreadable:
        subject_line = "Message that could not be read" if raw.strip() else "Empty message"
    text, truncated = cut("" if unreadable else mail.text, longest_text)
    return MailReceived(
        communication_id=communication_id(message_id, digest),
        conversation_id=conversation_of(mail, message_id, mail_domain),
        method=account.method,
        channel_account=account.address,
        sender=mail.from_address.lower()[:LONGEST_HANDLE],
        sender_name=mail.from_name[:LONGEST_NAME],
        recipients=tuple([address[:LONGEST_HANDLE] for address in (mail.to + mail.cc)[:MOST_RECIPIENTS]]),
        subject_line=subject_line,
        text=text,
        text_truncated=truncated,
        # What somebody passes on is what they have to say.
        own_text_length=None if _FORWARDED.match(subject_line) else own_text_length(text),
        message_id=message_id,
        in_reply_to=mail.in_reply_to[:LONGEST_LINE],
        references=_shortened(mail.references),
        occurred_at=occurred(mail.date, now),
        received_at=now,
        files=() if unreadable else mail.attachments[:MOST_FILES],
        robot=mail.robot,
        bounce=mail.bounce,
        unreadable=unreadable,
    )


def conversation_of(mail: ParsedMail, message_id: str, mail_domain: str) -> ConversationId:
    """The conversation that a mail belongs to.

    One of our own Message-IDs (`<CONVERSATION.DELIVERY@our domain>`) among those it refers to names it, the latest where there are
    several; a bounce belongs where the message that bounced does. Otherwise it is that of the first message referred to, else of the one
    replied to, else the mail begins one.
    """
    bounced = mail.bounce.message_id if mail.bounce is not None else ""
    for reference in (bounced, mail.in_reply_to, *reversed(mail.references)):
        ours = _OURS.fullmatch(reference)
        if ours is not None and ours[2].lower() == mail_domain.lower():
            return ConversationId(UUID(ours[1]))
    root = mail.references[0] if mail.references else mail.in_reply_to or bounced or message_id
    return conversation_id(root)


def occurred(at: datetime | None, now: datetime) -> datetime:
    """When it was sent, by the sender's clock where that makes sense: not in the future, not before there was mail."""
    if at is None or not _EARLIEST < at < now:
        return now
    return at.astimezone(UTC)


def cut(text: str, longest: int) -> tuple[str, bool]:
    """`text` within `longest` bytes of UTF-8, no character cut in two; and whether something is missing."""
    if len(text) * 4 <= longest:
        return text, False
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= longest:
        return text, False
    return encoded[:longest].decode("utf-8", "ignore"), True


def _shortened(references: tuple[str, ...]) -> tuple[str, ...]:
    """The first, which names the conversation, and the latest."""
    if len(references) > MOST_REFERENCES:
        references = (references[0], *references[1 - MOST_REFERENCES :])
    return tuple([reference[:LONGEST_LINE] for reference in references])
