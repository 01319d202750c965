"""Messages to customers as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape

State = Literal["queued", "sent", "failed", "bounced"]


class Delivery(Shape):
    """What became of a message of ours."""

    state: State
    error: str = Field(description="Why it failed or came back.")
    at: datetime = Field(description="Since when it is so.")
    definition: str = Field(description="The communication definition that made it; empty: somebody wrote it.")


class AskedMessage(Shape):
    """A message that is on its way."""

    id: UUID = Field(description="Of its communication, and of its delivery.")
    case_id: UUID
    recipient: str = Field(examples=["ann@customer.example"])
    state: State


class AskedRecordMessage(Shape):
    """A message about a lead or to a contact that is on its way."""

    id: UUID = Field(description="Of its communication, and of its delivery.")
    recipient: str = Field(examples=["ann@customer.example"])
    state: State


class Recipient(Shape):
    """An address of the customer."""

    address: str = Field(examples=["ann@customer.example"])
    came_back: bool = Field(description="Whether the last message to it bounced.")


class MessageTemplate(Shape):
    """A template that a message may begin with."""

    code: str
    name: str = Field(examples=["Appointment"])


class MessageTag(Shape):
    """A tag that the message may have, written `#first_name`; it is filled when the message is sent."""

    tag: str = Field(examples=["first_name"])
    means: str = Field(examples=["The customer's first name."])
    value: str = Field(description="What it stands for now; empty: nothing.", examples=["Ann"])


class MessageDraft(Shape):
    """What a message begins with."""

    subject_line: str
    text: str


class MessageChoices(Shape):
    """Where the customer can be written to; nowhere: no email address is known. And what goes with a message at most."""

    recipients: list[Recipient]
    templates: list[MessageTemplate] = Field(description="Those that the case, the lead or the contact alone can fill.")
    tags: list[MessageTag]
    most_files: int
    most_bytes: int = Field(description="Of all files together.")
    longest_text: int = Field(description="In characters.")


class MessageFile(Shape):
    """A file that was handed in."""

    id: UUID
    filename: str = Field(examples=["leaks.pdf"])
    size: int = Field(description="In bytes.")
