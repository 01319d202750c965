"""Communications as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape
from services.case.api.shapes.messages import Delivery


class File(Shape):
    """A file that came with a communication."""

    position: int = Field(description="Its place among the files, from 0.")
    sha256: str | None = Field(description="Of its content; null: that is not kept any more.")
    size: int = Field(description="In bytes.")
    filename: str = Field(examples=["ceiling.jpg"])
    content_type: str = Field(examples=["image/jpeg"])
    inline: bool = Field(description="Whether the text shows it.")
    danger: str = Field(description="Why it may harm whoever opens it; empty: nothing is known against it.")


class Call(Shape):
    """The telephone call that a communication is."""

    stage: Literal["ringing", "answered", "ended"]
    rang_at: datetime | None
    answered_at: datetime | None
    answered_by: str
    ended_at: datetime | None
    outcome: str
    duration_seconds: int | None


class ListedCommunication(Shape):
    """A communication without its text."""

    id: UUID
    revision: int
    config_version: int = Field(description="The configuration that it was recorded under.")
    conversation_id: UUID
    effect: str = Field(description="What it did: opens or joins a case, or is recorded only.", examples=["opens"])
    direction: Literal["inbound", "outbound"]
    method: str = Field(examples=["email"])
    channel_account: str
    location: str
    sender_kind: str = Field(examples=["email"])
    sender: str = Field(examples=["ann@customer.example"])
    sender_name: str
    recipients: list[str]
    contact_id: UUID | None = Field(description="Null: nobody known, or several share the handle and nobody chose yet.")
    subject_line: str = Field(examples=["Water leak"])
    robot: str = Field(description="What kind of machine sent it.", examples=["none"])
    message_id: str
    occurred_at: datetime
    received_at: datetime
    expired_at: datetime | None
    suggested_case: UUID | None = Field(description="The case that it may belong to.")
    reason: str = Field(description="Why it was left without effect.")
    old: bool = Field(description="Whether it was taken in from the past.")
    entered_by: str = Field(description="The user who entered it; empty: it came by itself.")
    files_removed_at: datetime | None
    erased_at: datetime | None
    call: Call | None
    delivery: Delivery | None = Field(description="What became of it, where it is a message of ours; null: it is none.")
    task_id: UUID | None = Field(description="The task that it was written for by hand; null: for none.")
    lead_id: UUID | None = Field(description="The lead that it is about; null: about none.")
    case_ids: list[UUID] = Field(description="The cases that it feeds.")


class CaseCommunication(ListedCommunication):
    """A communication of a case."""

    body: str
    own_text_length: int | None = Field(description="How many characters of the text come before what it quotes.")
    attachments: list[File]


class ScriptAnswer(Shape):
    """What was answered to a prompt of a script."""

    script: str = Field(examples=["pre"])
    prompt: str
    answer: str


class KeptScriptAnswer(ScriptAnswer):
    """What was answered; by whom and when it was written down, where staff did."""

    at: datetime | None = None
    by: str | None = None


class Candidate(Shape):
    """A contact who shares the sender's handle."""

    id: UUID
    name: str


class WholeCommunication(CaseCommunication):
    """A communication with text and files."""

    body_truncated: bool
    in_reply_to: str
    reference_ids: list[str]
    raw_sha256: str | None = Field(description="Of the message as it came; null: that is not kept.")
    raw_size: int | None
    script_answers: list[KeptScriptAnswer]
    last_activity_at: datetime
    candidates: list[Candidate]


class ShownCommunication(WholeCommunication):
    """A communication with text and files, and what its method says of it."""

    method_name: str
    locations: list[str] = Field(description="Those of its method.")
    scripts: list[ScriptAnswer] = Field(description="Every prompt of its method; the answer is empty where there is none.")
    unanswered: list[str]
    doubts: list[str] = Field(description="What does not agree with its method.")
    expires_at: datetime | None = Field(description="When it expires unless something happens; null: never.")


class OpenedCase(Shape):
    """A case that was opened."""

    id: UUID
    number: str = Field(examples=["C-2026-000001"])
    subject: str = Field(examples=["leak"])


class OpenedCases(Shape):
    """The cases that were opened."""

    cases: list[OpenedCase]
