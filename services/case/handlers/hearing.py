"""Keeping when customers last heard of their cases (SLA-1): by outbound communications and calls, and after communications have moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from services.case.domain.case import SYSTEM, Case, Change, HistoryEntry, entries
from services.case.domain.hearing import Heard, heard, settled
from services.case.handlers.events import emit_case
from services.case.storage import cases
from services.case.storage import hearing as storage
from shared.schemas.envelope import Event
from shared.schemas.events import CaseAmended
from shared.storage import Transaction

Hearings = dict[UUID, Heard]
"""By case, the last time that its customer heard of it."""


def note(hearings: Hearings, case_ids: Iterable[UUID], at: datetime, event: Event, by: str = SYSTEM) -> None:
    """Note that the customers of these cases heard of them."""
    for id in case_ids:
        known = hearings.get(id)
        if known is None or known.at < at:
            hearings[id] = Heard(at, by, event.id, event.traceparent)


def lock(tx: Transaction, hearings: Hearings) -> None:
    """Lock these cases, in the order in which everybody does, before anybody keeps them from being deleted."""
    if hearings:
        cases.lock(tx, sorted(hearings))


def save(tx: Transaction, hearings: Hearings, answered: Mapping[UUID, tuple[datetime, Event]], now: datetime) -> None:
    """Write and tell when the customers of these cases heard of them; `answered`: by these calls of ours, which were answered."""
    if answered:
        for communication_id, case_id in storage.by_calls(tx, list(answered)):
            at, event = answered[communication_id]
            note(hearings, [case_id], at, event)
    if not hearings:
        return
    found = cases.lock(tx, sorted(hearings))
    decided = [(heard(case, hearings[id].at, hearings[id].by, now), hearings[id]) for id, case in found.items()]
    for case in _written(tx, [decision for decision, _ in decided]):
        hearing = hearings[case.id]
        emit_case(tx, CaseAmended, case, hearing.cause, now, hearing.traceparent)


def settle(tx: Transaction, concerned: Collection[Case], by: str, cause: UUID, now: datetime, traceparent: str) -> None:
    """Work out anew when the customers of these cases, which are locked, last heard of them: communications have come or gone."""
    told = storage.last(tx, [case.id for case in concerned], now)
    for case in _written(tx, [settled(case, told[case.id], by, now) for case in concerned]):
        emit_case(tx, CaseAmended, case, cause, now, traceparent)


def _written(tx: Transaction, decided: Iterable[tuple[Case, tuple[Change, ...]]]) -> list[Case]:
    changed = [(case, changes) for case, changes in decided if changes]
    history: list[HistoryEntry] = [entry for case, changes in changed for entry in entries(case, changes)]
    cases.change(tx, [case for case, _ in changed])
    cases.add_history(tx, history)
    return [case for case, _ in changed]
