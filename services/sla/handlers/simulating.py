"""Trying other rules on the cases there were: how many clocks would have been missed (EDGE-8). Nothing is changed by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from services.sla.domain.clocks import ClockKind, Moment
from services.sla.domain.packing import unpack
from services.sla.domain.policy import Policy
from services.sla.domain.simulation import LATE, Difference, clocks_under, falls_within, standing_of
from services.sla.storage.items import Found
from shared.calendars import CalendarError
from shared.schemas.configuration import Configuration

SHOWN: Final = 100
"""Clocks that differ which are given one by one."""


def as_applied(wanted: Configuration, in_force: Configuration) -> Configuration:
    """`wanted` as it would be in force: feeds of closed days keep the days that they gave, which no file has to name."""
    days = {(calendar.code, feed.url): feed.days for calendar in in_force.calendars for feed in calendar.feeds}
    calendars = tuple(
        calendar.model_copy(
            update={
                "feeds": tuple(feed.model_copy(update={"days": days.get((calendar.code, feed.url), feed.days)}) for feed in calendar.feeds)
            }
        )
        for calendar in wanted.calendars
    )
    return wanted.model_copy(update={"calendars": calendars})


@dataclass(slots=True)
class Tally:
    """Clocks of a kind."""

    clocks: int = 0
    missed_before: int = 0
    missed_after: int = 0
    newly_missed: int = 0
    newly_met: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A clock that would have stood otherwise."""

    item: Found
    difference: Difference
    before: str
    after: str


@dataclass(slots=True)
class Simulated:
    """What came of it."""

    cases: int = 0
    kinds: dict[ClockKind, Tally] = field(default_factory=dict)
    changed: list[Changed] = field(default_factory=list)
    uncounted: int = 0
    """Cases whose time could not be counted by these calendars."""
    is_complete: bool = True


def simulate(
    found: Iterable[Found],
    policy: Policy,
    begin: Moment,
    end: Moment,
    now: Moment,
    most_seconds: float,
    elapsed: Callable[[], float] = time.monotonic,
) -> Simulated:
    """The clocks of these cases that ended in the period or are open and due in it, as they are and as they would be. Stops after so many
    seconds, with what it has until then."""
    simulated, started = Simulated(), elapsed()
    for item in found:
        if elapsed() - started > most_seconds:
            simulated.is_complete = False
            break
        simulated.cases += 1
        try:
            differences = clocks_under(unpack(bytes(item.record)), policy)
        except CalendarError:
            simulated.uncounted += 1
            continue
        for difference in differences:
            if falls_within(difference.before, begin, end) or falls_within(difference.after, begin, end):
                _count(simulated, item, difference, now)
    return simulated


def _count(simulated: Simulated, item: Found, difference: Difference, now: Moment) -> None:
    before, after = standing_of(difference.before, now), standing_of(difference.after, now)
    tally = simulated.kinds.setdefault(difference.kind, Tally())
    tally.clocks += 1
    was_late, is_late = before in LATE, after in LATE
    tally.missed_before += was_late
    tally.missed_after += is_late
    tally.newly_missed += is_late and not was_late
    tally.newly_met += was_late and not is_late
    if before != after and len(simulated.changed) < SHOWN:
        simulated.changed.append(Changed(item, difference, before, after))
