"""The page of a task, and a task as a line of a list (TASK-9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import Response

from services.desk.api.browser import Browser, Visitor
from services.desk.domain.customers import Account, Customer
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import Task, due_words, span_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.customers import Customers
from services.desk.gateways.tasks import Tasks
from shared.clock import Clock

MORE_TO_SHOW = Callable[[Visitor, Task], Mapping[str, Any]]
"""Gives what further templates of the page show. Raises nothing: what cannot be read is said to be missing."""


@dataclass(frozen=True, slots=True)
class Row:
    """A task as a line of a list."""

    task: Task
    due: str
    due_iso: str
    overdue: str
    """By how much, in words; empty: it is not."""
    key: str
    """For the forms: doing it twice with one key does it once."""
    holder: str
    """Name of who has it; empty: nobody yet."""
    owner: str
    """Name of whom it is for."""


class TaskPage:
    """Shows the page of a task; also again, when a step on it was refused."""

    def __init__(
        self,
        browser: Browser,
        tasks: Tasks,
        customers: Customers,
        organisation: Callable[[], Organisation],
        clock: Clock,
        more: MORE_TO_SHOW,
    ) -> None:
        self._browser = browser
        self._tasks = tasks
        self._customers = customers
        self._organisation = organisation
        self._clock = clock
        self._more = more

    def __call__(self, visitor: Visitor, task: UUID, *, error: str = "", status: int = 200, message: str = "") -> Response:
        try:
            found = self._tasks.one(visitor.token.token, task)
        except Away:
            return self._browser.page("away.html", visitor, 503)
        except Refused as refused:
            return self._browser.page("refused.html", visitor, 404, reason=str(refused))
        now, around = self._clock(), self._organisation()
        return self._browser.page(
            "task.html",
            visitor,
            status,
            **({"now": now} | dict(self._more(visitor, found))),
            row=row_of(found, now, around),
            task=found,
            customer=self._customer_of(visitor, found),
            account=self._account_of(visitor, found),
            names=around,
            when=lambda at: due_words(at, now, around.zone),
            error=error,
            message=message,
        )

    def _customer_of(self, visitor: Visitor, task: Task) -> Customer | None:
        """Whom the task is about, as far as the visitor may see and case answers."""
        if task.contact is None or not visitor.may("case:read"):
            return None
        try:
            return self._customers.one(visitor.token.token, task.contact)
        except (Away, Refused):
            return None

    def _account_of(self, visitor: Visitor, task: Task) -> Account | None:
        """The account that a task without a contact is about, likewise."""
        if task.account is None or task.contact is not None or not visitor.may("case:read"):
            return None
        try:
            return self._customers.account(visitor.token.token, task.account)
        except (Away, Refused):
            return None


def row_of(task: Task, now: datetime, around: Organisation) -> Row:
    """The line of a task."""
    due, iso = ("no due date", "") if task.due_at is None else (due_words(task.due_at, now, around.zone), task.due_at.isoformat())
    overdue = span_words(now - task.due_at) if task.due_at is not None and task.is_overdue(now) else ""
    holder = around.name("user", task.assignee) if task.assignee else ""
    return Row(task, due, iso, overdue, str(uuid4()), holder, around.name(task.owner_kind, task.owner_code))
