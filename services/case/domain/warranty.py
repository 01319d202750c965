"""Whether a product's warranty covers it on the day that the customer asks (CASE-14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.case.domain.periods import last_day
from shared.calendars import Duration


@dataclass(frozen=True, slots=True)
class WarrantyAnswer:
    """Covered or not, why, and how it was reckoned."""

    is_covered: bool
    why: str
    reckoning: str


def warranty_end(issued_on: date | None, warranty: Duration | None) -> date | None:
    """The last day of the warranty, itself included; None: the product has none, or nobody knows when it left the warehouse."""
    return None if issued_on is None or warranty is None else last_day(issued_on, warranty)


def check_warranty(asked_on: date, issued_on: date | None, until: date | None) -> WarrantyAnswer:
    """Whether the warranty covers a product that was issued from the warehouse on `issued_on`, and is under warranty `until` then."""
    if until is None:
        return WarrantyAnswer(False, "It has no warranty.", "No last day of a warranty is recorded for it.")
    since = f"from {issued_on} " if issued_on else ""
    reckoning = f"The warranty runs {since}to {until}, that day included; the customer asked on {asked_on}."
    if issued_on is not None and asked_on < issued_on:
        return WarrantyAnswer(False, "It had not left the warehouse yet.", reckoning)
    if asked_on > until:
        late = (asked_on - until).days
        return WarrantyAnswer(False, f"The warranty was over {late} day{'' if late == 1 else 's'} before.", reckoning)
    return WarrantyAnswer(True, "The warranty covers it.", reckoning)
