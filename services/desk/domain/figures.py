"""Figures of open cases as the overview shows them (CASE-15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

MOST_LINES = 20
"""Lines of one table; the rest is summed up."""


class Counts(NamedTuple):
    """Open cases, and how many of them are overdue, nobody's, and waiting for the customer."""

    open: int
    overdue: int
    unassigned: int
    awaiting: int


@dataclass(frozen=True, slots=True)
class Line:
    """The open cases of one priority, category, unit or owner; `code` is empty for none. `share`: per cent of the longest bar."""

    code: str
    counts: Counts
    share: int


@dataclass(frozen=True, slots=True)
class Table:
    """Lines by one field; `others`: how many lines are left out, `others_open`: their open cases."""

    field: str
    lines: tuple[Line, ...]
    others: int
    others_open: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the overview shows, within the visitor's reach."""

    total: Counts
    oldest: UUID | None
    """The case that has been nobody's for longest."""
    oldest_at: datetime | None
    tables: tuple[Table, ...]


def figures_of(content: Mapping[str, Any], fields: Sequence[str], priorities: Sequence[str]) -> Figures:
    """From what case's API says; `priorities` from the lowest to the highest, which comes first on the page."""
    at = content.get("oldest_unassigned_at")
    return Figures(
        _counts(content),
        UUID(content["oldest_unassigned"]) if content["oldest_unassigned"] else None,
        datetime.fromisoformat(at) if at else None,
        tuple([_table(field, content["by"][field], priorities) for field in fields]),
    )


def _table(field: str, items: Sequence[Mapping[str, Any]], priorities: Sequence[str]) -> Table:
    found = list(items)
    if field == "priority":
        places = {code: place for place, code in enumerate(priorities)}
        found.sort(key=lambda item: -places.get(item[field], -1))
    most = max((int(item["open"]) for item in found), default=0)
    lines = [Line(item[field] or "", _counts(item), round(100 * int(item["open"]) / most)) for item in found[:MOST_LINES]]
    rest = found[MOST_LINES:]
    return Table(field, tuple(lines), len(rest), sum(int(item["open"]) for item in rest))


def _counts(item: Mapping[str, Any]) -> Counts:
    return Counts(int(item["open"]), int(item["overdue"]), int(item["unassigned"]), int(item["awaiting"]))
