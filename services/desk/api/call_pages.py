"""Calls as they come in (COM-5): the list of them, live, and the page of one with the customer who calls (CON-2)."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from services.desk.api.browser import Browser, NotSignedIn, Visitor
from services.desk.domain.calls import OUTCOMES, Call, number_words
from services.desk.domain.organisation import Organisation, Scripts
from services.desk.domain.tasks import due_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.calls import CallRecord, Calls, Customer, Recent
from services.desk.handlers.calls import LiveCalls
from shared.clock import Clock
from shared.web import Forbidden, Problem
from shared.web.streams import AGAIN_MILLISECONDS, HEARTBEAT_SECONDS, EventStream, event_text


@dataclass(frozen=True, slots=True)
class Row:
    """A call as a line of the list."""

    call: Call
    since: str
    since_iso: str
    line: str
    """Our number, and its unit's name."""
    answerer: str
    announcement: str


@dataclass(frozen=True, slots=True)
class Board:
    """The list of calls."""

    ringing: list[Row]
    going_on: list[Row]
    ended: list[Row]


def call_pages(browser: Browser, live: LiveCalls, calls: Calls, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """The pages of calls, behind sign-in."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    looking_on: Visitor = Depends(browser.onlooker)

    def board() -> Board:
        found, around, now = live.shown(), organisation(), clock()
        ringing, going_on, ended = ([_row(call, now, around) for call in some] for some in (found.ringing, found.going_on, found.ended))
        return Board(ringing, going_on, ended)

    drawing = threading.Lock()
    drawn: tuple[tuple[int, int], str] = ((-1, 0), "")

    def list_content() -> str:
        """The list as everybody sees it, drawn once for each change, and each minute, since calls grow old."""
        nonlocal drawn
        now = (live.sequence, int(clock().timestamp() // 60))
        with drawing:
            if drawn[0] != now:
                drawn = (now, browser.fragment("calls_board.html", board=board()))
            return drawn[1]

    @router.get("/calls")
    def list_calls(visitor: Visitor = signed_in) -> Response:
        _require(visitor)
        return browser.page("calls.html", visitor, board=board(), now=f"{clock().astimezone(organisation().zone):%H:%M}")

    @router.get("/calls/stream")
    async def stream(request: Request, visitor: Visitor = looking_on) -> Response:
        _require(visitor)
        user = visitor.token.member.user
        if live.listeners.full_for(user):
            raise Problem(503, "Too many pages follow the calls.", headers={"Retry-After": "30"})
        return EventStream(follow(request, user))

    async def follow(request: Request, user: str) -> AsyncGenerator[str, None]:
        """The list whenever it changes, until the process stops or the session ends."""
        sent, checked_at = "", time.monotonic()
        yield f"retry: {AGAIN_MILLISECONDS}\n\n"
        with live.listeners.listening(user) as listener:
            while not live.stopped:
                content = await run_in_threadpool(list_content)
                yield event_text("calls", content) if content != sent else ": nothing new\n\n"
                sent = content
                await listener.wait(HEARTBEAT_SECONDS)
                if time.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                    checked_at = time.monotonic()
                    if not await run_in_threadpool(may_go_on, request):
                        yield event_text("end", "session")
                        return

    def may_go_on(request: Request) -> bool:
        try:
            return browser.onlooker(request).sees_calls
        except NotSignedIn:
            return False

    @router.get("/calls/{call}")
    def one_call(call: UUID, visitor: Visitor = signed_in, contact: Annotated[UUID | None, Query()] = None) -> Response:
        _require(visitor)
        token = visitor.token.token
        away = False
        try:
            found = calls.call(token, call)
        except Refused as refused:
            return browser.page("call_refused.html", visitor, 404, reason=str(refused))
        except Away:
            known = live.one(call)
            if known is None:
                return browser.page("call_away.html", visitor, 503)
            found, away = _as_record(known), True
        chosen = _chosen(found, contact)
        customer: Customer | None = None
        recent: tuple[Recent, ...] = ()
        if chosen is not None and not away:
            try:
                customer = calls.customer(token, chosen) if visitor.may("case:read") else None
                recent = calls.recent(token, chosen, but=call)
            except Away:
                away = True
            except Refused:  # nothing of theirs is for this visitor
                customer = None
        around, now = organisation(), clock()
        return browser.page(
            "call.html",
            visitor,
            call=found,
            who=_who(found, customer),
            number=number_words(found.number),
            line=_line(found.line, around.line_units.get(found.line, ""), around),
            method=around.name("method", found.method),
            state=_state(found, now, around),
            now=f"{now.astimezone(around.zone):%H:%M}",
            chosen=chosen,
            candidates=[(id, name or number_words(found.number)) for id, name in found.candidates] if found.contact is None else [],
            customer=customer,
            cases=[
                (case, around.name("status", case.status), around.name("unit", case.unit), _when(case.opened_at, now, around))
                for case in customer.open_cases
            ]
            if customer
            else [],
            recent=[(one, around.name("method", one.method), _when(one.received_at, now, around)) for one in recent],
            scripts=around.scripts.get(found.method, Scripts()),
            away=away,
        )

    return router


def _require(visitor: Visitor) -> None:
    if not visitor.may("communication:read"):
        raise Forbidden("Your roles do not open this page; it needs the permission communication:read.")
    if not visitor.sees_calls:
        raise Forbidden("Your roles show you your own cases only, and a call that comes in belongs to none yet.")


def _chosen(call: CallRecord, wanted: UUID | None) -> UUID | None:
    """Whose cases to show: the contact's; else those of the only candidate, or of the one that the visitor chose."""
    candidates = [id for id, _ in call.candidates]
    if call.contact is not None or len(candidates) == 1:
        return call.contact or candidates[0]
    return wanted if wanted in candidates else None


def _row(call: Call, now: datetime, around: Organisation) -> Row:
    line = _line(call.line, call.unit, around)
    calling = f"{call.who} is calling, to {line}" if call.direction == "inbound" else f"{call.who} is being called, from {line}"
    when = _when(call.changed_at, now, around)
    return Row(call, when, call.changed_at.isoformat(), line, _answerer(call.answered_by, around), calling)


def _when(moment: datetime, now: datetime, around: Organisation) -> str:
    return due_words(moment, now, around.zone)


def _line(number: str, unit: str, around: Organisation) -> str:
    return f"{number_words(number)} ({around.name('unit', unit)})" if unit else number_words(number)


def _answerer(given: str, around: Organisation) -> str:
    """Who answered: staff by name where the gateway knows them by their user name, a number as people read it."""
    name = given.removeprefix("client:")
    return number_words(name) if name.startswith("+") else around.name("user", name)


def _who(call: CallRecord, customer: Customer | None) -> str:
    return (customer.name if customer else "") or call.caller_name or number_words(call.number)


def _state(call: CallRecord, now: datetime, around: Organisation) -> str:
    """How far it has got, in a sentence."""
    by = f" by {_answerer(call.answered_by, around)}" if call.answered_by else ""
    match call.stage:
        case "ringing":
            return f"Ringing since {_when(call.began_at, now, around)}"
        case "answered":
            return f"Answered{by} {_when(call.answered_at or call.began_at, now, around)}"
        case "ended":
            took = f", after {_duration(call.seconds)}" if call.seconds else ""
            return f"{OUTCOMES.get(call.outcome, 'Ended')} {_when(call.ended_at or call.began_at, now, around)}{took}"
        case None:
            return f"Received {_when(call.began_at, now, around)}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _as_record(call: Call) -> CallRecord:
    """What is known of a call while case does not answer."""
    name = call.contact_name or call.caller_name
    return CallRecord(
        call.id,
        call.direction,
        call.method,
        call.line,
        call.number,
        name,
        call.contact,
        call.candidates,
        call.began_at,
        call.stage,
        call.answered_at,
        call.answered_by,
        call.ended_at,
        call.outcome,
        call.seconds,
    )
