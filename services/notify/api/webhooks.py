"""Webhooks for operators: how each is doing, what it was told; telling it again, pausing and resuming it (EDGE-18)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.notify.storage import webhooks
from shared.messaging import ReferenceData
from shared.observability import get_logger
from shared.schemas.configuration.webhooks import Webhook
from shared.storage import Database
from shared.web import Conflict, Forbidden, NotFound, Page, PageRequest, Principal, Problem, Unprocessable, page_request, requires

log = get_logger(__name__)
READER = Annotated[Principal, Depends(requires("webhook:read"))]
OPERATOR = Annotated[Principal, Depends(requires("webhook:manage"))]
Paging = Annotated[PageRequest, Depends(page_request)]
MessageState = Literal["waiting", "taken", "skipped", "erased"]
MOST_IDS = 1000


class WebhookView(BaseModel):
    """A webhook and how it is doing. `state`: failing is tried again at `due_at`, paused is not until somebody resumes it; `status` and
    `error`: of the last attempt (0: there was no answer), `failures`: in a row, since `failing_since`.
    """

    code: str
    name: str
    url: str
    events: tuple[str, ...]
    units: tuple[str, ...]
    state: Literal["well", "failing", "paused"]
    waiting: int = 0
    waiting_since: datetime | None = None
    taken_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    due_at: datetime | None = None
    status: int = 0
    error: str = ""
    paused_at: datetime | None = None
    paused_by: str = ""
    paused_why: str = ""


class Webhooks(BaseModel):
    """All of the newest configuration."""

    items: list[WebhookView]


class MessageView(BaseModel):
    """An event for a webhook, without what it says. `attempts` to tell it so far, of all times that it was told."""

    event_id: UUID
    event_type: str
    item: str
    state: MessageState
    attempts: int
    created_at: datetime
    taken_at: datetime | None


class ReplayBody(BaseModel):
    """What to tell again: what came about from `since` up to `until` (now), or the events with these ids."""

    model_config = ConfigDict(extra="forbid")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    ids: list[UUID] = Field(default_factory=list, max_length=MOST_IDS)


class Replayed(BaseModel):
    """How many are told again."""

    messages: int


class PauseBody(BaseModel):
    """Why, for those who find it paused."""

    model_config = ConfigDict(extra="forbid")
    why: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")


class SkipBody(BaseModel):
    """The event that is passed over."""

    model_config = ConfigDict(extra="forbid")
    id: UUID


def webhooks_router(database: Database, reference: ReferenceData) -> APIRouter:
    """`/webhooks` and what is below it. Only who reaches everything is let in: events are of all units."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    def known(code: str, principal: Principal) -> Webhook:
        if principal.scope != "all":
            raise Forbidden("Webhooks are told of all units' events; your role reaches only some.")
        found = next((section for section in reference.configuration().webhooks if section.code == code), None)
        if found is None:
            raise NotFound
        return found

    @router.get("", summary="Webhooks and how they are doing.")
    def listed(principal: READER) -> Webhooks:
        if principal.scope != "all":
            raise Forbidden("Webhooks are told of all units' events; your role reaches only some.")
        with database.read() as tx:
            states = webhooks.states(tx)
        return Webhooks(items=[_view(section, states.get(section.code, {})) for section in reference.configuration().webhooks])

    @router.get("/{code}/deliveries", summary="Events for a webhook, the newest first.")
    def messages(
        code: str,
        principal: READER,
        page: Paging,
        state: Annotated[MessageState | None, Query(description="In this state.")] = None,
    ) -> Page[MessageView]:
        section = known(code, principal)
        after = page.keys(1)
        if after and not isinstance(after[0], int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = webhooks.listed(tx, section.code, state, after[0] if after else None, page.limit + 1)
        shown = rows[: page.limit]
        following = page.following(len(rows), shown, lambda row: (row["sequence"],))
        return Page(items=[MessageView(**row) for row in shown], next=following)

    @router.post("/{code}/replay", summary="Tell it events again, in their order and under their ids, before those that wait.")
    def replay(code: str, body: ReplayBody, principal: OPERATOR) -> Replayed:
        section = known(code, principal)
        if (body.since is None) == (not body.ids) or (body.until is not None and body.since is None):
            raise Unprocessable("Give `since`, and `until` if you like, or `ids`.")
        with database.transaction() as tx:
            count = webhooks.replay(tx, section.code, body.since, body.until, body.ids)
        log.info("webhook told again", webhook=section.code, messages=count, by=principal.user)
        return Replayed(messages=count)

    @router.post("/{code}/pause", status_code=204, summary="Tell it nothing for now; events wait.")
    def pause(code: str, principal: OPERATOR, body: PauseBody | None = None) -> None:
        section = known(code, principal)
        with database.transaction() as tx:
            done = webhooks.pause(tx, section.code, principal.user, body.why if body else "")
        if not done:
            raise Conflict("It is paused already.")
        log.info("webhook paused", webhook=section.code, by=principal.user)

    @router.post("/{code}/resume", status_code=204, summary="Tell it what waits, at once.")
    def resume(code: str, principal: OPERATOR) -> None:
        section = known(code, principal)
        with database.transaction() as tx:
            done = webhooks.resume(tx, section.code)
        if not done:
            raise Conflict("It is neither paused nor failing.")
        log.info("webhook resumed", webhook=section.code, by=principal.user)

    @router.post("/{code}/skip", status_code=204, summary="Pass over an event that it cannot take, so that the next ones follow.")
    def skip(code: str, body: SkipBody, principal: OPERATOR) -> None:
        section = known(code, principal)
        with database.transaction() as tx:
            done = webhooks.skip(tx, section.code, body.id)
        if not done:
            raise Conflict("No such event waits for it.")
        log.info("webhook event skipped", webhook=section.code, event_id=str(body.id), by=principal.user)

    return router


def _view(section: Webhook, state: dict[str, Any]) -> WebhookView:
    known = {name: value for name, value in state.items() if name in WebhookView.model_fields}
    doing: Literal["well", "failing", "paused"] = "well"
    if state.get("paused_at"):
        doing = "paused"
    elif state.get("failures"):
        doing = "failing"
    if doing != "failing":
        known["due_at"] = None
    return WebhookView(
        **{**known, "code": section.code, "name": section.name, "url": section.url, "events": section.events, "units": section.units},
        state=doing,
    )
