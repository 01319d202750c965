"""Letting go what was written about cases that ended long ago, as their subject says; figures stay (EDGE-17)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.case.domain.case import SYSTEM, HistoryEntry
from services.case.domain.retention import ERASED
from services.case.handlers.events import emit_case
from services.case.handlers.keeping import Keeping
from services.case.storage import cases, forgetting, retention
from shared.ids import derive
from shared.schemas.events import CaseRepublished, CommunicationErased
from shared.storage import Transaction

FORGOTTEN = "forgotten"
"""The field of the history that tells of it."""


def forget_due(tx: Transaction, keeping: Keeping, now: datetime, most: int) -> int:
    """Forget what was written about up to `most` cases; how many it was.

    Their communications go with them, unless another case still needs them: then they go with the last one.
    """
    befores = keeping.case_befores(now)
    if not befores:
        return 0
    due = forgetting.lock_due(tx, befores, most)
    if not due.cases:
        return 0
    changed = [
        case._replace(title=ERASED, revision=case.revision + 1, changed_at=now, changed_by=SYSTEM) for _, case in sorted(due.cases.items())
    ]
    retention.erase(tx, list(due.communications), now)
    cases.change(tx, changed)
    forgetting.forget(tx, [case.id for case in changed], now)
    cases.add_history(tx, [HistoryEntry(case.id, case.revision, FORGOTTEN, None, None, SYSTEM, now) for case in changed])
    for case in changed:
        emit_case(tx, CaseRepublished, case, _cause(case.id, case.revision), now, "")
    for communication, revision in due.communications.items():
        fed = due.fed[communication]
        tx.emit(
            CommunicationErased(
                communication_id=communication,
                case_ids=fed,
                opened=tuple(id for id in fed if id in due.cases and due.cases[id].communication_id == communication),
            ),
            aggregate_id=communication,
            key=fed[0],
            revision=revision + 1,
            cause=_cause(communication, revision),
            time=now,
        )
    return len(changed)


def _cause(record: UUID, revision: int) -> UUID:
    """Nobody asked for it: the event's id comes from what is forgotten, and when in its life."""
    return derive("forgotten", record, revision)
