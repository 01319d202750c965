from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.sla.api import build
from services.sla.api.asking import Around
from services.sla.consumer import Projection
from shared.ids import clock_id
from shared.schemas.events import TaskLifeCycle, TaskStatusChanged
from tests.service.sla.harness import SlaStreams
from tests.support import eventually
from tests.support.sla import a_case, a_task
from tests.support.web import a_token, a_verifier, bearer, served


@pytest.fixture
def api(sla: SlaStreams) -> Iterator[httpx.Client]:
    around = Around.of(sla.reference)
    projection = Projection(sla.settings(), sla.database, around.policy)
    projection.start()
    with served(build(sla.settings(), sla.database, around, projection.problems, a_verifier()), "") as client:
        yield client
    projection.close()


def get(api: httpx.Client, path: str, **claims: Any) -> Any:
    response = api.get(path, headers=bearer(a_token(**claims)))
    return response.json() if response.status_code == 200 else response.status_code


def test_clocks_of_a_case_and_its_tasks_are_shown_and_counted(sla: SlaStreams, api: httpx.Client) -> None:
    sla.started()
    now = datetime.now(UTC)
    case, task = a_case(), a_task(triggered_at=now, due_at=now + timedelta(hours=1))
    sla.send(case)
    sla.send(task)
    found = eventually(
        lambda: len(get(api, f"/clocks?item_id={case.case_id}")["items"]) >= 2 and get(api, f"/clocks?item_id={case.case_id}")["items"]
    )
    assert {clock["kind"] for clock in found} >= {"due", "completion"}
    told = get(api, f"/clocks/{clock_id(task.task_id, 'due')}")
    [due] = told["clocks"]
    assert (due["state"], told["title"], told["item_id"]) == ("running", task.subject_line, str(task.task_id))
    assert get(api, f"/clocks/{case.number}")["item_id"] == str(case.case_id)
    assert get(api, "/counts") == {"timers": len(found), "dead_letters": 0}
    done = {"state": TaskLifeCycle.COMPLETED, "completed_at": datetime.now(UTC)}
    sla.send(TaskStatusChanged(**task.model_dump() | done), 2)
    eventually(lambda: get(api, f"/clocks/{due['id']}")["clocks"][0]["state"] == "closed")
    [closed] = get(api, f"/clocks/{due['id']}")["clocks"]
    assert (closed["unit"], closed["title"], closed["subject"], closed["outcome"]) == ("repairs", task.subject_line, "leak", "met")
    assert get(api, "/counts")["timers"] == len(found) - 1


def test_only_clocks_within_reach_are_shown(sla: SlaStreams, api: httpx.Client) -> None:
    sla.started()
    task = a_task(due_at=datetime.now(UTC) + timedelta(hours=1))
    sla.send(task)
    path = f"/clocks/{clock_id(task.task_id, 'due')}"
    eventually(lambda: isinstance(get(api, path), dict))
    assert get(api, path, scope="unit", unit="neighbourhood", user="nils") == 404
    assert isinstance(get(api, path, scope="unit", unit="repairs", user="rita"), dict)
    assert isinstance(get(api, path, scope="own", unit="x", user="paul"), dict)
    assert api.get(path).status_code == 401


def test_a_lost_read_model_is_made_again_from_the_changelog(sla: SlaStreams, api: httpx.Client) -> None:
    sla.started()
    sla.send(a_case())
    eventually(lambda: get(api, "/counts")["timers"])
    tables = ("select item_id, number, title, unit, record from items", "select * from clocks order by clock_id")
    before = [sla.sql(table) for table in tables]
    assert len(before[1]) >= 2
    with sla.database.transaction() as tx:
        tx.execute("truncate items, clocks")
        tx.execute("delete from offsets")
    again = Projection(sla.settings(instance="1"), sla.database, Around.of(sla.reference).policy)
    again.start()
    eventually(lambda: [sla.sql(table) for table in tables] == before, 40)
    again.close()
