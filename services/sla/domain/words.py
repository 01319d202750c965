"""Spans and moments of clocks as people read them."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from services.sla.domain.clocks import Moment, Span
from shared.calendars.openings import moment

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECOND: Final = 1_000_000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span_words(span: Span, *, in_days: bool = True) -> str:
    """A span by its two largest units: `2 d 3 h`, `45 min`. Working time is not given `in_days`: how long one is differs."""
    left = max(0, round(span / _SECOND))
    if left >= 60:  # seconds of longer spans are noise
        left -= left % 60
    parts: list[str] = []
    for name, seconds in _UNITS if in_days else _UNITS[1:]:
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(f"{amount} {name}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"


def moment_words(at: Moment, zone: tzinfo, now: Moment) -> str:
    """A moment as clocks in `zone` show it: `Mon 2 Mar 13:00`; with its year, where that is not the present one."""
    local: datetime = moment(at).astimezone(zone)
    year = "" if local.year == moment(now).astimezone(zone).year else f" {local.year}"
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}{year} {local:%H:%M}"
