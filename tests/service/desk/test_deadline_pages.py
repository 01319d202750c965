"""The pages of deadlines, beside real case, task and sla services; and with sla away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest

from services.desk.handlers.drafts import save_draft
from shared.schemas.events import CaseStatusChanged, TaskLifeCycle, TaskStatusChanged, TaskTriggered
from tests.support.case import a_mail
from tests.support.configuration import ROLES
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.desk_deadlines import Clocks, desk_beside_clocks
from tests.support.desk_records import desk_beside_records
from tests.support.platform import fresh_databases
from tests.support.sla import a_case, a_task

MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""In the office's hours, an hour after they begin."""
HOUR = timedelta(hours=1)
MORE = {"manager": ["clock:simulate", "configuration:read"]}
SECTIONS = {"roles": [role | {"permissions": [*role["permissions"], *MORE.get(role["code"], ())]} for role in ROLES]}
SLOWER = {"targets": [{"clock": "response", "within": "400 days", "calendar": "always"}], "ladder": {"due_soon_share": 0.8}}


class Known(NamedTuple):
    """A platform with clocks that are late, at risk, due later and over."""

    clocks: Clocks
    case: UUID
    task: str

    @property
    def client(self) -> httpx.Client:
        return self.clocks.records.client


def due_task(name: str, due_at: datetime, unit: str = "repairs", assignee: str | None = "rita", **changes: object) -> TaskTriggered:
    given = {"subject_line": name, "unit": unit, "assignee": assignee, "triggered_at": due_at - 10 * HOUR, "due_at": due_at}
    made = a_task(name, **(given | changes))
    assert isinstance(made, TaskTriggered)
    return made


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, database: str, kafka: str, desk_prefix: str) -> Iterator[Known]:
    folder = tmp_path_factory.mktemp("desk")
    with fresh_databases(database) as make, desk_beside_clocks(folder, make, kafka, desk_prefix, sections=SECTIONS) as clocks:
        mail = a_mail("Leak in the kitchen", "A leak.")
        clocks.records.take(mail)
        id, now = clocks.records.case_of(mail.communication_id), datetime.now(UTC)
        case = a_case(case_id=id, number="C-2026-000001", opened_at=MONDAY)
        waits = CaseStatusChanged(**case.model_dump() | {"waiting_for_customer": True})
        made = clocks.records.platform.add_task("rita", "Call back <b>now</b>", now - 26 * HOUR)
        task = due_task(made["subject_line"], now - 26 * HOUR, task_id=UUID(made["id"]))
        over = [due_task(name, now - 90 * HOUR) for name in ("Met", "Missed")]
        ended = [(over[0], now - 91 * HOUR), (over[1], now - 80 * HOUR)]
        clocks.tell(
            (case, 1, MONDAY),
            (waits, 2, MONDAY + HOUR),
            (CaseStatusChanged(**case.model_dump()), 3, MONDAY + 26 * HOUR),
            (task, 1, task.triggered_at or now),
            (due_task("Nearly over", now + HOUR / 2), 1, now - 9 * HOUR),
            (due_task("Nearby", now + 2 * HOUR, "neighbourhood", "nils", subject="noise"), 1, now - HOUR),
            *[(due_task(f"Later {n:03}", now + 40 * HOUR + n * HOUR / 60, assignee=None), 1, now) for n in range(60)],
            *[(each, 1, now - 100 * HOUR) for each in over],
        )
        done = {"state": TaskLifeCycle.COMPLETED}
        clocks.tell(*[(TaskStatusChanged(**each.model_dump() | done | {"completed_at": at}), 2, at) for each, at in ended])
        desk = clocks.records.platform.desk
        save_draft(desk.publisher, "slower", _without_passwords(a_configuration_text(sla=SLOWER)), "max", now)
        yield Known(clocks, id, made["id"])


def _without_passwords(text: str) -> str:
    return re.sub(r"(?m)^ *password_hash:.*\n(?:    .*\n)?", "", text)


def words_of(page: httpx.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])).split())


def signed_in(known: Known, user: str) -> httpx.Client:
    known.client.cookies.clear()
    assert known.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303
    return known.client


def rows_of(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return [unescape(found) for found in re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', page.text)]


@pytest.mark.requirement("EDGE-8", "FACE-1")
def test_a_case_says_why_it_is_overdue_with_every_pause(known: Known) -> None:
    page = signed_in(known, "rita").get(f"/cases/{known.case}")
    words = words_of(page)
    assert 'href="#deadlines">Why is it overdue?' in page.text
    assert "Overdue since Tue 3 Mar 15:00: 4 working hours were up." in words
    assert "Mon 2 Mar, 11:00 – Tue 3 Mar, 12:00 paused 1 d 1 h waiting for the customer" in words
    assert "Mon 2 Mar, 10:00 – 11:00 ran 1 h of working time" in words
    assert "Its time runs by Office hours: Mon to Fri 09:00 to 17:00, not on public holidays." in words
    # The target of the subject allows no pauses.
    assert "The target is that of the subject. Its time runs round the clock. It does not stop while the customer is to answer." in words
    assert re.search(r'<rect class="over" x="[\d.]+" width="[\d.]+"', page.text)
    assert not re.search(r"style=|onclick=|<script>", page.text)


@pytest.mark.requirement("EDGE-8", "SLA-1")
def test_a_task_says_so_too_to_who_may_see_clocks(known: Known) -> None:
    page = signed_in(known, "rita").get(f"/tasks/{known.task}")
    assert "1 d 12 h used of 10 h: 1 d 2 h too much" in words_of(page)
    assert "Why is this overdue?" in page.text
    other = signed_in(known, "paul").get(f"/tasks/{known.task}")
    assert "Deadlines" not in other.text


@pytest.mark.requirement("SLA-1", "FACE-1")
def test_deadlines_are_listed_by_how_urgent_they_are_and_narrowed(known: Known) -> None:
    client = signed_in(known, "rita")
    page = client.get("/deadlines")
    assert 'href="/deadlines" aria-current="page">Deadlines' in page.text
    # The longest overdue comes first: of the case, its response and completion, then the task.
    assert rows_of(page) == ["Water everywhere", "Water everywhere", "Call back <b>now</b>"]
    assert f'href="/cases/{known.case}#clock-response"' in page.text
    assert f'href="/tasks/{known.task}#clock-due"' in page.text
    assert 'id="clock-due"' in client.get(f"/tasks/{known.task}").text
    assert "3 overdue 1 at risk" in words_of(page)
    assert "1 d 2 h over" in words_of(page)
    risk = client.get("/deadlines", params={"show": "at-risk"})
    assert rows_of(risk) == ["Nearly over"]
    assert re.search(r"in [12]\d min", words_of(risk))

    mine = client.get("/deadlines", params={"mine": "true", "kind": "due"})
    assert rows_of(mine) == ["Call back <b>now</b>"]
    assert "Only: with you, Due date" in words_of(mine)
    assert "1 overdue 1 at risk" in words_of(mine)
    assert rows_of(client.get("/deadlines", params={"kind": "response", "item_kind": "case", "subject": "leak"})) == ["Water everywhere"]
    assert rows_of(client.get("/deadlines", params={"method": "telephone"})) == []

    first = client.get("/deadlines", params={"show": "upcoming", "kind": "due"})
    following = re.search(r'href="([^"]*)" rel="next"', first.text)
    assert following
    second = client.get(unescape(following[1]))
    found = rows_of(first) + rows_of(second)
    assert found == ["Nearly over", *[f"Later {n:03}" for n in range(60)]]
    assert "From the beginning" in second.text
    assert rows_of(client.get("/deadlines", params={"show": "upcoming", "within": "4 hours"})) == ["Nearly over"]
    # Another unit's are not hers; whoever reaches all may choose one.
    assert rows_of(signed_in(known, "max").get("/deadlines", params={"show": "upcoming", "unit": "neighbourhood"})) == ["Nearby"]


@pytest.mark.requirement("SLA-1", "FACE-1")
def test_the_report_counts_what_was_kept_and_can_be_saved(known: Known) -> None:
    client = signed_in(known, "max")
    page = client.get("/deadlines/report", params={"kind": "due", "by": "subject"})
    words = words_of(page)
    assert "33 % met in time 1 met 1 missed ▲ 1 still overdue" in words
    assert "Water leak 33 % 1 1 0 1" in words, words
    assert 'aria-current="page">Report' in page.text
    assert "Due date Subject Ended Half within" in words
    link = re.search(r'href="(/deadlines/report/compliance.csv\?[^"]*)"', page.text)
    assert link
    saved = client.get(unescape(link[1]))
    assert saved.headers["content-type"].startswith("text/csv")
    assert "attachment" in saved.headers["content-disposition"]
    [row] = csv.DictReader(io.StringIO(saved.content.decode("utf-8-sig")))
    assert (row["group"], row["met"], row["missed"]) == ("leak", "1", "1")
    assert client.get("/deadlines/report/times.csv", params={"kind": "due"}).text.count("leak,due,2") == 1
    assert "Week " in words_of(client.get("/deadlines/report", params={"by": "week"}))
    assert "Nothing here." in words_of(client.get("/deadlines/report", params={"from": "2020-01-01", "to": "2020-01-31"}))
    wrong = client.get("/deadlines/report", params={"from": "2026-02-01", "to": "2026-01-01"})
    assert (wrong.status_code, "The first day is after the last." in wrong.text) == (422, True)
    far = client.get("/deadlines/report", params={"from": "1971-01-01"})
    assert (far.status_code, "longer than ten years" in far.text) == (422, True)


@pytest.mark.parametrize("path", ["/deadlines", "/deadlines/report", "/deadlines/report/times.csv", "/deadlines/simulation"])
def test_whoever_may_not_see_clocks_sees_none_of_the_pages(known: Known, path: str) -> None:
    assert signed_in(known, "paul").get(path).status_code == 403
    known.client.cookies.clear()
    assert known.client.get(path).status_code == 303


@pytest.mark.parametrize("query", ["show=all", "after=%20", "after=zzzz", "unit=%27%3B--", "kind=lag", "within=1+year", "mine=perhaps"])
def test_an_address_that_makes_no_sense_is_refused_in_words(known: Known, query: str) -> None:
    page = signed_in(known, "rita").get(f"/deadlines?{query}", headers={"Accept": "text/html"})
    assert (page.status_code, "<h1>" in page.text) in ((422, True), (404, True)), words_of(page)


@pytest.mark.requirement("EDGE-8")
def test_while_sla_is_away_pages_are_whole_and_say_so(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str
) -> None:
    roles = [role | {"permissions": [*role["permissions"], *(["clock:read"] if role["code"] == "plumber" else [])]} for role in ROLES]
    away = {"sla_url": "http://127.0.0.1:9", "sections": {"roles": roles}}
    with desk_beside_records(tmp_path, fresh_database, kafka, desk_prefix, **away) as records:  # type: ignore[arg-type]
        mail = a_mail("Leak", "A leak.")
        records.take(mail)
        assert records.client.post("/sign-in", data={"user": "max", "password": PASSWORD}).status_code == 303
        page = records.client.get(f"/cases/{records.case_of(mail.communication_id)}")
        assert (page.status_code, "The deadlines cannot be shown just now." in page.text, "Communications" in page.text) == (
            200,
            True,
            True,
        )
        for path in ("/deadlines", "/deadlines/report"):
            page = records.client.get(path)
            assert (page.status_code, "cannot be shown just now" in page.text, "Try again now" in page.text) == (503, True, True)
        assert "cannot be shown just now" in records.client.get("/deadlines/report/times.csv").text
        # Whoever sees only their own has deadlines, and nothing to report on.
        records.client.cookies.clear()
        assert records.client.post("/sign-in", data={"user": "paul", "password": PASSWORD}).status_code == 303
        assert [records.client.get(path).status_code for path in ("/deadlines", "/deadlines/report")] == [503, 403]


@pytest.mark.requirement("EDGE-8")
def test_other_targets_are_tried_on_what_was(known: Known) -> None:
    client = signed_in(known, "max")
    form = client.get("/deadlines/simulation")
    assert 'aria-current="page">Simulation' in form.text
    assert '<option value="slower">slower</option>' in form.text
    span = {"from": "2026-03-01", "to": "2026-03-31"}
    # The response was due on Tuesday at 15:00 and is open still; with 400 days it would be due later.
    page = client.post("/deadlines/simulation", data=span | {"draft": "slower"})
    words = words_of(page)
    assert page.status_code == 200, words
    assert "First response 1 1 0 0 1" in words
    assert re.search(r"Water everywhere C-2026-000001 First response Overdue due Tue 3 Mar, 15:00 Running due", words)
    assert f'href="/cases/{known.case}#clock-response"' in page.text

    quicker = a_configuration_text(sla={"targets": [{"clock": "response", "within": "30 minutes"}], "ladder": {"due_soon_share": 0.8}})
    uploaded = client.post("/deadlines/simulation", data=span, files={"file": ("new.yaml", quicker.encode(), "application/yaml")})
    assert "None would have ended otherwise" in uploaded.text
    # What was uploaded stands in the field, to be changed and tried again.
    assert "within: 30 minutes" in uploaded.text
    none = client.post("/deadlines/simulation", data={"from": "2020-01-01", "to": "2020-01-02", "text": quicker})
    assert "No deadline of a case ended in this time." in none.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose a draft, a file, or paste a configuration."),
        ({"draft": "unknown"}, "There is no such draft any more."),
        ({"text": "sla: [<b>"}, "Line 2: not YAML"),
        ({"text": "x", "from": "yesterday"}, "A day is written like 2026-03-31."),
    ],
)
def test_what_cannot_be_tried_out_is_told_in_words(known: Known, sent: dict[str, str], said: str) -> None:
    page = signed_in(known, "max").post("/deadlines/simulation", data=sent)
    assert (page.status_code, said in page.text, "<b>" in page.text) == (422, True, False), words_of(page)
    assert signed_in(known, "rita").post("/deadlines/simulation", data=sent).status_code == 403
