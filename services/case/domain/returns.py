"""Whether a customer may bring a physical good back, and what they get for it (CASE-14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.case.domain.periods import last_day
from shared.calendars import Duration


class ReturnOutcome(StrEnum):
    """What comes of a return."""

    COVERED = "covered"
    """It is replaced."""
    REFUNDABLE = "refundable"
    """The money is given back."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ReturnPolicy:
    """How long after its issue a good may be returned, and what each coverage reason gives."""

    code: str
    within: Duration
    reasons: Mapping[str, ReturnOutcome]


@dataclass(frozen=True, slots=True)
class ReturnAnswer:
    """What comes of it, why, and how it was reckoned. `last_day`: the last one on which it could be returned."""

    outcome: ReturnOutcome
    why: str
    reckoning: str
    last_day: date | None = None


def check_return(returned_on: date, issued_on: date | None, is_physical: bool, policy: ReturnPolicy | None, reason: str) -> ReturnAnswer:
    """Judge the return of a product that left the warehouse on `issued_on`, on the day `returned_on`, for a coverage reason."""
    if not is_physical:
        return _refused("Only a physical good can be returned.", "It is a service, or nothing that can be sent back.")
    if policy is None:
        return _refused("It cannot be returned.", "No return policy holds for it.")
    if issued_on is None:
        return _refused("Nobody knows when it left the warehouse.", "Record its issue date first.")
    end = last_day(issued_on, policy.within)
    reckoning = f"{policy.within} from its issue on {issued_on} end on {end}, that day included; it came back on {returned_on}."
    if returned_on < issued_on:
        return _refused("It had not left the warehouse yet.", reckoning, end)
    if returned_on > end:
        late = (returned_on - end).days
        return _refused(f"It came back {late} day{'' if late == 1 else 's'} too late.", reckoning, end)
    outcome = policy.reasons.get(reason)
    if outcome is None:
        reasons = ", ".join(sorted(policy.reasons))
        return _refused(f"{reason} is no reason of the return policy {policy.code}, which has {reasons}.", reckoning, end)
    gives = "it is replaced" if outcome is ReturnOutcome.COVERED else "the money is given back"
    return ReturnAnswer(outcome, f"It came back in time, and for the reason {reason} {gives}.", reckoning, end)


def _refused(why: str, reckoning: str, end: date | None = None) -> ReturnAnswer:
    return ReturnAnswer(ReturnOutcome.REFUSED, why, reckoning, end)
