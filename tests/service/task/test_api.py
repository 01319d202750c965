"""The API, really served, on a real database: who may do what with which task, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive, task_id
from shared.schemas.envelope import Event
from shared.schemas.events import ContactErased
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, a_lag_over, assert_gapless
from tests.support.configuration import ROLES, USERS
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
As = Callable[[str], httpx.Client]


def token_of(user: str) -> str:
    """A token of one of the test organisation's users, with what their role grants."""
    member = next(member for member in USERS if member["user"] == user)
    role: dict[str, Any] = next(role for role in ROLES if role["code"] == member["roles"][0])
    more = ["task:read"] if user == "paul" else []
    return a_token(user, *role["permissions"], *more, unit=str(member["unit"]), roles=tuple(member["roles"]), scope=role["scope"])


@pytest.fixture
def api(service: TaskService) -> Iterator[httpx.Client]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as client:
        yield client


@pytest.fixture
def by(api: httpx.Client) -> Iterator[As]:
    """The API as one of the organisation's users calls it."""
    with ExitStack() as stack:

        def client(user: str) -> httpx.Client:
            return stack.enter_context(httpx.Client(base_url=api.base_url, headers=bearer(token_of(user)), timeout=10))

        yield client


def path(definition: str, action: str = "", case: UUID = CASE) -> str:
    return f"/tasks/{task_id(case, definition)}{action and '/' + action}"  # type: ignore[arg-type]


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.requirement("TASK-2", "TASK-6", "TASK-7")
def test_completing_a_task_starts_its_dependant(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    paul = by("paul")
    assert ok(paul.post(path("inspect-leak", "accept")))["assignee"] == "paul"
    service.clock.forward(hours=1)  # type: ignore[attr-defined]
    assert ok(paul.post(path("inspect-leak", "start")))["state"] == "in_progress"
    assert ok(paul.post(path("inspect-leak", "pend")))["state"] == "pending"
    assert ok(paul.post(path("inspect-leak", "start")))["state"] == "in_progress"
    completed = ok(paul.post(path("inspect-leak", "complete")))
    assert (completed["state"], completed["completed_at"]) == ("completed", "2026-03-02T10:00:00+00:00")
    fix = ok(paul.get(path("fix-leak")))
    assert (fix["state"], fix["triggered_at"]) == ("pending", "2026-03-02T10:00:00+00:00")
    assert fix["due_at"] == "2026-03-04T10:00:00+00:00"
    assert service.heard()[4:] == [
        ("assigned", "inspect-leak"),
        *[("status-changed", "inspect-leak")] * 4,
        ("triggered", "fix-leak"),
    ]
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-2", "EDGE-5")
def test_a_lag_schedules_the_dependant_and_its_end_starts_it_once(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    lena = by("lena")
    ok(lena.post(path("inspect-leak", "complete")))
    ok(lena.post(path("fix-leak", "complete")))
    starts_at = NOW + timedelta(days=1)
    row = service.task(CASE, "call-back")
    assert (row["state"], row["starts_at"], row["due_at"]) == ("planned", starts_at, None)
    assert service.heard()[-1] == ("scheduled", "call-back")
    assert (service.events[-1].data.starts_at, service.events[-1].data.start_by) == (starts_at, NOW + timedelta(days=3))
    # An end of an earlier lag than the one that runs now is none of this one's.
    service.feed(a_lag_over(row, starts_at - timedelta(hours=1)))
    assert service.task(CASE, "call-back")["state"] == "planned"
    service.clock.now = starts_at + timedelta(minutes=5)  # type: ignore[attr-defined]
    service.feed(a_lag_over(row, starts_at))
    row = service.task(CASE, "call-back")
    assert (row["state"], row["triggered_at"], row["starts_at"]) == ("pending", starts_at, None)
    assert row["due_at"] == starts_at + timedelta(days=1)
    heard = len(service.events)
    service.feed(a_lag_over(row, starts_at, number=2))
    assert len(service.events) == heard
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-5")
def test_live_critical_path_moves_with_what_happens(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    lena = by("lena")
    plan = ok(lena.get(f"/plans/{CASE}"))
    assert plan["critical_path"] == ["inspect-leak", "fix-leak", "call-back"]
    service.clock.forward(hours=1)  # type: ignore[attr-defined]
    ok(lena.post(path("inspect-leak", "complete")))
    sooner = ok(lena.get(f"/plans/{CASE}"))
    assert sooner["finishes_at"] < plan["finishes_at"]
    assert [task["state"] for task in sooner["tasks"]] == ["completed", "pending", "planned"]


@pytest.mark.requirement("TASK-7")
def test_task_of_a_role_is_accepted_by_one_of_its_members_and_by_nobody_else(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    assert by("rita").post(path("inspect-leak", "accept")).status_code == 403  # of the unit, not of the role
    assert by("nils").post(path("inspect-leak", "accept")).status_code == 404  # out of reach altogether
    ok(by("paul").post(path("inspect-leak", "accept")))
    refused = by("rita").post(path("inspect-leak", "complete"))
    assert (refused.status_code, refused.json()["why"]) == (403, "not_yours")


@pytest.mark.requirement("TASK-7")
def test_reassigning_needs_the_permission_and_somebody_to_give_it_to(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    assert by("paul").post(path("inspect-leak", "assign"), json={"user": "rita"}).status_code == 403
    lena = by("lena")
    assert lena.post(path("inspect-leak", "assign"), json={"user": "nobody"}).status_code == 422
    assert lena.post(path("inspect-leak", "assign"), json={"user": "rita", "unit": "repairs"}).status_code == 422
    given = ok(lena.post(path("inspect-leak", "assign"), json={"user": "rita"}))
    assert (given["assignee"], given["owner"]) == ("rita", {"kind": "user", "code": "rita"})
    given = ok(lena.post(path("inspect-leak", "assign"), json={"unit": "neighbourhood"}))
    assert (given["assignee"], given["unit"]) == (None, "neighbourhood")
    assert by("lena").get(path("inspect-leak")).status_code == 404  # it has left her unit
    assert [kind for kind, _ in service.heard()[4:]] == ["assigned", "assigned"]
    past = ok(by("max").get(path("inspect-leak", "history")))["items"]
    assert [(entry["revision"], entry["changed_by"]) for entry in past] == [(1, "system"), (2, "lena"), (3, "lena")]
    assert past[1]["changes"]["assignee"] == [None, "rita"]


@pytest.mark.requirement("TASK-7")
def test_everything_that_a_user_holds_is_handed_over_at_once(service: TaskService, by: As) -> None:
    service.feed(*(a_case_event(n) for n in range(3)), a_case_event(9, subject="noise", unit="neighbourhood"))
    paul = by("paul")
    for n in range(2):
        ok(paul.post(path("inspect-leak", "accept", derive("test case", n))))
    ok(by("rita").post("/tasks", json={"subject_line": "x", "due_at": "2026-03-03T10:00:00Z", "assignee": "paul"}), 201)
    assert paul.post("/tasks/hand-over", json={"held_by": "paul", "user": "rita"}).status_code == 403
    done = ok(by("lena").post("/tasks/hand-over", json={"held_by": "paul", "user": "rita"}))
    assert done == {"reassigned": 3, "refused": [], "more": False}
    assert ok(paul.get("/tasks/mine"))["items"] == []
    assert len(ok(by("rita").get("/tasks/mine"))["items"]) == 3
    # A leader hands over what is within reach only.
    assert ok(by("lena").post("/tasks/hand-over", json={"held_by": "nils", "user": "rita"}))["reassigned"] == 0
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-6")
def test_cancelling_needs_a_configured_reason_and_lets_dependants_go_on(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    lena = by("lena")
    assert lena.post(path("inspect-leak", "cancel"), json={"reason": "no-such"}).status_code == 422
    cancelled = ok(lena.post(path("inspect-leak", "cancel")))
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "by-request")
    assert service.heard()[-1] == ("triggered", "fix-leak")
    refused = lena.post(path("inspect-leak", "start"))
    assert (refused.status_code, refused.json()["why"]) == (409, "ended")
    waiting = lena.post(path("call-back", "complete"))
    assert (waiting.status_code, waiting.json()["why"]) == (409, "not_started")


def test_moving_the_due_time_is_told(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    moved = ok(by("lena").post(path("inspect-leak", "due"), json={"due_at": "2026-03-02T12:00:00+01:00"}))
    assert moved["due_at"] == "2026-03-02T11:00:00+00:00"
    assert service.heard()[-1] == ("due-changed", "inspect-leak")
    assert by("lena").post(path("call-back", "due"), json={"due_at": "2026-03-02T12:00:00Z"}).status_code == 409
    assert by("lena").post(path("inspect-leak", "due"), json={"due_at": "2026-03-02T12:00:00"}).status_code == 422


@pytest.mark.requirement("TASK-3", "TASK-8")
def test_follow_up_in_a_case_for_a_colleague(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    body = {
        "case_id": str(CASE),
        "subject_line": "Ask for the invoice",
        "description": "The plumber has it.",
        "due_at": "2026-03-05T17:00:00Z",
        "priority": "low",
        "assignee": "lena",
    }
    made = ok(by("rita").post("/tasks", json=body), 201)
    assert (made["case_number"], made["assignee"], made["state"], made["definition"]) == ("C-1", "lena", "pending", None)
    event = service.events[-1]
    assert (event.type, event.key, event.revision) == ("casestream.task.triggered.v1", str(CASE), 1)
    assert (event.data.due_at.isoformat(), event.data.changed_by) == ("2026-03-05T17:00:00+00:00", "rita")
    assert by("nils").post("/tasks", json=body).status_code == 404  # a case out of reach
    assert by("rita").post("/tasks", json=body | {"assignee": "nobody"}).status_code == 422
    # The plan goes on beside it.
    ok(by("lena").post(f"/tasks/{made['id']}/complete"))
    ok(by("lena").post(path("inspect-leak", "complete")))
    assert service.heard()[-1] == ("triggered", "fix-leak")


@pytest.mark.requirement("TASK-3")
def test_follow_up_without_a_case_has_its_own_key(service: TaskService, by: As) -> None:
    rita, contact = by("rita"), str(uuid4())
    body = {"subject_line": "Call back", "due_at": "2026-03-03T10:00:00Z", "contact_id": contact, "customer_name": "Carla"}
    made = ok(rita.post("/tasks", json=body), 201)
    assert (made["case_id"], made["subject"], made["assignee"], made["priority"]) == (None, None, "rita", "normal")
    assert made["customer"]["contact_id"] == contact
    assert service.events[-1].key == made["id"]
    assert ok(rita.post(f"/tasks/{made['id']}/complete"))["state"] == "completed"
    assert by("nils").get(f"/tasks/{made['id']}").status_code == 404
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-9")
def test_my_tasks_sorted_filtered_and_paged(service: TaskService, by: As) -> None:
    rita = by("rita")
    for number, (day, priority) in enumerate([(9, "low"), (3, "normal"), (5, "high"), (4, "low"), (9, "high"), (1, "low")]):
        body = {"subject_line": f"Task {number}", "due_at": f"2026-03-{day:02}T10:00:00Z", "priority": priority}
        ok(rita.post("/tasks", json=body), 201)

    def pages(query: str) -> list[str]:
        lines, cursor = [], ""
        while True:
            page = ok(rita.get(f"/tasks/mine?limit=2&{query}{cursor and '&cursor=' + cursor}"))
            lines += [task["subject_line"].removeprefix("Task ") for task in page["items"]]
            if page["next"] is None:
                return lines
            cursor = page["next"]

    assert "".join(pages("sort=due")) in ("513204", "513240")
    assert "".join(pages("sort=priority")) == "241530"
    first = ok(rita.get("/tasks/mine"))["items"][0]
    assert (first["subject_line"], first["overdue"]) == ("Task 5", True)
    ok(rita.post(f"/tasks/{first['id']}/complete"))
    assert len(pages("sort=due")) == 5
    assert pages("state=completed") == ["5"]
    assert rita.get("/tasks/mine?cursor=bm9uc2Vuc2U").status_code == 400
    assert ok(by("paul").get("/tasks/mine"))["items"] == []


@pytest.mark.requirement("TASK-7", "TASK-9")
def test_whose_tasks_are_seen(service: TaskService, by: As) -> None:
    service.feed(a_case_event(1), a_case_event(2, subject="noise", unit="neighbourhood"))

    def seen(user: str, query: str = "/tasks") -> set[str]:
        return {task["definition"] for task in ok(by(user).get(query))["items"]}

    leak, noise = {"inspect-leak", "fix-leak", "call-back"}, {"log-diary", "warn-neighbour"}
    assert seen("lena") == leak
    assert seen("noor") == noise
    assert seen("max") == leak | noise
    assert seen("paul") == leak  # plumbers' tasks, and the unit's that nobody has
    assert seen("nils", "/tasks/mine") == {"warn-neighbour"}
    assert seen("nils", "/tasks/mine?available=true") == {"log-diary"}
    assert seen("max", "/tasks?owner=plumber&state=pending") == {"inspect-leak"}
    assert seen("max", f"/tasks?case_id={derive('test case', 2)}&assignee=nils") == {"warn-neighbour"}


@pytest.mark.requirement("TASK-4", "TASK-9")
def test_opening_a_task_shows_what_its_definition_tells(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    task = ok(by("lena").get(path("inspect-leak")))
    assert (task["message"], task["messages"]) == ("", {"pending": "Call the customer before you go."})
    assert task["customer"]["name"] == "Carla Customer"
    assert ok(by("lena").post(path("inspect-leak", "start")))["message"] == "Call the customer before you go."


def test_repeated_command_is_done_once_and_a_stale_one_refused(service: TaskService, by: As) -> None:
    service.feed(a_case_event())
    lena = by("lena")
    shown = lena.get(path("inspect-leak"))
    headers = {"Idempotency-Key": "once", "If-Match": shown.headers["etag"]}
    first = lena.post(path("inspect-leak", "start"), headers=headers)
    again = lena.post(path("inspect-leak", "start"), headers=headers)
    assert (first.status_code, again.status_code, first.json()) == (200, 200, again.json())
    assert first.headers["etag"] == again.headers["etag"] == '"3"'
    assert len(service.events) == 4 + 2
    stale = lena.post(path("inspect-leak", "complete"), headers={"If-Match": shown.headers["etag"]})
    assert stale.status_code == 412
    assert service.task(CASE, "inspect-leak")["state"] == "in_progress"


def test_republishing_sends_everything_again_under_its_next_revision(service: TaskService, api: httpx.Client, by: As) -> None:
    service.feed(*(a_case_event(n) for n in range(3)))
    ok(by("rita").post("/tasks", json={"subject_line": "Alone", "due_at": "2026-03-03T10:00:00Z"}), 201)
    before = len(service.events)
    assert ok(api.post("/republish"), 202) == {"republished": 10}
    again = service.events[before:]
    assert [event.type for event in again].count("casestream.task.republished.v1") == 10
    assert [event.type for event in again].count("casestream.plan.made.v1") == 3
    assert_gapless(service.events)
    assert ok(api.get("/counts")) == {"tasks": 10, "dead_letters": 0}


def test_garbage_is_refused_with_a_reason(service: TaskService, api: httpx.Client) -> None:
    service.feed(a_case_event())
    assert api.get("/tasks/not-a-uuid").status_code == 422
    assert api.get(f"/tasks/{uuid4()}").status_code == 404
    assert api.post(f"/tasks/{uuid4()}/complete").status_code == 404
    good = {"subject_line": "x", "due_at": "2026-03-03T10:00:00Z", "assignee": "rita"}
    for bad in ({"subject_line": ""}, {"subject_line": "a\x00b"}, {"due_at": "soon"}, {"due_at": "9999-12-31T23:00:00-23:00"}):
        answer = api.post("/tasks", json=good | bad)
        assert answer.status_code == 422, bad
        assert answer.headers["content-type"] == "application/problem+json"
    assert api.post("/tasks", content=b"\xff\xfe{").status_code == 422
    assert api.get("/tasks", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.requirement("EDGE-17")
def test_what_staff_wrote_in_follow_ups_goes_with_an_erased_contact(service: TaskService, by: As) -> None:
    carla = derive("contact", 1)
    service.feed(a_case_event())
    rita = by("rita")
    words = {"subject_line": "Visit Carla", "description": "Carla is ill.", "due_at": "2026-03-03T10:00:00Z"}
    ours = ok(rita.post("/tasks", json=words | {"contact_id": str(carla), "customer_name": "Carla"}), 201)
    in_case = ok(rita.post("/tasks", json=words | {"case_id": str(CASE)}), 201)
    other = ok(rita.post("/tasks", json=words | {"contact_id": str(uuid4()), "customer_name": "Carla's neighbour"}), 201)
    data = ContactErased(contact_id=carla, case_ids=(CASE,))
    told = Event(derive("erased", 1), data.event_type, "/test/case", str(carla), NOW, 2, 0, "", str(carla), data)
    service.feed(told)
    service.feed(told)
    for task in (ours, in_case):
        shown = ok(rita.get(f"/tasks/{task['id']}"))
        assert (shown["subject_line"], shown["description"], shown["state"]) == ("[erased]", "[erased]", "pending")
    assert ok(rita.get(f"/tasks/{ours['id']}"))["customer"] == {"contact_id": str(carla), "account_id": None, "name": "", "email": ""}
    assert ok(rita.get(f"/tasks/{other['id']}"))["description"] == "Carla is ill."
    republished = [event.data for event in service.events if event.type == "casestream.task.republished.v1"]
    assert {data.task_id for data in republished} == {UUID(ours["id"]), UUID(in_case["id"])}
    assert "Carla" not in str(service.rows("select response from commands where response::text like %s", f"%{ours['id']}%"))
    assert_gapless(service.events)
