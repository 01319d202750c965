"""Who is away is entered, changed and shown by those who may; and who has how much to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.messaging import StaticReference
from shared.web import create_app
from tests.service.task.conftest import NOW, MakeService, TaskService, a_case_event
from tests.support.configuration import ROLES, USERS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("TASK-7", "EDGE-13")
As = Callable[[str], httpx.Client]
MEMBERS = [user | {"capacity": 2, "skills": ["gas"]} if user["user"] == "paul" else user for user in USERS]


@pytest.fixture
def service(make_service: MakeService) -> TaskService:
    return make_service(reference=StaticReference(a_configuration(users=MEMBERS, skills=[{"code": "gas", "name": "Gas"}])))


@pytest.fixture
def by(service: TaskService) -> Iterator[As]:
    """The API as one of the organisation's users calls it; leaders and managers may manage absences."""
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())

    def client(user: str) -> httpx.Client:
        member = next(member for member in USERS if member["user"] == user)
        role: dict[str, Any] = next(role for role in ROLES if role["code"] == member["roles"][0])
        more = ["absence:manage"] if role["code"] in ("leader", "manager") else []
        token = a_token(user, *role["permissions"], *more, unit=str(member["unit"]), roles=tuple(member["roles"]), scope=str(role["scope"]))
        return stack.enter_context(httpx.Client(base_url=api.base_url, headers=bearer(token), timeout=10))

    with served(app) as api, ExitStack() as stack:
        yield client


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def why(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["detail"])


def days(count: float) -> str:
    return (NOW + timedelta(days=count)).isoformat()


def listed(client: httpx.Client, **params: Any) -> list[tuple[str, str]]:
    return [(each["user"], each["state"]) for each in ok(client.get("/absences", params=params))["items"]]


def test_one_says_when_oneself_is_away_and_a_leader_says_it_of_their_unit(by: As) -> None:
    paul, lena, noor = by("paul"), by("lena"), by("noor")
    mine = ok(paul.post("/absences", json={"from": days(1), "until": days(3), "stand_in": "rita", "note": "Sea"}), 201)
    assert {name: mine[name] for name in ("user", "stand_in", "hand_over", "give_back", "note", "made_by", "state")} == {
        "user": "paul",
        "stand_in": "rita",
        "hand_over": "all",
        "give_back": True,
        "note": "Sea",
        "made_by": "paul",
        "state": "coming",
    }
    assert "nils" in why(paul.post("/absences", json={"user": "nils", "from": days(0)}), 403)
    assert "rita" in why(noor.post("/absences", json={"user": "rita", "from": days(0)}), 403)  # of another unit
    ok(lena.post("/absences", json={"user": "rita", "from": days(0)}), 201)
    assert listed(paul) == [("paul", "coming")]
    assert listed(lena) == listed(by("max")) == [("rita", "present"), ("paul", "coming")]
    assert listed(noor) == []
    page = ok(lena.get("/absences", params={"limit": 1}))
    assert listed(lena, limit=1, cursor=page["next"]) == [("paul", "coming")]
    assert noor.post(f"/absences/{mine['id']}/end").status_code == 404


def test_what_cannot_be_is_refused_with_a_reason(by: As) -> None:
    paul, lena = by("paul"), by("lena")
    ok(paul.post("/absences", json={"from": days(1), "until": days(3), "stand_in": "rita"}), 201)
    assert "another absence" in why(paul.post("/absences", json={"from": days(2), "until": days(5)}), 409)
    assert "another absence" in why(paul.post("/absences", json={"from": days(0)}), 409)
    ok(paul.post("/absences", json={"from": days(3), "until": days(5)}), 201)  # the end is not part of it
    circle = {"user": "rita", "from": days(2), "until": days(4), "stand_in": "paul"}
    assert "rita, then paul, then rita" in why(lena.post("/absences", json=circle), 422)
    ok(lena.post("/absences", json=circle | {"from": days(6), "until": days(7)}), 201)  # paul is back by then
    assert "nobody" in why(lena.post("/absences", json={"user": "rita", "from": days(8), "stand_in": "nobody"}), 422)
    assert "past" in why(paul.post("/absences", json={"from": days(-3), "until": days(-1)}), 422)
    assert paul.post("/absences", json={"from": days(9), "until": days(8)}).status_code == 422
    assert paul.post("/absences", json={"from": "2026-03-02T10:00:00"}).status_code == 422  # in which zone?


def test_an_absence_is_ended_cancelled_or_made_longer(service: TaskService, by: As) -> None:
    paul = by("paul")
    first = ok(paul.post("/absences", json={"from": days(1), "until": days(3)}), 201)
    second = ok(paul.post("/absences", json={"from": days(5)}), 201)
    end, other = f"/absences/{first['id']}/end", f"/absences/{second['id']}/end"
    assert "another absence" in why(paul.post(end, json={"until": days(6)}), 409)
    assert "comes after the beginning" in why(paul.post(end, json={"until": days(0.5)}), 422)
    assert ok(paul.post(end, json={"until": days(4)}))["until"] == days(4)
    assert ok(paul.post(other))["state"] == "cancelled"
    assert "cancelled" in why(paul.post(other), 409)
    service.clock.forward(days=2)  # type: ignore[attr-defined]
    ended = ok(paul.post(end))
    assert (ended["until"], ended["state"]) == (days(2), "past")
    assert listed(paul) == []
    assert listed(paul, past=True) == [("paul", "past"), ("paul", "cancelled")]


def test_the_workload_says_who_can_be_given_more(service: TaskService, by: As) -> None:
    service.feed(*(a_case_event(number) for number in range(3)))
    paul, lena = by("paul"), by("lena")
    for task in ok(paul.get("/tasks/mine", params={"available": True}))["items"][:1]:
        ok(paul.post(f"/tasks/{task['id']}/accept"))
    ok(by("rita").post("/absences", json={"from": days(0), "until": days(9), "stand_in": "paul"}), 201)
    service.clock.forward(days=1)  # type: ignore[attr-defined]
    load = ok(lena.get("/workload", params={"unit": "repairs"}))
    found = {item["user"]: item for item in load["items"]}
    assert sorted(found) == ["lena", "paul", "rita"]
    assert found["paul"] == {
        "user": "paul",
        "name": "Paul Plumber",
        "unit": "repairs",
        "open": 1,
        "overdue": 1,
        "capacity": 2,
        "free": 1,
        "skills": ["gas"],
        "absent": False,
        "absent_until": None,
        "stand_in": None,
    }
    assert (found["rita"]["absent"], found["rita"]["absent_until"], found["rita"]["stand_in"], found["rita"]["free"]) == (
        True,
        days(9),
        "paul",
        0,
    )
    assert found["lena"]["free"] is None
    assert load["waiting"] == [{"owner_kind": "role", "owner": "plumber", "open": 2, "overdue": 2}]
    assert ok(lena.get("/workload", params={"unit": "neighbourhood"})) == {"items": [], "waiting": []}
    assert len(ok(by("max").get("/workload"))["items"]) == len(USERS)
    assert [item["user"] for item in ok(paul.get("/workload"))["items"]] == ["paul"]
