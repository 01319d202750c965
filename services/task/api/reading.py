"""Lists of tasks, one task, its history, a case's plan with its critical path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.task.api.views import TaskDetail, TaskPage, caller_of, plan_view, task_detail, task_view
from services.task.domain.caller import Caller
from services.task.domain.case import Case
from services.task.domain.critical_path import forecast
from services.task.domain.task import Task
from services.task.handlers.work import CompiledOf, Work
from services.task.storage import queries
from services.task.storage.queries import OPEN_STATES, Filter, Sort
from shared.clock import Clock
from shared.schemas.events import TaskLifeCycle
from shared.storage import Database, Transaction
from shared.web import Answer, NotFound, PageRequest, Principal, Problem, page_request, requires

Reader = Annotated[Principal, Depends(requires("task:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Code = Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")]
States = Annotated[list[TaskLifeCycle] | None, Query(description="Life-cycle states; may be given several times.")]


def reading(database: Database, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes that only show."""
    router = APIRouter(tags=["tasks"])

    def page_of(caller: Caller, wanted: Filter, sort: Sort, page: PageRequest) -> Response:
        now = clock()
        with database.read() as tx:
            found = queries.list_tasks(tx, caller, wanted, sort, page.limit + 1, _after(page, sort))
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: queries.keys_of(row[0], sort))
        items = [task_view(task, case, compiled(task.config_version), now) for task, case in shown]
        return Answer({"items": items, "next": following}).response()

    @router.get("/tasks", response_model=TaskPage, summary="Tasks within reach: one's own, one's unit's, or all.")
    def list_tasks(
        principal: Reader,
        page: Paging,
        case_id: UUID | None = None,
        state: States = None,
        owner: Annotated[Code, Query(description="Code of the user, role or unit that they are for.")] = None,
        assignee: Code = None,
        unit: Code = None,
        sort: Literal["due", "priority"] = "due",
    ) -> Response:
        wanted = Filter(case_id, _values(state), owner, assignee, unit)
        return page_of(caller_of(principal), wanted, sort, page)

    @router.get("/tasks/mine", response_model=TaskPage, summary="My current tasks, or those that I could accept.")
    def my_tasks(
        principal: Reader,
        page: Paging,
        state: States = None,
        sort: Literal["due", "priority"] = "due",
        available: Annotated[bool, Query(description="Those of my roles and unit that nobody has yet.")] = False,
    ) -> Response:
        caller = caller_of(principal)
        own = Caller(caller.user, caller.roles, caller.unit)
        states = _values(state) or OPEN_STATES
        if available:
            return page_of(own, Filter(states=states, available=True), sort, page)
        return page_of(own, Filter(states=states, assignee=caller.user), sort, page)

    @router.get("/tasks/{task_id}", response_model=TaskDetail, summary="A task with its message and instructions.")
    def show_task(task_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            task, case = visible_task(tx, task_id, caller_of(principal))
        return Answer(task_detail(task, case, compiled(task.config_version), clock()), revision=task.revision).response()

    @router.get("/tasks/{task_id}/history", summary="Every change of a task, the oldest first.")
    def show_history(task_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            task, _ = visible_task(tx, task_id, caller_of(principal))
            entries = queries.history_of(tx, task_id)
        items = [
            {"revision": revision, "at": at, "changed_by": by, "event": event, "changes": changes}
            for revision, at, by, event, changes in entries
        ]
        if not items or items[0]["revision"] != 1:  # a workflow's tasks begin alike: that is not kept for each
            begun = {"revision": 1, "at": task.planned_at, "changed_by": "system", "event": "planned", "changes": {}}
            items.insert(0, begun)
        return Answer({"items": items, "next": None}).response()

    @router.get("/plans/{case_id}", summary="A case's plan: what finishes when, and what delays the end.")
    def show_plan(case_id: UUID, principal: Reader) -> Response:
        work = Work(compiled, clock())
        caller = caller_of(principal)
        with database.read() as tx:
            loaded = queries.get_case(tx, case_id)
            work.add_tasks(queries.tasks_of_case(tx, case_id))
        plan = None if loaded is None or loaded.planned_at is None else work.plan_of(loaded)
        if loaded is None or plan is None or not may_see_case(caller, loaded, work.tasks_of(case_id)):
            raise NotFound
        calendars = compiled(loaded.config_version).calendars
        return Answer(plan_view(plan, forecast(plan, clock(), calendars))).response()

    return router


def visible_task(tx: Transaction, task_id: UUID, caller: Caller) -> tuple[Task, Case | None]:
    """The task, if the caller may see it."""
    found = queries.get_task(tx, task_id)
    if found is None or not caller.sees(found[0]):
        raise NotFound
    return found


def may_see_case(caller: Caller, case: Case, tasks: list[Task]) -> bool:
    """Whether the case is within reach, or one of its tasks."""
    if caller.scope == "all" or case.owner == caller.user or (caller.scope == "unit" and case.unit == caller.unit):
        return True
    return any(caller.sees(task) for task in tasks)


def _values(states: list[TaskLifeCycle] | None) -> tuple[str, ...]:
    return tuple(state.value for state in states or ())


def _after(page: PageRequest, sort: Sort) -> tuple[Any, ...] | None:
    keys = page.keys(2 if sort == "due" else 3)
    if keys is None:
        return None
    try:
        due_at = None if keys[-2] is None else datetime.fromisoformat(str(keys[-2])).astimezone(UTC)
        place = (due_at, UUID(str(keys[-1])))
        return place if sort == "due" else (queries.RANKS.index(keys[0]), *place)
    except (OverflowError, ValueError) as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error
