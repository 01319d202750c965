"""Lists of tasks, one task, its history, a case's plan with its critical path."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime

from services.task.api.views import TaskCounts, TaskDetail, TaskPage, caller_of, plan_view, task_detail, task_view
from services.task.domain.caller import Caller
from services.task.domain.case import Case
from services.task.domain.critical_path import forecast
from services.task.domain.task import Task
from services.task.handlers.work import CompiledOf, Work
from services.task.storage import lists, queries
from services.task.storage.lists import OPEN_STATES, PRIORITIES, Counts, Filter, Place, Sort, place_of
from shared.clock import Clock
from shared.schemas.events import TaskLifeCycle
from shared.storage import Database, Transaction
from shared.web import Answer, Forbidden, NotFound, PageRequest, Principal, Problem, page_request, requires

Reader = Annotated[Principal, Depends(requires("task:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Code = Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")]
States = Annotated[list[TaskLifeCycle] | None, Query(description="Life-cycle states; may be given several times.")]

Contacts = Annotated[list[UUID] | None, Query(max_length=100, description="Customers of the task or its case; may be given several times.")]


async def filtered(
    state: States = None,
    priority: Annotated[str | None, Query(pattern=f"^({'|'.join(PRIORITIES)})$", description="high, normal or low.")] = None,
    definition: Code = None,
    overdue: Annotated[bool, Query(description="Open, and past the due time.")] = False,
    due_before: AwareDatetime | None = None,
) -> Filter:
    """A dependency: the filters that every list has."""
    states = tuple(one.value for one in state or ())
    return Filter(states=states, priority=priority, definition=definition, overdue=overdue, due_before=due_before)


Only = Annotated[Filter, Depends(filtered)]


def reading(database: Database, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes that only show."""
    router = APIRouter(tags=["tasks"])

    def page_of(caller: Caller, wanted: Filter, sort: Sort, page: PageRequest) -> Response:
        now = clock()
        with database.read() as tx:
            found = lists.list_tasks(tx, caller, wanted, sort, page.limit + 1, _after(page, sort), now)
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (sort, *place_of(row[0])))
        items = [task_view(task, case, compiled(task.config_version), now) for task, case in shown]
        return Answer({"items": items, "next": following}).response()

    def day_ends(now: datetime) -> datetime:
        """The next midnight of the organisation's calendar."""
        configuration = compiled(0)
        zone = configuration.calendars[configuration.default_calendar].tz
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), zone).astimezone(UTC)

    @router.get("/tasks", response_model=TaskPage, summary="Tasks within reach: one's own, one's unit's, or all.")
    def list_tasks(
        principal: Reader,
        page: Paging,
        only: Only,
        case_id: UUID | None = None,
        contact_id: Contacts = None,
        lead_id: UUID | None = None,
        owner: Annotated[Code, Query(description="Code of the user, role or unit that they are for.")] = None,
        assignee: Code = None,
        unit: Code = None,
        available: Annotated[bool, Query(description="Those that nobody has yet.")] = False,
        sort: Sort = Sort.DUE,
    ) -> Response:
        whose = replace(only, owner=owner, assignee=assignee, unit=unit, available=available)
        return page_of(caller_of(principal), replace(whose, case_id=case_id or lead_id, contacts=tuple(contact_id or ())), sort, page)

    @router.get("/tasks/mine", response_model=TaskPage, summary="My current tasks, those that I could accept, or both.")
    def my_tasks(
        principal: Reader,
        page: Paging,
        only: Only,
        case_id: UUID | None = None,
        unit: Code = None,
        sort: Sort = Sort.DUE,
        available: Annotated[bool, Query(description="Those of my roles and unit that nobody has yet.")] = False,
        with_available: Annotated[bool, Query(description="Those that I have, and those of my roles and unit that nobody has.")] = False,
    ) -> Response:
        caller = caller_of(principal)
        own = Caller(caller.user, caller.roles, caller.unit)
        wanted = replace(only, states=only.states or OPEN_STATES, case_id=case_id, unit=unit)
        if not available and not with_available:
            wanted = replace(wanted, assignee=caller.user)
        return page_of(own, replace(wanted, available=available), sort, page)

    @router.get("/tasks/mine/counts", response_model=TaskCounts, summary="How many open tasks I have, and how many I could accept.")
    def my_counts(principal: Reader) -> Response:
        now = clock()
        with database.read() as tx:
            return _answer(lists.count_mine(tx, caller_of(principal), now, day_ends(now)))

    @router.get("/tasks/counts", response_model=TaskCounts, summary="How many open tasks a unit has; by those who reach all, of all.")
    def counts(principal: Reader, unit: Code = None) -> Response:
        caller, now = caller_of(principal), clock()
        if caller.scope != "all" and (caller.scope == "own" or unit is None or unit != caller.unit):
            raise Forbidden("Your roles do not show you all tasks there; ask for those of your own unit, or for /tasks/mine/counts.")
        with database.read() as tx:
            return _answer(lists.count_open(tx, unit, now, day_ends(now)))

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


def in_sight(tx: Transaction, caller: Caller, case_id: UUID | None, task_id: UUID | None) -> bool:
    """Whether the caller sees the task that something is about, or without one the case; with both, the task has to be in the case."""
    if task_id is not None:
        found = queries.get_task(tx, task_id)
        return found is not None and caller.sees(found[0]) and case_id in (None, found[0].case_id)
    case = queries.get_case(tx, case_id) if case_id else None
    return case is not None and may_see_case(caller, case, queries.tasks_of_case(tx, case.id))


def _answer(counts: Counts) -> Response:
    return Answer(asdict(counts)).response()


def _after(page: PageRequest, sort: Sort) -> Place | None:
    keys = page.keys(4)
    if keys is None:
        return None
    try:
        given, rank, due_at, id = keys
        place = Place(int(rank), None if due_at is None else datetime.fromisoformat(str(due_at)).astimezone(UTC), UUID(str(id)))
    except (OverflowError, TypeError, ValueError) as error:
        raise _of_another_list() from error
    if given != sort or place.rank not in range(len(PRIORITIES) + 1):
        raise _of_another_list()
    return place


def _of_another_list() -> Problem:
    return Problem(400, "The cursor is not one that this list gave; start without it.")
