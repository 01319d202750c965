"""Changing many cases at once, each by the same decision as a single command (EDGE-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.answers import Chosen
from services.case.domain.case import Actor, Case
from services.case.domain.life_cycle import Stage
from services.case.domain.refusals import CaseRefusal
from services.case.handlers.commands import Asked, Commands, UnknownCase
from services.case.storage import bulk
from services.case.storage.bulk import Job, Result
from services.case.storage.lists import Wanted
from services.case.storage.views import Rows
from shared.messaging import EventPublisher
from shared.storage import Database, Transaction

BATCH = 200
"""Cases changed in one transaction."""
PREVIEWED = 50
_SHOWN = ("status", "state", "unit", "owner", "urgency", "impact", "priority", "category", "estimated_completion_at")


class OutOfReach(CaseRefusal):
    """The case has left the rows that the asker reaches."""


class Outcome(NamedTuple):
    """What became of a case, or would: done, unchanged or refused, and why; with field, old and new value of what changed."""

    case_id: UUID
    number: str
    outcome: str
    why: str
    changes: tuple[tuple[str, str | None, str | None], ...]


class _Undone(Exception):
    """Takes back what a preview did."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How many cases a change is for, and what would happen to the newest."""

    total: int
    outcomes: Sequence[Outcome]


def preview(database: Database, commands: Commands, wanted: Wanted, rows: Rows, job: Job, now: datetime, traceparent: str) -> Preview:
    """Decide and write for the newest cases, then take all of it back: what is shown is what would happen."""
    outcomes: list[Outcome] = []
    total = 0
    with suppress(_Undone), database.transaction() as tx:
        total, ids = bulk.first(tx, wanted, rows, now, PREVIEWED)
        decided = {id: _change(tx, commands, job, id, now, traceparent) for id in sorted(ids)}
        outcomes = [decided[id] for id in ids]
        raise _Undone
    return Preview(total, outcomes)


def work(publisher: EventPublisher, commands: Commands, now: datetime, traceparent: str) -> dict[str, int] | None:
    """Change the next cases of the job that waited longest, and keep what became of each, in one transaction; None: no job waits.

    A crash takes back all of the batch, so none is done twice. How many had which outcome.
    """
    with publisher.transaction() as tx:
        job = bulk.take(tx)
        if job is None:
            return None
        found = bulk.to_do(tx, job.id, BATCH + 1)
        batch = found[:BATCH]
        # In the order in which everybody locks cases.
        outcomes = [
            (position, _change(tx, commands, job, id, now, traceparent)) for position, id in sorted(batch, key=lambda item: item[1])
        ]
        results = [Result(position, outcome.outcome, outcome.why) for position, outcome in outcomes]
        bulk.save(tx, job, results, len(found) > BATCH, now)
    return {name: sum(result.outcome == name for result in results) for name in ("done", "unchanged", "refused")}


def _change(tx: Transaction, commands: Commands, job: Job, case_id: UUID, now: datetime, traceparent: str) -> Outcome:
    before: list[Case] = []

    def permit(case: Case) -> None:
        before.append(case)
        if not _reaches(job, case):
            raise OutOfReach(f"change of case {case.number}", "it is not among the cases that you reach")

    actor = Actor(job.asked_by, job.asked_unit, may_override=bool(job.change.get("override")))
    try:
        after = _apply(tx, commands, job.change, Asked(case_id, actor, job.id, now, traceparent, permit))
    except UnknownCase:
        return Outcome(case_id, "", "refused", "there is no such case any more", ())
    except CaseRefusal as error:
        # Refused before anything was written, so the others of the batch stay.
        return Outcome(case_id, before[0].number if before else "", "refused", error.why, ())
    changes = tuple((name, _text(old), _text(new)) for name in _SHOWN if (old := getattr(before[0], name)) != (new := getattr(after, name)))
    is_done = after.revision != before[0].revision or job.change["kind"] == "reply"
    return Outcome(case_id, after.number, "done" if is_done else "unchanged", "", changes)


def _apply(tx: Transaction, commands: Commands, change: Mapping[str, Any], asked: Asked) -> Case:
    kind = change["kind"]
    if kind == "status":
        return commands.set_status(tx, asked, change["status"], change["reason"])
    if kind == "assign":
        return commands.assign(tx, asked, change["unit"], change["owner"], change["reason"])
    if kind == "priority":
        return commands.set_priority(tx, asked, change["urgency"], change["impact"])
    if kind == "answer":
        return commands.answer(tx, asked, Stage(change["stage"]), Chosen(change["category"], change["text"]), change["status"])
    if kind == "category":
        return commands.set_category(tx, asked, change["category"])
    if kind == "estimate":
        at = change["estimated_completion_at"]
        return commands.estimate(tx, asked, None if at is None else datetime.fromisoformat(at), change["reason"])
    if kind == "reply":
        return commands.tell(tx, asked, change["text"])
    raise ValueError(f"there is no bulk change of kind {kind}")


def _reaches(job: Job, case: Case) -> bool:
    if job.scope == "all" or case.owner == job.asked_by:
        return True
    return job.scope == "unit" and case.unit == job.asked_unit


def _text(value: object) -> str | None:
    return None if value is None else str(value)
