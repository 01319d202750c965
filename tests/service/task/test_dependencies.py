"""A case lived over the API under a workflow with all kinds of dependencies, and a task that not every case gets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive, task_id
from shared.messaging import ReferenceData, StaticReference
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.configuration import LEAD, SUBJECTS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
WORKFLOW = {
    "tasks": [
        "inspect-leak",
        {"task": "warn-neighbour", "if": {"field": "case.impact", "one_of": ["low", "normal"]}},
        "fix-leak",
        "call-back",
        "answer",
    ],
    "dependencies": [
        {"task": "warn-neighbour", "after": "inspect-leak"},
        {"task": "fix-leak", "after": "warn-neighbour"},
        {"task": "call-back", "after": "fix-leak", "kind": "start_to_start", "lag": "2 hours"},
        {"task": "answer", "after": "fix-leak", "kind": "finish_to_finish", "lag": "5 days"},
    ],
}


@pytest.fixture
def reference() -> ReferenceData:
    return StaticReference(a_configuration(subjects=[SUBJECTS[0] | {"workflow": WORKFLOW}, *SUBJECTS[1:]]))


@pytest.fixture
def lena(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    token = a_token("lena", *LEAD, unit="repairs", roles=("leader",), scope="all")
    with served(app) as api, httpx.Client(base_url=api.base_url, headers=bearer(token), timeout=10) as client:
        yield client


@pytest.mark.requirement("TASK-2", "EDGE-5")
def test_a_case_is_lived_through_beginnings_ends_and_a_task_that_was_not_done_after_all(service: TaskService, lena: httpx.Client) -> None:
    service.feed(a_case_event())

    def states() -> dict[str, str]:
        return {row["definition"]: row["state"] for row in service.rows("select definition, state from tasks where case_id = %s", CASE)}

    def do(definition: str, action: str, body: dict[str, Any] | None = None) -> httpx.Response:
        service.clock.forward(hours=1)  # type: ignore[attr-defined]
        return lena.post(f"/tasks/{task_id(CASE, definition)}/{action}", json=body)  # type: ignore[arg-type]

    for definition in ("inspect-leak", "fix-leak", "call-back", "answer"):
        do(definition, "assign", {"user": "paul"}).raise_for_status()
    assert states() == {"inspect-leak": "pending", "fix-leak": "planned", "call-back": "planned", "answer": "pending"}
    do("inspect-leak", "complete").raise_for_status()
    assert states()["fix-leak"] == "pending"
    reopened = do("inspect-leak", "reopen", {"reason": "the wrong flat"})
    assert (reopened.status_code, reopened.json()["state"]) == (200, "in_progress")
    assert states()["fix-leak"] == "planned"
    assert service.task(CASE, "fix-leak")["triggered_at"] is None
    do("inspect-leak", "complete").raise_for_status()
    do("fix-leak", "start").raise_for_status()
    assert service.task(CASE, "call-back")["starts_at"] == service.clock() + timedelta(hours=2)
    early = do("answer", "complete")
    assert (early.status_code, early.json()["why"]) == (409, "too_early")
    assert early.json()["waits_for"] == [{"task_id": str(task_id(CASE, "fix-leak")), "until": None}]  # type: ignore[arg-type]
    do("fix-leak", "complete").raise_for_status()
    free = service.clock() + timedelta(days=5)
    plan = lena.get(f"/plans/{CASE}").json()
    ends = {task["definition"]: (task["waits_for"], task["finishes_after"]) for task in plan["tasks"]}
    assert ends == {
        "inspect-leak": ([], []),
        "fix-leak": (["inspect-leak"], []),
        "call-back": (["fix-leak"], []),
        "answer": ([], ["fix-leak"]),
    }
    assert service.task(CASE, "answer")["due_at"] == max(NOW.replace(day=9), free)
    service.clock.now = free  # type: ignore[attr-defined]
    do("answer", "complete").raise_for_status()
    assert_gapless(service.events)
    assert len(service.rows("select 1 from history where changes -> 'reason' ->> 1 = 'the wrong flat'")) == 1
