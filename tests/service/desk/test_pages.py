"""The pages, beside a real task service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.support.desk import PASSWORD, Platform, desk_beside_task

HOUR = timedelta(hours=1)


@pytest.fixture
def platform(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str) -> Iterator[Platform]:
    with desk_beside_task(tmp_path, fresh_database, kafka, desk_prefix) as platform:
        yield platform


@pytest.fixture
def lonely(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str) -> Iterator[Platform]:
    """A desk whose task service is away."""
    with desk_beside_task(tmp_path, fresh_database, kafka, desk_prefix, task_url="http://127.0.0.1:9") as platform:
        yield platform


def sign_in(platform: Platform, user: str) -> httpx.Response:
    return platform.client.post("/sign-in", data={"user": user, "password": PASSWORD, "next": "/tasks"})


def order_of(page: str, *titles: str) -> list[str]:
    return sorted(titles, key=page.index)


@pytest.mark.requirement("TASK-9", "EDGE-5")
def test_my_tasks_are_sorted_as_asked_overdue_marked_and_completed_from_the_page(platform: Platform) -> None:
    now = datetime.now(UTC)
    platform.add_task("rita", "Call Mrs <b>Hill</b>", now - 3 * HOUR - timedelta(minutes=5), "low")
    platform.add_task("rita", "Order a key", now + HOUR, "normal")
    roof = platform.add_task("rita", "Inspect the roof", now + 30 * HOUR, "high")["id"]
    platform.add_task("nils", "Not for Rita", now + HOUR)
    sign_in(platform, "rita")
    page = platform.client.get("/tasks").text
    titles = ("Call Mrs &lt;b&gt;Hill&lt;/b&gt;", "Order a key", "Inspect the roof")
    assert order_of(page, *titles) == [titles[0], titles[1], titles[2]]
    assert "Not for Rita" not in page
    late = re.findall(r'<strong class="overdue">.*?</strong>', page, re.DOTALL)
    assert len(late) == 1
    assert "Overdue by 3 hours" in late[0]
    by_priority = platform.client.get("/tasks?sort=priority").text
    assert order_of(by_priority, *titles) == [titles[2], titles[1], titles[0]]
    only_late = platform.client.get("/tasks?show=overdue").text
    assert titles[0] in only_late
    assert titles[1] not in only_late

    # By when it is to begin is shown until it has begun, and whether that is over.
    assert "Start by" not in platform.client.get(f"/tasks/{roof}").text
    platform.set_start_by(roof, now + HOUR)
    shown = platform.client.get(f"/tasks/{roof}").text
    assert ("Start by" in shown, "Not started yet" in shown) == (True, False)
    platform.set_start_by(roof, now - HOUR)
    shown = platform.client.get(f"/tasks/{roof}").text
    assert "Not started yet" in shown
    begin = re.search(r'action="(/tasks/[^"]+/start)">\s*<input[^>]*value="(\d+)">\s*<input[^>]*value="([^"]+)"', shown)
    assert begin is not None
    platform.client.post(begin[1], data={"revision": begin[2], "key": begin[3], "back": f"/tasks/{roof}"})
    assert "Start by" not in platform.client.get(f"/tasks/{roof}").text

    form = re.search(r'action="(/tasks/[^"]+/start)">\s*<input[^>]*value="(\d+)">\s*<input[^>]*value="([^"]+)"', page)
    assert form is not None
    action, revision, key = form.groups()
    sent = {"revision": revision, "key": key, "back": "/tasks?sort=due&show=all"}
    first, again = (platform.client.post(action, data=sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    done = platform.client.get(first.headers["location"]).text
    assert "The task is in progress." in done
    assert action.replace("/start", "/complete") in done
    stale = platform.client.post(action.replace("/start", "/complete"), data=sent | {"key": str(uuid4())})
    assert stale.status_code == 409
    assert "Somebody changed this task" in stale.text

    # What was not done after all is taken up again by who may assign tasks, saying why.
    def look() -> str:
        return platform.client.get(f"/tasks/{roof}").text

    def complete() -> str:
        found = re.search(r'action="(/tasks/[^"]+/complete)">\s*<input[^>]*value="(\d+)">\s*<input[^>]*value="([^"]+)"', look())
        assert found is not None
        platform.client.post(found[1], data={"revision": found[2], "key": found[3], "back": f"/tasks/{roof}"})
        return look()

    assert "not done after all" not in complete()
    sign_in(platform, "lena")
    hidden = re.search(r'/reopen">\s*<input[^>]*value="(\d+)">\s*<input[^>]*value="([^"]+)"', look())
    assert hidden is not None
    given = {"revision": hidden[1], "key": hidden[2]}
    silent = platform.client.post(f"/tasks/{roof}/reopen", data=given | {"reason": " "})
    assert (silent.status_code, "Say why it is taken up again." in silent.text) == (422, True)
    reopened = platform.client.post(f"/tasks/{roof}/reopen", data=given | {"reason": "The wrong roof"})
    assert "in progress again" in platform.client.get(reopened.headers["location"]).text
    assert "In progress" in look()


def test_without_a_session_every_page_leads_to_sign_in(platform: Platform) -> None:
    for path in ("/", "/tasks", "/team", "/health", "/tasks?sort=priority"):
        answer = platform.client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
    answer = platform.client.post("/sign-in", data={"user": "rita", "password": "wrong"})
    assert (answer.status_code, "do not belong together" in answer.text) == (401, True)
    assert platform.client.get("/sign-in?next=//evil.example").text.count("evil.example") == 0


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites_and_ends_on_sign_out(platform: Platform) -> None:
    answer = sign_in(platform, "rita")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    value = dict(platform.client.cookies)
    assert platform.client.get("/tasks").status_code == 200
    platform.client.post("/sign-out")
    platform.client.cookies.update(value)
    assert platform.client.get("/tasks").status_code == 303


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}])
def test_a_form_from_another_site_is_refused(platform: Platform, headers: dict[str, str]) -> None:
    sign_in(platform, "rita")
    assert platform.client.post("/sign-out", headers=headers).status_code == 403
    assert platform.client.get("/tasks").status_code == 200


def test_pages_allow_no_foreign_content(platform: Platform) -> None:
    page = platform.client.get("/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"style=|onclick=|<script>", page.text)
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        file = platform.client.get(address)
        assert (file.status_code, "immutable" in file.headers["cache-control"]) == (200, True)


def test_an_empty_list_and_an_absent_task_service_are_told_in_plain_words(platform: Platform, lonely: Platform) -> None:
    for found, words in ((platform, "You have no open tasks."), (lonely, "cannot be shown just now")):
        sign_in(found, "rita")
        page = found.client.get("/tasks")
        assert (page.status_code, words in page.text) == (200, True)


def test_a_leader_sees_the_team_and_an_agent_does_not(platform: Platform) -> None:
    platform.add_task("rita", "Order a key", datetime.now(UTC) + HOUR)
    sign_in(platform, "lena")
    team = platform.client.get("/team").text
    assert "Order a key" in team
    assert "Rita Repairs" in team
    platform.client.cookies.clear()
    sign_in(platform, "rita")
    answer = platform.client.get("/team", headers={"Accept": "text/html"})
    assert (answer.status_code, "You may not open this page" in answer.text) == (403, True)


def test_health_shows_each_process_and_whom_it_is_for(platform: Platform) -> None:
    sign_in(platform, "lena")
    page = platform.client.get("/health").text
    assert "task api" in page
    assert "All 1 processes are ready." in page
    platform.client.cookies.clear()
    sign_in(platform, "rita")
    assert platform.client.get("/health").status_code == 403
