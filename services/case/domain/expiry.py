"""What the expiry of a communication does to a case (COM-8)."""

from __future__ import annotations

from enum import StrEnum

from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle


class Outcome(StrEnum):
    """What becomes of a case."""

    STAYS = "stays"
    CANCELLED = "cancelled"
    FOR_REVIEW = "for_review"


def outcome_of_expiry(case: Case, all_expired: bool, highest_urgency: str) -> Outcome:
    """What becomes of a case when a communication that feeds it expires.

    `all_expired`: every customer's communication on the case has expired. A case is begun once it has left pending or a user has it.
    """
    if not all_expired or case.state is not LifeCycle.PENDING or case.owner is not None:
        return Outcome.STAYS
    if case.urgency == highest_urgency:
        return Outcome.STAYS if case.needs_review else Outcome.FOR_REVIEW
    return Outcome.CANCELLED
