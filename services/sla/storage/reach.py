"""Whose rows a caller sees."""

from __future__ import annotations

from typing import Any, NamedTuple


class Reach(NamedTuple):
    """All rows, or those of a unit or an assignee."""

    unit: str | None = None
    assignee: str | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL and its parameters. An item without a unit (a communication) concerns everybody's unit."""
        if self.unit is not None:
            return "(unit in (%s, '') or assignee = %s)", [self.unit, self.assignee or ""]
        if self.assignee is not None:
            return "assignee = %s", [self.assignee]
        return "true", []
