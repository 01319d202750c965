"""Languages as people of an organisation read them: which there are, which of several texts is for whom, how moments are written.

A language is named by its tag (BCP 47), `nl` or `pt-BR`. The names of days and months are CLDR's; `tools/languages.py` brings them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, tzinfo
from functools import lru_cache

from shared.languages.table import RIGHT_TO_LEFT, ROWS, Row

__all__ = ["TAGS", "accepted", "is_known", "is_right_to_left", "moments", "nearest"]

_ENGLISH: Row = ("Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec", "", "{E} {d} {b} {y}, {H:02}:{m:02}")
TAGS = tuple(sorted(("en", *ROWS)))
"""The languages whose moments we can write; a regional one that is not listed is as its main one (`nl-BE`)."""
MOMENTS_KEPT = 4096
MOST_ACCEPTED = 500
"""Characters of an `Accept-Language` that are read."""
_ACCEPTED = re.compile(r"(?P<language>[A-Za-z]{2,3}(-[A-Za-z]{2})?)(-[A-Za-z0-9]+)*(\s*;\s*q=(?P<weight>[01](\.[0-9]{0,3})?))?")


def is_known(language: str) -> bool:
    """Whether moments can be written in it."""
    return _row_of(language) is not None


def is_right_to_left(language: str) -> bool:
    """Whether it is written from right to left."""
    return language.partition("-")[0] in RIGHT_TO_LEFT


def nearest(wanted: str, there_are: Collection[str]) -> str:
    """Which of `there_are` is for somebody who wants this language: that one, else its main one (`nl` for `nl-BE`); empty: none."""
    if wanted in there_are:
        return wanted
    main = wanted.partition("-")[0]
    return main if main in there_are else ""


def accepted(header: str) -> list[str]:
    """The languages that a browser's `Accept-Language` names, the preferred ones first (RFC 9110, 12.5.4); what is none is passed over."""
    found: list[tuple[float, str]] = []
    for part in header[:MOST_ACCEPTED].split(","):
        if match := _ACCEPTED.fullmatch(part.strip()):
            main, _, region = match["language"].partition("-")
            weight = float(match["weight"] or 1)
            if weight:
                found.append((-weight, f"{main.lower()}-{region.upper()}" if region else main.lower()))
    return [language for _, language in sorted(found, key=lambda one: one[0])]


@lru_cache(maxsize=256)
def moments(language: str, zone: tzinfo) -> Callable[[str], str]:
    """What writes ISO times in this language and zone, such as `Tue 3 Nov 2026, 14:30`; text that is none is given back as it is.

    A language that is not known is written as English.
    """
    days, months, halves, pattern = _row_of(language) or _ENGLISH
    names, month_names, (before_noon, after_noon) = days.split("|"), months.split("|"), halves.split("|") if halves else ("", "")

    @lru_cache(maxsize=MOMENTS_KEPT)
    def written(text: str) -> str:
        try:
            at = datetime.fromisoformat(text).astimezone(zone)
        except (ValueError, OverflowError):
            return text
        return pattern.format(
            E=names[at.weekday()],
            d=at.day,
            M=at.month,
            b=month_names[at.month - 1],
            y=at.year,
            H=at.hour,
            h=at.hour % 12 or 12,
            m=at.minute,
            a=before_noon if at.hour < 12 else after_noon,
        )

    return written


def _row_of(language: str) -> Row | None:
    if language in ("en", "en-GB"):
        return _ENGLISH
    main = language.partition("-")[0]
    return ROWS.get(language) or ROWS.get(main) or (_ENGLISH if main == "en" else None)
