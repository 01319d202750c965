"""Recording a message that somebody wrote as an outbound communication, and having it sent (NOTE-2): the same whatever it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.case.domain.matching import Effect
from services.case.domain.messages import MessageFile
from services.case.handlers.records import NO_ANSWERS
from services.case.storage import communications
from services.case.storage import messages as storage
from services.case.storage.communications import Attachment, CaseCommunication, Communication
from services.case.storage.messages import Delivery
from shared.schemas.parts import FileRef
from shared.storage import Transaction

_QUEUED_REVISION = 0
"""Of a delivery that notify has told nothing of."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message on its way to a customer. `answered`: Message-ID of the customer's mail that it answers; empty: of none."""

    id: UUID
    config_version: int
    conversation_id: UUID
    effect: Effect
    method: str
    account: str
    """Our address that answers come in by; empty: there is none."""
    message_id: str
    answered: str
    to: str
    contact_id: UUID | None
    subject_line: str
    text: str
    files: Sequence[MessageFile]
    by: str
    """The user who writes."""
    writer: str
    """What they are called."""
    now: datetime

    def asked(self, name: str) -> dict[str, Any]:
        """What the event says that asks for it, besides what it is about. `name`: the customer's."""
        return {
            "communication_id": self.id,
            "conversation_id": self.conversation_id,
            "method": self.method,
            "recipient": self.to,
            "recipient_name": name[:200],
            "reply_to": self.account,
            "message_id": self.message_id,
            "in_reply_to": self.answered,
            "subject_line": self.subject_line,
            "text": self.text,
            "files": tuple([_reference_to(file) for file in self.files]),
            "written_by": self.by,
            "written_at": self.now,
        }


def keep(tx: Transaction, message: Outbound, links: Sequence[CaseCommunication]) -> None:
    """Record the message with its files, and that it waits to be sent."""
    attached = [
        Attachment(message.id, position, file.sha256 or "", file.size, file.filename, file.content_type, False, file.danger)
        for position, file in enumerate(message.files)
    ]
    communications.add(tx, [_communication(message)], attached, links, [])
    storage.keep(tx, [Delivery(message.id, _QUEUED_REVISION, message.now, storage.QUEUED, "", "")])


def _communication(message: Outbound) -> Communication:
    return Communication(
        id=message.id,
        revision=2,
        config_version=message.config_version,
        conversation_id=message.conversation_id,
        effect=message.effect.value,
        direction="outbound",
        method=message.method,
        channel_account=message.account,
        location="",
        sender_kind="email",
        sender=message.account,
        sender_name=message.writer,
        recipients=(message.to,),
        contact_id=message.contact_id,
        subject_line=message.subject_line,
        body=message.text,
        body_truncated=False,
        own_text_length=None,
        message_id=message.message_id,
        in_reply_to=message.answered,
        reference_ids=(message.answered,) if message.answered else (),
        robot="none",
        raw_sha256=None,
        raw_size=None,
        occurred_at=message.now,
        received_at=message.now,
        script_answers=NO_ANSWERS,
        suggested_case=None,
        reason="",
        old=False,
        entered_by=message.by,
    )


def _reference_to(file: MessageFile) -> FileRef:
    return FileRef(sha256=file.sha256 or "", size=file.size, filename=file.filename, content_type=file.content_type, danger=file.danger)
