"""When staff reckon that a case will be complete (CASE-9), beside the expected completion, which follows from the subject."""

from __future__ import annotations

from datetime import datetime

from services.case.domain.case import Actor, Case, Change
from services.case.domain.history import step
from services.case.domain.key_dates import checked_estimate
from services.case.domain.refusals import CaseLocked


def estimate(case: Case, at: datetime | None, actor: Actor, now: datetime, reason: str = "") -> tuple[Case, tuple[Change, ...]]:
    """The case with this estimate; None takes it back. Raises `CaseLocked` or `EstimateRefused`."""
    what = f"estimated completion of case {case.number}"
    if case.state.is_closed:
        raise CaseLocked(what, f"a {case.state} case is not modifiable")
    wanted = checked_estimate(at, case.opened_at, what)
    if wanted == case.estimated_completion_at:
        return case, ()
    changed = case._replace(
        revision=case.revision + 1, estimated_completion_at=wanted, reason=reason, changed_at=now, changed_by=actor.user
    )
    return changed, step(case, changed).changes
