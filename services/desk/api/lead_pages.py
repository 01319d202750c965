"""The pages of leads: the list, and one with what may be done with it (LEAD-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.deadlines_of import DeadlinesOf
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.leads import INTEREST_WORDS, LEAD_STATE_WORDS, Steps, Terms, changes_of, steps_of
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.leads import LeadList, Leads, LeadStep
from shared.clock import Clock

LONGEST_NOTE = 20_000
Show = Literal["open", "pending", "in_progress", "won", "lost", "cancelled", "all"]
Sort = Literal["-priority", "-importance", "expected_completion_at", "-opened_at"]
SHOWS: dict[str, str] = {"open": "Open"} | LEAD_STATE_WORDS | {"all": "All"}
SORTS: dict[str, str] = {
    "-priority": "By priority",
    "-importance": "By importance",
    "expected_completion_at": "By due date",
    "-opened_at": "Newest",
}
DONE = {
    "accept": "The lead is yours now.",
    "status": "The status is set.",
    "win": "The lead is won.",
    "lose": "The lead is recorded as lost.",
    "cancel": "The lead is cancelled.",
    "notes": "The note is written.",
    "written": "The message is on its way.",
}
"""What the page of a lead says after a step."""


def lead_pages(
    browser: Browser, leads: Leads, organisation: Callable[[], Organisation], clock: Clock, deadlines_of: DeadlinesOf
) -> APIRouter:
    """`/leads`, `/leads/{id}`, and where its forms go to."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    def page(visitor: Visitor, lead: UUID, *, message: str = "", error: str = "", note: str = "", status: int = 200) -> Response:
        token = visitor.token.token
        try:
            found, terms, notes = leads.one(token, lead), leads.terms(token), leads.notes(token, lead)
            communications = leads.communications(token, lead) if visitor.may("communication:read") else ()
        except Away:
            return unread(browser, visitor, f"/leads/{lead}")
        except Refused as refused:
            return unread(browser, visitor, f"/leads/{lead}", str(refused))
        around, member = organisation(), visitor.token.member
        return browser.page(
            "lead.html",
            visitor,
            status,
            **deadlines_of(visitor, lead),
            lead=found,
            steps=steps_of(found, terms, member.user, member.unit) if visitor.may("lead:progress") else Steps(),
            changes=changes_of(found.history, terms, around.names, when_of(clock, around)),
            notes=notes,
            communications=communications,
            terms=terms,
            interest_words=INTEREST_WORDS,
            names=around,
            when=when_of(clock, around),
            now=clock(),
            key=uuid4(),
            longest=LONGEST_NOTE,
            message=message,
            error=error,
            note=note,
        )

    def do(visitor: Visitor, step: LeadStep, action: str, content: Mapping[str, str] | None, note: str = "") -> Response:
        require(visitor, "lead:progress")
        try:
            leads.take(visitor.token.token, step, action, content)
        except Away:
            if note:
                # The page may be away as well; what was written is not to be lost.
                return browser.page("lead_note_away.html", visitor, 503, lead=step.lead, key=step.key, note=note, longest=LONGEST_NOTE)
            return browser.page("case_away.html", visitor, 503, back=f"/leads/{step.lead}")
        except Refused as refused:
            return page(visitor, step.lead, error=str(refused), note=note, status=409)
        return see_other(f"/leads/{step.lead}?done={action}{'#notes' if action == 'notes' else ''}")

    @router.get("/leads")
    def list_leads(
        visitor: Visitor = signed_in,
        show: Show = "open",
        sort: Sort = "-priority",
        contact: UUID | None = None,
        after: Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
    ) -> Response:
        require(visitor, "lead:read")
        around, token = organisation(), visitor.token.token
        wishes = {"sort": sort} | ({"open": "true"} if show == "open" else {} if show == "all" else {"state": show})
        only = {"contact": str(contact)} if contact else {}
        wishes |= {"contact_id": str(contact)} if contact else {}
        found: LeadList | None = None
        terms = Terms()
        try:
            found, terms = leads.some(token, wishes | ({"cursor": after} if after else {})), leads.terms(token)
        except Away:
            found = None
        except Refused as refused:
            return unread(browser, visitor, "/leads", str(refused))

        def address(show: str, sort: str, **more: str) -> str:
            return f"/leads?{urlencode({'show': show, 'sort': sort} | more)}"

        return browser.page(
            "leads.html",
            visitor,
            503 if found is None else 200,
            leads=None if found is None else found.leads,
            next=found.next if found else None,
            is_first=not after,
            show=show,
            sort=sort,
            only=only,
            shows=SHOWS,
            sorts=SORTS,
            address=address,
            terms=terms,
            names=around,
            when=when_of(clock, around),
            now=clock(),
        )

    @router.get("/leads/{lead}")
    def one_lead(lead: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        require(visitor, "lead:read")
        return page(visitor, lead, message=DONE.get(done, ""))

    @router.post("/leads/{lead}/notes", dependencies=[Depends(from_our_own_page)])
    def write_note(
        lead: UUID,
        key: Annotated[UUID, Form()],
        text: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "lead:progress")
        # Browsers send each line's end as two characters.
        said = text.replace("\r\n", "\n").strip()
        if not said:
            return page(visitor, lead, error="Write something first: the note is empty.", status=422)
        if len(said) > LONGEST_NOTE or "\x00" in said:
            return page(visitor, lead, error=f"A note has {LONGEST_NOTE} characters at most.", note=text, status=422)
        return do(visitor, LeadStep(lead, 0, key), "notes", {"text": said}, said)

    @router.post("/leads/{lead}/{action}", dependencies=[Depends(from_our_own_page)])
    def take_step(
        lead: UUID,
        action: Literal["accept", "status", "win", "lose", "cancel"],
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        status: Annotated[str, Form(max_length=64)] = "",
        lost_reason: Annotated[str, Form(max_length=64)] = "",
        reason: Annotated[str, Form(max_length=2000)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        content = {"reason": reason.replace("\x00", "").strip()}
        if action == "status":
            content["status"] = status
        if lost_reason and action == "lose":
            content["lost_reason"] = lost_reason
        if action == "status" and not status:
            return page(visitor, lead, error="Choose the status first.", status=422)
        return do(visitor, LeadStep(lead, revision, key), action, None if action == "accept" else content)

    return router
