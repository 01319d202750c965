"""Changes of tasks as they happen, as a stream of events (TASK-9)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from services.task import metrics
from services.task.api.views import caller_of
from services.task.domain.caller import Caller
from services.task.handlers.changes import Reader, TaskChanges
from shared.web import Principal, Problem, TokenVerifier, requires
from shared.web.auth import KeysUnavailable, NotAuthentic
from shared.web.streams import AGAIN_MILLISECONDS, EVENT_STREAM, HEARTBEAT_SECONDS, EventStream, event_text

Code = Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")]
Place = Annotated[str | None, Header(alias="Last-Event-ID", max_length=500, description="The last `id`: goes on from there.")]


def changing(changes: TaskChanges) -> APIRouter:
    """The route of the stream."""
    router = APIRouter(tags=["tasks"])

    @router.get(
        "/tasks/changes",
        summary="Tasks within reach as they change, as server-sent events.",
        responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
        response_class=Response,
    )
    async def stream(
        request: Request,
        principal: Annotated[Principal, Depends(requires("task:read"))],
        mine: Annotated[bool, Query(description="Only what is mine or could be: as /tasks/mine with `with_available`.")] = False,
        unit: Code = None,
        last_event_id: Place = None,
    ) -> Response:
        if changes.stopped or not changes.began:
            raise Problem(503, "Changes cannot be followed just now.", headers={"Retry-After": "3"})
        match changes.listeners.full_for(principal.user):
            case "user":
                raise Problem(429, "You follow the changes in too many places already.", headers={"Retry-After": "30"})
            case "process":
                raise Problem(503, "Too many follow the changes here.", headers={"Retry-After": "30"})
        caller = caller_of(principal)
        if mine:
            caller = replace(caller, scope="own")
        verifier: TokenVerifier = request.app.state.verifier
        token = request.headers["authorization"].partition(" ")[2].strip()
        return EventStream(_follow(changes, verifier, token, caller, unit, last_event_id))

    return router


async def _follow(
    changes: TaskChanges, verifier: TokenVerifier, token: str, caller: Caller, unit: str | None, place: str | None
) -> AsyncGenerator[str, None]:
    """What changes for the caller, until the process stops or the token ends."""
    with changes.listeners.listening(caller.user) as listener:
        reader = Reader(changes, place)
        yield f"retry: {AGAIN_MILLISECONDS}\n\n" + (_reset(reader) if reader.is_reset else event_text("ready", "{}", reader.place))
        checked_at = sent_at = time.monotonic()
        while not changes.stopped:
            text = _read(reader, caller, unit)
            if not text and time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
                # An id by itself is no event, and moves the place on from which the client would go on.
                text = f": still here\nid: {reader.place}\n\n"
            if text:
                yield text
                sent_at = time.monotonic()
            if not reader.has_more:
                await listener.wait(HEARTBEAT_SECONDS)
            if time.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                checked_at = time.monotonic()
                if not await run_in_threadpool(_is_good, verifier, token):
                    yield event_text("end", '{"reason":"token"}', reader.place)
                    return
        yield event_text("end", '{"reason":"stopping"}', reader.place)


def _read(reader: Reader, caller: Caller, unit: str | None) -> str:
    """The events of what there is to read; empty: nothing that is for the caller."""
    found = reader.read()
    if found is None:
        return _reset(reader)
    told = [(change, is_shown) for change in found if (is_shown := change.for_whom(caller, unit)) is not None]
    texts = []
    for change, is_shown in told:
        # Only the last has an id: a client that has taken a part goes on before it, and is told some twice.
        id = reader.place if change is told[-1][0] else ""
        gone = "" if is_shown else orjson.dumps({"id": change.task_id, "revision": change.revision}).decode()
        texts.append(event_text("task" if is_shown else "gone", gone or change.data, id))
    return "".join(texts)


def _reset(reader: Reader) -> str:
    metrics.LISTENERS_RESET.inc()
    return event_text("reset", "{}", reader.place)


def _is_good(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.principal(token)
    except NotAuthentic:
        return False
    except KeysUnavailable:  # not the client's fault; the next time will tell
        return True
    return True
