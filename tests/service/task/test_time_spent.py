"""Time spent on tasks: services, corrections, minimums of mandatory services, and events for billing."""

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
from shared.schemas.envelope import Event
from shared.schemas.events import ContactErased
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.configuration import TASK_DEFINITIONS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
PATH = f"/tasks/{task_id(CASE, 'inspect-leak')}"  # type: ignore[arg-type]
SERVICES = [{"code": code, "name": code.title()} for code in ("plumbing", "inspection", "painting")]
LISTED = [{"service": "plumbing", "mandatory": True, "minimum": "30 minutes"}, {"service": "inspection"}]


@pytest.fixture
def reference() -> ReferenceData:
    definitions = [TASK_DEFINITIONS[0] | {"services": LISTED}, *TASK_DEFINITIONS[1:]]
    return StaticReference(a_configuration(task_definitions=definitions, services=SERVICES))


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app, a_token("paul", roles=("plumber",), scope="own")) as client:
        service.feed(a_case_event())
        assert client.post(f"{PATH}/start").status_code == 200
        yield client


def record(api: httpx.Client, status: int = 201, key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post(f"{PATH}/time", json={"service": "plumbing", "minutes": 20} | body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def told(service: TaskService) -> list[Any]:
    return [event.data for event in service.events if event.type == "casestream.task.time-spent.v1"]


@pytest.mark.requirement("TASK-10")
def test_time_is_recorded_once_and_corrected_by_a_further_entry(service: TaskService, api: httpx.Client) -> None:
    first = record(api, key="a", note="In the kitchen")
    assert record(api, key="a", note="In the kitchen") == first
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    second = record(api, minutes=50, corrects=first["id"])
    assert "corrected already" in record(api, 409, minutes=1, corrects=first["id"])["detail"]
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    record(api, minutes=0, corrects=second["id"])
    shown = api.get(f"{PATH}/time").json()
    assert [(entry["minutes"], entry["counts"]) for entry in shown["items"]] == [(20, False), (50, False), (0, True)]
    assert shown["minutes"] == 0
    assert [(event.minutes, event.difference) for event in told(service)] == [(20, 20), (50, 30), (0, -50)]
    assert {(event.case_id, event.case_number, event.user) for event in told(service)} == {(CASE, "C-1", "paul")}
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10")
def test_a_correction_to_another_service_takes_the_time_from_the_first(service: TaskService, api: httpx.Client) -> None:
    assert api.post(f"{PATH}/services", json={"service": "inspection"}).status_code == 200
    first = record(api, minutes=40)
    record(api, service="inspection", minutes=25, corrects=first["id"])
    billed: dict[str, int] = {}
    for event in told(service):
        billed[event.service] = billed.get(event.service, 0) + event.difference
    assert billed == {"plumbing": 0, "inspection": 25}
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10")
def test_completing_makes_a_mandatory_service_up_to_its_minimum_and_no_more(service: TaskService, api: httpx.Client) -> None:
    record(api, minutes=20)
    service.clock.forward(minutes=1)  # type: ignore[attr-defined]
    assert api.post(f"{PATH}/complete").status_code == 200
    shown = api.get(f"{PATH}/time").json()
    assert [(each["service"], each["mandatory"], each["minimum"], each["minutes"]) for each in shown["services"]] == [
        ("plumbing", True, 30, 30)
    ]
    added = shown["items"][-1]
    assert (added["minutes"], added["automatic"], added["user"], added["recorded_by"]) == (10, True, "paul", "system")
    assert "by itself" in added["note"]
    assert [(event.minutes, event.automatic) for event in told(service)] == [(20, False), (10, True)]
    # What was recorded by itself is corrected like anything else.
    record(api, minutes=5, corrects=added["id"])
    assert api.get(f"{PATH}/time").json()["minutes"] == 25


@pytest.mark.requirement("TASK-10")
def test_a_mandatory_service_that_is_waived_has_no_minimum_and_history_says_why(service: TaskService, api: httpx.Client) -> None:
    waive, again = f"{PATH}/services/plumbing/waive", f"{PATH}/services/plumbing/require"
    rita = bearer(a_token("rita", "task:read", "task:assign", "time:record", scope="all"))
    assert api.post(waive, json={"reason": "Dry"}, headers=rita).status_code == 403
    assert api.post(waive, json={"reason": " "}).status_code == 422
    refused = api.post(f"{PATH}/services/inspection/waive", json={"reason": "Dry"})
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "inspection is no mandatory service of this task (there are: plumbing).",
    )
    for path, reason in ((waive, "Wrong door"), (waive, "Said twice"), (again, ""), (waive, "The neighbour had fixed it")):
        done = api.post(path, json={"reason": reason})
        assert (done.status_code, done.json()["waived"]) == (200, path == waive), done.text
    (shown,) = api.get(f"{PATH}/time").json()["services"]
    assert (shown["waiver"]["reason"], shown["waiver"]["by"], shown["mandatory"]) == ("The neighbour had fixed it", "paul", True)
    assert api.post(f"{PATH}/complete").status_code == 200
    assert told(service) == []
    assert api.post(again).status_code == 409
    waivers = [event for event in service.events if event.type == "casestream.task.service-waived.v1"]
    assert [(event.data.service, event.data.waived, event.data.changed_by) for event in waivers] == [
        ("plumbing", waived, "paul") for waived in (True, False, True)
    ]
    kept = service.rows("select changes from history where event like '%%waived%%' order by revision")
    assert [row["changes"] for row in kept] == [
        {"waived": [None, "plumbing"], "reason": [None, "Wrong door"]},
        {"waived": ["plumbing", None]},
        {"waived": [None, "plumbing"], "reason": [None, "The neighbour had fixed it"]},
    ]
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10")
def test_a_service_that_has_its_minimum_gets_no_more_and_a_cancelled_task_none(service: TaskService, api: httpx.Client) -> None:
    record(api, minutes=45)
    assert api.post(f"{PATH}/complete").status_code == 200
    assert len(told(service)) == 1
    service.feed(a_case_event(2))
    other = f"/tasks/{task_id(derive('test case', 2), 'inspect-leak')}"  # type: ignore[arg-type]
    assert api.post(f"{other}/start").status_code == 200
    assert api.post(f"{other}/cancel").status_code == 200
    assert len(told(service)) == 1


@pytest.mark.requirement("TASK-10")
def test_only_services_on_the_task_take_time_and_only_those_of_its_definition_are_added(service: TaskService, api: httpx.Client) -> None:
    assert "add it first" in record(api, 422, service="inspection")["detail"]
    assert api.get(f"{PATH}/time").json()["may_add"] == ["inspection"]
    assert api.post(f"{PATH}/services", json={"service": "painting"}).status_code == 422
    for _ in range(2):
        assert api.post(f"{PATH}/services", json={"service": "inspection"}).status_code == 200
    record(api, service="inspection")
    assert record(api, 422, minutes=0)["detail"] == "Only a correction has 0 minutes."
    record(api, 422, spent_at=(NOW + timedelta(hours=1)).isoformat())
    record(api, 403, user="rita")  # paul oversees nobody


@pytest.mark.requirement("TASK-10")
def test_who_may_not_work_on_the_task_records_no_time(service: TaskService, api: httpx.Client) -> None:
    rita = bearer(a_token("rita", "task:read", "time:record", scope="unit"))
    assert api.post(f"{PATH}/time", json={"service": "plumbing", "minutes": 5}, headers=rita).status_code == 403
    lena = bearer(a_token("lena", "task:read", "time:record", "task:assign", scope="unit"))
    answer = api.post(f"{PATH}/time", json={"service": "plumbing", "minutes": 5, "user": "paul"}, headers=lena)
    assert (answer.status_code, answer.json()["user"], answer.json()["recorded_by"]) == (201, "paul", "lena")


@pytest.mark.requirement("TASK-10", "EDGE-17")
def test_erasing_a_contact_empties_the_notes(service: TaskService, api: httpx.Client) -> None:
    record(api, key="kept answer", note="Carla was out")
    assert api.post(f"{PATH}/services/plumbing/waive", json={"reason": "Carla did it"}).status_code == 200
    listed = api.post(f"{PATH}/services", json={"service": "inspection"}, headers={"Idempotency-Key": "lists notes"}).json()
    assert (listed["items"][0]["note"], listed["services"][0]["waiver"]["reason"]) == ("Carla was out", "Carla did it")
    contact = derive("contact", 1)
    data = ContactErased(contact_id=contact, case_ids=(CASE,))
    service.feed(Event(derive("erased", 1), data.event_type, "/test/case", str(contact), NOW, 1, 1, "", str(contact), data))
    assert service.rows("select note, minutes from time_entries") == [{"note": "", "minutes": 20}]
    assert service.rows("select reason from waived_services") == [{"reason": ""}]
    assert service.rows("select count(*) from history where changes::text like '%%Carla%%'") == [{"count": 0}]
    assert service.rows("select count(*) from commands where response::text like '%%Carla%%'") == [{"count": 0}]
    again = api.post(f"{PATH}/services", json={"service": "inspection"}, headers={"Idempotency-Key": "lists notes"}).json()
    assert [entry["minutes"] for entry in again["items"]] == [20]
    assert [each["service"] for each in again["services"]] == ["plumbing", "inspection"]
