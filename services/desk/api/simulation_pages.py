"""Trying out other deadlines against what has been: a configuration that is pasted, uploaded or a draft (EDGE-8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.desk.api.browser import Browser, Visitor, from_our_own_page
from services.desk.api.record_pages import when_of
from services.desk.domain.deadline_report import Period, period_of
from services.desk.domain.organisation import Organisation
from services.desk.domain.simulation import OUTCOME_WORDS, Simulated
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.deadlines import Deadlines
from services.desk.handlers.drafts import MOST, problems_of
from services.desk.storage import drafts
from shared.clock import Clock
from shared.schemas.configuration.check import Problem as FoundProblem
from shared.storage import Database
from shared.web import Forbidden, Problem

NEEDED, DRAFTS = "clock:simulate", "configuration:read"
LONGEST_TEXT = 2 * 1024 * 1024
"""Bytes of a configuration that is tried out here."""
FORM_BYTES = 2 * LONGEST_TEXT + 64 * 1024
SHOWN_PROBLEMS = 20


class Sent(NamedTuple):
    """The form as it was sent. `trouble`: what is wrong with it, in words."""

    draft: str = ""
    text: str = ""
    uploaded: str = ""
    first: str = ""
    last: str = ""
    trouble: str = ""


async def sent_form(request: Request) -> AsyncIterator[Sent]:
    """The form, whose text may be longer than the fields of others."""
    try:
        async with request.form(max_files=1, max_fields=10, max_part_size=LONGEST_TEXT) as form:

            def text(name: str) -> str:
                value = form.get(name)
                return value.replace("\x00", "") if isinstance(value, str) else ""

            uploaded, trouble = "", ""
            file = form.get("file")
            if isinstance(file, UploadFile) and file.size:
                if file.size > LONGEST_TEXT:
                    trouble = "The file is too long to be a configuration."
                else:
                    try:
                        uploaded = (await file.read()).decode()
                    except UnicodeDecodeError:
                        trouble = "The file is not text: a configuration is YAML in UTF-8."
            yield Sent(text("draft"), text("text"), uploaded, text("from")[:10], text("to")[:10], trouble)
    except HTTPException as error:
        raise Problem(413, "The form could not be read: the text is too long to be a configuration.") from error


def simulation_pages(
    browser: Browser, deadlines: Deadlines, database: Database, organisation: Callable[[], Organisation], clock: Clock
) -> APIRouter:
    """`/deadlines/simulation`."""
    signed_in: Visitor = Depends(browser.visitor)

    def triers(visitor: Visitor = signed_in) -> Visitor:
        if not visitor.may(NEEDED):
            raise Forbidden(f"Your roles do not open this page; it needs the permission {NEEDED}.")
        return visitor

    router = APIRouter(prefix="/deadlines/simulation", include_in_schema=False)
    # As defaults, since annotations are evaluated outside of this function.
    trying: Visitor = Depends(triers)

    # Whoever may not is refused before the form is read.
    async def form_of(request: Request, _visitor: Visitor = trying) -> AsyncIterator[Sent]:
        async for sent in sent_form(request):
            yield sent

    form_sent: Sent = Depends(form_of)

    def page(
        visitor: Visitor,
        sent: Sent,
        period: Period,
        *,
        error: str = "",
        problems: tuple[FoundProblem, ...] = (),
        simulated: Simulated | None = None,
        status: int = 200,
    ) -> Response:
        kept: list[str] = []
        if visitor.may(DRAFTS):
            with database.read() as tx:
                kept = [draft.name for draft in drafts.listed(tx, MOST, None)]
        around = organisation()
        return browser.page(
            "simulation.html",
            visitor,
            status,
            sent=sent,
            period=period,
            drafts=kept,
            simulated=simulated,
            outcomes=OUTCOME_WORDS,
            problems=problems[:SHOWN_PROBLEMS],
            more_problems=max(0, len(problems) - SHOWN_PROBLEMS),
            error=error or period.error,
            names=around,
            when=when_of(clock, around),
        )

    def period(sent: Sent) -> Period:
        return period_of(sent.first, sent.last, clock().astimezone(organisation().zone).date())

    @router.get("")
    def form(visitor: Visitor = trying) -> Response:
        return page(visitor, Sent(), period(Sent()))

    @router.post("", dependencies=[Depends(from_our_own_page)])
    def simulate(sent: Sent = form_sent, visitor: Visitor = trying) -> Response:
        days = period(sent)
        # What was uploaded is shown in the field, to be changed and tried again.
        sent = sent._replace(text=sent.uploaded or sent.text)
        if days.error or sent.trouble:
            return page(visitor, sent, days, error=sent.trouble, status=422)
        source = sent.text
        if not source.strip() and sent.draft and visitor.may(DRAFTS):
            with database.read() as tx:
                draft = drafts.one(tx, sent.draft)
            if draft is None:
                return page(visitor, sent, days, error="There is no such draft any more.", status=422)
            source = draft.source
        if not source.strip():
            return page(visitor, sent, days, error="Choose a draft, a file, or paste a configuration.", status=422)
        if problems := problems_of(source):
            return page(visitor, sent, days, problems=problems, error="The configuration cannot be tried out as it is.", status=422)
        begins, ends = days.moments(organisation().zone)
        try:
            found = deadlines.simulate(visitor.token.token, source, begins, ends)
        except Away:
            return page(visitor, sent, days, error="The service that keeps the time of deadlines does not answer. Try again.", status=503)
        except Refused as refused:
            return page(visitor, sent, days, error=str(refused), status=422)
        return page(visitor, sent, days, simulated=found)

    return router
