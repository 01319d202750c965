"""A telephone rings, and whoever is to answer sees who calls (COM-5, CON-2): from the gateway's webhook to the desk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.storage import cases
from services.desk.api import call_pages
from shared.messaging.topics import create_topics
from shared.storage import Database
from shared.web.streams import MOST_OF_ONE_USER
from tests.support.calls import Calls, calls_platform
from tests.support.case import a_case
from tests.support.phone import CUSTOMER
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-5")


@pytest.fixture
def calls(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Calls]:
    create_topics(kafka, topic_prefix, 1)
    with calls_platform(tmp_path, fresh_database, kafka, topic_prefix) as platform:
        yield platform


class Stream:
    """The server-sent events of a page."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> tuple[str, str]:
        """Name and data of the next event; comments are passed over."""
        name, data = "", []
        for line in self._lines:
            if not line and name:
                return name, "\n".join(data)
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
        raise EOFError

    def until(self, words: str) -> str:
        """The next list that has these words."""
        while words not in (data := self.next()[1]):
            pass
        return data


@contextlib.contextmanager
def following(calls: Calls) -> Iterator[Stream]:
    with calls.client.stream("GET", "/calls/stream") as answer:
        yield Stream(answer)


def test_a_call_is_on_the_open_page_while_it_rings_and_as_it_goes_on(calls: Calls) -> None:
    calls.sign_in()
    with following(calls) as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert "No telephone is ringing." in stream.next()[1]
        id = calls.report(name="Ann <Lee>")
        ringing = stream.until(str(id))
        assert "Ann &lt;Lee&gt; is calling, to +44 1632 960200 (Repairs)" in ringing
        calls.report("answered", answered_by="rita")
        assert "No telephone is ringing." in stream.until("With Rita Repairs since")
        calls.report("ended", outcome="completed", duration_seconds=61)
        assert "No telephone is ringing." in stream.until("Ended in the last half hour")
    page = calls.client.get("/calls").text
    assert f'href="/calls/{id}"' in page, "without scripts it is there as well"
    assert "Ended in the last half hour" in page


@pytest.mark.requirement("CON-2", "CON-1")
def test_the_page_of_a_call_shows_the_customer_before_anybody_answers(calls: Calls) -> None:
    calls.sign_in()
    first, second = calls.report(id="1", name="Ann"), calls.report(id="2", name="Ann")
    page = eventually(lambda: (answer := calls.client.get(f"/calls/{second}")).status_code == 200 and answer.text)
    for words in ("Ringing since", "Is anybody in danger?", "Your date of birth?", f'href="/communications/{second}"', "No open case"):
        assert words in page
    assert f'href="/communications/{first}"' in page, "what was said before"
    assert f'"/communications/{second}"' not in page.partition("Last contacts")[2]

    _add_case(calls.case_database, "Damp wall", "low", CUSTOMER)
    _add_case(calls.case_database, "No heating", "high", CUSTOMER)
    page = calls.client.get(f"/calls/{second}").text
    assert 0 < page.index("No heating") < page.index("Damp wall"), "high priority first"
    assert '<td data-label="Status">New</td><td data-label="Unit">Repairs</td>' in page


@pytest.mark.requirement("CON-1")
def test_staff_choose_among_those_who_share_a_number(calls: Calls) -> None:
    calls.sign_in()
    ann, ben = (_add_contact(calls.case_database, name, CUSTOMER) for name in ("Ann", "Ben"))
    _add_case(calls.case_database, "Ann's leak", "high", contact=ann)
    _add_case(calls.case_database, "Ben's noise", "high", contact=ben)
    id = calls.report()
    page = eventually(lambda: (answer := calls.client.get(f"/calls/{id}")).status_code == 200 and answer.text)
    assert "2 people share this number" in page
    assert "leak" not in page
    chosen = calls.client.get(f"/calls/{id}?contact={ben}").text
    assert "Ben&#39;s noise" in chosen
    assert "leak" not in chosen
    assert "noise" not in calls.client.get(f"/calls/{id}?contact={uuid4()}").text
    eventually(lambda: "2 people share this number" in calls.client.get("/calls").text)


def test_who_may_not_see_calls_is_told_so_and_a_session_that_ended_ends_the_stream(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_pages, "HEARTBEAT_SECONDS", 0.05)
    assert calls.client.get("/calls/stream", headers={"Accept": "text/event-stream"}).status_code == 401
    assert calls.client.get("/calls").headers["location"] == "/sign-in?next=/calls"
    calls.sign_in("paul")
    for path in ("/calls", "/calls/stream", f"/calls/{uuid4()}"):
        assert calls.client.get(path).status_code == 403
    calls.sign_in("rita")
    assert calls.client.get(f"/calls/{uuid4()}").status_code == 404
    with following(calls) as stream:
        assert stream.next()[0] == "calls"
        assert httpx.post(f"{calls.client.base_url}/sign-out", cookies=calls.client.cookies).status_code == 303
        assert stream.next() == ("end", "session")
        with pytest.raises(EOFError):
            stream.next()


def test_so_many_pages_follow_the_calls_and_a_stop_ends_them_all(calls: Calls) -> None:
    calls.sign_in()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(following(calls)) for _ in range(MOST_OF_ONE_USER)]
        for stream in streams:
            assert stream.next()[0] == "calls"
        refused = calls.client.get("/calls/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        streams.pop().answer.close()
        eventually(lambda: calls.desk.live.listeners.full_for("rita") is None)
        calls.desk.live.stop()
        for stream in streams:
            with pytest.raises(EOFError):
                stream.next()


def test_while_case_is_away_the_page_still_says_who_calls(
    tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, 1)
    with calls_platform(tmp_path, fresh_database, kafka, topic_prefix, case_url="http://127.0.0.1:9") as calls:
        calls.sign_in()
        id = calls.report(name="Ann")
        eventually(lambda: calls.desk.live.one(id))
        page = calls.client.get(f"/calls/{id}")
        assert page.status_code == 200
        for words in ("<h1>Ann</h1>", "Ringing since", "case service does not answer", "Is anybody in danger?"):
            assert words in page.text
        assert calls.client.get(f"/calls/{uuid4()}").status_code == 503


def _add_contact(database: Database, name: str, number: str) -> UUID:
    id = uuid4()
    with database.transaction() as tx:
        tx.execute("insert into contacts values (%s, 1, null, %s, '', %s)", (id, name, datetime.now(UTC)))
        tx.execute("insert into handles values ('phone', %s, %s)", (number, id))
    return id


def _add_case(database: Database, title: str, priority: str, number: str = "", contact: UUID | None = None) -> None:
    with database.transaction() as tx:
        of = contact or tx.rows("select contact_id from handles where value = %s", (number,))[0][0]
        cases.add(tx, [a_case(title=title, priority=priority, contact_id=of, number=f"C-{uuid4()}", id=uuid4())])
