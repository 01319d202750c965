"""Recording a message that somebody wrote as an outbound communication, and having it sent (NOTE-2): the same whatever it is about.

A message has one id: that of its communication is that of its delivery. So what notify tells of the delivery is told of the communication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain import messages
from services.case.domain.matching import Effect
from services.case.domain.messages import MessageFile
from services.case.handlers.contacts import Origin
from services.case.handlers.records import NO_ANSWERS
from services.case.handlers.writing import Asking, Wanted, Writing
from services.case.storage import communications
from services.case.storage import messages as storage
from services.case.storage.communications import Attachment, CaseCommunication, Communication
from services.case.storage.messages import Delivery
from shared.ids import derive
from shared.messaging import ReferenceData
from shared.schemas.events import CommunicationRecorded, MessageAsked, RecordMessageAsked
from shared.schemas.parts import CustomerRef, FileRef
from shared.storage import Transaction

_QUEUED_REVISION = 0
"""Of a delivery that notify has told nothing of."""


@dataclass(frozen=True, slots=True)
class _Outbound:
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


class Letter(NamedTuple):
    """A message to be sent. `customer`: with the address that it goes to. `about`: what notify is told that it is about. `answered`:
    Message-ID of the mail that it answers; empty: of none. `case_id`: the case that it joins; none: it belongs to none. `method`: by which
    that came.
    """

    conversation_id: UUID
    customer: CustomerRef
    about: Mapping[str, Any]
    wanted: Wanted
    files: Sequence[MessageFile]
    answered: str = ""
    case_id: UUID | None = None
    method: str = ""


def message_of(origin: Origin) -> UUID:
    """The id of the message that this command asks for."""
    return derive("message", origin.cause)


def ask(tx: Transaction, reference: ReferenceData, writing: Writing, origin: Origin, letter: Letter) -> Asking:
    """Record it, and have it sent."""
    version, wanted, customer, case_id = reference.version, letter.wanted, letter.customer, letter.case_id
    method, account = writing.way(letter.method)
    id = message_of(origin)
    member = reference.staff.get(origin.user)
    sent = _Outbound(
        id=id,
        config_version=version,
        conversation_id=letter.conversation_id,
        effect=Effect.RECORDED if case_id is None else Effect.JOINS,
        method=method,
        account=account,
        message_id=messages.message_id(letter.conversation_id, id, writing.mail_domain),
        answered=messages.answerable(letter.answered),
        to=customer.email,
        contact_id=customer.contact_id,
        subject_line=wanted.subject_line,
        text=wanted.text,
        files=letter.files,
        by=origin.user,
        writer=member.name if member else origin.user,
        now=origin.now,
    )
    _keep(tx, sent, [] if case_id is None else [CaseCommunication(id, case_id, 0)])
    recorded = CommunicationRecorded(
        communication_id=id,
        conversation_id=letter.conversation_id,
        method=method,
        case_ids=() if case_id is None else (case_id,),
        customer=customer,
        subject_line=wanted.subject_line,
        direction="outbound",
        occurred_at=origin.now,
    )
    asked = RecordMessageAsked if case_id is None else MessageAsked
    message = asked.model_validate({**letter.about, **sent.asked(customer.name)})
    for revision, payload in enumerate((recorded, message), 1):
        tx.emit(
            payload,
            aggregate_id=id,
            key=case_id or id,
            revision=revision,
            cause=origin.cause,
            time=origin.now,
            config_version=version,
            traceparent=origin.traceparent,
        )
    return Asking(id, customer.email)


def _keep(tx: Transaction, message: _Outbound, links: Sequence[CaseCommunication]) -> None:
    """Record the message with its files, and that it waits to be sent."""
    attached = [
        Attachment(message.id, position, file.sha256 or "", file.size, file.filename, file.content_type, False, file.danger)
        for position, file in enumerate(message.files)
    ]
    communications.add(tx, [_communication(message)], attached, links, [])
    storage.keep(tx, [Delivery(message.id, _QUEUED_REVISION, message.now, storage.QUEUED, "", "")])


def _communication(message: _Outbound) -> Communication:
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
