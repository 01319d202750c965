"""Feeds for calendar programs: what they show, who makes them, and that a revoked one is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx
import icalendar
import pytest

from services.task.api import public_routers, routers
from services.task.api.feeds import READS_AN_HOUR, WRONG_AN_HOUR
from services.task.settings import ApiSettings
from shared.ids import derive, task_id
from shared.messaging import ReferenceData, StaticReference
from shared.schemas.events import StaffChanged
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event
from tests.support.configuration import USERS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
TASK = str(task_id(CASE, "inspect-leak"))  # type: ignore[arg-type]
RESOURCES: list[dict[str, Any]] = [{"code": "van", "name": "Van", "kind": "vehicle", "unit": "repairs", "calendar": "always"}]
As = Callable[..., httpx.Client]


@pytest.fixture
def reference() -> ReferenceData:
    return StaticReference(a_configuration(resources=RESOURCES))


@pytest.fixture
def by(service: TaskService) -> Iterator[As]:
    settings = ApiSettings(kafka="", database=service.url, port=0)
    app = create_app(
        "task",
        settings,
        routers(service.publisher, service.reference, service.clock),
        public=public_routers(service.publisher, service.reference, settings, service.clock),
        verifier=a_verifier(),
    )
    with served(app) as api, ExitStack() as stack:

        def client(user: str = "", unit: str = "repairs", scope: Any = "unit", roles: tuple[str, ...] = ("agent",)) -> httpx.Client:
            headers = bearer(a_token(user, unit=unit, scope=scope, roles=roles)) if user else {}
            return stack.enter_context(httpx.Client(base_url=api.base_url, headers=headers, timeout=10))

        service.feed(a_case_event())
        yield client


def made(client: httpx.Client, kind: str, **more: str) -> dict[str, Any]:
    answer = client.post("/feeds", json={"kind": kind} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def events_in(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return list(icalendar.Calendar.from_ical(answer.content).walk("VEVENT"))


@pytest.mark.requirement("TASK-10")
def test_tasks_stand_at_their_due_times_and_move_with_them(service: TaskService, by: As) -> None:
    paul, program = by("paul", scope="own", roles=("plumber",)), by()
    assert paul.post(f"/tasks/{TASK}/accept").status_code == 200
    path = made(paul, "tasks")["path"]
    answer = program.get(path)
    [event] = events_in(answer)
    assert (str(event["uid"]), event.decoded("dtstart")) == (f"{TASK}@casestream", NOW + timedelta(hours=4))
    assert str(event["summary"]) == "Due: C-1 Inspect the leak at once"
    assert answer.headers["cache-control"].startswith("private")
    assert b"Carla" not in answer.content
    assert b"customer.example" not in answer.content
    same = {"If-None-Match": answer.headers["etag"]}
    assert program.get(path, headers=same).status_code == 304
    due_at = NOW + timedelta(hours=6)
    assert paul.post(f"/tasks/{TASK}/due", json={"due_at": due_at.isoformat()}).status_code == 200
    [moved] = events_in(program.get(path, headers=same))
    assert (str(moved["uid"]), moved.decoded("dtstart")) == (str(event["uid"]), due_at)
    assert int(moved["sequence"]) > int(event["sequence"])
    assert paul.post(f"/tasks/{TASK}/complete").status_code == 200
    assert events_in(program.get(path)) == []


@pytest.mark.requirement("TASK-10")
def test_a_resources_feed_shows_its_bookings_to_its_unit_only(by: As) -> None:
    rita, program = by("rita"), by()
    times = {"from": (NOW + timedelta(hours=1)).isoformat(), "until": (NOW + timedelta(hours=2)).isoformat()}
    booked = rita.post("/bookings", json={"resource": "van", "task_id": TASK, "note": "Carla is in"} | times).json()
    rita.post("/bookings", json={"resource": "van", "case_id": str(CASE), "from": times["until"], "until": _later(times["until"])})
    path = made(rita, "resources", resource="van")["path"]
    answer = program.get(path)
    first, second = events_in(answer)
    assert (str(first["uid"]), str(first["status"])) == (f"{booked['id']}@casestream", "CONFIRMED")
    assert (first.decoded("dtstart"), first.decoded("dtend")) == (NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    assert [str(each["summary"]) for each in (first, second)] == ["C-1 Inspect the leak at once", "C-1"]
    assert b"Carla" not in answer.content
    rita.post(f"/bookings/{booked['id']}/cancel")
    assert len(events_in(program.get(path))) == 1
    refused = by("nils", "neighbourhood").post("/feeds", json={"kind": "resources", "resource": "van"})
    assert refused.status_code == 403
    assert program.get(path.replace("/resources/", "/tasks/")).status_code == 404


def _later(at: str) -> str:
    return (NOW + timedelta(hours=3)).isoformat() if at else ""


@pytest.mark.requirement("TASK-10")
def test_a_revoked_a_replaced_and_a_leavers_feed_are_gone(service: TaskService, by: As) -> None:
    rita, program = by("rita"), by()
    first, second = made(rita, "tasks"), made(rita, "tasks")
    assert [program.get(feed["path"]).status_code for feed in (first, second)] == [404, 200]
    listed = rita.get("/feeds").json()["items"]
    assert [(feed["id"], feed["path"]) for feed in listed] == [(second["id"], None)]
    token = second["path"].rpartition("/")[2].removesuffix(".ics")
    assert service.rows("select 1 from feeds where encode(token_digest, 'escape') like %s", f"%{token}%") == []
    assert by("paul").delete(f"/feeds/{second['id']}").status_code == 404
    assert rita.delete(f"/feeds/{second['id']}").status_code == 204
    assert program.get(second["path"]).status_code == 404
    third = made(rita, "tasks")
    gone = next(user for user in USERS if user["user"] == "rita")
    service.reference.staff["rita"] = StaffChanged(  # type: ignore[index]
        user="rita", name=gone["name"], email=gone["email"], unit=gone["unit"], active=False
    )
    assert program.get(third["path"]).status_code == 404


@pytest.mark.requirement("TASK-10")
def test_guessing_and_hammering_are_bounded(service: TaskService, by: As) -> None:
    program = by()
    path = made(by("rita"), "tasks")["path"]
    statuses = [program.get(path).status_code for _ in range(READS_AN_HOUR + 1)]
    assert statuses == [200] * READS_AN_HOUR + [429]
    wrong = [program.get(f"/feeds/tasks/{n:043d}.ics") for n in range(WRONG_AN_HOUR + 1)]
    assert [answer.status_code for answer in wrong] == [404] * WRONG_AN_HOUR + [429]
    assert int(wrong[-1].headers["retry-after"]) > 0
    service.clock.forward(hours=1)  # type: ignore[attr-defined]
    assert program.get(path).status_code == 200
