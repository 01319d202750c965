"""Links that staff make between cases, each in the caller's transaction (CASE-11)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.case.domain.case import Case, HistoryEntry
from services.case.domain.refusals import LinkRefused
from services.case.handlers.commands import Asked
from services.case.handlers.merging import lock_two
from services.case.storage import cases, links
from services.case.storage.links import CaseLink
from shared.storage import Transaction

RELATED = "related"


def link(tx: Transaction, asked: Asked, other_id: UUID, permit_other: Callable[[Case], None], kind: str) -> Case:
    """Link the case to another one; closed ones too, as a note may be. Raises `UnknownCase`, what the two permits raise, `LinkRefused`."""
    case, other = _both(tx, asked, other_id, permit_other)
    if case.id == other.id:
        raise LinkRefused(f"linking case {case.number}", "that is the same case")
    ends = _ends(case, other, kind)
    if links.exists(tx, *ends, kind):
        return case
    links.add(tx, [CaseLink(*ends, kind, asked.actor.user, asked.now)])
    _tell(tx, asked, case, other, kind, is_new=True)
    return case


def unlink(tx: Transaction, asked: Asked, other_id: UUID, permit_other: Callable[[Case], None], kind: str) -> Case:
    """Take a link away. Raises as `link` does."""
    case, other = _both(tx, asked, other_id, permit_other)
    ends = _ends(case, other, kind)
    if not links.exists(tx, *ends, kind):
        raise LinkRefused(f"unlinking case {case.number}", f"there is no such link ({kind}) from it to {other.number}")
    links.remove(tx, *ends, kind)
    _tell(tx, asked, case, other, kind, is_new=False)
    return case


def _both(tx: Transaction, asked: Asked, other_id: UUID, permit_other: Callable[[Case], None]) -> tuple[Case, Case]:
    case, other = lock_two(tx, asked.case_id, other_id)
    asked.permit(case)
    permit_other(other)
    return case, other


def _ends(case: Case, other: Case, kind: str) -> tuple[UUID, UUID]:
    # Being related has no direction, so it is kept once.
    return (other.id, case.id) if kind == RELATED and other.id < case.id else (case.id, other.id)


def _tell(tx: Transaction, asked: Asked, case: Case, other: Case, kind: str, *, is_new: bool) -> None:
    def entry(of: Case, to: Case) -> HistoryEntry:
        text = f"{kind} {to.number}" if of is case or kind == RELATED else f"{to.number} {kind} it"
        return HistoryEntry(of.id, None, "link", None if is_new else text, text if is_new else None, asked.actor.user, asked.now)

    cases.add_history(tx, [entry(case, other), entry(other, case)])
