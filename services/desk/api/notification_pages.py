"""What one was told, and how one chooses to be (NOTE-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.notifications import EVERY_WORDS, GROUP_WORDS, HOW_WORDS, WEEK, Chosen, digest_words, quiet_words
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.notifications import Notifications
from services.desk.handlers.waiting import Waiting
from shared.clock import Clock

After = Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")]
TimeField = Annotated[str, Form(max_length=8)]
DONE = {"read": "They are marked as read.", "saved": "It is saved. It holds for what comes from now on."}


def notification_pages(
    browser: Browser, notifications: Notifications, told: Waiting, organisation: Callable[[], Organisation], clock: Clock
) -> APIRouter:
    """`/notifications`. `told`: the count on the bell."""
    router = APIRouter(prefix="/notifications", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    looking_on: Visitor = Depends(browser.onlooker)
    ours = [Depends(from_our_own_page)]

    @router.get("")
    def listed(
        visitor: Visitor = signed_in, show: str = "", after: After = "", done: Annotated[str, Query(max_length=20)] = ""
    ) -> Response:
        require(visitor, "notification:own")
        is_unread = show == "unread"
        try:
            found, following = notifications.listed(visitor.token.token, unread=is_unread, after=after)
        except Away:
            return unread(browser, visitor, "/notifications")
        except Refused as refused:
            return unread(browser, visitor, "/notifications", str(refused))
        return browser.page(
            "notifications.html",
            visitor,
            found=found,
            show="unread" if is_unread else "",
            after=after,
            following=following,
            newest=max((one.place for one in found), default=0),
            any_unread=any(not one.is_read for one in found),
            when=when_of(clock, organisation()),
            message=DONE.get(done, ""),
        )

    @router.get("/unread")
    def count(visitor: Visitor = looking_on) -> Response:
        require(visitor, "notification:own")
        return JSONResponse({"unread": told.of(visitor.token.member.user, visitor.token.token)}, headers={"Cache-Control": "no-store"})

    @router.post("/read", dependencies=ours)
    def read(
        one: Annotated[UUID | None, Form()] = None,
        until: Annotated[int | None, Form(ge=0)] = None,
        show: Annotated[str, Form(max_length=10)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "notification:own")
        try:
            if one is not None or until is not None:
                notifications.read(visitor.token.token, one=one, until=until)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return unread(browser, visitor, "/notifications", str(refused))
        told.forget(visitor.token.member.user)
        return see_other(f"/notifications?{'show=unread&' if show == 'unread' else ''}done={'read' if one is None else ''}")

    return router


def preference_pages(browser: Browser, notifications: Notifications, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/preferences`."""
    router = APIRouter(prefix="/preferences", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    def page(
        visitor: Visitor, *, entry: Mapping[str, Any] | None = None, error: str = "", status: int = 200, message: str = ""
    ) -> Response:
        try:
            chosen = notifications.preferences(visitor.token.token)
        except Away:
            return unread(browser, visitor, "/preferences")
        except Refused as refused:
            return unread(browser, visitor, "/preferences", str(refused))
        return browser.page(
            "preferences.html",
            visitor,
            status,
            chosen=chosen,
            entry=entry if entry is not None else _entry(chosen),
            groups=GROUP_WORDS,
            hows=HOW_WORDS,
            everies=EVERY_WORDS,
            week=WEEK,
            default_quiet=quiet_words(chosen.default_quiet),
            default_digest=digest_words(chosen.default_digest),
            uses_digest="digest" in {chosen.choices.get(group, chosen.defaults[group]) for group in GROUP_WORDS},
            when=when_of(clock, organisation()),
            error=error,
            message=message,
        )

    @router.get("")
    def show(visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        require(visitor, "notification:own")
        return page(visitor, message=DONE.get(done, ""))

    @router.post("", dependencies=[Depends(from_our_own_page)])
    async def save(request: Request, visitor: Visitor = signed_in) -> Response:
        require(visitor, "notification:own")
        form = await request.form(max_fields=60, max_part_size=4096)
        fields = {name: [str(value)[:100] for value in form.getlist(name)] for name in form}
        return await run_in_threadpool(choose, visitor, fields)

    def choose(visitor: Visitor, fields: Mapping[str, list[str]]) -> Response:
        entry = _entered(fields)
        wanted, wrong = _wanted(entry)
        if wrong:
            return page(visitor, entry=entry, error=wrong, status=422)
        try:
            notifications.choose(visitor.token.token, wanted, entry["revision"])
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, entry=entry, error=str(refused), status=409)
        return see_other("/preferences?done=saved")

    return router


def _entry(chosen: Chosen) -> dict[str, Any]:
    """What the form's fields hold for what is chosen."""
    quiet, digest = chosen.quiet, chosen.digest
    shown = (quiet if quiet is not None and quiet["days"] else None) or chosen.default_quiet
    return {
        "revision": chosen.revision,
        "choices": {group: chosen.choices.get(group, "") for group in GROUP_WORDS},
        "quiet": "default" if quiet is None else "own" if quiet["days"] else "never",
        "begins": shown["from"] if shown else "20:00",
        "until": shown["until"] if shown else "07:00",
        "days": shown["days"] if shown else [day for day, _ in WEEK],
        "every": digest["every"] if digest else "",
        "at": (digest or chosen.default_digest)["at"],
        "zone": chosen.zone,
    }


def _entered(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """What the form's fields hold as they were sent."""

    def text(name: str) -> str:
        return (fields.get(name) or [""])[0].strip()

    revision = text("revision")
    return {
        "revision": int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 18 else 0,
        "choices": {group: text(f"how-{group}") for group in GROUP_WORDS},
        "quiet": text("quiet") if text("quiet") in ("own", "never") else "default",
        "begins": text("begins"),
        "until": text("until"),
        "days": [day for day, _ in WEEK if day in fields.get("days", [])],
        "every": text("every"),
        "at": text("at"),
        "zone": text("zone"),
    }


def _wanted(entry: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What notify is to be told, and what of it is missing; empty: nothing."""
    wanted: dict[str, Any] = {
        "choices": {group: how for group, how in entry["choices"].items() if how},
        "time_zone": entry["zone"],
    }
    if entry["quiet"] == "own":
        if not entry["begins"] or not entry["until"]:
            return wanted, "Say from when until when your quiet hours are."
        if not entry["days"]:
            return wanted, "Choose the days of your quiet hours, or that you have none."
        wanted["quiet_hours"] = {"from": entry["begins"], "until": entry["until"], "days": entry["days"]}
    elif entry["quiet"] == "never":
        wanted["quiet_hours"] = {"from": "20:00", "until": "07:00", "days": []}
    if entry["every"]:
        if entry["every"] != "hour" and not entry["at"]:
            return wanted, "Say at what time your digest comes."
        wanted["digest"] = {"every": entry["every"], "at": entry["at"] or "08:00"}
    return wanted, ""
