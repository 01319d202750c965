"""Writing to a contact without a case: `/contacts/{id}/messages` (NOTE-2)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.case.api.contacts import require_reached
from services.case.api.messages import MessageBody, Template, Writer, asked_answer, choices_of, draft_of, wanted_of
from services.case.api.reach import Asking, refusals
from services.case.api.shapes.declaring import gives
from services.case.api.shapes.messages import AskedRecordMessage, MessageChoices, MessageDraft
from services.case.domain.contacts import Contact
from services.case.handlers import writing
from services.case.handlers.contact_messages import ContactMessages
from services.case.handlers.contacts import Origin
from services.case.storage import contacts
from services.case.storage import messages as storage
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, Principal, answer_once, requires


def contact_messages_router(publisher: EventPublisher, commands: ContactMessages, clock: Clock) -> APIRouter:
    """The routes under `/contacts/{id}`."""
    router = APIRouter(prefix="/contacts/{contact_id}", tags=["messages"], dependencies=[Depends(requires("case:read"))])
    sends = Depends(requires("message:send"))

    def once(asking: Command, contact_id: UUID, work: Callable[[Transaction, Origin, str], writing.Asking]) -> Response:
        def answer() -> Answer:
            require_reached(tx, contact_id, asking.principal)
            origin = Origin(asking.principal.user, asking.cause, clock(), current_traceparent())
            message = work(tx, origin, asking.principal.unit)
            return asked_answer(message)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/message-choices", responses=gives(MessageChoices), summary="Where a contact can be written to, and with how much.")
    def choices(contact_id: UUID, principal: Writer) -> Response:
        with publisher.database.read() as tx:
            contact = _visible(tx, contact_id, principal)
            found = storage.reachable(tx, contact.email, contact.id)
        return choices_of(commands.drafts, contact, found, principal.user)

    @router.get(
        "/message-draft",
        responses=gives(MessageDraft),
        summary="What a message begins with: a template filled for the contact, to be changed.",
    )
    def show_draft(
        contact_id: UUID,
        principal: Writer,
        template: Template = None,
    ) -> Response:
        with publisher.database.read() as tx:
            contact = _visible(tx, contact_id, principal)
        return draft_of(commands.drafts, contact, template, principal.user)

    @router.post(
        "/messages",
        responses=gives(AskedRecordMessage, 202),
        status_code=202,
        dependencies=[sends],
        summary="Write to a contact: recorded as an outbound communication of theirs, and sent.",
    )
    def send(contact_id: UUID, body: MessageBody, asking: Asking) -> Response:
        wanted = wanted_of(body, asking.principal)
        return once(asking, contact_id, lambda tx, origin, unit: commands.send(tx, origin, unit, contact_id, wanted))

    @router.post(
        "/messages/{communication_id}/send-again",
        responses=gives(AskedRecordMessage, 202),
        status_code=202,
        dependencies=[sends],
        summary="Send a message that failed or came back once more, as a message of its own.",
    )
    def send_again(contact_id: UUID, communication_id: UUID, asking: Asking) -> Response:
        return once(asking, contact_id, lambda tx, origin, unit: commands.send_again(tx, origin, unit, contact_id, communication_id))

    return router


def _visible(tx: Transaction, contact_id: UUID, principal: Principal) -> Contact:
    require_reached(tx, contact_id, principal)
    contact = contacts.get(tx, contact_id)
    if contact is None:
        raise NotFound
    return contact
