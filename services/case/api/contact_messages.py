"""Writing to a contact without a case: `/contacts/{id}/messages` (NOTE-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.case.api.contacts import require_reached
from services.case.api.messages import MessageBody, Writer, choices_of, wanted_of
from services.case.api.reach import Asking, refusals
from services.case.api.shapes.declaring import gives
from services.case.api.shapes.messages import AskedRecordMessage, MessageChoices, MessageDraft
from services.case.domain.contacts import Contact
from services.case.domain.drafting import Draft
from services.case.handlers import messages
from services.case.handlers.contacts import Origin
from services.case.handlers.record_messages import ContactMessages
from services.case.storage import contacts
from services.case.storage import messages as storage
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, Principal, answer_once, requires


def contact_messages_router(publisher: EventPublisher, commands: ContactMessages, clock: Clock) -> APIRouter:
    """The routes under `/contacts/{id}`."""
    router = APIRouter(prefix="/contacts/{contact_id}", tags=["messages"], dependencies=[Depends(requires("case:read"))])
    sends = Depends(requires("message:send"))

    def once(asking: Command, contact_id: UUID, work: Callable[[Transaction, Origin, str], messages.Asking]) -> Response:
        def answer() -> Answer:
            require_reached(tx, contact_id, asking.principal)
            origin = Origin(asking.principal.user, asking.cause, clock(), current_traceparent())
            message = work(tx, origin, asking.principal.unit)
            return Answer({"id": message.communication_id, "recipient": message.recipient, "state": storage.QUEUED}, 202)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/message-choices", responses=gives(MessageChoices), summary="Where a contact can be written to, and with how much.")
    def choices(contact_id: UUID, principal: Writer) -> Response:
        with publisher.database.read() as tx:
            contact = _visible(tx, contact_id, principal)
            found = storage.reachable(tx, contact.email, contact.id)
        return choices_of(found, commands.templates(), commands.tags(contact, principal.user)).response()

    @router.get(
        "/message-draft",
        responses=gives(MessageDraft),
        summary="What a message begins with: a template filled for the contact, to be changed.",
    )
    def show_draft(
        contact_id: UUID,
        principal: Writer,
        template: Annotated[Code | None, Query(description="One of those that `message-choices` lists; none: an empty message.")] = None,
    ) -> Response:
        with publisher.database.read() as tx:
            contact = _visible(tx, contact_id, principal)
        found = commands.draft(contact, template, principal.user) if template is not None else Draft("", "")
        if found is None:
            raise NotFound("There is no such template that a contact can fill.")
        return Answer(found._asdict()).response()

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
