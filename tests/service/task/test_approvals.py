"""Approvals on a real database: they hold tasks up, are decided, handed on, reminded of once, and end with what they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.task.api import routers
from services.task.handlers.compile import Compiled, compile_configuration
from services.task.settings import TaskSettings
from services.task.worker.approvals import Reminder
from shared.ids import derive, task_id
from shared.messaging import ReferenceData, StaticReference
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseStatusChanged, ContactErased
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.configuration import ROLES, TASK_DEFINITIONS, USERS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
As = Callable[[str], httpx.Client]


def needing(code: str, approval: dict[str, Any]) -> list[dict[str, Any]]:
    """The task definitions, one of which requires an approval."""
    return [definition | ({"approval": approval} if definition["code"] == code else {}) for definition in TASK_DEFINITIONS]


@pytest.fixture
def reference() -> ReferenceData:
    definitions = needing("inspect-leak", {"by": {"head": "leader"}, "what": "What was found"})
    definitions = [
        each | ({"approval": {"by": {"user": "max"}, "before": "start"}} if each["code"] == "fix-leak" else {}) for each in definitions
    ]
    return StaticReference(a_configuration(task_definitions=definitions))


@pytest.fixture
def by(service: TaskService) -> Iterator[As]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as api, ExitStack() as stack:

        def client(user: str) -> httpx.Client:
            member = next(member for member in USERS if member["user"] == user)
            role: dict[str, Any] = next(role for role in ROLES if role["code"] == member["roles"][0])
            more = ["approval:ask"] + (["approval:decide-for-others"] if user in ("lena", "max") else [])
            token = a_token(user, *role["permissions"], *more, unit=str(member["unit"]), roles=tuple(member["roles"]), scope=role["scope"])
            return stack.enter_context(httpx.Client(base_url=api.base_url, headers=bearer(token), timeout=10))

        yield client


def path(definition: str, action: str = "") -> str:
    return f"/tasks/{task_id(CASE, definition)}{action and '/' + action}"  # type: ignore[arg-type]


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def waiting(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(client.get("/approvals", params={"approver": "me", "state": "asked"}))["items"]
    return found


def told(service: TaskService, kind: str) -> list[Any]:
    return [event.data for event in service.events if event.type == f"casestream.approval.{kind}.v1"]


@pytest.mark.requirement("TASK-4", "EDGE-6")
def test_required_approval_is_asked_on_completion_and_holds_it_up_until_given(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    paul, lena = by("paul"), by("lena")
    assert waiting(lena) == []
    ok(paul.post(path("inspect-leak", "accept")))
    assert ok(paul.post(path("inspect-leak", "complete")), 202)["state"] == "in_progress"
    (asked,) = waiting(lena)
    assert (asked["what"], asked["asked_by"], asked["blocks"]) == ("What was found", "paul", True)
    refused = paul.post(path("inspect-leak", "complete"))
    problem = ok(refused, 409)
    assert (problem["why"], problem["approvals"][0]["approver"]) == ("not_approved", "lena")
    assert "waits for approval by lena, who is asked since 2026-03-02T09:00" in problem["detail"]
    assert ok(paul.post(f"/approvals/{asked['id']}/approve"), 403)["why"] == "not_yours"
    ok(lena.post(f"/approvals/{asked['id']}/decline"), 422)
    ok(lena.post(f"/approvals/{asked['id']}/decline", json={"comment": "no pictures"}))
    assert "no pictures" in ok(paul.post(path("inspect-leak", "complete")), 409)["detail"]
    ok(paul.post(f"/approvals/{asked['id']}/ask-again"))
    approve = f"/approvals/{asked['id']}/approve"
    assert ok(lena.post(approve, headers={"If-Match": '"1"'}), 412)
    keyed = {"Idempotency-Key": "once"}
    assert ok(lena.post(approve, headers=keyed)) == ok(lena.post(approve, headers=keyed))
    ok(lena.post(approve), 409)
    assert ok(paul.post(path("inspect-leak", "complete")))["state"] == "completed"
    shown = ok(paul.get(f"/approvals/{asked['id']}"))
    assert [step["event"].split(".")[2] for step in shown["history"]] == ["asked", "decided", "asked", "decided"]
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-4", "EDGE-6")
def test_approval_before_the_start_is_asked_when_the_task_is_reached_and_may_be_passed_over(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    paul, lena, max_ = by("paul"), by("lena"), by("max")
    ok(paul.post(path("inspect-leak", "accept")))
    ok(paul.post(path("inspect-leak", "complete")), 202)
    assert waiting(max_) == []
    ok(lena.post(f"/approvals/{waiting(lena)[0]['id']}/approve"))
    ok(paul.post(path("inspect-leak", "complete")))
    (asked,) = waiting(max_)
    assert (asked["before"], asked["what"], asked["task_id"]) == ("start", "Fix the leak", str(task_id(CASE, "fix-leak")))  # type: ignore[arg-type]
    ok(paul.post(path("fix-leak", "accept")))
    ok(paul.post(path("fix-leak", "start")), 409)
    ok(paul.post(path("fix-leak", "start"), json={"override": "urgent"}), 403)
    assert ok(lena.post(path("fix-leak", "complete"), json={"override": "Water is running"}))["state"] == "completed"
    assert ok(max_.get(f"/approvals/{asked['id']}"))["state"] == "withdrawn"
    history = ok(lena.get(path("fix-leak", "history")))["items"]
    assert [step["changes"]["approval gate overridden"] for step in history if "approval gate overridden" in step["changes"]] == [
        ["max", "Water is running"]
    ]
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1")
def test_handed_on_with_a_word_and_listed_where_it_is_now(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    rita, lena, noor = by("rita"), by("lena"), by("noor")
    asked = ok(rita.post(f"/cases/{CASE}/approvals", json={"approver": "lena", "what": "Pay the hotel"}), 201)
    assert (asked["task_id"], asked["case_id"]) == (None, str(CASE))
    ok(rita.post(f"/cases/{CASE}/approvals", json={"approver": "nobody", "what": "x"}), 422)
    ok(lena.post(f"/approvals/{asked['id']}/delegate", json={"to": "noor", "note": "yours"}))
    assert (waiting(lena), [each["id"] for each in waiting(noor)]) == ([], [asked["id"]])
    (event,) = told(service, "delegated")
    assert (event.approver, event.delegated_from, event.note, event.task_id) == ("noor", "lena", "yours", None)
    ok(by("nils").get(f"/approvals/{asked['id']}"), 404)
    ok(noor.post(f"/approvals/{asked['id']}/approve"))
    assert told(service, "decided")[0].decided_by == "noor"
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-6")
def test_what_ends_waits_for_no_approval_any_more(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    rita = by("rita")
    of_case = ok(rita.post(f"/cases/{CASE}/approvals", json={"approver": "lena", "what": "A"}), 201)
    of_task = ok(rita.post(path("inspect-leak", "approvals"), json={"approver": "lena", "what": "B"}), 201)
    service.feed(a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.CANCELLED, status="cancelled"))
    states = [(row["state"], row["comment"]) for row in service.rows("select * from approvals order by what")]
    assert states == [("withdrawn", "its case is closed"), ("withdrawn", "its task has ended")]
    assert {data.approval_id for data in told(service, "withdrawn")} == {UUID(of_case["id"]), UUID(of_task["id"])}
    assert waiting(by("lena")) == []
    ok(rita.post(f"/cases/{CASE}/approvals", json={"approver": "lena", "what": "C"}), 409)
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-4")
def test_a_first_task_is_asked_about_as_its_case_opens_unless_that_is_cancelled_at_once(make_service: Callable[..., TaskService]) -> None:
    definitions = needing("inspect-leak", {"by": {"role": "leader"}, "before": "start", "remind_times": 0})
    service = make_service(reference=StaticReference(a_configuration(task_definitions=definitions)))
    cancelled = {"state": CaseLifeCycle.CANCELLED, "status": "cancelled"}
    service.feed(a_case_event(), a_case_event(2), a_case_event(2, CaseStatusChanged, revision=2, **cancelled))
    (row,) = service.rows("select * from approvals where state = 'asked'")
    assert (row["case_id"], row["approver"], row["asked_by"], row["remind_at"]) == (CASE, "lena", "system", None)
    service.feed(a_case_event(1, CaseStatusChanged, revision=2, **cancelled))
    assert [row["state"] for row in service.rows("select * from approvals")] == ["withdrawn"]
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1")
def test_each_reminder_is_sent_once_whatever_crashes_and_none_after_the_last(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    for what in ("Pay the hotel", "Pay the taxi"):
        ok(by("rita").post(f"/cases/{CASE}/approvals", json={"approver": "lena", "what": what}), 201)
    compiled = compile_configuration(service.reference.configuration(service.reference.version))
    looked: list[int] = []

    def crashing(version: int) -> Compiled:
        looked.append(version)
        if len(looked) == 2:  # the first is written by then
            raise ConnectionError("gone")
        return compiled

    reminder = Reminder(service.publisher, lambda _version: compiled, service.clock)
    service.clock.forward(hours=23)  # type: ignore[attr-defined]
    assert reminder.look() == 0
    for times in range(1, 4):
        service.clock.forward(days=1 if times > 1 else 0, hours=1)  # type: ignore[attr-defined]
        looked.clear()
        with pytest.raises(ConnectionError):
            Reminder(service.publisher, crashing, service.clock).look()
        assert (reminder.look(), reminder.look()) == (2, 0)
        assert [data.reminders for data in told(service, "reminded")] == [each for each in range(1, times + 1) for _ in range(2)]
    service.clock.forward(days=30)  # type: ignore[attr-defined]
    assert reminder.look() == 0
    assert told(service, "reminded")[0].case_number == "C-1"
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-17")
def test_erasure_takes_what_was_written(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    asked = ok(
        by("rita").post(f"/cases/{CASE}/approvals", json={"approver": "lena", "what": "Carla's hotel"}, headers={"Idempotency-Key": "k"}),
        201,
    )
    ok(by("lena").post(f"/approvals/{asked['id']}/decline", json={"comment": "Carla has a sister"}))
    carla = derive("contact", 1)
    data = ContactErased(contact_id=carla, case_ids=(CASE,))
    service.feed(Event(derive("erased", 1), data.event_type, "/test/case", str(carla), NOW, 2, 0, "", str(carla), data))
    kept = repr(service.rows("select * from approvals")) + repr(service.rows("select * from approval_history"))
    assert "Carla" not in kept + repr(service.rows("select * from commands"))
