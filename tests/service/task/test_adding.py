"""Tasks that are added to a case by their definition: what belongs to its subject, once each (TASK-3, TASK-4)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import CaseLifeCycle, CaseStatusChanged
from shared.web import create_app
from tests.service.task.conftest import MakeService, TaskService, a_case_event, assert_gapless
from tests.support.configuration import SUBJECTS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE, NOISE = derive("test case", 1), derive("test case", 2)
LISTED = ["inspect-leak", "fix-leak", "call-back", "answer", "log-diary"]


@pytest.fixture
def service(make_service: MakeService) -> TaskService:
    leak, *others = SUBJECTS
    return make_service(StaticReference(a_configuration(subjects=[leak | {"activity_types": LISTED}, *others]), version=7))


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    service.feed(a_case_event(1), a_case_event(2, subject="noise", unit="neighbourhood"))
    with served(app, a_token("rita", "task:read", "task:create", "task:progress", unit="repairs", scope="all")) as client:
        yield client


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def body(definition: str, case: object = CASE, **more: Any) -> dict[str, Any]:
    return {"case_id": str(case), "definition": definition} | more


def possible(api: httpx.Client, case: object = CASE) -> list[str]:
    return [one["code"] for one in ok(api.get("/task-definitions", params={"case_id": str(case)}))["items"]]


@pytest.mark.requirement("TASK-3", "TASK-4", "TASK-1")
def test_a_task_of_the_subject_that_the_case_does_not_have_is_added_as_its_definition_says(service: TaskService, api: httpx.Client) -> None:
    assert possible(api) == ["log-diary", "answer"]
    assert possible(api, NOISE) == ["inspect-leak", "fix-leak", "call-back", "answer"], "a subject that lists none allows all"

    made = ok(api.post("/tasks", json=body("answer")), 201)

    assert (made["subject_line"], made["owner"], made["assignee"]) == (
        "Answer the customer",
        {"kind": "unit", "code": "contact-centre"},
        None,
    )
    assert (made["state"], made["due_at"][:10], made["config_version"], made["changed_by"]) == ("pending", "2026-03-09", 1, "rita")
    own = {
        "subject_line": "Post them",
        "priority": "high",
        "assignee": "paul",
        "due_at": "2026-03-03T12:00:00Z",
        "description": "Two sets.",
    }
    other = ok(api.post("/tasks", json=body("log-diary", **own)), 201)
    assert (other["subject_line"], other["priority"], other["assignee"], other["unit"]) == ("Post them", "high", "paul", "repairs")
    assert (other["due_at"], other["description"]) == ("2026-03-03T12:00:00+00:00", "Two sets.")
    assert possible(api) == []
    # It is none of the plan's, whose tasks are those of the workflow.
    assert {each["definition"] for each in ok(api.get(f"/plans/{CASE}"))["tasks"]} == {"inspect-leak", "fix-leak", "call-back"}
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-3", "TASK-1", "CASE-8")
def test_what_does_not_belong_or_is_there_already_is_refused_with_the_reason(service: TaskService, api: httpx.Client) -> None:
    planned = ok(api.post("/tasks", json=body("call-back")), 409)
    assert (planned["detail"], planned["task"]) == (
        "The case has its task call-back already, which is planned.",
        str(service.task(CASE, "call-back")["id"]),
    )
    made = ok(api.post("/tasks", json=body("answer")), 201)
    ok(api.post(f"/tasks/{made['id']}/cancel"))
    assert "which is cancelled" in ok(api.post("/tasks", json=body("answer")), 409)["detail"]
    assert "does not belong to leak; these do: answer" in ok(api.post("/tasks", json=body("warn-neighbour")), 422)["detail"]
    assert "There is no task definition no-such" in ok(api.post("/tasks", json=body("no-such")), 422)["detail"]
    assert "There is no active member of staff" in ok(api.post("/tasks", json=body("log-diary", assignee="nobody")), 422)["detail"]
    assert "needs subject_line and due_at" in str(ok(api.post("/tasks", json={"case_id": str(CASE)}), 422))
    assert "in a case or for a lead" in str(ok(api.post("/tasks", json={"account_id": str(CASE), "definition": "answer"}), 422))
    elsewhere = bearer(a_token("nils", "task:read", "task:create", unit="neighbourhood", scope="unit"))
    assert api.post("/tasks", json=body("log-diary"), headers=elsewhere).status_code == 404
    assert api.get("/task-definitions", params={"case_id": str(CASE)}, headers=elsewhere).status_code == 404
    assert api.post("/tasks", json=body("log-diary"), headers=bearer(a_token("paul", "task:read"))).status_code == 403

    service.feed(a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.COMPLETED))
    assert "The case is completed" in ok(api.post("/tasks", json=body("log-diary")), 409)["detail"]
    assert possible(api) == []


@pytest.mark.requirement("TASK-3", "EDGE-3")
def test_of_two_who_add_the_same_task_at_once_one_is_told_that_it_is_there(service: TaskService, api: httpx.Client) -> None:
    together = Barrier(2)

    def add(key: str) -> tuple[int, str]:
        together.wait()
        answer = api.post("/tasks", json=body("answer"), headers={"Idempotency-Key": key})
        return answer.status_code, answer.json().get("task") or answer.json()["id"]

    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(add, ("one", "two")))
    assert [status for status, _ in found] == [201, 409]
    assert len({id for _, id in found}) == len(service.rows("select from tasks where definition = 'answer'")) == 1
    assert_gapless(service.events)
