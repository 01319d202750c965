"""What a mail turns into."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Robot(StrEnum):
    """Why a mail counts as sent by a machine (COM-7); the values are those of the published event."""

    NONE = "none"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    BULK = "bulk"


class Attachment(NamedTuple):
    """A file that came with a mail. `filename` is never empty and holds no path; `sha256` is hex over `content`.

    `inline`: meant to be shown within the text (an image of the HTML body). `content_id` has no angle brackets.
    """

    filename: str
    content_type: str
    content: bytes
    sha256: str
    inline: bool = False
    content_id: str = ""


class Undelivered(NamedTuple):
    """A recipient whom a message did not reach, or not yet: `action` (`failed`, `delayed`, ...) and `status` as RFC 3464 has them."""

    address: str
    action: str
    status: str


class Bounce(NamedTuple):
    """What a bounce reports. `message_id`: that of the message that bounced, with its brackets; empty where it does not tell."""

    message_id: str = ""
    recipients: tuple[Undelivered, ...] = ()


class ParsedMail(NamedTuple):
    """A mail as far as it could be read. Absent strings are empty; message ids keep their angle brackets.

    `text` is the readable body; `text_from_html` says that it was rendered from `html` because no plain part had text.
    `delivered_to` are the addresses of the envelope as receiving servers noted them. `error` is set only where
    nothing could be read, or no more than an unstructured heap of bytes.
    """

    from_address: str = ""
    from_name: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    subject: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    date: datetime | None = None
    text: str = ""
    html: str | None = None
    text_from_html: bool = False
    attachments: tuple[Attachment, ...] = ()
    robot: Robot = Robot.NONE
    delivered_to: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    bounce: Bounce | None = None
    """Set on every mail that is a bounce, and on no other."""
    error: str | None = None

    @property
    def auto_submitted(self) -> bool:
        """Whether this is an auto-reply or a bounce; newsletters and lists (`bulk`) are not."""
        return self.robot in (Robot.AUTO_REPLY, Robot.BOUNCE)
