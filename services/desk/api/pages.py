"""The pages: sign-in, my current tasks, a task, the team's tasks, health."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, local_path, see_other
from services.desk.api.machines import address_of
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import Task, due_words, span_words
from services.desk.gateways.processes import Processes
from services.desk.gateways.tasks import Action, Away, Refused, Sort, TaskList, Tasks
from services.desk.handlers.sign_in import SignInRefused, TooManyTries
from shared.clock import Clock
from shared.web import Forbidden

Show = Literal["all", "overdue", "today"]
DONE = {
    "accept": "The task is yours now.",
    "start": "The task is in progress.",
    "pend": "The task is back to pending.",
    "complete": "The task is completed. What waited for it starts now.",
}


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


@dataclass(frozen=True, slots=True)
class Section:
    """A list on a page; `rows` None: it could not be read."""

    rows: list[Row] | None
    more: bool = False


def open_pages(browser: Browser) -> APIRouter:
    """Signing in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    def sign_in_page(next: Annotated[str, Query(max_length=500)] = "/") -> Response:
        return browser.page("sign_in.html", None, next=local_path(next, "/"), user="", error="")

    @router.post("/sign-in", dependencies=[Depends(from_our_own_page)])
    def sign_in(
        request: Request,
        user: Annotated[str, Form(max_length=64)] = "",
        password: Annotated[str, Form(max_length=200)] = "",
        next: Annotated[str, Form(max_length=500)] = "/",
    ) -> Response:
        wanted = local_path(next, "/")
        try:
            name = browser.sign_in.check(user, password, address_of(request))
        except TooManyTries as error:
            wait = f"There were too many tries. Please wait {span_words(error.wait)} and try again."
            return browser.page("sign_in.html", None, 429, next=wanted, user=user, error=wait)
        except SignInRefused:
            wrong = "User name and password do not belong together. Please check both."
            return browser.page("sign_in.html", None, 401, next=wanted, user=user, error=wrong)
        response = see_other(wanted)
        browser.open_session(response, name)
        return response

    @router.post("/sign-out", dependencies=[Depends(from_our_own_page)])
    def sign_out(request: Request) -> Response:
        response = see_other("/sign-in")
        browser.close_session(request, response)
        return response

    return router


def pages(browser: Browser, tasks: Tasks, processes: Processes, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """The pages behind sign-in."""
    router = APIRouter(include_in_schema=False)
    # As a default, since annotations are evaluated outside of this function.
    signed_in: Visitor = Depends(browser.visitor)

    def section(read: Callable[[], TaskList], show: Show) -> Section:
        now, around = clock(), organisation()
        try:
            found = read()
        except Away:
            return Section(None)
        return Section([_row(task, now, around) for task in _shown(found.tasks, show, now, around.zone)], found.more)

    @router.get("/")
    def start(visitor: Visitor = signed_in) -> Response:
        return see_other("/tasks" if visitor.may("task:read") else "/health")

    @router.get("/tasks")
    def my_tasks(
        visitor: Visitor = signed_in, sort: Sort = "due", show: Show = "all", done: Annotated[str, Query(max_length=20)] = ""
    ) -> Response:
        _require(visitor, "task:read")
        token = visitor.token.token
        return browser.page(
            "tasks.html",
            visitor,
            mine=section(lambda: tasks.mine(token, sort), show),
            available=section(lambda: tasks.mine(token, sort, available=True), show),
            sort=sort,
            show=show,
            message=DONE.get(done, ""),
            now=_clock_words(clock(), organisation().zone),
        )

    @router.get("/team")
    def team_tasks(visitor: Visitor = signed_in, sort: Sort = "due", show: Show = "all") -> Response:
        _require(visitor, "task:assign")
        unit = visitor.token.member.unit
        return browser.page(
            "team.html",
            visitor,
            team=section(lambda: tasks.of_unit(visitor.token.token, unit, sort), show),
            unit=organisation().name("unit", unit),
            sort=sort,
            show=show,
            now=_clock_words(clock(), organisation().zone),
        )

    def task_page(visitor: Visitor, task: UUID, error: str = "", status: int = 200, message: str = "") -> Response:
        try:
            found = tasks.one(visitor.token.token, task)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return browser.page("refused.html", visitor, 404, reason=str(refused))
        row = _row(found, clock(), organisation())
        return browser.page("task.html", visitor, status, row=row, task=found, error=error, message=message)

    @router.get("/tasks/{task}")
    def one_task(task: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        _require(visitor, "task:read")
        return task_page(visitor, task, message=DONE.get(done, ""))

    @router.post("/tasks/{task}/{action}", dependencies=[Depends(from_our_own_page)])
    def act(
        task: UUID,
        action: Action,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        back: Annotated[str, Form(max_length=500)] = "/tasks",
        visitor: Visitor = signed_in,
    ) -> Response:
        _require(visitor, "task:progress")
        try:
            tasks.act(visitor.token.token, task, action, revision, f"desk-{key}")
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return task_page(visitor, task, error=str(refused), status=409)
        where = local_path(back, "/tasks")
        return see_other(f"{where}{'&' if '?' in where else '?'}done={action}")

    @router.get("/health")
    def health(visitor: Visitor = signed_in) -> Response:
        _require(visitor, "status:read")
        found = processes.health(visitor.token.token)
        newest = max((process.config_version or 0 for process in found), default=0)
        return browser.page("health.html", visitor, processes=found, newest=newest, now=_clock_words(clock(), organisation().zone))

    return router


def _require(visitor: Visitor, permission: str) -> None:
    if not visitor.may(permission):
        raise Forbidden(f"Your roles do not open this page; it needs the permission {permission}.")


def _row(task: Task, now: datetime, around: Organisation) -> Row:
    due, iso = ("no due date", "") if task.due_at is None else (due_words(task.due_at, now, around.zone), task.due_at.isoformat())
    overdue = span_words(now - task.due_at) if task.due_at is not None and task.is_overdue(now) else ""
    holder = around.name("user", task.assignee) if task.assignee else ""
    return Row(task, due, iso, overdue, str(uuid4()), holder, around.name(task.owner_kind, task.owner_code))


def _shown(tasks: Sequence[Task], show: Show, now: datetime, zone: tzinfo) -> list[Task]:
    if show == "overdue":
        return [task for task in tasks if task.is_overdue(now)]
    if show == "today":
        today = now.astimezone(zone).date()
        return [task for task in tasks if task.due_at is not None and task.due_at.astimezone(zone).date() <= today]
    return list(tasks)


def _clock_words(now: datetime, zone: tzinfo) -> str:
    return f"{now.astimezone(zone):%H:%M}"
