"""Pieces that several events share."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


class Part(BaseModel):
    """A piece of an event; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Handle(Part):
    """How a customer can be reached and recognised (CON-1): lower-case email address, E.164 number, X handle without @."""

    kind: Literal["email", "phone", "x", "other"]
    value: Annotated[str, StringConstraints(max_length=320)]
    name: Annotated[str, StringConstraints(max_length=200)] = ""


class UndeliverableHandle(Part):
    """A handle that a message came back from for good."""

    kind: Literal["email", "phone", "x", "other"]
    value: Annotated[str, StringConstraints(max_length=320)]
    since: AwareDatetime
    status: str = ""
    """What was reported: as RFC 3463 has it, like `5.1.1`, or by the gateway of text messages."""


class RestoredHandle(Part):
    """A handle that works again."""

    kind: Literal["email", "phone", "x", "other"]
    value: Annotated[str, StringConstraints(max_length=320)]
    at: AwareDatetime
    """What came back before then says nothing any more."""


class FileRef(Part):
    """A file in the object store, by its content's SHA-256 (hex); `size` in bytes."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    filename: str = ""
    content_type: str = "application/octet-stream"
    inline: bool = False
    danger: Annotated[str, StringConstraints(max_length=40)] = ""
    """Why it may harm whoever opens it: `executable`, `script`, `macros`, `disk-image`, `shortcut`, `web-page`, `disguised`, `archive`."""


class ScriptAnswer(Part):
    """What a customer answered at the point of contact to a prompt of the communication method's script (COM-2)."""

    script: Literal["pre", "security"]
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    """As the configuration has it."""
    answer: Annotated[str, StringConstraints(max_length=2000)]


class CustomerRef(Part):
    """The contact an item is about, with what a message to them needs."""

    contact_id: UUID | None
    account_id: UUID | None = None
    name: str = ""
    email: str = ""
    phone: str = ""
    """E.164; only in events of a communication: the number by which they made contact."""


class ContactRef(Part):
    """A contact, by what people call them."""

    contact_id: UUID
    name: str = ""


class OwnerRef(Part):
    """Whom an item is for: one user, or anybody of a role or a business unit (TASK-7)."""

    kind: Literal["user", "role", "unit"]
    code: str


class Undelivered(Part):
    """A recipient whom a message did not reach, or not yet (RFC 3464)."""

    address: Annotated[str, StringConstraints(max_length=320)]
    action: Annotated[str, StringConstraints(max_length=40)]
    """`failed`: for good. `delayed`, `delivered`, `relayed`, `expanded`: not."""
    status: Annotated[str, StringConstraints(max_length=20)]
    """Class, subject and detail (RFC 3463), like `5.1.1`."""


class BounceReport(Part):
    """What a bounce reports."""

    message_id: Annotated[str, StringConstraints(max_length=998)] = ""
    """Of the message that bounced."""
    recipients: tuple[Undelivered, ...] = ()


class Rating(Part):
    """A customer's answer to a question, from 1 (worst) to `best`."""

    question: str
    rating: Annotated[int, Field(ge=1)]
    best: Annotated[int, Field(ge=2)]
    satisfied: bool
