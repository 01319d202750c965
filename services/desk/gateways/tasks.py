"""The task service's API, called with the token of whoever looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import httpx

from services.desk import metrics
from services.desk.domain.tasks import Task
from shared.observability.tracing import child_traceparent, current_traceparent

Sort = Literal["due", "priority"]
Action = Literal["accept", "start", "pend", "complete"]
MOST = 200
"""Tasks on one page."""


class Away(Exception):
    """The task service does not answer, or says that it cannot just now."""


class Refused(Exception):
    """The task service refused; the text is its own word, for people."""


@dataclass(frozen=True, slots=True)
class TaskList:
    """Tasks in the order asked for; `more`: there are others."""

    tasks: tuple[Task, ...]
    more: bool


class Tasks:
    """Reads and progresses tasks. Safe for use by many threads."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def mine(self, token: str, sort: Sort, available: bool = False) -> TaskList:
        """The caller's open tasks; or those `available` to them: of their roles and unit, which nobody has."""
        params = {"sort": sort, "limit": str(MOST), "available": "true" if available else "false"}
        return _list(self._ask("GET", "/tasks/mine", token, params=params))

    def of_unit(self, token: str, unit: str, sort: Sort) -> TaskList:
        """The open tasks of a unit, as far as the caller may see them."""
        params: dict[str, str | list[str]] = {"sort": sort, "limit": str(MOST), "unit": unit, "state": ["pending", "in_progress"]}
        return _list(self._ask("GET", "/tasks", token, params=params))

    def one(self, token: str, task: UUID) -> Task:
        """One task, with message and instructions."""
        return _task(self._ask("GET", f"/tasks/{task}", token))

    def act(self, token: str, task: UUID, action: Action, revision: int, key: str) -> Task:
        """Do something to a task that the caller saw at `revision`; the same `key` again does nothing more."""
        headers = {"If-Match": f'"{revision}"', "Idempotency-Key": key}
        return _task(self._ask("POST", f"/tasks/{task}/{action}", token, headers=headers))

    def _ask(
        self,
        method: str,
        path: str,
        token: str,
        params: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        sent = {"Authorization": f"Bearer {token}", "traceparent": child_traceparent(current_traceparent())} | dict(headers or {})
        try:
            with metrics.TASK_API_SECONDS.time():
                answer = self._client.request(method, path, params=params, headers=sent)
        except httpx.TransportError as error:
            raise Away from error
        if answer.status_code >= 500 or answer.status_code == 401:
            raise Away
        if answer.is_error:
            raise Refused(_word(answer))
        return answer.json()


def _word(answer: httpx.Response) -> str:
    if answer.status_code == 404:
        return "There is no such task, or none that you can see."
    if answer.status_code == 412:
        return "Somebody changed this task since you opened the page. Look at it again, then decide."
    try:
        return str(answer.json().get("detail") or answer.json().get("title") or "It was refused.")
    except (ValueError, AttributeError):
        return "It was refused."


def _list(content: dict[str, Any]) -> TaskList:
    return TaskList(tuple(_task(item) for item in content["items"]), content["next"] is not None)


def _task(item: dict[str, Any]) -> Task:
    due_at = item.get("due_at")
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
    )
