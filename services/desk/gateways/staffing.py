"""Absences, workload and giving tasks to others, by task's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.desk import metrics
from services.desk.domain.staffing import Absence, Booked, Load, Outcome, Waiting, Workload
from services.desk.gateways.asking import Asking, moment_of

MOST_ABSENCES = 100
"""On one page."""


class Staffing:
    """Reads and commands; every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(url, metrics.TASK_API_SECONDS, "absence", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def absences(self, token: str, *, user: str = "", past: bool = False) -> tuple[Absence, ...]:
        """Absences within the caller's reach, the earliest first; with `past` also those that are over or were cancelled."""
        params = {"limit": str(MOST_ABSENCES), "past": str(past).lower()} | ({"user": user} if user else {})
        content = self._asking.ask("GET", "/absences", token, params=params)
        return tuple([_absence(item) for item in content["items"]])

    def enter(self, token: str, content: Mapping[str, object], key: UUID) -> Absence:
        """Say that somebody is away."""
        return _absence(self._asking.ask("POST", "/absences", token, headers=_once(key), content=content))

    def end(self, token: str, absence: UUID, until: datetime | None, key: UUID) -> Absence:
        """Set the return; None: now, or cancel it if it has not begun."""
        content = {"until": until.isoformat()} if until else None
        return _absence(self._asking.ask("POST", f"/absences/{absence}/end", token, headers=_once(key), content=content))

    def workload(self, token: str, unit: str) -> Workload:
        """Who of the unit (empty: of all within reach) has how much to do."""
        content = self._asking.ask("GET", "/workload", token, params={"unit": unit} if unit else {})
        waiting = [Waiting(item["owner_kind"], item["owner"], item["open"], item["overdue"]) for item in content["waiting"]]
        return Workload(tuple([_load(item) for item in content["items"]]), tuple(waiting))

    def reassign(self, token: str, tasks: Sequence[UUID], to: Mapping[str, object], key: UUID) -> tuple[Outcome, ...]:
        """Give these tasks to somebody else, each by itself."""
        content = {"to": dict(to), "ids": [str(task) for task in tasks]}
        found = self._asking.ask("POST", "/tasks/reassign", token, headers=_once(key), content=content)
        return tuple([Outcome(UUID(item["id"]), item["outcome"], item["why"]) for item in found["items"]])


def _once(key: UUID) -> dict[str, str]:
    return {"Idempotency-Key": f"desk-{key}"}


def _absence(item: Mapping[str, Any]) -> Absence:
    booked = [
        Booked(one["resource"], one["resource_name"], datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["until"]))
        for one in item["bookings"]
    ]
    return Absence(
        id=UUID(item["id"]),
        user=item["user"],
        starts_at=datetime.fromisoformat(item["from"]),
        ends_at=moment_of(item["until"]),
        stand_in=item["stand_in"] or "",
        hand_over=item["hand_over"],
        give_back=bool(item["give_back"]),
        note=item["note"],
        state=item["state"],
        bookings=tuple(booked),
    )


def _load(item: Mapping[str, Any]) -> Load:
    return Load(
        user=item["user"],
        name=item["name"],
        unit=item["unit"],
        open=item["open"],
        overdue=item["overdue"],
        capacity=item["capacity"],
        skills=tuple(item["skills"]),
        is_away=bool(item["absent"]),
        away_until=moment_of(item["absent_until"]),
        stand_in=item["stand_in"] or "",
    )
