"""The prioritisation model: urgency x impact gives the priority (CASE-5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.case.domain.case import Actor, Case, Change
from services.case.domain.history import step
from services.case.domain.refusals import CaseLocked, PriorityRefused


@dataclass(frozen=True, slots=True)
class PriorityTable:
    """The configured table. `urgencies`, `impacts` and `priorities` go from least to most."""

    urgencies: tuple[str, ...]
    impacts: tuple[str, ...]
    priorities: tuple[str, ...]
    cells: Mapping[tuple[str, str], str]
    default_urgency: str
    default_impact: str

    def priority(self, urgency: str, impact: str) -> str:
        """The priority of this urgency and impact. Raises `PriorityRefused` when the table has no such cell."""
        found = self.cells.get((urgency, impact))
        if found is None:
            raise PriorityRefused(f"priority of urgency {urgency} and impact {impact}", "the prioritisation table has none")
        return found

    @property
    def highest_urgency(self) -> str:
        """The urgency that expiry never cancels (COM-8)."""
        return self.urgencies[-1]


def set_priority(
    case: Case, urgency: str | None, impact: str | None, table: PriorityTable, actor: Actor, now: datetime
) -> tuple[Case, tuple[Change, ...]]:
    """The case with another urgency or impact (None leaves one as it is), and what changed.

    Raises `CaseLocked` or `PriorityRefused`. No changes: it was so already, and the case is returned as it is.
    """
    if case.state.is_closed:
        raise CaseLocked(f"priority of case {case.number}", f"a {case.state} case is not modifiable")
    new_urgency, new_impact = urgency or case.urgency, impact or case.impact
    priority = table.priority(new_urgency, new_impact)
    if (new_urgency, new_impact, priority) == (case.urgency, case.impact, case.priority):
        return case, ()
    changed = case._replace(
        revision=case.revision + 1,
        urgency=new_urgency,
        impact=new_impact,
        priority=priority,
        reason="",
        changed_at=now,
        changed_by=actor.user,
    )
    return changed, step(case, changed).changes
