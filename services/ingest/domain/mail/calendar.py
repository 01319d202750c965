"""What an invitation (iCalendar, RFC 5545) says, for a mail that has no other text."""

from __future__ import annotations

import re

from services.ingest.domain.mail.charsets import clean_text

_READ = 100_000
"""Characters looked at: an invitation's own fields come first, whatever it has attached."""
_LONGEST = 10_000
_FOLD = re.compile(r"\r?\n[ \t]")
_FIELD = re.compile(r"([A-Za-z-]{1,40})((?:;[^:\n]{0,500})?):([^\n]*)")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_ZONE = re.compile(r";TZID=\"?([^;:\"]{1,80})", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\\;,nN])")
_LABELS = {"SUMMARY": "", "DTSTART": "Start: ", "DTEND": "End: ", "LOCATION": "Place: ", "DESCRIPTION": "\n"}
_CANCELLED = "Cancelled"


def invitation_text(calendar: str) -> str:
    """Summary, times (as written, with their zone), place and description of the first event; empty where there is none."""
    lines = _FOLD.sub("", calendar[:_READ]).splitlines()
    found: dict[str, str] = {}
    depth = 0
    for line in lines:
        field = _FIELD.match(line)
        if field is None:
            continue
        name, value = field[1].upper(), field[3].strip()
        if name in ("BEGIN", "END"):
            inside = value.upper()
            if name == "END" and inside == "VEVENT":
                break
            # An alarm within the event has a description of its own.
            depth += (1 if name == "BEGIN" else -1) * (inside != "VCALENDAR")
            found.update({"": "event"} if inside == "VEVENT" else {})
        elif depth == 0 and name == "METHOD" and value.upper() == "CANCEL":
            found["METHOD"] = _CANCELLED
        elif depth == 1 and "" in found and name in _LABELS and value:
            found.setdefault(name, _moment(value, field[2]) if name.startswith("DT") else _plain(value))
    if "" not in found:
        return ""
    said = [found["METHOD"]] if "METHOD" in found else []
    said += [label + found[name] for name, label in _LABELS.items() if name in found]
    return clean_text("\n".join(said)).strip()[:_LONGEST]


def _moment(value: str, parameters: str) -> str:
    time = _TIME.fullmatch(value)
    if time is None:
        return value
    year, month, day, hour, minute, utc = time.groups()
    zone = _ZONE.search(parameters)
    named = "UTC" if utc else zone[1] if zone else ""
    return f"{year}-{month}-{day}" + (f" {hour}:{minute} {named}".rstrip() if hour else "")


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] in "nN" else escaped[1], value)
