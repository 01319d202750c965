"""Bookings of resources: free times, no double booking whatever is done at once, requests, and their release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from services.task.storage import bookings
from shared.ids import derive, task_id
from shared.messaging import ReferenceData, StaticReference
from shared.schemas.events import CaseLifeCycle, CaseStatusChanged
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.configuration import a_configuration
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
TASK = str(task_id(CASE, "inspect-leak"))  # type: ignore[arg-type]
RESOURCES: list[dict[str, Any]] = [
    {"code": "paul", "name": "Paul", "kind": "person", "unit": "repairs", "user": "paul", "services": ["plumbing"], "calendar": "office"},
    {"code": "van", "name": "Van", "kind": "vehicle", "unit": "repairs", "calendar": "always", "needs_confirmation": True},
    {"code": "room", "name": "Room", "kind": "room", "unit": "contact-centre", "calendar": "always", "capacity": 3},
    {"code": "gone", "name": "Gone", "kind": "vehicle", "unit": "repairs", "active": False},
]
As = Callable[..., httpx.Client]


@pytest.fixture
def reference() -> ReferenceData:
    return StaticReference(a_configuration(services=[{"code": "plumbing", "name": "Plumbing"}], resources=RESOURCES))


@pytest.fixture
def by(service: TaskService) -> Iterator[As]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as api, ExitStack() as stack:

        def client(user: str, unit: str = "repairs", scope: Any = "unit") -> httpx.Client:
            headers = bearer(a_token(user, unit=unit, scope=scope))
            return stack.enter_context(httpx.Client(base_url=api.base_url, headers=headers, timeout=10))

        service.feed(a_case_event())
        yield client


def hour(start: float, length: float = 1) -> dict[str, str]:
    """From this many hours after nine."""
    at = NOW + timedelta(hours=start)
    return {"from": at.isoformat(), "until": (at + timedelta(hours=length)).isoformat()}


def book(client: httpx.Client, resource: str, times: dict[str, str], status: int = 201, **headers: str) -> Any:
    answer = client.post("/bookings", json={"resource": resource, "task_id": TASK} | times, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def told(service: TaskService) -> list[str]:
    return [event.type.split(".")[-2] for event in service.events if event.type.startswith("casestream.booking.")]


@pytest.mark.requirement("TASK-10")
def test_what_is_booked_is_free_no_more_and_the_nearest_times_are_offered(service: TaskService, by: As) -> None:
    rita = by("rita")
    first = book(rita, "paul", hour(2), **{"Idempotency-Key": "once"})
    assert book(rita, "paul", hour(2), **{"Idempotency-Key": "once"}) == first
    refused = book(rita, "paul", hour(2.5), 409)
    assert refused["why"] == "taken"
    offered = [datetime.fromisoformat(slot["from"]) for slot in refused["free"]]
    assert NOW + timedelta(hours=3) in offered
    assert offered == sorted(offered)
    book(rita, "paul", hour(3))  # as the other ends
    assert book(rita, "paul", hour(7.5), 409)["why"] == "closed"  # over five o'clock
    assert book(rita, "paul", hour(-3), 409)["why"] == "past"
    assert book(rita, "gone", hour(1), 422)["detail"] == "There is no active resource gone."
    found = rita.get("/resources", params={"service": "plumbing", "from": NOW.isoformat(), "until": hour(24)["from"], "minutes": 60}).json()
    assert [each["code"] for each in found["resources"]] == ["paul"]
    hours = [(datetime.fromisoformat(slot["from"]) - NOW) / timedelta(hours=1) for slot in found["slots"]]
    assert hours == [0, 1, 4, 5, 6, 7]
    over = rita.get("/resources", params={"resource": "paul", "from": hour(-48)["from"], "until": hour(-24)["from"]})
    assert (over.status_code, over.json()["slots"]) == (200, [])
    assert told(service) == ["booked", "booked"]
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10")
def test_of_many_who_book_at_once_one_gets_it(service: TaskService, by: As) -> None:
    rita = by("rita")
    # Each for another case: of one case, its lock would already keep them apart.
    service.feed(*(a_case_event(f"raced-{n}") for n in range(8)))
    with ThreadPoolExecutor(8) as threads:
        one = list(threads.map(lambda n: _status(rita, "paul", hour(1 + n % 4 / 5), n), range(8)))
        seats = list(threads.map(lambda n: _status(rita, "room", hour(1), n), range(8)))
    assert sorted(one) == [201, *[409] * 7]
    assert sorted(seats) == [*[201] * 3, *[409] * 5]
    assert sorted(row["lane"] for row in service.rows("select lane from bookings where resource = 'room'")) == [0, 1, 2]


def _status(client: httpx.Client, resource: str, times: dict[str, str], n: int) -> int:
    task = str(task_id(derive("test case", f"raced-{n}"), "inspect-leak"))  # type: ignore[arg-type]
    return client.post("/bookings", json={"resource": resource, "task_id": task} | times).status_code


@pytest.mark.requirement("TASK-10")
def test_two_transactions_that_know_nothing_of_each_other_cannot_book_twice(service: TaskService) -> None:
    sql = b"""insert into bookings (id, revision, resource, resource_name, unit, lane, during, state,
                                    case_id, note, made_by, made_at, changed_by, changed_at, reason)
              values (gen_random_uuid(), 1, 'paul', 'Paul', 'repairs', 0, tstzrange(%s, %s), 'booked',
                      gen_random_uuid(), '', 'x', now(), 'x', now(), '')"""
    begin, end = NOW, NOW + timedelta(hours=1)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(service.url) as one, psycopg.connect(service.url) as other:
        one.execute(sql, (begin, end))
        waiting = threads.submit(other.execute, sql, (begin + timedelta(minutes=30), end + timedelta(hours=1)))
        eventually(lambda: service.rows("select 1 from pg_locks where not granted and pid = %s", other.info.backend_pid) != [], 10, 0.02)
        one.commit()
        with pytest.raises(psycopg.errors.ExclusionViolation):
            waiting.result(20)
        other.rollback()
        other.execute(sql, (end, end + timedelta(hours=1)))  # half open: it may begin as the first ends
        other.commit()


@pytest.mark.requirement("TASK-10")
def test_a_request_holds_its_time_and_is_confirmed_by_the_resources_unit(service: TaskService, by: As) -> None:
    rita, cora = by("rita"), by("cora", "contact-centre")
    asked = book(rita, "van", hour(1))
    assert asked["state"] == "requested"
    assert book(rita, "van", hour(1), 409)["why"] == "taken"
    path = f"/bookings/{asked['id']}"
    assert cora.post(f"{path}/confirm").status_code == 404  # it is not for what she sees, nor hers
    assert rita.post(f"{path}/confirm", headers={"If-Match": '"9"'}).status_code == 412
    waiting = {"unit": "repairs", "state": "requested"}
    assert [each["id"] for each in rita.get("/bookings", params=waiting).json()["items"]] == [asked["id"]]
    booked = rita.post(f"{path}/confirm").json()
    assert rita.get("/bookings", params=waiting).json()["items"] == []
    assert [each["id"] for each in rita.get("/bookings", params=waiting | {"state": "booked"}).json()["items"]] == [asked["id"]]
    assert (booked["state"], booked["confirmed_by"], booked["revision"]) == ("booked", "rita", 2)
    assert rita.post(f"{path}/confirm").json()["revision"] == 2
    moved = rita.post(f"{path}/move", json=hour(1.5)).json()  # over its own time
    assert (moved["state"], moved["confirmed_by"]) == ("requested", None)
    assert rita.post(f"{path}/cancel", json={"reason": "No van needed"}).json()["state"] == "cancelled"
    assert rita.post(f"{path}/cancel").json()["revision"] == 4
    assert rita.post(f"{path}/move", json=hour(3)).status_code == 409
    book(rita, "van", hour(1.5))
    assert told(service) == ["requested", "booked", "moved", "cancelled", "requested"]
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10")
def test_who_does_not_see_the_task_sees_only_that_the_resource_is_taken(by: As) -> None:
    booked = book(by("rita"), "room", hour(1))
    stranger = by("nils", "neighbourhood").get("/bookings", params={"resource": "room"} | hour(0, 8)).json()["items"]
    assert [(each["id"], each["task_id"], each["made_by"]) for each in stranger] == [(booked["id"], None, None)]
    assert by("nils", "neighbourhood").get(f"/bookings/{booked['id']}").status_code == 404
    assert by("cora", "contact-centre").get("/bookings", params={"resource": "room"}).json()["items"][0]["task_id"] == TASK
    assert by("lena").get("/bookings", params={"task": TASK}).json()["items"][0]["made_by"] == "rita"


@pytest.mark.requirement("TASK-10", "TASK-6")
def test_a_task_that_ends_and_a_case_that_is_cancelled_let_go_of_what_is_to_come(service: TaskService, by: As) -> None:
    max_ = by("max", "contact-centre", "all")
    under_way, to_come = book(max_, "room", hour(0)), book(max_, "room", hour(4))
    of_case = max_.post("/bookings", json={"resource": "room", "case_id": str(CASE)} | hour(5)).json()
    service.clock.forward(minutes=30)  # type: ignore[attr-defined]
    assert max_.post(f"/tasks/{TASK}/complete").status_code == 200
    states = {str(row["id"]): row["state"] for row in service.rows("select id, state from bookings")}
    assert states == {under_way["id"]: "booked", to_come["id"]: "cancelled", of_case["id"]: "booked"}
    assert book(max_, "room", hour(6), 409)["detail"] == "What it is for has ended: nothing is booked for it."
    cancelled = a_case_event(kind=CaseStatusChanged, revision=2, state=CaseLifeCycle.CANCELLED, status="cancelled")
    service.feed(cancelled)
    service.feed(cancelled)
    reasons = {str(row["id"]): row["reason"] for row in service.rows("select id, reason from bookings where state = 'cancelled'")}
    assert reasons == {to_come["id"]: "task-ended", of_case["id"]: "case-ended"}
    assert told(service) == ["booked"] * 3 + ["cancelled"] * 2
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-10", "EDGE-13")
def test_who_is_away_is_not_free_and_what_is_booked_with_them_is_told(service: TaskService, by: As) -> None:
    rita, lena = by("rita"), by("lena", scope="all")
    falls_in = book(rita, "paul", hour(3))
    book(rita, "paul", hour(1))
    cancelled = book(rita, "paul", hour(4))
    assert rita.post(f"/bookings/{cancelled['id']}/cancel").status_code == 200
    absence = lena.post("/absences", json={"user": "paul", "from": hour(2)["from"], "until": hour(6)["from"]})
    assert absence.status_code == 201, absence.text
    told = absence.json()["bookings"]
    assert [(each["id"], each["resource_name"], each["state"]) for each in told] == [(falls_in["id"], "Paul", "booked")]
    assert [each["bookings"] for each in lena.get("/absences").json()["items"]] == [told]
    refused = book(rita, "paul", hour(1.5, 2), 409)
    assert (refused["why"], refused["detail"]) == ("closed", "Paul is away.")
    found = rita.get("/resources", params={"resource": "paul", "from": NOW.isoformat(), "until": hour(24)["from"], "minutes": 60}).json()
    hours = [(datetime.fromisoformat(slot["from"]) - NOW) / timedelta(hours=1) for slot in found["slots"]]
    assert hours == [0, 6, 7]
    ended = lena.post(f"/absences/{absence.json()['id']}/end", json={"until": hour(3)["from"]})
    assert ended.json()["bookings"] == []
    service.clock.forward(hours=2.5)  # type: ignore[attr-defined]
    assert lena.post(f"/absences/{absence.json()['id']}/end").status_code == 200
    book(rita, "paul", hour(4))


@pytest.mark.requirement("TASK-10", "EDGE-13")
def test_an_absence_waits_for_whoever_is_booking_and_tells_of_it(service: TaskService, by: As) -> None:
    lena = by("lena", scope="all")
    sql = b"""insert into bookings (id, revision, resource, resource_name, resource_user, unit, lane, during, state,
                                    case_id, note, made_by, made_at, changed_by, changed_at, reason)
              values (gen_random_uuid(), 1, 'paul', 'Paul', 'paul', 'repairs', 0, tstzrange(%s, %s), 'booked',
                      gen_random_uuid(), '', 'x', now(), 'x', now(), '')"""
    waits = """select 1 from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
               where locktype = 'advisory' and not granted"""
    with ThreadPoolExecutor(1) as threads, service.database.transaction() as tx:
        bookings.lock_resource(tx, "paul")
        entered = threads.submit(lena.post, "/absences", json={"user": "paul"} | hour(1))
        eventually(lambda: service.rows(waits) != [], 10, 0.02)
        tx.execute(sql.decode(), (NOW + timedelta(hours=1), NOW + timedelta(hours=2)))
    absence = entered.result(20).json()
    assert [each["resource"] for each in absence["bookings"]] == ["paul"]
