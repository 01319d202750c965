"""Why something asked of a case does not happen. A refusal says what was asked, of which case, and why not."""

from __future__ import annotations


class CaseRefusal(Exception):
    """The case cannot be changed as asked; `what` was asked, `why` it is refused. Nothing has changed."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what
        self.why = why


class TransitionRefused(CaseRefusal):
    """The life cycle, a transition rule or a gate forbids this status."""


class CaseLocked(CaseRefusal):
    """The case is completed or cancelled, hence not modifiable (CASE-8)."""


class AssignmentRefused(CaseRefusal):
    """The case cannot go to this unit or user (CASE-7)."""


class PriorityRefused(CaseRefusal):
    """Urgency or impact is not in the prioritisation table (CASE-5)."""
