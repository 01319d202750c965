"""The task service's API, called with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.desk import metrics
from services.desk.domain.tasks import Task
from services.desk.gateways.asking import Asking

Sort = Literal["due", "-due", "priority", "-priority"]
Action = Literal["accept", "start", "pend", "complete"]
MOST = 200
"""Tasks on one page."""
MOST_CONTACTS = 100
"""Contacts that are one customer, of whom tasks are asked for at once."""


@dataclass(frozen=True, slots=True)
class TaskList:
    """Tasks in the order asked for; `more`: there are others, which begin after the place `next`."""

    tasks: tuple[Task, ...]
    more: bool
    next: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which tasks of a list, in which order, from which place on."""

    sort: Sort = "due"
    overdue: bool = False
    due_before: datetime | None = None
    priority: str = ""
    after: str = ""

    def params(self) -> dict[str, str | list[str]]:
        """As the API takes them."""
        wanted: dict[str, str | list[str]] = {"sort": self.sort, "limit": str(MOST)}
        if self.overdue:
            wanted["overdue"] = "true"
        if self.due_before is not None:
            wanted["due_before"] = self.due_before.isoformat()
        return wanted | {name: value for name, value in (("priority", self.priority), ("cursor", self.after)) if value}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many open tasks there are; `available`: that one could accept, or that nobody of the unit has."""

    open: int
    overdue: int
    due_today: int
    available: int


@dataclass(frozen=True, slots=True)
class Addable:
    """A task definition that a case has no task of yet; `owner_kind` empty: its task is the case's unit's."""

    code: str
    subject_line: str
    owner_kind: str = ""
    owner_code: str = ""


class Tasks:
    """Reads and progresses tasks. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._asking = Asking(url, metrics.TASK_API_SECONDS, "task", timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    def mine(self, token: str, wish: Wish, available: bool = False) -> TaskList:
        """The caller's open tasks; or those `available` to them: of their roles and unit, which nobody has."""
        params = wish.params() | {"available": "true" if available else "false"}
        return _list(self._asking.ask("GET", "/tasks/mine", token, params=params))

    def of_unit(self, token: str, unit: str, wish: Wish) -> TaskList:
        """The open tasks of a unit, as far as the caller may see them."""
        params = wish.params() | {"unit": unit, "state": ["pending", "in_progress"]}
        return _list(self._asking.ask("GET", "/tasks", token, params=params))

    def with_whom(self, token: str, kind: str, code: str, unit: str) -> TaskList:
        """The open tasks that a user has, or those of a role or unit (of `unit`, unless that is empty) that nobody has."""
        whose = {"assignee": code} if kind == "user" else {"owner": code, "available": "true"}
        params: dict[str, str | list[str]] = {"sort": "due", "limit": str(MOST), "state": ["pending", "in_progress"], **whose}
        return _list(self._asking.ask("GET", "/tasks", token, params=params | ({"unit": unit} if unit else {})))

    def counts(self, token: str, unit: str | None = None) -> Counts:
        """Of what the caller has; of a unit, if one is named."""
        found = self._asking.ask(
            "GET", "/tasks/mine/counts" if unit is None else "/tasks/counts", token, params={"unit": unit} if unit else {}
        )
        return Counts(found["open"], found["overdue"], found["due_today"], found["available"])

    def of_case(self, token: str, case: UUID) -> TaskList:
        """The tasks of a case, as far as the caller may see them, whatever their state."""
        return _list(self._asking.ask("GET", "/tasks", token, params={"case_id": str(case), "sort": "due", "limit": str(MOST)}))

    def addable(self, token: str, case: UUID) -> tuple[Addable, ...]:
        """What the caller can add to a case by hand."""
        found = self._asking.ask("GET", "/task-definitions", token, params={"case_id": str(case)})["items"]
        owners = [item["owner"] or {"kind": "", "code": ""} for item in found]
        return tuple(
            [Addable(item["code"], item["subject_line"], owner["kind"], owner["code"]) for item, owner in zip(found, owners, strict=True)]
        )

    def add(self, token: str, case: UUID, definition: str, key: str) -> Task:
        """Add a task to a case by its definition; the same `key` again adds nothing more."""
        content = {"case_id": str(case), "definition": definition}
        return _task(self._asking.ask("POST", "/tasks", token, content=content, headers={"Idempotency-Key": key}))

    def of_customer(self, token: str, contacts: Sequence[UUID]) -> TaskList:
        """The open tasks about these contacts, as far as the caller may see them."""
        ids = [str(contact) for contact in contacts[:MOST_CONTACTS]]
        params: dict[str, str | list[str]] = {"sort": "due", "limit": str(MOST), "contact_id": ids, "state": ["pending", "in_progress"]}
        return _list(self._asking.ask("GET", "/tasks", token, params=params))

    def one(self, token: str, task: UUID) -> Task:
        """One task, with message and instructions."""
        return _task(self._asking.ask("GET", f"/tasks/{task}", token))

    def act(
        self, token: str, task: UUID, action: Action | Literal["reopen"], revision: int, key: str, content: Mapping[str, str] | None = None
    ) -> Task:
        """Do something to a task that the caller saw at `revision`; the same `key` again does nothing more."""
        headers = {"If-Match": f'"{revision}"', "Idempotency-Key": key}
        return _task(self._asking.ask("POST", f"/tasks/{task}/{action}", token, headers=headers, content=content))


def _list(content: dict[str, Any]) -> TaskList:
    return TaskList(tuple(_task(item) for item in content["items"]), content["next"] is not None, content["next"] or "")


def _task(item: dict[str, Any]) -> Task:
    due_at = item.get("due_at")
    start_by = None if item.get("in_progress_at") or item["state"] not in ("planned", "pending") else item.get("start_by")
    customer = item.get("customer") or {}
    return Task(
        id=UUID(item["id"]),
        revision=int(item["revision"]),
        subject_line=item["subject_line"],
        case_number=item.get("case_number") or "",
        case_title=item.get("case_title") or "",
        state=item["state"],
        priority=item["priority"],
        due_at=datetime.fromisoformat(due_at) if due_at else None,
        assignee=item.get("assignee"),
        owner_kind=item["owner"]["kind"],
        owner_code=item["owner"]["code"],
        unit=item.get("unit") or "",
        customer_name=customer.get("name") or "",
        customer_email=customer.get("email") or "",
        description=item.get("description") or "",
        message=item.get("message") or "",
        instructions=item.get("instructions") or "",
        case=UUID(item["case_id"]) if item.get("case_id") else None,
        contact=UUID(customer["contact_id"]) if customer.get("contact_id") else None,
        account=UUID(customer["account_id"]) if customer.get("account_id") else None,
        lead=UUID(item["lead_id"]) if item.get("lead_id") else None,
        start_by=datetime.fromisoformat(start_by) if start_by else None,
    )
