"""Who is away: entered and ended for oneself, and by managers for others (TASK-7, EDGE-13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.booking_pages import Spans
from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.choices import Choices
from services.desk.domain.contact_entry import local_minute
from services.desk.domain.moments import moment_in
from services.desk.domain.organisation import Organisation
from services.desk.domain.staffing import HAND_OVER_WORDS, Absence
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.staffing import Staffing
from shared.clock import Clock

LONGEST_NOTE = 1000
DONE = {
    "entered": "The absence is entered.",
    "ended": "The absence is over.",
    "cancelled": "The absence is cancelled.",
    "set": "The return is set.",
}
_EMPTY: Mapping[str, str] = {"user": "", "from": "", "until": "", "stand_in": "", "hand_over": "all", "give_back": "yes", "note": ""}


def absence_pages(
    browser: Browser, staffing: Staffing, organisation: Callable[[], Organisation], choices: Callable[[], Choices], clock: Clock
) -> APIRouter:
    """`/absences`."""
    router = APIRouter(prefix="/absences", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    ours = [Depends(from_our_own_page)]

    def page(
        visitor: Visitor, *, past: bool = False, entry: Mapping[str, str] = _EMPTY, error: str = "", status: int = 200, message: str = ""
    ) -> Response:
        require(visitor, "task:read")
        around, now, member = organisation(), clock(), visitor.token.member
        try:
            found = staffing.absences(visitor.token.token, past=past)
        except Away:
            return unread(browser, visitor, "/absences")
        except Refused as refused:
            return unread(browser, visitor, "/absences", str(refused))
        manages = visitor.may("absence:manage") and visitor.token.grant.scope != "own"
        staff = choices().staff
        reached = [person for person in staff if visitor.token.grant.scope == "all" or person.unit == member.unit]
        when = when_of(clock, around)
        return browser.page(
            "absences.html",
            visitor,
            status,
            mine=[one for one in found if one.user == member.user],
            others=[one for one in found if one.user != member.user],
            manages=manages,
            people=reached if manages else [],
            staff=staff,
            entry=dict(entry) | ({} if entry["from"] else {"from": local_minute(now, around.zone)}),
            hand_overs=HAND_OVER_WORDS,
            past=past,
            names=around,
            when=when,
            span=Spans(when, around.zone),
            key=uuid4(),
            longest=LONGEST_NOTE,
            error=error,
            message=message,
        )

    @router.get("")
    def list_absences(visitor: Visitor = signed_in, past: bool = False, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        return page(visitor, past=past, message=DONE.get(done, ""))

    @router.post("", dependencies=ours)
    def enter(
        key: Annotated[UUID, Form()],
        user: Annotated[str, Form(max_length=64)] = "",
        begins: Annotated[str, Form(alias="from", max_length=40)] = "",
        until: Annotated[str, Form(max_length=40)] = "",
        stand_in: Annotated[str, Form(max_length=64)] = "",
        hand_over: Annotated[str, Form(max_length=30)] = "all",
        give_back: Annotated[str, Form(max_length=5)] = "",
        note: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "task:progress")
        zone = organisation().zone
        entry = {"user": user, "from": begins, "until": until, "stand_in": stand_in, "hand_over": hand_over, "give_back": give_back}
        entry["note"] = said = note.replace("\r\n", "\n").replace("\x00", "").strip()
        starts_at, ends_at = moment_in(begins, zone), moment_in(until, zone) if until else None
        wrong = ""
        if starts_at is None or (until and ends_at is None):
            wrong = "Say from when, and when they are back: date and time."
        elif ends_at is not None and ends_at <= starts_at:
            wrong = "The return comes after the beginning."
        elif len(said) > LONGEST_NOTE:
            wrong = f"A note has {LONGEST_NOTE} characters at most."
        if wrong or starts_at is None:
            return page(visitor, entry=entry, error=wrong, status=422)
        content: dict[str, object] = {"from": starts_at.isoformat(), "hand_over": hand_over, "give_back": bool(give_back), "note": said}
        content |= {"until": ends_at.isoformat()} if ends_at else {}
        content |= {name: value for name, value in (("user", user), ("stand_in", stand_in)) if value}
        return do(visitor, lambda token: staffing.enter(token, content, key), "entered", entry)

    @router.post("/{absence}/end", dependencies=ours)
    def end(
        absence: UUID,
        key: Annotated[UUID, Form()],
        until: Annotated[str, Form(max_length=40)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "task:progress")
        ends_at = moment_in(until, organisation().zone) if until else None
        if until and ends_at is None:
            return page(visitor, error="Say when they are back: date and time.", status=422)
        return do(visitor, lambda token: staffing.end(token, absence, ends_at, key), "set" if until else "", _EMPTY)

    def do(visitor: Visitor, step: Callable[[str], Absence], done: str, entry: Mapping[str, str]) -> Response:
        try:
            found = step(visitor.token.token)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, entry=entry, error=str(refused), status=409)
        return see_other(f"/absences?done={done or ('cancelled' if found.state == 'cancelled' else 'ended')}")

    return router
