"""Recurring rules on a real database: each occurrence once, whatever crashes, overlaps or changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from services.task.api import routers
from services.task.handlers import recurring as handling
from services.task.handlers.compile import compile_configuration
from services.task.handlers.recurring import Recurring
from services.task.settings import TaskSettings
from services.task.worker.recurring import recur
from shared.ids import derive
from shared.messaging import StaticReference, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import AccountChanged, AccountRepublished
from shared.storage import Transaction
from shared.web import create_app
from tests.service.task.conftest import NOW, MakeService, TaskService, TestClock, assert_gapless
from tests.support.configuration import TASK_DEFINITIONS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

VISIT = {"code": "visit", "name": "Visit", "messages": {"contact": "Ring first."}, "complete_within": "1 day", "calendar": "always"}
BLOCKS = {"field": "account.kind", "equals": "block"}


class Versions(StaticReference):
    """Versions that the test adds to."""

    def __init__(self, *versions: Configuration) -> None:
        super().__init__(versions[0])
        self.versions = list(versions)

    def add(self, configuration: Configuration) -> None:
        self.versions.append(configuration)
        self.version = len(self.versions)

    def configuration(self, version: int = 0) -> Configuration:
        return self.versions[(version or self.version) - 1]


def ruled(rrule: str = "FREQ=DAILY", accounts: Any = None, active: bool = True, **recurring: Any) -> Configuration:
    when = {"code": "when", "name": "When", "rrule": rrule, "starts": "2020-01-01", "at": "09:00"} | recurring
    rule = {"code": "visits", "name": "Visits", "definition": "visit", "recurring": "when", "accounts": accounts, "active": active}
    return a_configuration(task_definitions=[*TASK_DEFINITIONS, VISIT], recurring_rules=[when], task_rules=[rule])


def an_account(number: int, kind: str = "block", revision: int = 1, event: type[AccountChanged] = AccountChanged) -> Event:
    id = derive("test account", number)
    data = event(account_id=id, number=f"A-{number}", name=f"Block {number}", kind=kind, changed_by="rita")
    return Event(
        derive("account event", number, revision, event.__name__), data.event_type, "/t", str(id), NOW, revision, 1, "", str(id), data
    )


class Ruled:
    """A service with its worker in the test's hand."""

    def __init__(self, service: TaskService, reference: Versions, clock: TestClock) -> None:
        self.service, self.reference, self.clock = service, reference, clock

    def worker(self, catch_up: int = 100) -> Recurring:
        compiled = VersionCache(self.reference, compile_configuration)
        return Recurring(self.service.publisher, self.reference, compiled, catch_up, self.clock)

    def made(self) -> list[tuple[str, str]]:
        """(due day, account) of each task."""
        rows = self.service.rows("select due_at, customer ->> 'name' as name from tasks order by due_at, customer ->> 'name'")
        return [((row["due_at"] - timedelta(days=1)).strftime("%m-%d"), row["name"] or "") for row in rows]


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW + timedelta(hours=1))  # Monday the 2nd of March, ten o'clock: that day's occurrence is past


@pytest.fixture
def ruled_by(make_service: MakeService, clock: TestClock) -> Any:
    def make(*versions: Configuration) -> Ruled:
        reference = Versions(*versions)
        return Ruled(make_service(reference, clock), reference, clock)

    return make


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_a_rule_begins_when_it_is_switched_on_and_makes_each_occurrence_once(ruled_by: Any) -> None:
    test = ruled_by(ruled())
    recur(test.worker())
    assert test.made() == []
    test.clock.forward(days=1)
    recur(test.worker())
    recur(test.worker())
    assert test.made() == [("03-03", "")]
    test.clock.forward(days=-1)
    recur(test.worker())
    test.clock.forward(days=2)
    recur(test.worker())
    assert test.made() == [("03-03", ""), ("03-04", "")]
    assert {event.data.message for event in test.service.events} == {"Ring first."}
    assert_gapless(test.service.events)


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_a_crash_at_any_statement_doubles_and_skips_none(ruled_by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "CHUNK", 2)
    test = ruled_by(ruled(accounts=BLOCKS))
    test.service.feed(*(an_account(number) for number in range(5)), an_account(9, kind="person"))
    recur(test.worker())
    test.clock.forward(days=3)

    class Crash(Exception):
        """The process dies."""

    execute = Transaction.execute
    crashes, left = 0, 0

    def dying(self: Transaction, *arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash
        return execute(self, *arguments)

    monkeypatch.setattr(Transaction, "execute", dying)
    while True:
        left = crashes + 1
        try:
            recur(test.worker())
            break
        except Crash:
            crashes += 1
    monkeypatch.setattr(Transaction, "execute", execute)
    assert crashes > 10
    assert test.made() == [(f"03-0{day}", f"Block {number}") for day in (3, 4, 5) for number in range(5)]
    assert test.service.rows("select count(*) as n from history")[0]["n"] == 15


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_two_workers_at_once_make_each_once(ruled_by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "CHUNK", 2)
    test = ruled_by(ruled(accounts=BLOCKS))
    test.service.feed(*(an_account(number) for number in range(5)))
    recur(test.worker())
    test.clock.forward(days=5)
    together = Barrier(2)

    def work() -> None:
        together.wait()
        recur(test.worker())

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(work), pool.submit(work)]:
            one.result()
    recur(test.worker())
    assert test.made() == [(f"03-0{day}", f"Block {number}") for day in range(3, 8) for number in range(5)]
    assert_gapless(test.service.events)


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_after_an_outage_all_are_made_late_but_of_a_long_one_only_the_newest(ruled_by: Any) -> None:
    test = ruled_by(ruled())
    recur(test.worker())
    test.clock.forward(days=4)
    recur(test.worker(catch_up=4))
    assert [day for day, _ in test.made()] == ["03-03", "03-04", "03-05", "03-06"]
    test.clock.forward(days=10)
    recur(test.worker(catch_up=2))
    assert [day for day, _ in test.made()][4:] == ["03-15", "03-16"]


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_a_changed_rule_holds_from_then_and_what_was_due_before_is_made_by_the_old_one(ruled_by: Any) -> None:
    test = ruled_by(ruled())
    recur(test.worker())
    test.clock.forward(days=2)
    test.reference.add(ruled("FREQ=WEEKLY;BYDAY=MO", at="11:00"))
    recur(test.worker())
    assert [day for day, _ in test.made()] == ["03-03", "03-04"]
    test.clock.forward(days=5, hours=2)
    recur(test.worker())
    assert [day for day, _ in test.made()] == ["03-03", "03-04", "03-09"]
    test.reference.add(ruled(active=False))
    recur(test.worker())
    test.clock.forward(days=3)
    test.reference.add(ruled())
    recur(test.worker())
    assert len(test.made()) == 3
    test.clock.now = datetime(2026, 3, 13, 9, 0, tzinfo=UTC)
    recur(test.worker())
    assert [day for day, _ in test.made()][3:] == ["03-13"]


@pytest.mark.requirement("TASK-5")
def test_the_newest_word_on_an_account_counts(ruled_by: Any) -> None:
    test = ruled_by(ruled(accounts=BLOCKS))
    test.service.feed(an_account(1, kind="person", revision=2), an_account(1, revision=1), an_account(2))
    # One that is sent again is known from then; what is known is not made older by it, and once is enough.
    again = [an_account(number, event=AccountRepublished) for number in (1, 2, 3)]
    test.service.feed(*again)
    test.service.feed(*again)
    recur(test.worker())
    test.clock.forward(days=1)
    recur(test.worker())
    assert test.made() == [("03-03", "Block 2"), ("03-03", "Block 3")]


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_a_preview_says_what_would_be_made_and_refuses_what_the_check_refuses(ruled_by: Any, clock: TestClock) -> None:
    test = ruled_by(ruled())
    test.service.feed(*(an_account(number) for number in range(25)), an_account(90, kind="person"))
    app = create_app(
        "task",
        TaskSettings(kafka="", database=test.service.url, port=0),
        routers(test.service.publisher, test.reference, clock),
        verifier=a_verifier(),
    )
    when = {"code": "new", "name": "New", "rrule": "FREQ=WEEKLY;BYDAY=MO", "starts": "2026-01-01", "on_closed": "next"}
    rule = {"code": "visits", "name": "Visits", "definition": "visit", "recurring": "new", "accounts": BLOCKS, "active": False}
    asked = {"recurring": when, "rule": rule, "since": "2026-03-30", "until": "2026-04-12"}
    with served(app) as api:
        assert api.post("/task-rules/preview", json=asked, headers=bearer(a_token("rita", "task:read"))).status_code == 403
        leader = bearer(a_token("lena", "task-rule:read"))
        given = api.post("/task-rules/preview", json=asked, headers=leader).json()
        bad = api.post(
            "/task-rules/preview", json=asked | {"recurring": when | {"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}}, headers=leader
        )
        assert bad.status_code == 422
        assert "it never happens" in bad.text
        unknown = api.post("/task-rules/preview", json=asked | {"rule": rule | {"definition": "vist"}}, headers=leader)
        assert "did you mean 'visit'" in unknown.text
        assert api.post("/task-rules/preview", json=asked | {"until": "2029-01-01"}, headers=leader).status_code == 422
    assert (given["tasks"], len(given["accounts"]), given["more"]) == (25, 20, False)
    # The 6th is Easter Monday; clocks went on on the 29th of March.
    assert [(each["nominal"], each["local"][:16], each["at"][:16], each["moved"]) for each in given["occurrences"]] == [
        ("2026-03-30", "2026-03-30T09:00", "2026-03-30T08:00", False),
        ("2026-04-06", "2026-04-07T09:00", "2026-04-07T08:00", True),
    ]
    assert test.made() == []
