"""Tasks for leads: of the types that the lead's type allows, with the lead's number and customer, ended with a lost lead."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive
from shared.messaging import ReferenceData, StaticReference
from shared.schemas.events import LeadLifeCycle, LeadStatusChanged
from shared.web import create_app
from tests.service.task.conftest import TaskService, a_case_event, a_lead_event, assert_gapless
from tests.support.leads import a_lead_configuration
from tests.support.web import a_token, a_verifier, bearer, served

LEAD = derive("test lead")
BODY = {"lead_id": str(LEAD), "subject_line": "Ring back", "due_at": "2026-03-05T17:00:00Z"}


@pytest.fixture
def reference() -> ReferenceData:
    return StaticReference(a_lead_configuration())


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app, a_token("rita", "task:read", "task:create", "task:progress", unit="repairs", scope="unit")) as client:
        yield client


@pytest.mark.requirement("LEAD-2", "TASK-8", "TASK-3")
def test_a_task_is_scheduled_for_a_lead_of_the_allowed_types_only(service: TaskService, api: httpx.Client) -> None:
    assert api.post("/tasks", json=BODY).status_code == 404
    service.feed(a_lead_event())
    for refused in (BODY, BODY | {"definition": "fix-leak"}, BODY | {"definition": "unheard-of"}):
        assert api.post("/tasks", json=refused).status_code == 422

    made = api.post("/tasks", json=BODY | {"definition": "call-back"})

    assert made.status_code == 201, made.text
    task = made.json()
    assert (task["case_id"], task["lead_id"], task["case_number"], task["case_title"]) == (None, str(LEAD), "L-2026-000001", "A flat")
    assert (task["customer"]["name"], task["definition"], task["subject"]) == ("Joan Example", "call-back", None)
    told = service.events[-1]
    assert (told.key, told.data.lead_id, told.data.case_number, told.data.subject) == (str(LEAD), LEAD, "L-2026-000001", "none")
    assert [one["id"] for one in api.get("/tasks", params={"lead_id": str(LEAD)}).json()["items"]] == [task["id"]]
    assert api.get(f"/plans/{LEAD}").status_code == 404
    assert api.post(f"/tasks/{task['id']}/complete").json()["state"] == "completed"
    assert_gapless(service.events)


@pytest.mark.requirement("LEAD-2")
def test_a_lost_lead_takes_its_open_tasks_along_and_gets_no_more(service: TaskService, api: httpx.Client) -> None:
    service.feed(a_lead_event(lead_type="garage"))
    first, second = (api.post("/tasks", json=BODY).json() for _ in range(2))
    assert api.post(f"/tasks/{first['id']}/complete").status_code == 200

    service.feed(a_lead_event(LeadStatusChanged, 3, lead_type="garage", state=LeadLifeCycle.LOST))
    service.feed(a_lead_event(LeadStatusChanged, 2, lead_type="garage", state=LeadLifeCycle.IN_PROGRESS))

    states = {task["id"]: (task["state"], task["reason"]) for task in api.get("/tasks", params={"lead_id": str(LEAD)}).json()["items"]}
    assert states == {first["id"]: ("completed", ""), second["id"]: ("cancelled", "lead-lost")}
    assert api.post("/tasks", json=BODY).status_code == 409
    assert_gapless(service.events)


@pytest.mark.requirement("LEAD-2")
def test_a_lead_is_no_case_and_a_case_no_lead(service: TaskService, api: httpx.Client) -> None:
    # A lead type with the code of a subject has none of its workflow.
    service.feed(a_case_event(), a_lead_event(lead_type="leak"))
    assert service.rows(
        "select kind, count(t.id) as tasks from cases c left join tasks t on t.case_id = c.id group by kind order by kind"
    ) == [
        {"kind": "case", "tasks": 3},
        {"kind": "lead", "tasks": 0},
    ]
    case = str(derive("test case", 1))
    without = {name: value for name, value in BODY.items() if name != "lead_id"}
    assert api.post("/tasks", json=BODY | {"lead_id": case}).status_code == 404
    assert api.post("/tasks", json=without | {"case_id": str(LEAD)}).status_code == 404
    assert api.post("/tasks", json=BODY | {"case_id": case}).status_code == 422
    assert api.post("/tasks", json=without | {"case_id": case, "definition": "call-back"}).status_code == 409
    assert api.post("/tasks", json=BODY).status_code == 201
    republished = api.post("/republish", headers=bearer(a_token("max", "republish")))
    assert republished.status_code in (200, 202)
    assert {event.data.case_number for event in service.events if event.type.endswith("task.republished.v1")} == {"C-1", "L-2026-000001"}
