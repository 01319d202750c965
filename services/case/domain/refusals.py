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


class InputRefused(CaseRefusal):
    """What was given is not among what the configuration has, or not within its bounds: another value may do."""


class CategoryRefused(InputRefused):
    """The subject does not allow this category (CASE-2, CASE-4)."""


class CancellationRefused(InputRefused):
    """There is no such cancellation reason (CASE-6)."""


class EstimateRefused(InputRefused):
    """No case can be complete then (CASE-9)."""


class AnswerRefused(CaseRefusal):
    """The answer cannot be given or amended as the case stands (CASE-4)."""


class AcceptanceRefused(CaseRefusal):
    """There is nothing that the customer could accept or decline (CASE-12)."""


class DeletionRefused(CaseRefusal):
    """Something refers to the case, so that it is not deleted (CASE-8)."""


class CaseLocked(CaseRefusal):
    """The case is completed or cancelled, hence not modifiable (CASE-8)."""


class AssignmentRefused(CaseRefusal):
    """The case cannot go to this unit or user (CASE-7)."""


class PriorityRefused(CaseRefusal):
    """Urgency or impact is not in the prioritisation table (CASE-5)."""


class SubjectRefused(CaseRefusal):
    """No case can be opened under this subject: the configuration does not have it."""


class PromptRefused(CaseRefusal):
    """No script of the communication's method has this prompt (COM-2)."""


class FeedsAlready(CaseRefusal):
    """The communication has opened or joined this case before."""


class ErasureRefused(CaseRefusal):
    """A communication of a case on legal hold is not erased, and an erased one not changed any more (EDGE-17)."""


class MergeRefused(CaseRefusal):
    """These two cases or contacts are not merged, or this merge is not undone (EDGE-11)."""


class SplitRefused(CaseRefusal):
    """The case is not split like that, or this split is not undone (EDGE-11)."""


class LinkRefused(CaseRefusal):
    """The two cases are not linked, or not put under one major case, like that (CASE-11, EDGE-15)."""


class NotTold(CaseRefusal):
    """The customer cannot be told anything about the case (EDGE-12)."""


class ContactRefused(CaseRefusal):
    """The contact or account cannot be made or changed as asked (CON-1)."""


class LeadRefused(CaseRefusal):
    """What is asked of a lead is none of what its type allows (LEAD-1)."""
