"""Time spent, resources, bookings and calendar feeds by task's API, with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.desk import metrics
from services.desk.domain.bookings import Booking, Feed, Resource, Slot, TaskService, TimeEntry, TimeSpent
from services.desk.gateways.asking import Asking

MOST_BOOKINGS = 100
"""On one page."""


class Bookings:
    """Reads and commands; every method raises `Away` and `Refused`. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(url, metrics.TASK_API_SECONDS, "booking", timeout_seconds)
        self._tasks = Asking(url, metrics.TASK_API_SECONDS, "task", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()
        self._tasks.close()

    def time(self, token: str, task: UUID) -> TimeSpent:
        """The services on a task and the time spent on them."""
        return _time(self._tasks.ask("GET", f"/tasks/{task}/time", token))

    def record(self, token: str, task: UUID, content: Mapping[str, object], key: UUID) -> None:
        """Record time, or correct it."""
        self._tasks.ask("POST", f"/tasks/{task}/time", token, headers=_once(key), content=content)

    def add_service(self, token: str, task: UUID, service: str, key: UUID) -> None:
        """Put a service on a task."""
        self._tasks.ask("POST", f"/tasks/{task}/services", token, headers=_once(key), content={"service": service})

    def waive(self, token: str, task: UUID, service: str, reason: str, key: UUID) -> None:
        """Let a task go without a mandatory service; without a reason, require it again."""
        path = f"/tasks/{task}/services/{service}/{'waive' if reason else 'require'}"
        self._tasks.ask("POST", path, token, headers=_once(key), content={"reason": reason} if reason else None)

    def resources(self, token: str, params: Mapping[str, str]) -> tuple[tuple[Resource, ...], tuple[Slot, ...]]:
        """Resources by the API's own filters and, with `from`, times in which they are free."""
        content = self._asking.ask("GET", "/resources", token, params=dict(params))
        slots = [Slot(item["resource"], *_span(item)) for item in content["slots"]]
        return tuple([_resource(item) for item in content["resources"]]), tuple(slots)

    def some(self, token: str, params: Mapping[str, str]) -> tuple[Booking, ...]:
        """Bookings of a resource, a task or a case, in their order."""
        content = self._asking.ask("GET", "/bookings", token, params={"limit": str(MOST_BOOKINGS)} | dict(params))
        return tuple([_booking(item) for item in content["items"]])

    def requested(self, token: str, unit: str, now: datetime) -> tuple[Booking, ...]:
        """Requests for the unit's resources that are to be confirmed, the soonest first; the first hundred within a year."""
        times = {"from": now.isoformat(), "until": (now + timedelta(days=365)).isoformat()}
        return self.some(token, {"unit": unit, "state": "requested"} | times)

    def book(self, token: str, slot: Slot, about: Mapping[str, str], note: str, key: UUID) -> Booking:
        """Book a time for a task or case."""
        times = {"resource": slot.resource, "from": slot.starts_at.isoformat(), "until": slot.ends_at.isoformat()}
        return _booking(self._asking.ask("POST", "/bookings", token, headers=_once(key), content=times | dict(about) | {"note": note}))

    def act(self, token: str, booking: UUID, action: Literal["cancel", "confirm"], revision: int, key: UUID) -> Booking:
        """Cancel or confirm a booking that the caller saw at `revision`."""
        headers = _once(key) | {"If-Match": f'"{revision}"'}
        return _booking(self._asking.ask("POST", f"/bookings/{booking}/{action}", token, headers=headers))

    def move(self, token: str, booking: UUID, starts_at: datetime, ends_at: datetime, revision: int, key: UUID) -> Booking:
        """Put a booking that the caller saw at `revision` at another time of the same resource."""
        headers = _once(key) | {"If-Match": f'"{revision}"'}
        content = {"from": starts_at.isoformat(), "until": ends_at.isoformat()}
        return _booking(self._asking.ask("POST", f"/bookings/{booking}/move", token, headers=headers, content=content))

    def feeds(self, token: str) -> tuple[Feed, ...]:
        """The caller's own."""
        return tuple([_feed(item) for item in self._asking.ask("GET", "/feeds", token)["items"]])

    def make_feed(self, token: str, resource: str) -> Feed:
        """A feed of a resource's bookings, or (empty) of the caller's tasks; the earlier one of the same ends."""
        content = {"kind": "resources", "resource": resource} if resource else {"kind": "tasks"}
        return _feed(self._asking.ask("POST", "/feeds", token, content=content))

    def revoke_feed(self, token: str, feed: UUID) -> None:
        """End one of the caller's feeds."""
        self._asking.ask("DELETE", f"/feeds/{feed}", token)


def _once(key: UUID) -> dict[str, str]:
    return {"Idempotency-Key": f"desk-{key}"}


def _span(item: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(item["from"]), datetime.fromisoformat(item["until"])


def _time(content: Mapping[str, Any]) -> TimeSpent:
    services = [
        TaskService(
            item["service"],
            item["name"],
            bool(item["mandatory"]),
            item["minimum"],
            item["minutes"],
            item["waiver"]["by"] if item["waiver"] else "",
            item["waiver"]["reason"] if item["waiver"] else "",
        )
        for item in content["services"]
    ]
    entries = [
        TimeEntry(
            UUID(item["id"]),
            item["service"],
            item["minutes"],
            item["user"],
            datetime.fromisoformat(item["spent_at"]),
            item["note"],
            bool(item["automatic"]),
            item["recorded_by"],
            bool(item["counts"]),
        )
        for item in content["items"]
    ]
    return TimeSpent(tuple(services), tuple(content["may_add"]), tuple(entries), content["minutes"])


def _resource(item: Mapping[str, Any]) -> Resource:
    return Resource(
        item["code"],
        item["name"],
        item["description"],
        item["kind"],
        item["unit"],
        item["capacity"],
        bool(item["needs_confirmation"]),
        tuple(item["services"]),
    )


def _booking(item: Mapping[str, Any]) -> Booking:
    starts_at, ends_at = _span(item)
    return Booking(
        id=UUID(item["id"]),
        revision=int(item["revision"]),
        resource=item["resource"],
        resource_name=item["resource_name"],
        unit=item["unit"],
        starts_at=starts_at,
        ends_at=ends_at,
        state=item["state"],
        task=UUID(item["task_id"]) if item["task_id"] else None,
        case=UUID(item["case_id"]) if item["case_id"] else None,
        note=item["note"],
        made_by=item["made_by"] or "",
    )


def _feed(item: Mapping[str, Any]) -> Feed:
    return Feed(UUID(item["id"]), item["resource"] or "", datetime.fromisoformat(item["made_at"]), item["path"] or "")
