"""Writing to the customer of a lead: `/leads/{id}/messages`, and the communications about it (NOTE-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.case.api.leads import asked_of, visible_lead
from services.case.api.messages import MessageBody, Template, Writer, asked_answer, choices_of, draft_of, wanted_of
from services.case.api.reach import READS, Asking, may_see, refusals
from services.case.api.shapes.communications import CaseCommunication
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.messages import AskedRecordMessage, MessageChoices, MessageDraft
from services.case.domain.leads.lead import Lead
from services.case.handlers import writing
from services.case.handlers.leads.commands import AskedOfLead
from services.case.handlers.leads.writing import LeadMessages
from services.case.storage import leads, views
from services.case.storage import messages as storage
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, Principal, answer_once, requires

MOST = 500
"""Communications that are shown of a lead: the newest."""


def lead_messages_router(publisher: EventPublisher, commands: LeadMessages, clock: Clock) -> APIRouter:
    """The routes under `/leads/{id}`."""
    router = APIRouter(prefix="/leads/{lead_id}", tags=["messages"])
    progresses = Depends(requires("lead:progress"))
    sends = [progresses, Depends(requires("message:send"))]

    def once(asking: Command, lead_id: UUID, work: Callable[[Transaction, AskedOfLead], writing.Asking]) -> Response:
        def answer() -> Answer:
            # What was changed since does not matter to a message.
            message = work(tx, asked_of(lead_id, asking, clock, checks_revision=False))
            return asked_answer(message)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get(
        "/communications",
        responses=gives(Listed[CaseCommunication]),
        dependencies=[Depends(requires(READS))],
        summary=f"Messages about a lead and the answers to them, the oldest first; the newest {MOST}.",
    )
    def communications(lead_id: UUID, principal: Annotated[Principal, Depends(requires("lead:read"))]) -> Response:
        with publisher.database.read() as tx:
            visible_lead(tx, lead_id, principal)
            return Answer({"items": views.communications_of_lead(tx, lead_id, MOST), "next": None}).response()

    @router.get(
        "/message-choices",
        responses=gives(MessageChoices),
        dependencies=[progresses],
        summary="Where the customer of a lead can be written to, and with how much.",
    )
    def choices(lead_id: UUID, principal: Writer) -> Response:
        with publisher.database.read() as tx:
            lead = _visible(tx, lead_id, principal)
            found = storage.reachable(tx, lead.customer_email, lead.contact_id)
        return choices_of(commands.drafts, lead, found, principal.user)

    @router.get(
        "/message-draft",
        responses=gives(MessageDraft),
        dependencies=[progresses],
        summary="What a message begins with: a template filled for the lead, to be changed.",
    )
    def show_draft(
        lead_id: UUID,
        principal: Writer,
        template: Template = None,
    ) -> Response:
        with publisher.database.read() as tx:
            lead = _visible(tx, lead_id, principal)
        return draft_of(commands.drafts, lead, template, principal.user)

    @router.post(
        "/messages",
        responses=gives(AskedRecordMessage, 202),
        status_code=202,
        dependencies=sends,
        summary="Write to its customer: recorded as an outbound communication about the lead, and sent.",
    )
    def send(lead_id: UUID, body: MessageBody, asking: Asking) -> Response:
        wanted = wanted_of(body, asking.principal)
        return once(asking, lead_id, lambda tx, asked: commands.send(tx, asked, wanted))

    @router.post(
        "/messages/{communication_id}/send-again",
        responses=gives(AskedRecordMessage, 202),
        status_code=202,
        dependencies=sends,
        summary="Send a message that failed or came back once more, as a message of its own.",
    )
    def send_again(lead_id: UUID, communication_id: UUID, asking: Asking) -> Response:
        return once(asking, lead_id, lambda tx, asked: commands.send_again(tx, asked, communication_id))

    return router


def _visible(tx: Transaction, lead_id: UUID, principal: Principal) -> Lead:
    lead = leads.get(tx, lead_id)
    if lead is None or not may_see(principal, lead.unit, lead.owner):
        raise NotFound
    return lead
