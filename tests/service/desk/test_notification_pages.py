"""The pages of notifications and of how one is told, beside a real notify."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from shared.ids import derive
from shared.schemas.events import TaskAssigned
from tests.service.notify.harness import a_task
from tests.support.desk import PASSWORD
from tests.support.desk_told import Told, desk_beside_notify
from tests.support.platform import fresh_databases

pytestmark = pytest.mark.requirement("NOTE-1")
SECTIONS = {
    "notifications": {"required": ["escalation"], "defaults": {"completed": "digest"}, "quiet_hours": {"from": "21:00", "until": "06:00"}}
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Told]:
    with (
        fresh_databases(database) as fresh,
        desk_beside_notify(tmp_path_factory.mktemp("desk"), fresh, kafka, desk_prefix, **SECTIONS) as told,
    ):
        yield told


def signed_in(told: Told, user: str) -> httpx.Client:
    client = told.platform.client
    client.cookies.clear()
    assert client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303
    return client


def words_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    assert not re.search(r"style=|onclick=|<script>", page.text)
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2]).split()))


def test_the_bell_counts_and_the_list_is_read_one_by_one_or_as_a_whole(told: Told) -> None:
    client = signed_in(told, "rita")
    told.take(a_task(1, subject_line="<b>Drip</b>"), a_task(2, TaskAssigned, subject_line="Second"), a_task(3))
    page = client.get("/notifications")
    words = words_of(page)
    assert words.index("Inspect the leak at once") < words.index("Task given: Second") < words.index("New task: <b>Drip</b>")
    assert "C-2026-000002 · Water under the sink" in words
    assert f'href="/tasks/{derive("task", 2)}"' in page.text
    assert re.search(r"<span>3</span><span class=\"unseen\"> unread", page.text)
    assert client.get("/notifications/unread").json() == {"unread": 3}

    one = re.search(r'name="one" value="([^"]+)"', page.text)
    assert one
    after = client.post("/notifications/read", data={"one": one[1], "show": "unread"})
    assert after.headers["location"] == "/notifications?show=unread&done="
    assert client.get("/notifications/unread").json() == {"unread": 2}
    assert "Inspect the leak" not in words_of(client.get("/notifications?show=unread"))

    until = re.search(r'name="until" value="(\d+)"', page.text)
    assert until
    done = client.post("/notifications/read", data={"until": until[1]})
    assert "They are marked as read." in words_of(client.get(done.headers["location"]))
    assert "You have read everything." in words_of(client.get("/notifications?show=unread"))
    forged = client.post("/notifications/read", data={"until": until[1]}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403


def test_one_chooses_how_one_is_told(told: Told) -> None:
    client = signed_in(told, "lena")
    page = client.get("/preferences")
    words = words_of(page)
    assert "By email, in a digest (as usual)" in words
    assert "As usual: 21:00 to 06:00, every day" in words
    assert "Your organisation wants everybody told of this." in words
    form = {"revision": "0", "how-completed": "desk", "quiet": "own", "begins": "19:00", "until": "07:30", "days": ["mon", "fri"]}
    form |= {"every": "working day", "at": "16:00", "zone": "Europe/Berlin"}
    saved = client.post("/preferences", data=form)
    assert saved.headers["location"] == "/preferences?done=saved"
    page = client.get("/preferences?done=saved")
    assert "It is saved." in words_of(page)
    for field in (
        '<option value="desk" selected>',
        'value="own" checked',
        'name="begins" type="time" value="19:00"',
        'value="fri" checked',
        '<option value="working day" selected>',
        'value="Europe/Berlin"',
    ):
        assert field in page.text, field
    assert 'value="tue" checked' not in page.text
    # A page that was opened before does not undo what was saved since.
    stale = client.post("/preferences", data=form | {"zone": ""})
    assert stale.status_code == 409
    assert "Somebody changed this choice" in stale.text


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"quiet": "own", "begins": "", "until": "07:00", "days": "mon"}, 422, "Say from when until when"),
        ({"quiet": "own", "begins": "20:00", "until": "07:00"}, 422, "Choose the days of your quiet hours"),
        ({"quiet": "own", "begins": "20:00", "until": "20:00", "days": "mon"}, 409, "end at another time"),
        ({"how-escalation": "none"}, 409, "wants everybody told of: escalation"),
        ({"how-other": "shout"}, 409, "That did not work."),
        ({"every": "day", "at": ""}, 422, "at what time your digest comes"),
        ({"zone": "Mars/Olympus"}, 409, "time zone"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_entered_stays(told: Told, fields: dict[str, str], status: int, said: str) -> None:
    client = signed_in(told, "nils")
    answer = client.post("/preferences", data={"revision": "0", "how-approval": "desk"} | fields)
    assert answer.status_code == status
    assert said in unescape(answer.text)
    assert '<option value="desk" selected>' in answer.text
    assert client.get("/preferences").text.count("selected") == 0
