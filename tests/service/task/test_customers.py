"""Tasks and whom they are about: by customer, from a note, and after the customer changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive
from shared.schemas.events import CaseCustomerChanged, CaseStatusChanged
from shared.schemas.parts import CustomerRef
from shared.web import create_app
from tests.service.task.conftest import TaskService, a_case_event
from tests.support.web import a_verifier, served

As = Callable[[str], httpx.Client]
OPEN = {"state": ["pending", "in_progress"]}


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    with served(
        create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    ) as client:
        yield client


@pytest.mark.requirement("CON-2", "CASE-10", "EDGE-11")
def test_a_customers_open_tasks_are_found_also_after_their_contacts_are_merged(service: TaskService, api: httpx.Client) -> None:
    service.feed(a_case_event(1), a_case_event(2))
    one, note = str(derive("contact", 1)), str(uuid4())
    alone = {"subject_line": "Call back", "due_at": "2026-03-03T10:00:00Z", "contact_id": one, "note_id": note}
    made = api.post("/tasks", json=alone).json()
    in_case = {"subject_line": "Ask", "due_at": "2026-03-03T10:00:00Z", "case_id": str(derive("test case", 2)), "note_id": note}

    assert made["note_id"] == note
    assert service.events[-1].data.note_id is not None
    assert api.get(f"/tasks/{api.post('/tasks', json=in_case).json()['id']}").json()["note_id"] == note

    def found(*contacts: str) -> set[str]:
        return {task["subject_line"] for task in api.get("/tasks", params={"contact_id": list(contacts), **OPEN}).json()["items"]}

    assert found(one) == {"Call back", "Inspect the leak at once"}
    assert found(str(uuid4())) == set()
    survivor = CustomerRef(contact_id=derive("contact", 1), name="Survivor", email="s@customer.example")
    service.feed(a_case_event(2, CaseCustomerChanged, revision=2, customer=survivor))
    assert found(one) == {"Call back", "Inspect the leak at once", "Ask"}
    (task,) = [task for task in api.get("/tasks", params={"contact_id": one, **OPEN}).json()["items"] if task["subject_line"] == "Ask"]
    assert (task["customer"]["name"], task["customer"]["contact_id"]) == ("Survivor", one)
    assert found(str(derive("contact", 2)), str(uuid4())) == set()
    service.feed(a_case_event(2, CaseStatusChanged, revision=3, customer=survivor, status="answered"))
    assert found(one) == {"Call back", "Inspect the leak at once", "Ask"}
