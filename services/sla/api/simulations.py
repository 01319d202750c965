"""`POST /simulations`: other rules tried on the cases there were."""

from __future__ import annotations

from datetime import datetime
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.sla.api.asking import Around, reach_of
from services.sla.api.reports import period_of
from services.sla.api.shapes import ChangedClock, SimulatedKind, Simulation
from services.sla.domain.clocks import Clock
from services.sla.handlers.alerts import CLOCK_NAMES
from services.sla.handlers.policies import build_policy
from services.sla.handlers.simulating import Changed, as_applied, simulate
from services.sla.storage.histories import cases_between
from shared.calendars.openings import micros, moment
from shared.schemas.configuration.check import check_configuration
from shared.storage import Database
from shared.web import Conflict, Principal, Unprocessable, requires

MOST_SECONDS = 40.0
"""A simulation stops after so long, with what it has until then."""
BODY_BYTES = 4 * 1024 * 1024
PATH = "/simulations"


class SimulationBody(BaseModel):
    """What to try, and on which cases."""

    model_config = ConfigDict(extra="forbid")

    configuration: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")] = Field(
        description="A whole configuration as YAML; it is checked as `casestream config check` does, and not applied."
    )
    begin: AwareDatetime | None = Field(default=None, alias="from", description="The first moment; 30 days before `until` when left out.")
    until: AwareDatetime | None = Field(default=None, description="The first moment after it; now when left out.")


def simulations_router(database: Database, around: Around) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["simulations"])
    busy = Lock()

    @router.post(PATH, summary="How many clocks of cases would have been missed under another configuration; nothing is changed.")
    def simulated(body: SimulationBody, principal: Annotated[Principal, Depends(requires("clock:simulate"))]) -> Simulation:
        checked = check_configuration(body.configuration)
        if checked.configuration is None:
            problems = [
                {"line": problem.line, "column": problem.column, "key": problem.path, "message": problem.message}
                for problem in checked.problems[:100]
            ]
            raise Unprocessable(
                f"The configuration has {len(checked.problems)} problems; the first: {checked.problems[0]}", problems=problems
            )
        if not busy.acquire(blocking=False):
            raise Conflict("Another simulation is under way; try again when it is done.")
        try:
            now = around.clock()
            begin, until = period_of(body.begin, body.until, now)
            policy = build_policy(as_applied(checked.configuration, around.reference.configuration()))
            with database.read() as tx:
                cases = cases_between(tx, begin, until, reach_of(principal))
                found = simulate(cases, policy, micros(begin), micros(until), micros(now), MOST_SECONDS)
        finally:
            busy.release()
        return Simulation(
            begin=begin,
            until=until,
            cases=found.cases,
            is_complete=found.is_complete,
            uncounted=found.uncounted,
            kinds=[
                SimulatedKind(
                    kind=CLOCK_NAMES[kind],
                    clocks=tally.clocks,
                    missed_before=tally.missed_before,
                    missed_after=tally.missed_after,
                    newly_missed=tally.newly_missed,
                    newly_met=tally.newly_met,
                )
                for kind, tally in sorted(found.kinds.items())
            ],
            items=[_changed(one) for one in found.changed],
        )

    return router


def _changed(one: Changed) -> ChangedClock:
    return ChangedClock(
        item_kind="case",
        item_id=one.item.item_id,
        number=one.item.number,
        title=one.item.title,
        kind=CLOCK_NAMES[one.difference.kind],
        before=one.before or None,
        after=one.after or None,
        due_before=_due(one.difference.before),
        due_after=_due(one.difference.after),
    )


def _due(clock: Clock | None) -> datetime | None:
    return None if clock is None else moment(clock.due_at)
