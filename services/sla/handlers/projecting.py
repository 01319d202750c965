"""From records of the changelog to rows of the read model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Final
from uuid import UUID

from services.sla.domain.clocks import CASE_CLOCKS, ClockKind
from services.sla.domain.packing import unpack
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, ItemKind, Record
from services.sla.domain.standing import ending_of, notice_of, suspended_by, used_by
from services.sla.handlers.alerts import CLOCK_NAMES
from services.sla.storage import clocks, items
from shared.ids import clock_id_bytes
from shared.storage import Transaction

PolicyOf = Callable[[int], Policy]
"""The rules of a configuration version; of the newest where it is not kept any more."""


PURGED_AT_ONCE: Final = 2_000
"""Items looked at in one transaction."""
POSSIBLE: Final[dict[ItemKind, tuple[ClockKind, ...]]] = {
    ItemKind.CASE: CASE_CLOCKS,
    ItemKind.TASK: (ClockKind.DUE, ClockKind.LAG, ClockKind.START),
    ItemKind.COMMUNICATION: (ClockKind.EXPIRY,),
    ItemKind.LEAD: (ClockKind.COMPLETION,),
}
"""The clocks that an item can have."""
VANISHING: Final[dict[ItemKind, tuple[ClockKind, ...]]] = POSSIBLE | {ItemKind.TASK: (ClockKind.DUE,), ItemKind.COMMUNICATION: ()}
"""Those of them that it may have no more: a case without a target for them, a task that waits again for others."""


def project(tx: Transaction, changes: Iterable[tuple[bytes, bytes | None]], policy_of: PolicyOf) -> None:
    """Write the last of each key's records. Raises `UnknownFormat` for those of a newer release."""
    rows: list[items.Row] = []
    clock_rows: list[clocks.Row] = []
    forgotten: list[UUID] = []
    gone: list[bytes] = []
    # In one order, whoever writes: so two that write at once do not lock each other out.
    for key, packed in sorted(dict(changes).items(), key=itemgetter(0)):
        if key[0] == ItemKind.CONVERSATION:
            continue
        item = UUID(bytes=key[1:])
        if packed is None:
            forgotten.append(item)
            continue
        record = unpack(packed)
        rows.append(_row_of(item, record, packed))
        text = str(item)
        clock_rows += _clock_rows_of(item, text, record, policy_of)
        there = [clock.kind for clock in record.clocks]
        gone += [clock_id_bytes(text, CLOCK_NAMES[kind]) for kind in VANISHING[record.kind] if kind not in there]
    items.write(tx, rows)
    clocks.keep_runs(tx, [(row.clock_id, row.started_at) for row in clock_rows if row.kind == ClockKind.UPDATE])
    clocks.write(tx, clock_rows, gone + _ids_of(items.forget(tx, forgotten)))


def purge(tx: Transaction, before: datetime, after: UUID) -> tuple[UUID | None, int]:
    """Of the next items by id, behind this one, delete those that were finished before then. The place to go on, and how many went."""
    place, gone = items.purge(tx, before, after, PURGED_AT_ONCE)
    clocks.write(tx, [], _ids_of(gone))
    if place is None:
        clocks.purge_runs(tx, before)
    return place, len(gone)


def _ids_of(gone: Iterable[tuple[UUID, int]]) -> list[bytes]:
    """The ids of all clocks that these items may have."""
    return [clock_id_bytes(str(item), CLOCK_NAMES[kind]) for item, item_kind in gone for kind in POSSIBLE[ItemKind(item_kind)]]


_id = lru_cache(10_000)(UUID)
"""A case's id is that of all its tasks' rows too."""


def _row_of(item: UUID, record: Record, packed: bytes) -> items.Row:
    facts = record.facts
    case = _id(facts.case_id) if facts.case_id else (item if record.kind == ItemKind.CASE else None)
    open_clocks = sum([clock.closed_at is None for clock in record.clocks])
    finished_at = None if record.forget_at is None else record.forget_at - RETENTION
    number, title = (None, None) if facts == NO_FACTS else (facts.number, facts.title)
    return items.Row(item, int(record.kind), case, number, title, facts.unit, facts.assignee, open_clocks, finished_at, packed)


def _clock_rows_of(item: UUID, text: str, record: Record, policy_of: PolicyOf) -> list[clocks.Row]:
    facts = record.facts
    known: tuple[str | None, str | None, str | None, str | None, str | None] = (None, None, None, None, None)
    if facts != NO_FACTS:
        known = (facts.unit, facts.assignee, facts.priority, facts.method, facts.subject)
    rows = []
    for clock in record.clocks:
        used, suspended = None, 0
        if clock.closed_at is not None:
            used = used_by(clock, policy_of(record.config_version).calendar_of(clock.calendar), clock.closed_at)
            suspended = suspended_by(clock, clock.closed_at)
        rows.append(
            clocks.Row(
                clock_id_bytes(text, CLOCK_NAMES[clock.kind]),
                item,
                clock.kind,
                record.kind,
                *known,
                clock.started_at,
                clock.soon_at,
                clock.due_at,
                clock.suspensions[-1][0] if clock.closed_at is None and clock.is_suspended else None,
                clock.closed_at,
                ending_of(clock, record),
                notice_of(clock),
                min(clock.rung, 32_767),
                clock.budget,
                used,
                suspended,
                clock.target,
            )
        )
    return rows
