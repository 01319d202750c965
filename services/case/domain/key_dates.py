"""Key dates of a case (CASE-9). Spans are working time on the organisation's calendar, in whole seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from services.case.domain.refusals import EstimateRefused
from shared.calendars import Calendar, CalendarError, Duration, between, due

LONGEST = timedelta(days=36_525)
"""An estimate lies no further from the opening than this."""


@dataclass(frozen=True, slots=True)
class CompletionRule:
    """By when a subject's cases are to be complete; without `within` or `calendar` there is no such moment.

    `recalculates`: the time counts from the response once there is one, instead of from the opening.
    """

    within: Duration | None = None
    calendar: Calendar | None = None
    recalculates: bool = False

    def expected(self, opened_at: datetime, responded_at: datetime | None = None) -> datetime | None:
        """When a case opened and responded to then is expected to be complete. Raises `CalendarError` past the end of dates."""
        if self.within is None or self.calendar is None:
            return None
        return due(self.within, responded_at if self.recalculates and responded_at is not None else opened_at, self.calendar)


class KeyDates(NamedTuple):
    """The dates, and what follows from them at one moment. Spans that do not apply are None."""

    started_at: datetime
    expected_completion_at: datetime | None
    estimated_completion_at: datetime | None
    """What staff reckon with."""
    completed_at: datetime | None
    """When it was completed in truth; None for a cancelled case."""
    time_to_completion: int | None
    """From the start to the completion, of a completed case."""
    time_left: int | None
    """Until the expected completion, of an open case; 0 once that has passed."""
    time_overdue: int | None
    """From the expected completion to the end of the case, or to now; 0 when it is not overdue."""


def key_dates(
    opened_at: datetime,
    expected_at: datetime | None,
    estimated_at: datetime | None,
    closed_at: datetime | None,
    is_completed: bool,
    calendar: Calendar,
    now: datetime,
) -> KeyDates:
    """The key dates of a case. `closed_at`: when it was completed or cancelled."""
    completed_at = closed_at if is_completed else None
    until = closed_at or now
    left = overdue = None
    if expected_at is not None:
        overdue = _seconds(calendar, expected_at, until) if until > expected_at else 0
        if closed_at is None:
            left = _seconds(calendar, until, expected_at) if until < expected_at else 0
    taken = None if completed_at is None else _seconds(calendar, opened_at, completed_at)
    return KeyDates(opened_at, expected_at, estimated_at, completed_at, taken, left, overdue)


def checked_estimate(estimate: datetime | None, opened_at: datetime, what: str) -> datetime | None:
    """The estimate, if a case opened then may be complete by it. Raises `EstimateRefused`."""
    if estimate is not None and not opened_at <= estimate <= opened_at + LONGEST:
        raise EstimateRefused(what, "it lies between the opening of the case and a hundred years later")
    return estimate


def _seconds(calendar: Calendar, since: datetime, until: datetime) -> int | None:
    try:
        return int(between(calendar, since, until).total_seconds())
    except CalendarError:
        return None  # too far apart to count working time
