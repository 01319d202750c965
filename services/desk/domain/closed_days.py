"""What an iCalendar feed (RFC 5545) says about closed days: its all-day events are, those with times are not.

A feed is somebody else's text. Its lines are taken apart by the library, and no more: time zones, which a text can make endless, are not
built, since a day off is a date and has none. How much is read, how many rules are followed and how many days come of it has bounds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from icalendar.parser import Contentline, Contentlines, Parameters

from shared.recurrence import RecurrenceError
from shared.recurrence import parse as parse_rule

MOST_BYTES: Final = 1024 * 1024
MOST_DAYS: Final = 1000
"""Closed days that a feed may name: about every other day that is read."""
MOST_KEPT: Final = 2000
"""Closed days that are kept of a feed, the latest."""
MOST_RULES: Final = 60
"""Rules of recurrence that are followed in a feed; one can cost most of a second."""
YEARS_BACK, YEARS_AHEAD = 1, 3
"""Of the days that are read: from the first of January so many years back to the end of the year so many ahead."""

_WANTED: Final = re.compile(
    r"(?i)(BEGIN|END|UID|STATUS|SUMMARY|DESCRIPTION|CATEGORIES|DTSTART|DTEND|DURATION|RRULE|RDATE|EXDATE|RECURRENCE-ID"
    r"|X-MICROSOFT-CDO-ALLDAYEVENT)[;:]"
)
_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_MIDNIGHT: Final = re.compile(r"([0-9]{8})T000000", re.ASCII)
_LENGTH: Final = re.compile(r"P(?:([0-9]{1,4})W|([0-9]{1,5})D(?:T0+[HMS])?)", re.ASCII)
_UNTIL: Final = re.compile(r"(?i)(UNTIL=[0-9]{8})T[0-9]{6}Z?", re.ASCII)
_LISTED: Final = ("RDATE", "EXDATE")


class NotRead(Exception):
    """The text says nothing that could be trusted; why is for operators."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a feed says: the closed days, and what of it was left out, in words."""

    days: frozenset[date]
    notes: tuple[str, ...]


def window(today: date) -> tuple[date, date]:
    """The first and the last day that are read."""
    return date(today.year - YEARS_BACK, 1, 1), date(today.year + YEARS_AHEAD, 12, 31)


def kept(known: Iterable[date], said: Collection[date], today: date) -> tuple[date, ...]:
    """The closed days after a feed was read: of those to come, what it says; of those past, what was known stays beside it.

    Many feeds drop a day soon after it was. What was reckoned with that day closed must stay as it was.
    """
    return tuple(sorted({day for day in known if day < today} | set(said))[-MOST_KEPT:])


def read_feed(content: bytes, only: Sequence[str], today: date) -> Said:
    """The closed days of a feed within the `window`. `only`: texts of which an event has to hold one; none: all events count.

    Raises `NotRead` for what is no calendar, is cut off, or says too much; and for one that names no closed day: a calendar of days off
    that is empty was emptied by mistake.
    """
    events = list(_events(content))
    words = [text.casefold() for text in only]
    tally = _Tally()
    first, last = window(today)
    moved: dict[str, set[date]] = {}
    for event in events:
        if event.instead_of is not None and event.uid:
            moved.setdefault(event.uid, set()).add(event.instead_of)
    days: set[date] = set()
    for event in events:
        if words and not any(word in event.text.casefold() for word in words):
            tally.unnamed += 1
            continue
        days.update(_closed(event, moved.get(event.uid, set()) if event.instead_of is None else set(), first, last, tally))
        if len(days) > MOST_DAYS:
            raise NotRead(f"it names more than {MOST_DAYS} closed days")
    if not days:
        raise NotRead("; ".join([f"it names no closed day from {first} to {last}", *tally.notes()]))
    return Said(frozenset(days), tally.notes())


@dataclass(slots=True)
class _Event:
    """What matters of an event. `starts` is None where it has times, or none that can be understood."""

    uid: str = ""
    text: str = ""
    is_cancelled: bool = False
    has_times: bool = False
    starts: date | None = None
    ends: date | None = None
    """The day after its last, where it says so."""
    rule: str = ""
    further: set[date] = field(default_factory=set)
    but: set[date] = field(default_factory=set)
    instead_of: date | None = None


@dataclass(slots=True)
class _Tally:
    """Events that are no closed days, and why."""

    timed: int = 0
    cancelled: int = 0
    unnamed: int = 0
    unclear: int = 0
    rules: int = 0
    wrong_rules: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        counted = (
            (self.timed, "with times: only all-day events are closed days"),
            (self.cancelled, "cancelled"),
            (self.unnamed, "without a text of `only`"),
            (self.unclear, "without a day that can be understood"),
        )
        found = [f"{count} {'event' if count == 1 else 'events'} {what}" for count, what in counted if count]
        return (*found, *dict.fromkeys(self.wrong_rules[:5]))


def _closed(event: _Event, moved: set[date], first: date, last: date, tally: _Tally) -> Iterator[date]:
    """The dates of an event, all its occurrences and each day of them, from `first` to `last`."""
    if event.is_cancelled:
        tally.cancelled += 1
        return
    if event.starts is None:
        tally.timed += event.has_times
        tally.unclear += not event.has_times
        return
    length = max(1, (event.ends - event.starts).days if event.ends is not None else 1)
    begins = {event.starts, *event.further}
    if event.rule:
        # An occurrence that began before `first` may reach into it.
        begins |= _recurring(event.rule, event.starts, first - timedelta(days=min(length, 400)), last, tally)
    for begin in begins - event.but - moved:
        since, until = max(begin, first), min(begin + timedelta(days=min(length, 9999)), last + timedelta(days=1))
        for number in range((until - since).days):
            yield since + timedelta(days=number)


def _recurring(rule: str, starts: date, after: date, last: date, tally: _Tally) -> set[date]:
    tally.rules += 1
    if tally.rules > MOST_RULES:
        raise NotRead(f"it has more than {MOST_RULES} recurring events")
    try:
        # A time of day in it belongs to some zone; the day is what is meant.
        return set(parse_rule(_UNTIL.sub(r"\1", rule), starts).days(after, last))
    except RecurrenceError as error:
        # It holds a piece of the rule, and that may be anything.
        why = "".join(each if each.isprintable() else "?" for each in str(error))
        tally.wrong_rules.append(f"a recurring event counts on its first day alone: {why}")
        return set()


def _events(content: bytes) -> Iterator[_Event]:
    """The events of the text, one by one. Raises `NotRead`."""
    if len(content) > MOST_BYTES:
        raise NotRead(f"it is over {MOST_BYTES // 1024} KiB")
    text = content.decode("utf-8-sig", "replace").strip()
    lines = [str(line) for line in Contentlines.from_ical(text) if line]  # type: ignore[no-untyped-call]
    if not lines or lines[0].upper().strip() != "BEGIN:VCALENDAR":
        raise NotRead("it is no iCalendar text")
    if lines[-1].upper().strip() != "END:VCALENDAR":
        raise NotRead("it is cut off: END:VCALENDAR is missing")
    inside: list[str] = []
    event = _Event()
    found: dict[str, tuple[Parameters, str]] = {}
    for line in filter(_WANTED.match, lines):
        try:
            name, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
        except ValueError:
            continue  # as if it were not there: an event whose day it was has none
        name = name.upper()
        if name == "BEGIN":
            inside.append(value.strip().upper())
            if inside[-1] == "VEVENT":
                event, found = _Event(), {}
        elif name == "END":
            if not inside or inside.pop() != value.strip().upper():
                raise NotRead("its parts do not end in the order in which they begin")
            if value.strip().upper() == "VEVENT":
                yield _filled(event, found)
        elif inside and inside[-1] == "VEVENT":
            _take(event, found, name, parameters, value)
    if inside:
        raise NotRead("its parts do not end in the order in which they begin")


def _take(event: _Event, found: dict[str, tuple[Parameters, str]], name: str, parameters: Parameters, value: str) -> None:
    if name in ("SUMMARY", "DESCRIPTION", "CATEGORIES"):
        event.text += f"\n{value}"
    elif name in _LISTED:
        days = {day for part in value.split(",") if (day := _day(part.split("T", 1)[0].strip())) is not None}
        (event.further if name == "RDATE" else event.but).update(days)
    else:
        found.setdefault(name, (parameters, value.strip()))


def _filled(event: _Event, found: dict[str, tuple[Parameters, str]]) -> _Event:
    def value(name: str) -> str:
        return found[name][1] if name in found else ""

    event.uid, event.rule = value("UID"), value("RRULE")
    event.is_cancelled = value("STATUS").upper() == "CANCELLED"
    event.instead_of = _day(value("RECURRENCE-ID").split("T", 1)[0])
    is_whole = value("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"
    starts = value("DTSTART")
    event.starts = _day(starts) or (_midnight(starts) if is_whole else None)
    event.has_times = event.starts is None and "T" in starts
    event.ends = _day(value("DTEND")) or (_midnight(value("DTEND")) if is_whole else None)
    length = _LENGTH.fullmatch(value("DURATION"))
    if event.starts is not None and event.ends is None and length is not None:
        days = int(length[1]) * 7 if length[1] else int(length[2])
        event.ends = event.starts + timedelta(days=min(days, 9999))
    return event


def _day(text: str) -> date | None:
    """The date written as `20271225`; None for anything else, and for a year whose reckoning could leave the calendar."""
    if not _DATE.fullmatch(text) or not "1900" < text[:4] < "2200":
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date in no zone
    except ValueError:
        return None


def _midnight(text: str) -> date | None:
    """The date of a midnight on the wall, as Exchange writes the bounds of some all-day events; not of one in UTC."""
    found = _MIDNIGHT.fullmatch(text)
    return None if found is None else _day(found[1])
