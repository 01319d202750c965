"""Lists of tasks that follow what happens (TASK-9): tells an open page that it is worth reading again.

What changed is for the page to ask: so it shows what any page shows, and nothing more goes through here than that something changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from services.desk import metrics
from services.desk.api.browser import Browser, NotSignedIn, Visitor
from services.desk.gateways.asking import Away
from services.desk.gateways.task_changes import TaskChangesReader
from shared.web import Forbidden, Problem
from shared.web.streams import AGAIN_MILLISECONDS, HEARTBEAT_SECONDS, EventStream, Listener, Listeners, event_text

AGAIN_SECONDS = 3.0
"""How soon the task service is asked again, after it ended the stream or did not answer."""


class LivePages:
    """The pages that follow tasks. One per process."""

    def __init__(self) -> None:
        self.listeners = Listeners(metrics.TASK_LISTENERS, metrics.TASK_LISTENERS_REFUSED)
        self.stopped = False

    def stop(self) -> None:
        """End them: the process is about to. Safe within a signal's handler."""
        self.stopped = True
        self.listeners.wake()


@dataclass(slots=True)
class _Heard:
    """What one page has heard of the task service."""

    changes: int = 0
    is_connected: bool = False


def task_stream(browser: Browser, live: LivePages, changes: TaskChangesReader) -> APIRouter:
    """`/tasks/stream`, for the pages of my tasks and, with `team`, of my unit's."""
    router = APIRouter(include_in_schema=False)
    looking_on: Visitor = Depends(browser.onlooker)

    @router.get("/tasks/stream")
    async def stream(request: Request, visitor: Visitor = looking_on, team: bool = False) -> Response:
        wanted = "task:assign" if team else "task:read"
        if not visitor.may(wanted):
            raise Forbidden(f"Your roles do not open this page; it needs the permission {wanted}.")
        if live.stopped or live.listeners.full_for(visitor.token.member.user):
            raise Problem(503, "Too many pages follow the tasks.", headers={"Retry-After": "30"})
        params = {"unit": visitor.token.member.unit} if team else {"mine": "true"}
        return EventStream(follow(request, visitor.token.member.user, params))

    async def follow(request: Request, user: str, params: dict[str, str]) -> AsyncGenerator[str, None]:
        """`changed` whenever something did, until the process stops or the session ends."""
        heard, seen, was_connected, checked_at = _Heard(), 0, False, time.monotonic()
        with live.listeners.listening(user) as listener:
            listening = asyncio.create_task(listen(request, params, heard, listener))
            try:
                yield f"retry: {AGAIN_MILLISECONDS}\n\n"
                while not live.stopped:
                    if heard.is_connected is not was_connected:
                        was_connected = heard.is_connected
                        yield event_text("live" if was_connected else "away", "{}")
                    if heard.changes != seen:
                        seen = heard.changes
                        yield event_text("changed", str(seen))
                    await listener.wait(HEARTBEAT_SECONDS)
                    if time.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                        checked_at = time.monotonic()
                        if await run_in_threadpool(token_of, request) is None:
                            yield event_text("end", "session")
                            return
                        yield ": still here\n\n"
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening

    async def listen(request: Request, params: dict[str, str], heard: _Heard, listener: Listener) -> None:
        """Follow the task service, with a new token whenever it has ended the stream, from where it was."""
        place = ""
        while (token := await run_in_threadpool(token_of, request)) is not None:
            with contextlib.suppress(Away):
                async for name, at in changes.follow(token, params, place):
                    place = at
                    heard.is_connected = name != "end"
                    heard.changes += name in ("task", "gone", "reset")
                    listener.wake()
            heard.is_connected = False
            listener.wake()
            await asyncio.sleep(AGAIN_SECONDS)

    def token_of(request: Request) -> str | None:
        """A token of who is signed in still."""
        try:
            return browser.onlooker(request).token.token
        except NotSignedIn:
            return None

    return router
