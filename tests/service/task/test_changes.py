"""Changes of tasks as they happen (TASK-9): from a command, over Kafka, to whoever follows them, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.task.api import changes as api_changes
from services.task.api import routers
from services.task.handlers.changes import TOLD, TaskChanges
from services.task.settings import TaskSettings
from shared.ids import derive, task_id
from shared.messaging.follow import Follower
from shared.web import create_app
from shared.web.streams import MOST_OF_ONE_USER
from tests.service.task.conftest import TaskService, a_case_event
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("TASK-9")
LEAK = derive("test case", 1)


class Replica:
    """An API process, and who follows it."""

    def __init__(self, service: TaskService, kafka: str, topics: str, since: datetime, stack: ExitStack) -> None:
        self.changes = TaskChanges(service.database)
        self.follower = Follower(kafka, topics, TOLD, self.changes.take, since, self.changes.begin)
        self.follower.start()
        stack.callback(self.follower.close)
        settings = TaskSettings(kafka="", database=service.url, port=0)
        made = routers(service.publisher, service.reference, service.clock, self.changes)
        self.client = stack.enter_context(served(create_app("task", settings, made, verifier=a_verifier())))
        stack.callback(self.changes.stop)
        eventually(lambda: self.changes.began, 30)

    @contextmanager
    def following(self, token: str, query: str = "", place: str | None = None) -> Iterator[Stream]:
        """A stream, from its first event on."""
        headers = bearer(token) | ({} if place is None else {"Last-Event-ID": place})
        with (
            httpx.Client(base_url=self.client.base_url, timeout=20) as client,
            client.stream("GET", f"/tasks/changes{query}", headers=headers) as answer,
        ):
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            yield Stream(answer)


class Stream:
    """The events of an answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.place = ""
        self.comments = 0

    def next(self) -> tuple[str, dict[str, Any]]:
        """Name and data of the next event."""
        name, data = "", ""
        for line in self._lines:
            field, _, value = line.partition(": ")
            if not line and name:
                return name, json.loads(data)
            self.comments += line.startswith(":")
            self.place = value if field == "id" else self.place
            name, data = (value if field == "event" else name), (value if field == "data" else data)
        raise EOFError


Replicas = Callable[[], Replica]


@pytest.fixture
def replica(service: TaskService, kafka: str, task_topics: str) -> Iterator[Replicas]:
    since = datetime.now(UTC)
    with ExitStack() as stack:
        yield lambda: Replica(service, kafka, task_topics, since, stack)


def token_of(user: str, scope: str = "own", *roles: str, life: timedelta = timedelta(minutes=10)) -> str:
    return a_token(user, "task:read", "task:progress", unit="repairs", roles=roles, scope=scope, life=life)  # type: ignore[arg-type]


def path(definition: str, action: str) -> str:
    return f"/tasks/{task_id(LEAK, definition)}/{action}"  # type: ignore[arg-type]


def test_who_may_see_a_task_is_told_when_it_comes_changes_and_goes_and_nobody_else_is(service: TaskService, replica: Replicas) -> None:
    one = replica()
    with (
        one.following(token_of("paul", "own", "plumber")) as paul,
        one.following(token_of("pia", "own", "plumber"), "?mine=true") as pia,
        one.following(token_of("lena", "unit")) as lena,
        one.following(token_of("eve")) as eve,
    ):
        assert [stream.next()[0] for stream in (paul, pia, lena, eve)] == ["ready"] * 4
        service.feed(a_case_event())
        for stream in (paul, pia, lena):
            name, told = stream.next()
            assert (name, told["change"], told["state"], told["assignee"]) == ("task", "triggered", "pending", None)
            assert (told["id"], told["case_number"]) == (str(task_id(LEAK, "inspect-leak")), "C-1")  # type: ignore[arg-type]
        accepted = httpx.post(f"{one.client.base_url}{path('inspect-leak', 'accept')}", headers=bearer(token_of("paul", "own", "plumber")))
        assert accepted.status_code == 200
        assert [paul.next()[1]["assignee"], lena.next()[1]["assignee"]] == ["paul", "paul"]
        # It was hers to take until now.
        assert pia.next() == ("gone", {"id": accepted.json()["id"], "revision": accepted.json()["revision"]})
        one.changes.stop()
        assert [stream.next() for stream in (paul, pia, lena, eve)] == [("end", {"reason": "stopping"})] * 4
        with pytest.raises(EOFError):
            eve.next()


def test_a_stream_goes_on_at_another_process_where_it_was_and_begins_anew_where_that_is_not_known(
    service: TaskService, replica: Replicas
) -> None:
    one, other = replica(), replica()
    lena = token_of("lena", "unit")
    with one.following(lena) as stream:
        assert stream.next()[0] == "ready"
        place = stream.place
    service.feed(a_case_event())
    with other.following(lena, place=place) as stream:
        assert [stream.next()[0], stream.next()[1]["change"]] == ["ready", "triggered"]
        place = stream.place
        accept = httpx.post(f"{one.client.base_url}{path('inspect-leak', 'accept')}", headers=bearer(token_of("paul", "own", "plumber")))
        assert accept.status_code == 200
        assert stream.next()[1]["change"] == "assigned"
    with one.following(lena, place=place) as stream:
        assert [stream.next()[0], stream.next()[1]["change"]] == ["ready", "assigned"]
    with one.following(lena, place="0.0") as stream:
        assert stream.next()[0] == "reset"


def test_a_stream_lives_as_long_as_its_token_and_shows_that_it_lives(replica: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_changes, "HEARTBEAT_SECONDS", 0.05)
    # Clocks may differ by half a minute, so that long a token is still taken.
    with replica().following(token_of("rita", life=timedelta(seconds=-28))) as stream:
        assert stream.next()[0] == "ready"
        assert stream.next() == ("end", {"reason": "token"})
        assert stream.comments
        assert stream.place


def test_there_are_no_more_streams_than_there_is_room_for(replica: Replicas, service: TaskService) -> None:
    one = replica()
    with ExitStack() as stack:
        streams = [stack.enter_context(one.following(token_of("rita"))) for _ in range(MOST_OF_ONE_USER)]
        assert [stream.next()[0] for stream in streams] == ["ready"] * MOST_OF_ONE_USER
        refused = one.client.get("/tasks/changes", headers=bearer(token_of("rita")))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert stack.enter_context(one.following(token_of("paul"))).next()[0] == "ready"
    eventually(lambda: one.changes.listeners.full_for("rita") is None)
    assert one.client.get("/tasks/changes", headers=bearer(a_token("rita", "case:read"))).status_code == 403
    one.changes.stop()
    assert one.client.get("/tasks/changes").status_code == 503
