"""sla's HTTP API: clocks, counts, dead letters (role `api`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query
from pydantic import BaseModel

from services.sla.consumer import Projection
from services.sla.handlers.projecting import clocks_of
from services.sla.settings import Settings
from services.sla.storage import items
from services.sla.storage.items import Reach
from shared.observability import configure_logging
from shared.observability.health import Ready
from shared.storage import Database, dead_letters
from shared.web import NotFound, Principal, TokenVerifier, create_app, dead_letters_router, requires, serve

READER = Annotated[Principal, Depends(requires("clock:read"))]


class Suspension(BaseModel):
    """A span when a clock did not run; no end: it does not run now."""

    from_at: datetime
    until_at: datetime | None


class ClockView(BaseModel):
    """A clock: its budget of working time, its ledger, and what comes next."""

    id: UUID
    kind: str
    item_kind: Literal["case", "task", "communication"]
    item_id: UUID
    case_id: UUID | None
    number: str
    title: str
    unit: str
    assignee: str | None
    priority: str
    state: Literal["running", "suspended", "overdue", "closed"]
    started_at: datetime
    due_at: datetime
    due_soon_at: datetime | None
    next_alert_at: datetime | None
    closed_at: datetime | None
    budget_seconds: float
    calendar: str | None
    pauses: bool
    suspensions: list[Suspension]
    alerts: int


class Clocks(BaseModel):
    """The clocks on an item."""

    items: list[ClockView]
    next: str | None = None


class Counts(BaseModel):
    """How much there is."""

    timers: int
    dead_letters: int


def clocks_router(database: Database) -> APIRouter:
    """`GET /clocks`, `GET /clocks/{id}` and `GET /counts`."""
    router = APIRouter(tags=["clocks"])

    @router.get("/clocks", summary="The clocks on a case (with its tasks'), a task or a communication.")
    def listed(principal: READER, item_id: Annotated[UUID, Query(description="The case, task or communication.")]) -> Clocks:
        with database.read() as tx:
            rows = items.of_item(tx, item_id, _reach(principal))
        return Clocks(items=[ClockView(**clock) for row in rows for clock in clocks_of(row)])

    @router.get("/clocks/{clock}", summary="One clock and its ledger.")
    def one(clock: UUID, principal: READER) -> ClockView:
        with database.read() as tx:
            row = items.of_clock(tx, clock, _reach(principal))
        for found in clocks_of(row) if row is not None else []:
            if found["id"] == clock:
                return ClockView(**found)
        raise NotFound

    @router.get("/counts", summary="How many running clocks and dead letters there are.")
    def counts(_principal: Annotated[Principal, Depends(requires("status:read"))]) -> Counts:
        with database.read() as tx:
            return Counts(timers=items.count_open(tx), dead_letters=dead_letters.count_open(tx))

    return router


def build(settings: Settings, database: Database, ready: Ready, verifier: TokenVerifier | None = None) -> FastAPI:
    """The whole API."""
    return create_app("sla", settings, [clocks_router(database), dead_letters_router("sla", database)], ready=ready, verifier=verifier)


def run(settings: Settings) -> None:
    """Follow the changelog and serve until told to stop."""
    configure_logging("sla", "api", settings.log_level)
    database = Database(settings.database, pool_size=4, service="sla")
    projection = Projection(settings, database)
    try:
        projection.start()
        serve(build(settings, database, projection.problems), settings)
    finally:
        projection.close()
        database.close()


def _reach(principal: Principal) -> Reach:
    if principal.scope == "all":
        return Reach()
    return Reach(principal.unit if principal.scope == "unit" else None, principal.user)
