"""Routes to see dead letters and have them worked on again; the same for every service that consumes."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from shared.storage import Database, dead_letters
from shared.web.auth import Principal, requires
from shared.web.pages import PageRequest, page_request
from shared.web.problems import Conflict, NotFound, Problem

# At module level: FastAPI resolves annotations, which are text here, by the module's names.
Reader = Annotated[Principal, Depends(requires("dead-letter:read"))]
Replayer = Annotated[Principal, Depends(requires("dead-letter:replay"))]
STATES = Literal["open", "replaying", "replayed", "discarded", "all"]


class Replay(BaseModel):
    """What to work on instead of the message's own value: text, or any bytes as base64; neither: the value as it is."""

    model_config = ConfigDict(extra="forbid")

    value: str | None = Field(default=None, examples=['{"id": 1}'])
    value_base64: str | None = Field(default=None, examples=["eyJpZCI6IDF9"])

    def content(self) -> bytes | None:
        """The bytes to work on, or none for the message's own."""
        if self.value is not None and self.value_base64 is not None:
            raise Problem(422, "Give value or value_base64, not both.")
        if self.value is not None:
            return self.value.encode()
        if self.value_base64 is None:
            return None
        try:
            return base64.b64decode(self.value_base64, validate=True)
        except ValueError as error:
            raise Problem(422, "value_base64 is not base64.") from error


def dead_letters_router(service: str, database: Database) -> APIRouter:
    """`GET /dead-letters`, `GET /dead-letters/{id}`, `POST /dead-letters/{id}/replay` and `.../discard` of `service`."""
    router = APIRouter(prefix="/dead-letters", tags=["dead letters"])

    @router.get("", summary=f"Messages that {service} could not work on, the oldest first.")
    def listed(
        _principal: Reader,
        page: Annotated[PageRequest, Depends(page_request)],
        state: Annotated[STATES, Query(description="Which ones.")] = "open",
    ) -> dict[str, Any]:
        after = page.keys(1)
        last = _letter_id(str(after[0])) if after else None
        with database.read() as tx:
            found = dead_letters.listed(tx, None if state == "all" else state, page.limit + 1, last)
        shown = found[: page.limit]
        return {"items": shown, "next": page.following(len(found), shown, lambda letter: (str(letter["id"]),))}

    @router.get("/{letter}", summary="One of them with its headers and value.")
    def shown(letter: UUID, _principal: Reader) -> dict[str, Any]:
        with database.read() as tx:
            found = dead_letters.get(tx, letter)
        if found is None:
            raise NotFound
        return _readable(found)

    @router.post("/{letter}/replay", status_code=202, summary="Have it worked on again, by this service alone.")
    def replay(letter: UUID, principal: Replayer, edited: Replay | None = None) -> dict[str, str]:
        content = edited.content() if edited else None
        with database.transaction() as tx:
            done = dead_letters.ask_replay(tx, letter, principal.user, content)
            known = done or dead_letters.get(tx, letter) is not None
        return _answer(letter, done, known, "replaying")

    @router.post("/{letter}/discard", summary="Set it aside for good; it stays readable.")
    def discard(letter: UUID, principal: Replayer) -> dict[str, str]:
        with database.transaction() as tx:
            done = dead_letters.discard(tx, letter, principal.user)
            known = done or dead_letters.get(tx, letter) is not None
        return _answer(letter, done, known, "discarded")

    return router


def _answer(letter: UUID, done: bool, known: bool, state: str) -> dict[str, str]:
    if not known:
        raise NotFound
    if not done:
        raise Conflict("Only an open dead letter can be replayed or discarded.")
    return {"id": str(letter), "state": state}


def _letter_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error


def _readable(letter: dict[str, Any]) -> dict[str, Any]:
    """Bytes as text where they are UTF-8, and always as base64."""
    shown = dict(letter)
    for name in ("key", "value"):
        content = shown.pop(name)
        shown[name] = None if content is None else bytes(content).decode("utf-8", "replace")
        shown[f"{name}_base64"] = None if content is None else base64.b64encode(content).decode()
    shown["headers"] = [[name, base64.b64decode(text).decode("utf-8", "replace")] for name, text in letter["headers"]]
    return shown
