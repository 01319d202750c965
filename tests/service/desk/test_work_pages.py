"""The pages of absences, workload, time spent, bookings and calendar links, beside a real task service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.support.desk import PASSWORD, Platform, desk_beside_task
from tests.support.desk_work import SECTIONS
from tests.support.platform import fresh_databases

OUTSIDE = "https://answer.housing.example/feeds"
HOUR = timedelta(hours=1)
LONDON = ZoneInfo("Europe/London")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Platform]:
    with (
        fresh_databases(database) as fresh,
        desk_beside_task(tmp_path_factory.mktemp("desk"), fresh, kafka, desk_prefix, sections=SECTIONS, calendar_url=OUTSIDE) as platform,
    ):
        yield platform


def sign_in(platform: Platform, user: str) -> httpx.Client:
    platform.client.cookies.clear()
    assert platform.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303
    return platform.client


def words_of(page: httpx.Response) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split()))


def send(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form; where it leads is followed."""
    answer = client.post(path, data={"key": str(uuid4())} | fields)
    return client.get(answer.headers["location"]) if answer.status_code == 303 else answer


def local(at: datetime) -> str:
    """As a field of date and time has it, in the organisation's zone."""
    return at.astimezone(LONDON).strftime("%Y-%m-%dT%H:%M")


def midday(days: int) -> datetime:
    """Noon so many days from now."""
    return datetime.now(LONDON).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=days)


def a_task(platform: Platform, user: str, subject_line: str, definition: str = "") -> str:
    id = str(platform.add_task(user, subject_line, midday(3))["id"])
    if definition:
        with platform.task_database.transaction() as tx:
            tx.execute("update tasks set definition = %s where id = %s", (definition, id))
    return id


def assert_safe(page: httpx.Response) -> None:
    assert page.status_code == 200, page.text
    assert not re.search(r"style=|onclick=|<script>", page.text)


@pytest.mark.requirement("EDGE-13", "FACE-1")
def test_one_enters_and_cancels_ones_absence_and_a_leader_that_of_others(platform: Platform) -> None:
    rita = sign_in(platform, "rita")
    page = rita.get("/absences")
    assert_safe(page)
    assert "You are here" in words_of(page)
    assert "Who is away" not in words_of(page)
    form = {"from": local(midday(2)), "until": local(midday(4)), "stand_in": "nils", "give_back": "yes", "note": "The <sea>"}
    wrong = send(rita, "/absences", **(form | {"until": form["from"]}))
    assert wrong.status_code == 422
    assert "The return comes after the beginning." in wrong.text
    assert "The &lt;sea&gt;" in wrong.text  # what was entered stays
    entered = send(rita, "/absences", **form)
    assert "The absence is entered." in words_of(entered)
    assert re.search(r"12:00 to .* 12:00 Coming Nils Nearby stands in\. The <sea>", words_of(entered))
    assert "another absence" in words_of(send(rita, "/absences", **form))

    lena = sign_in(platform, "lena")
    seen = lena.get("/absences").text
    assert "Rita Repairs" in seen
    (end,) = re.findall(r'action="(/absences/[^"]+/end)">\s*<input[^>]*>\s*<button', seen)
    longer = send(lena, end, until=local(midday(6)))
    assert "The return is set." in words_of(longer)
    assert "The absence is cancelled." in words_of(send(lena, end))
    assert "Cancelled" in words_of(lena.get("/absences?past=true"))


@pytest.mark.requirement("TASK-7", "EDGE-13", "FACE-1")
def test_a_leader_sees_who_has_how_much_and_gives_some_of_it_to_others(platform: Platform) -> None:
    ids = [a_task(platform, "rita", f"Key {number}") for number in range(3)]
    lena = sign_in(platform, "lena")
    assert 'href="/workload"' in lena.get("/team").text
    page = lena.get("/workload")
    assert_safe(page)
    assert re.search(r"Paul Plumber\s+Gas engineer\s+0\s+0\s+4", words_of(page))
    assert "Nils" not in words_of(page)
    picked = lena.get("/workload?unit=repairs&of=user:rita")
    assert_safe(picked)
    assert all(id in picked.text for id in ids)
    where = {"unit": "repairs", "of": "user:rita"}
    away = {"user": "rita", "stand_in": "lena", "from": local(datetime.now(UTC) - HOUR), "give_back": "yes"}
    assert "The absence is entered." in words_of(send(lena, "/absences", **away))
    nobody = {"unit": "repairs", "of": "unit:repairs"}
    lent = send(lena, "/workload/reassign", task=[a_task(platform, "lena", "Paint")], to="user:rita", **nobody)
    assert "who stands in has them until they are back" in words_of(lent)
    (end,) = re.findall(r'action="(/absences/[^"]+/end)">\s*<input[^>]*>\s*<button', lena.get("/absences").text)
    assert "The absence is over." in words_of(send(lena, end))
    assert "Choose the tasks first." in send(lena, "/workload/reassign", to="user:paul", **where).text
    given = send(lena, "/workload/reassign", task=ids[:2], to="user:paul", **where)
    assert "2 tasks are given to them." in words_of(given)
    assert ids[0] not in given.text
    send(lena, "/absences", user="paul", **{"from": local(datetime.now(UTC) - HOUR), "until": local(midday(2))})
    refused = send(lena, "/workload/reassign", task=[ids[2]], to="user:paul", **where)
    assert refused.status_code == 409
    assert re.search(r"One task was not given\. Key 2: .*paul: they are away .* nobody stands in", words_of(refused))
    anyway = send(lena, "/workload/reassign", task=[ids[2]], to="user:paul", although_away="true", **where)
    assert "1 task is given to them." in words_of(anyway)
    assert "Away" in words_of(anyway)
    (end,) = re.findall(r'action="(/absences/[^"]+/end)">\s*<input[^>]*>\s*<button', lena.get("/absences").text)
    assert "The absence is over." in words_of(send(lena, end))
    assert sign_in(platform, "rita").get("/workload").status_code == 403


@pytest.mark.requirement("TASK-10", "FACE-1")
def test_time_is_recorded_corrected_and_a_mandatory_service_waived_on_the_tasks_page(platform: Platform) -> None:
    task = a_task(platform, "rita", "Look at the leak", "inspect-leak")
    rita = sign_in(platform, "rita")
    page = rita.get(f"/tasks/{task}")
    assert_safe(page)
    assert "Plumbing mandatory, at least 30 min" in words_of(page)
    assert "Waive it" not in page.text
    at = local(datetime.now(UTC) - HOUR)
    recorded = send(rita, f"/tasks/{task}/time", service="plumbing", minutes="20", spent_at=at, note="In the <kitchen>")
    assert "The time is recorded." in words_of(recorded)
    assert "20 min Plumbing" in words_of(recorded)
    assert "In the &lt;kitchen&gt;" in recorded.text
    once = {"key": str(uuid4()), "service": "plumbing", "spent_at": at}
    for minutes, said in (("7", "The time is recorded."), ("7", "The time is recorded."), ("8", "This form was sent already")):
        assert said in words_of(send(rita, f"/tasks/{task}/time", minutes=minutes, **once))
    assert "7 min Plumbing" in words_of(rita.get(f"/tasks/{task}"))
    assert send(rita, f"/tasks/{task}/time", service="plumbing", minutes="many").status_code == 422
    assert "add it first" in send(rita, f"/tasks/{task}/time", service="inspection", minutes="5").text
    assert "The service is on the task now." in words_of(send(rita, f"/tasks/{task}/services", service="inspection"))
    (entry,) = re.findall(r'name="corrects" value="([^"]+)"', recorded.text)
    corrected = send(rita, f"/tasks/{task}/time", service="inspection", minutes="25", corrects=entry)
    assert "The time is corrected." in words_of(corrected)
    assert "20 min Plumbing corrected" in words_of(corrected)
    assert "25 min Inspection" in words_of(corrected)
    assert send(rita, f"/tasks/{task}/waive", service="plumbing", reason="Dry").status_code == 403
    lena = sign_in(platform, "lena")
    assert send(lena, f"/tasks/{task}/waive", service="plumbing").status_code == 422
    waived = send(lena, f"/tasks/{task}/waive", service="plumbing", reason="It was <dry>")
    assert "Plumbing waived by Lena Leader: It was <dry>" in words_of(waived)
    assert "The service is required again." in words_of(send(lena, f"/tasks/{task}/require", service="plumbing"))


@pytest.mark.requirement("TASK-9")
def test_a_pending_task_is_completed_from_its_page(platform: Platform) -> None:
    task = a_task(platform, "rita", "Quickly done")
    rita = sign_in(platform, "rita")
    form = re.search(r'complete">\s*<input[^>]*value="(\d+)">', rita.get(f"/tasks/{task}").text)
    assert form is not None
    done = send(rita, f"/tasks/{task}/complete", revision=form[1], back=f"/tasks/{task}")
    assert "Completed" in words_of(done)


@pytest.mark.requirement("TASK-10", "FACE-1")
def test_a_free_time_is_found_booked_confirmed_and_cancelled(platform: Platform) -> None:
    task = a_task(platform, "rita", "Bring the ladder")
    rita = sign_in(platform, "rita")
    assert f'href="/bookings?task={task}"' in rita.get(f"/tasks/{task}").text
    wanted = {"unit": "repairs", "resource": "van", "from": local(midday(5)), "minutes": "60"}
    page = rita.get("/bookings", params=wanted | {"task": task})
    assert_safe(page)
    assert "Bring the ladder" in words_of(page)
    slots = re.findall(r'name="slot" value="([^"]+)"', page.text)
    assert 'name="slot"' not in rita.get("/bookings", params=wanted).text  # for nothing, nothing is booked
    assert send(rita, "/bookings", task=task, **wanted).status_code == 422
    booked = send(rita, "/bookings", slot=slots[0], note="With the <ladder>", task=task, **wanted)
    assert "It is booked." in words_of(booked)
    assert re.search(r"12:00 to 13:00 Van 2 Requested With the <ladder> by Rita Repairs", words_of(booked))
    twice = send(rita, "/bookings", slot=slots[0], task=task, **wanted)
    assert twice.status_code == 409
    assert "Van 2 is booked already" in words_of(twice)

    lena = sign_in(platform, "lena")
    day = f"/resources/van?day={midday(5).date()}"
    shown = lena.get(day)
    assert_safe(shown)
    assert "Free 00:00–12:00, 13:00–00:00." in words_of(shown)
    assert "Nothing is free" in words_of(lena.get(f"/resources/van?day={midday(-2).date()}"))
    assert re.search(r"To be confirmed by your unit 1 .* Van 2 Requested With the <ladder>", words_of(lena.get("/bookings")))
    confirm, revision = re.findall(r'action="(/bookings/[^"]+/confirm)">\s*<input[^>]*value="(\d+)"', shown.text)[0]
    assert "The booking is confirmed." in words_of(send(lena, confirm, revision=revision, back=day))
    stale = send(lena, confirm.replace("confirm", "cancel"), revision=revision, back=day)
    assert "Somebody changed this booking" in words_of(stale)
    assert "To be confirmed by your unit" not in words_of(lena.get("/bookings"))
    move = confirm.replace("confirm", "move")
    times = {"from": local(midday(5) + HOUR), "until": local(midday(5) + 2 * HOUR)}
    assert "the later one last" in words_of(send(lena, move, revision=revision, back=day, **(times | {"until": times["from"]})))
    moved = send(lena, move, revision=str(int(revision) + 1), back=day, **times)
    assert "The booking is moved." in words_of(moved)
    assert "13:00 to 14:00 The task Requested" in words_of(moved)  # it has to be confirmed anew
    off = send(lena, confirm.replace("confirm", "cancel"), revision=str(int(revision) + 2), back=day)
    assert "Cancelled" in words_of(off)


@pytest.mark.requirement("TASK-10", "FACE-1")
def test_a_link_for_calendar_programs_is_shown_once_and_ended(platform: Platform) -> None:
    lena = sign_in(platform, "lena")
    assert_safe(lena.get("/calendar"))
    made = send(lena, "/calendar", resource="van")
    (path,) = re.findall(r'value="https://answer.housing.example/feeds/(resources/[^"]+)"', made.text)
    assert "for Van 2" in words_of(made)
    listed = lena.get("/calendar")
    assert path not in listed.text
    (end,) = re.findall(r'action="(/calendar/[^"]+/end)"', listed.text)
    assert "The link is ended" in words_of(send(lena, end))
    assert "None so far." in words_of(send(lena, end))
