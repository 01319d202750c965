"""Lists of tasks over HTTP: every filter and order, page by page, and counts; a list reads as much of many tasks as of few."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bench.load_tasks import load
from services.task.api import routers
from services.task.domain.caller import Caller
from services.task.settings import TaskSettings
from services.task.storage.lists import OPEN_STATES, PRIORITIES, Filter, Sort, list_tasks
from shared.storage import Database
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService
from tests.support.configuration import a_configuration
from tests.support.explaining import explain, recorded
from tests.support.web import a_token, a_verifier, bearer, served

TASKS = 600
FEW, MANY = 2_000, 30_000
OPEN: dict[str, Any] = {"state": list(OPEN_STATES)}


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    load(service.database, a_configuration(), TASKS, NOW)
    with service.database.transaction() as tx:
        tx.execute("update tasks set priority = 'of-old' where abs(hashtext(id::text)) % 9 = 0")
        tx.execute("update tasks set assignee = 'stand-in' where owner_kind = 'user' and abs(hashtext(id::text)) % 7 = 0")
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as client:
        yield client


def everything(api: httpx.Client, path: str = "/tasks", limit: int = 23, headers: dict[str, str] | None = None, **params: Any) -> list[Any]:
    """A list to its end."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(path, params=params | {"limit": limit} | ({} if cursor is None else {"cursor": cursor}), headers=headers)
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            return found


def _at(task: dict[str, Any]) -> float:
    return datetime.fromisoformat(task["due_at"]).timestamp() if task["due_at"] else float("inf")


def _rank(task: dict[str, Any]) -> int:
    return PRIORITIES.index(task["priority"]) if task["priority"] in PRIORITIES else len(PRIORITIES)


ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "due": _at,
    "-due": lambda task: (task["due_at"] is None, -_at(task)),
    "priority": lambda task: (_rank(task), _at(task)),
    "-priority": lambda task: (-_rank(task), _at(task)),
}


@pytest.mark.requirement("TASK-9")
def test_every_order_gives_every_task_once_and_in_order_for_whoever_may_see_it(api: httpx.Client) -> None:
    some = everything(api, limit=500)
    assert len(some) == TASKS
    user = next(task["owner"]["code"] for task in some if task["assignee"] == "stand-in" and task["state"] == "pending")

    def is_own(task: dict[str, Any]) -> bool:
        available = task["assignee"] is None and (task["owner"]["kind"], task["owner"]["code"]) in {
            ("role", "plumber"),
            ("role", "agent"),
            ("unit", "repairs"),
        }
        return task["assignee"] == user or task["owner"] == {"kind": "user", "code": user} or available

    callers = {"all": lambda _task: True, "unit": lambda task: task["unit"] == "repairs" or is_own(task), "own": is_own}
    for scope, may_see in callers.items():
        token = a_token(user, "task:read", unit="repairs", roles=("plumber", "agent"), scope=scope)  # type: ignore[arg-type]
        for states in (dict[str, Any](), OPEN):
            wanted = {task["id"] for task in some if may_see(task) and (not states or task["state"] in OPEN_STATES)}
            for sort, order in ORDERS.items():
                found = everything(api, headers=bearer(token), sort=sort, **states)
                ids = [task["id"] for task in found]
                assert (len(ids), set(ids)) == (len(wanted), wanted), (scope, sort)
                assert found == sorted(found, key=order), (scope, sort)
    own = {task["id"] for task in some if is_own(task) and task["state"] in OPEN_STATES and task["owner"]["code"] != user}
    mine = everything(api, "/tasks/mine", headers=bearer(token), with_available=True)
    assert {task["id"] for task in mine if task["owner"]["code"] != user} == own


@pytest.mark.requirement("TASK-9")
def test_filters_are_fulfilled_by_what_is_listed_and_by_nothing_else(api: httpx.Client) -> None:
    some = everything(api, limit=500)
    soon = NOW + timedelta(days=3)
    one = next(task for task in some if task["case_id"] and task["definition"] and task["assignee"])

    def is_open(task: dict[str, Any]) -> bool:
        return task["state"] in OPEN_STATES

    filters: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
        ({"unit": one["unit"]}, lambda task: task["unit"] == one["unit"]),
        ({"state": ["pending", "cancelled"]}, lambda task: task["state"] in ("pending", "cancelled")),
        ({"state": "in_progress"}, lambda task: task["state"] == "in_progress"),
        ({"priority": "high"}, lambda task: task["priority"] == "high"),
        ({"priority": "low"} | OPEN, lambda task: task["priority"] == "low" and is_open(task)),
        ({"definition": one["definition"]}, lambda task: task["definition"] == one["definition"]),
        ({"assignee": one["assignee"]}, lambda task: task["assignee"] == one["assignee"]),
        ({"case_id": one["case_id"]}, lambda task: task["case_id"] == one["case_id"]),
        ({"available": True} | OPEN, lambda task: task["assignee"] is None and is_open(task)),
        ({"overdue": True}, lambda task: is_open(task) and _at(task) < NOW.timestamp()),
        ({"due_before": soon.isoformat()} | OPEN, lambda task: is_open(task) and _at(task) < soon.timestamp()),
    ]
    token = bearer(a_token("nobody", "task:read", unit=one["unit"], roles=(), scope="unit"))
    for params, fits in filters:
        for sort in ORDERS:
            found = {task["id"] for task in everything(api, limit=500, sort=sort, **params)}
            assert found == {task["id"] for task in some if fits(task)}, (params, sort)
            assert found, params
            reached = {task["id"] for task in everything(api, limit=500, headers=token, sort=sort, **params)}
            assert reached == {task["id"] for task in some if fits(task) and task["unit"] == one["unit"]}, (params, sort)


@pytest.mark.requirement("TASK-9")
def test_counts_say_how_long_the_lists_are(api: httpx.Client) -> None:
    some = [task for task in everything(api, limit=500) if task["state"] in OPEN_STATES]
    midnight = NOW.replace(hour=0) + timedelta(days=1)

    def counted(tasks: list[dict[str, Any]], available: int) -> dict[str, Any]:
        return {
            "open": len(tasks),
            "overdue": sum(task["overdue"] for task in tasks),
            "due_today": sum(NOW.timestamp() <= _at(task) < midnight.timestamp() for task in tasks),
            "available": available,
            "by_priority": {priority: sum(task["priority"] == priority for task in tasks) for priority in PRIORITIES},
        }

    def free(tasks: list[dict[str, Any]]) -> int:
        return sum(task["assignee"] is None for task in tasks)

    assert api.get("/tasks/counts").json() == counted(some, free(some))
    team = [task for task in some if task["unit"] == "repairs"]
    leader = bearer(a_token("lena", "task:read", unit="repairs", scope="unit"))
    assert api.get("/tasks/counts?unit=repairs", headers=leader).json() == counted(team, free(team))
    for elsewhere in ("", "?unit=neighbourhood"):
        assert api.get(f"/tasks/counts{elsewhere}", headers=leader).status_code == 403
    assert api.get("/tasks/counts?unit=repairs", headers=bearer(a_token("rita", "task:read", scope="own"))).status_code == 403
    for user, roles in (("agent-1", ("plumber",)), ("stand-in", ())):
        own = bearer(a_token(user, "task:read", unit="repairs", roles=roles, scope="own"))
        owners = {("role", role) for role in roles} | {("unit", "repairs")}
        could = [task for task in some if task["assignee"] is None and (task["owner"]["kind"], task["owner"]["code"]) in owners]
        held = [task for task in some if task["assignee"] == user]
        assert held
        assert could
        assert api.get("/tasks/mine/counts", headers=own).json() == counted(held, len(could))


@pytest.mark.requirement("TASK-9")
def test_a_cursor_of_another_order_is_refused(api: httpx.Client) -> None:
    cursor = api.get("/tasks", params={"limit": 1, "sort": "due"}).json()["next"]

    assert api.get("/tasks", params={"cursor": cursor, "sort": "due"}).status_code == 200
    assert api.get("/tasks", params={"cursor": cursor, "sort": "-due"}).status_code == 400
    assert api.get("/tasks", params={"sort": "colour"}).status_code == 422
    assert api.get("/tasks", params={"priority": "urgent"}).status_code == 422


@pytest.fixture
def many(fresh_database: Callable[[str], str]) -> Iterator[tuple[Database, Database]]:
    """Few tasks, and fifteen times as many."""
    databases = tuple(Database(fresh_database("task"), service="task") for _ in range(2))
    for database, count in zip(databases, (FEW, MANY), strict=True):
        load(database, a_configuration(), count, NOW)
    yield databases  # type: ignore[misc]
    for database in databases:
        database.close()


@pytest.mark.requirement("TASK-9")
def test_a_page_of_open_tasks_reads_its_indexes_and_as_much_of_many_tasks_as_of_few(many: tuple[Database, Database]) -> None:
    roles = frozenset({"plumber", "agent"})
    agent, leader, manager = Caller("agent-1", roles, "repairs"), Caller("lena", roles, "repairs", "unit"), Caller("max", scope="all")
    busy = Caller("rita", roles, "repairs")
    mine, team = Filter(states=OPEN_STATES), Filter(states=OPEN_STATES, unit="repairs")
    lists: list[tuple[Caller, Filter, Sort, str]] = [
        (agent, Filter(states=OPEN_STATES, assignee="agent-1"), Sort.DUE, "open_tasks_by_assignee"),
        (agent, Filter(states=OPEN_STATES, assignee="agent-1"), Sort.PRIORITY, "open_tasks_by_assignee"),
        (agent, mine, Sort.DUE, "available_tasks"),
        (agent, mine, Sort.PRIORITY, "available_tasks"),
        (busy, mine, Sort.DUE, "open_tasks_by_assignee"),
        (busy, mine, Sort.DUE_DESCENDING, "open_tasks_by_assignee"),
        (busy, mine, Sort.PRIORITY, "open_tasks_by_assignee"),
        (leader, mine, Sort.DUE, "open_tasks_by_unit"),
        (leader, mine, Sort.PRIORITY_DESCENDING, "open_tasks_by_unit"),
        (leader, team, Sort.DUE, "open_tasks_by_unit"),
        (leader, team, Sort.PRIORITY, "open_tasks_by_unit"),
        (manager, mine, Sort.DUE, "open_tasks_by_unit"),
        (manager, mine, Sort.PRIORITY, "open_tasks_by_unit"),
    ]
    for caller, wanted, sort, index in lists:
        touched = []
        for database in many:
            with recorded(database) as (tx, statements):
                assert len(list_tasks(tx, caller, wanted, sort, 21, None, NOW)) == 21
            found = explain(database, statements)
            touched.append(found.buffers)
        assert index in found.indexes, (caller.user, wanted, sort, found.nodes)
        assert not found.scanned, (caller.user, wanted, sort, found.nodes)
        # A level more of the tree is a page more for each look into it.
        assert touched[1] <= touched[0] * 1.5 + 8, (caller.user, wanted, sort, touched)
