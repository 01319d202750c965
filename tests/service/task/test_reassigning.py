"""Many tasks are given to somebody else at once, each by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.domain.assignment.absences import Absence, HandOver
from services.task.handlers.absences import Absences
from services.task.handlers.compile import compile_configuration
from services.task.storage import absences
from shared.ids import derive
from shared.messaging import VersionCache
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.service.task.test_api import As, api, by, ok  # noqa: F401 - fixtures

pytestmark = pytest.mark.requirement("TASK-7")


def inspections(service: TaskService) -> list[UUID]:
    return [row["id"] for row in service.rows("select id from tasks where definition = 'inspect-leak' order by id")]


def reassign(client: httpx.Client, to: dict[str, str], **which: Any) -> Any:
    return ok(client.post("/tasks/reassign", json={"to": to, **which}))


def test_each_of_these_tasks_has_a_result_of_its_own(service: TaskService, by: As) -> None:  # noqa: F811
    service.feed(*(a_case_event(n) for n in range(3)), a_case_event(9, subject="noise", unit="neighbourhood"))
    lena, ids = by("lena"), inspections(service)
    ok(lena.post(f"/tasks/{ids[0]}/cancel"))
    ok(lena.post(f"/tasks/{ids[1]}/assign", json={"user": "rita"}))
    (other,) = service.rows("select id from tasks where definition = 'warn-neighbour'")
    unknown, asked = uuid4(), [str(id) for id in ids]
    done = reassign(lena, {"user": "rita"}, ids=[*asked, str(unknown), str(other["id"]), asked[2]])
    assert [(item["id"], item["outcome"]) for item in done["items"]] == [
        (asked[0], "refused"),
        (asked[1], "unchanged"),
        (asked[2], "reassigned"),
        (str(unknown), "not_found"),
        (str(other["id"]), "not_found"),
    ]
    assert "it is cancelled" in done["items"][0]["why"]
    assert done["next"] is None
    assert service.rows("select assignee from tasks where id = %s", ids[2]) == [{"assignee": "rita"}]
    assert service.rows("select assignee from tasks where id = %s", other["id"]) == [{"assignee": "nils"}]
    assert_gapless(service.events)


def test_a_filter_finds_what_is_within_reach(service: TaskService, by: As) -> None:  # noqa: F811
    service.feed(*(a_case_event(n) for n in range(3)), a_case_event(9, subject="noise", unit="neighbourhood"))
    lena, ids = by("lena"), inspections(service)
    ok(by("paul").post(f"/tasks/{ids[0]}/accept"))
    found = {"role": "plumber", "definition": "inspect-leak"}
    rest = reassign(lena, {"unit": "repairs"}, filter=found, after=str(ids[0]))
    assert [(item["id"], item["outcome"]) for item in rest["items"]] == [(str(id), "reassigned") for id in ids[1:]]
    first = reassign(lena, {"user": "rita"}, filter=found)
    assert [item["id"] for item in first["items"]] == [str(ids[0])]
    assert reassign(lena, {"user": "rita"}, filter={"held_by": "nils"})["items"] == []
    assert len(reassign(by("max"), {"user": "noor"}, filter={"held_by": "nils"})["items"]) == 1
    assert service.task(derive("test case", 9), "warn-neighbour")["assignee"] == "noor"
    assert_gapless(service.events)


def test_a_repeated_command_is_done_once_and_garbage_refused(service: TaskService, by: As) -> None:  # noqa: F811
    service.feed(a_case_event())
    lena, ids = by("lena"), inspections(service)
    body = {"to": {"user": "rita"}, "ids": [str(ids[0])]}
    key = {"Idempotency-Key": "reassign-once"}
    first = ok(lena.post("/tasks/reassign", json=body, headers=key))
    assert ok(lena.post("/tasks/reassign", json=body, headers=key)) == first
    assert first["items"][0]["outcome"] == "reassigned"
    assert by("paul").post("/tasks/reassign", json=body).status_code == 403
    for wrong in (
        {},
        {"filter": {"definition": "inspect-leak"}},
        {"ids": []},
        {**body, "filter": {"unit": "repairs"}},
        {**body, "after": key},
    ):
        assert lena.post("/tasks/reassign", json={"to": {"user": "rita"}, **wrong}).status_code == 422, wrong
    assert lena.post("/tasks/reassign", json=body | {"to": {"user": "nobody"}}).status_code == 422


def away(service: TaskService, user: str, stand_in: str | None, **changes: Any) -> UUID:
    absence_id = derive("test absence", user)
    values: dict[str, Any] = {"hand_over": HandOver.ALL, "give_back": True, "note": "", "made_by": user} | changes
    with service.database.transaction() as tx:
        absences.insert(tx, Absence(absence_id, user, NOW, NOW + timedelta(days=7), stand_in, **values), NOW)
    return absence_id


def holders(service: TaskService) -> list[tuple[str, str | None]]:
    rows = service.rows("select owner_code, assignee from tasks where definition = 'inspect-leak' order by id")
    return [(row["owner_code"], row["assignee"]) for row in rows]


@pytest.mark.requirement("EDGE-13")
def test_what_is_given_to_somebody_who_is_away_is_with_who_stands_in_until_they_are_back(service: TaskService, by: As) -> None:  # noqa: F811
    service.feed(*(a_case_event(n) for n in range(4)))
    lena, ids = by("lena"), inspections(service)
    job = Absences(service.publisher, VersionCache(service.reference, compile_configuration).get, service.clock)
    away(service, "paul", "rita")
    while job.look() is not None:
        pass
    one = ok(lena.post(f"/tasks/{ids[0]}/assign", json={"user": "paul"}))
    assert (one["owner"]["code"], one["assignee"]) == ("paul", "rita")
    done = reassign(lena, {"user": "paul"}, ids=[str(id) for id in ids[:2]])
    assert [(item["outcome"], item["why"]) for item in done["items"]] == [
        ("unchanged", ""),
        ("reassigned", "paul is away: rita stands in"),
    ]
    kept = ok(lena.post(f"/tasks/{ids[2]}/assign", json={"user": "paul", "although_away": True}))
    assert kept["assignee"] == "paul"
    assert ok(by("paul").post(f"/tasks/{ids[3]}/accept"))["assignee"] == "paul"  # evidently they are there
    due = (NOW + timedelta(days=1)).isoformat()
    added = [
        ok(lena.post("/tasks", json={"subject_line": "Call", "due_at": due, "assignee": "paul"} | more), 201)["assignee"]
        for more in ({}, {"although_away": True})
    ]
    assert added == ["rita", "paul"]
    away(service, "lena", "rita")
    assert ok(lena.post("/tasks", json={"subject_line": "Mine", "due_at": due}), 201)["assignee"] == "lena"
    told = [event.data for event in service.events if event.type == "casestream.task.assigned.v1"]
    assert [(data.assignee, data.reason) for data in told][:2] == [("rita", "absence of paul")] * 2

    service.clock.forward(days=7)  # type: ignore[attr-defined]
    while job.look() is not None:
        pass
    assert holders(service) == [("paul", "paul")] * 3 + [("plumber", "paul")]
    assert service.rows("select 1 from tasks where assignee = 'rita'") == service.rows("select 1 from loans") == []
    assert_gapless(service.events)


@pytest.mark.requirement("EDGE-13")
def test_where_nobody_stands_in_giving_by_hand_is_refused_and_what_is_due_after_the_return_waits(service: TaskService, by: As) -> None:  # noqa: F811
    service.feed(*(a_case_event(n) for n in range(2)))
    lena, ids = by("lena"), inspections(service)
    away(service, "paul", None)
    refused = lena.post(f"/tasks/{ids[0]}/assign", json={"user": "paul"})
    assert (refused.status_code, refused.json()["why"]) == (409, "away")
    assert "away until 2026-03-09 09:00 UTC, and nobody stands in" in refused.json()["detail"]
    assert [item["outcome"] for item in reassign(lena, {"user": "paul"}, ids=[str(ids[0])])["items"]] == ["refused"]
    late = {"subject_line": "Call", "due_at": (NOW + timedelta(days=9)).isoformat(), "assignee": "paul"}
    assert lena.post("/tasks", json=late).status_code == 409
    assert holders(service) == [("plumber", None)] * 2

    away(service, "rita", None, hand_over=HandOver.DUE_BEFORE_RETURN)
    assert lena.post(f"/tasks/{ids[0]}/assign", json={"user": "rita"}).status_code == 409  # due today
    assert ok(lena.post("/tasks", json=late | {"assignee": "rita"}), 201)["assignee"] == "rita"
