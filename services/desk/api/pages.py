"""The pages: sign-in, my current tasks, a task, the team's tasks, health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, local_path, see_other
from services.desk.api.machines import address_of
from services.desk.api.task_page import Row, TaskPage, row_of
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import span_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.processes import Processes
from services.desk.gateways.tasks import Action, Counts, Sort, TaskList, Tasks, Wish
from services.desk.handlers.sign_in import SignInRefused, TooManyTries
from shared.clock import Clock
from shared.web import Forbidden

Show = Literal["all", "overdue", "today"]
Priority = Literal["", "high", "normal", "low"]
Which = Literal["", "mine", "available"]
After = Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")]
DONE = {
    "accept": "The task is yours now.",
    "start": "The task is in progress.",
    "pend": "The task is back to pending.",
    "complete": "The task is completed. What waited for it starts now.",
    "reopened": "The task is in progress again. What nobody has begun since waits for it.",
    "asked": "It is asked for approval now; complete the task once that is given.",
    "approval-asked": "It is asked. You see here when it is decided.",
    "recorded": "The time is recorded.",
    "corrected": "The time is corrected.",
    "added": "The service is on the task now.",
    "waived": "The service is waived: the task is completed without it.",
    "required": "The service is required again.",
    "booked": "It is booked.",
    "cancelled": "The booking is cancelled.",
    "confirmed": "The booking is confirmed.",
    "moved": "The booking is moved.",
}

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Section:
    """A list on a page; `rows` None: it could not be read."""

    rows: list[Row] | None
    next: str = ""
    """Where its next page begins; empty: there is none."""


@dataclass(frozen=True, slots=True)
class Here:
    """What a list shows, and the addresses of what else it could."""

    path: str
    sort: Sort
    show: Show
    priority: Priority

    def at(self, **other: str) -> str:
        """The address of the list with this changed."""
        now = {"sort": self.sort, "show": self.show, "priority": self.priority}
        return f"{self.path}?{urlencode({name: value for name, value in (now | other).items() if value})}"

    def turned(self, by: str) -> str:
        """The order by this, or the other way round where it is in order by this already."""
        return self.at(sort=f"-{by}" if self.sort == by else by)


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


def pages(
    browser: Browser,
    tasks: Tasks,
    task_page: TaskPage,
    processes: Processes,
    organisation: Callable[[], Organisation],
    clock: Clock,
) -> APIRouter:
    """The pages behind sign-in."""
    router = APIRouter(include_in_schema=False)
    # As a default, since annotations are evaluated outside of this function.
    signed_in: Visitor = Depends(browser.visitor)

    def section(read: Callable[[], TaskList]) -> Section:
        now, around = clock(), organisation()
        try:
            found = read()
        except (Away, Refused):
            return Section(None)
        return Section([row_of(task, now, around) for task in found.tasks], found.next)

    def counts(visitor: Visitor, unit: str | None = None) -> Counts | None:
        try:
            return tasks.counts(visitor.token.token, unit)
        except (Away, Refused):
            return None

    def wish(sort: Sort, show: Show, priority: Priority, after: str) -> Wish:
        due_before = _midnight(clock(), organisation().zone) if show == "today" else None
        return Wish(sort, show == "overdue", due_before, priority, after)

    @router.get("/")
    def start(visitor: Visitor = signed_in) -> Response:
        return see_other("/tasks" if visitor.may("task:read") else "/health")

    @router.get("/tasks")
    def my_tasks(
        visitor: Visitor = signed_in,
        sort: Sort = "due",
        show: Show = "all",
        priority: Priority = "",
        which: Which = "",
        after: After = "",
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        _require(visitor, "task:read")
        token, wanted = visitor.token.token, wish(sort, show, priority, after)
        return browser.page(
            "tasks.html",
            visitor,
            mine=None if which == "available" else section(lambda: tasks.mine(token, wanted)),
            available=None if which == "mine" else section(lambda: tasks.mine(token, wanted, available=True)),
            counts=counts(visitor),
            which=which,
            is_first=not after,
            list=Here("/tasks", sort, show, priority),
            message=DONE.get(done, ""),
            now=_clock_words(clock(), organisation().zone),
        )

    @router.get("/team")
    def team_tasks(
        visitor: Visitor = signed_in, sort: Sort = "due", show: Show = "all", priority: Priority = "", after: After = ""
    ) -> Response:
        _require(visitor, "task:assign")
        unit, wanted = visitor.token.member.unit, wish(sort, show, priority, after)
        return browser.page(
            "team.html",
            visitor,
            team=section(lambda: tasks.of_unit(visitor.token.token, unit, wanted)),
            counts=counts(visitor, unit),
            unit=organisation().name("unit", unit),
            is_first=not after,
            list=Here("/team", sort, show, priority),
            now=_clock_words(clock(), organisation().zone),
        )

    @router.get("/tasks/{task}")
    def one_task(task: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        _require(visitor, "task:read")
        return task_page(visitor, task, message=DONE.get(done, ""))

    @router.post("/tasks/{task}/reopen", dependencies=[Depends(from_our_own_page)])
    def reopen(
        task: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        _require(visitor, "task:assign")
        why = " ".join(reason.replace("\x00", "").split())
        if not why:
            return task_page(visitor, task, error="Say why it is taken up again.", status=422)
        try:
            tasks.act(visitor.token.token, task, "reopen", revision, f"desk-{key}", {"reason": why})
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return task_page(visitor, task, error=str(refused), status=409)
        return see_other(f"/tasks/{task}?done=reopened")

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
            after = tasks.act(visitor.token.token, task, action, revision, f"desk-{key}")
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return task_page(visitor, task, error=str(refused), status=409)
        if action == "complete" and after.is_open:  # its definition wants an approval, which is asked now
            return see_other(f"/tasks/{task}?done=asked")
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


def _midnight(now: datetime, zone: tzinfo) -> datetime:
    """When this day ends."""
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone)


def _clock_words(now: datetime, zone: tzinfo) -> str:
    return f"{now.astimezone(zone):%H:%M}"
