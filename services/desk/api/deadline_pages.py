"""What is overdue, what soon will be, and what is due next (SLA-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from services.desk.api.browser import Browser, Visitor
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.deadlines import CLOCK_WORDS, ITEM_WORDS, NO_DEADLINES, Standing, near_words
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.deadlines import DeadlineList, Deadlines, Show
from shared.clock import Clock

SHOWS: dict[Show, str] = {"breached": "Overdue", "at-risk": "At risk", "upcoming": "Due later"}
KINDS = {kind: words for kind, words in CLOCK_WORDS.items() if kind not in NO_DEADLINES}
WITHIN = {"4 hours": "4 hours", "1 day": "24 hours", "7 days": "7 days"}
Code = Annotated[str, Query(max_length=64, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")]
Kind = Literal["", "due", "response", "temporary_resolution", "resolution", "completion", "start", "update"]
Place = Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_=-]*$")]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; empty: not by this."""

    kind: str = ""
    item_kind: str = ""
    unit: str = ""
    subject: str = ""
    method: str = ""
    within: str = ""
    mine: bool = False

    def given(self) -> dict[str, str]:
        """Those that are set, as the page's address has them."""
        codes = {name: getattr(self, name) for name in ("kind", "item_kind", "unit", "subject", "method", "within")}
        return {name: value for name, value in codes.items() if value} | ({"mine": "true"} if self.mine else {})


def filters_of(
    kind: Kind = "",
    item_kind: Literal["", "case", "task", "lead"] = "",
    unit: Code = "",
    subject: Code = "",
    method: Code = "",
    within: Literal["", "4 hours", "1 day", "7 days"] = "",
    mine: bool = False,
) -> Filters:
    """A dependency: what the address narrows the list to."""
    return Filters(kind, item_kind, unit, subject, method, within, mine)


def deadline_pages(browser: Browser, deadlines: Deadlines, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/deadlines`."""
    router = APIRouter(prefix="/deadlines", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("")
    def list_deadlines(
        wanted: Annotated[Filters, Depends(filters_of)], visitor: Visitor = signed_in, show: Show = "breached", after: Place = ""
    ) -> Response:
        require(visitor, "clock:read")
        around, now, token = organisation(), clock(), visitor.token.token
        only = wanted.given()
        asked = {name: value for name, value in only.items() if name not in ("mine", "within")}
        asked |= {"assignee": visitor.token.member.user} if wanted.mine else {}
        place = ({"within": wanted.within} if wanted.within and show == "upcoming" else {}) | ({"after": after} if after else {})
        found: DeadlineList | None = None
        figures: Standing | None = None
        try:
            found = deadlines.listed(token, show, asked | place)
            figures = deadlines.figures(token, asked)
        except Away:
            found = None
        except Refused as refused:
            return unread(browser, visitor, "/deadlines", str(refused))

        def address(show: str, **more: str) -> str:
            return f"/deadlines?{urlencode({'show': show} | more)}"

        return browser.page(
            "deadlines.html",
            visitor,
            503 if found is None else 200,
            found=found,
            figures=figures,
            show=show,
            shows=SHOWS,
            only=only,
            only_words=_words(wanted, show, around),
            wanted=wanted,
            kinds=KINDS,
            item_kinds=ITEM_WORDS,
            withins=WITHIN,
            is_first=not after,
            address=address,
            near=lambda at: near_words(at, now),
            now=f"{now.astimezone(around.zone):%H:%M}",
            names=around,
            when=when_of(clock, around),
        )

    return router


def _words(wanted: Filters, show: Show, around: Organisation) -> str:
    """What the list is narrowed to, for people; empty: to nothing."""
    words = [
        "with you" if wanted.mine else "",
        CLOCK_WORDS.get(wanted.kind, wanted.kind),
        {"case": "cases", "task": "tasks", "lead": "leads"}.get(wanted.item_kind, ""),
        *[f"{kind} {around.name(kind, code)}" for kind in ("unit", "subject", "method") if (code := getattr(wanted, kind))],
        f"due within {WITHIN[wanted.within]}" if wanted.within and show == "upcoming" else "",
    ]
    return ", ".join([each for each in words if each])
