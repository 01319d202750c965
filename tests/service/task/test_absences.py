"""What somebody holds is lent as their absence begins, and comes back as it ends: once each, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.task.domain.assignment.absences import Absence, HandOver
from services.task.handlers.absences import Absences
from services.task.handlers.compile import compile_configuration
from services.task.storage import absences
from shared.ids import derive
from shared.messaging import VersionCache
from shared.storage.database import Database
from tests.service.task.conftest import NOW, MakeService, TaskService, a_case_event, assert_gapless

pytestmark = pytest.mark.requirement("TASK-7", "EDGE-13")
WEEK = timedelta(days=7)
FAIL = """create function fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
create trigger fail before insert on history for each row execute function fail()"""


@pytest.fixture
def service(make_service: MakeService) -> TaskService:
    return make_service()


@pytest.fixture
def job(service: TaskService) -> Absences:
    """The job, two tasks in each of its transactions."""
    return Absences(service.publisher, VersionCache(service.reference, compile_configuration).get, service.clock, most=2)


def at(service: TaskService, when: datetime) -> None:
    service.clock.now = when  # type: ignore[attr-defined]


def away(service: TaskService, user: str, stand_in: str | None, days: float = 7, begins: datetime = NOW, **changes: Any) -> UUID:
    absence_id = derive("test absence", user, begins)
    values: dict[str, Any] = {"hand_over": HandOver.ALL, "give_back": True, "note": "", "made_by": user} | changes
    with service.database.transaction() as tx:
        absences.insert(tx, Absence(absence_id, user, begins, begins + timedelta(days=days), stand_in, **values), NOW)
    return absence_id


def do_all(job: Absences) -> tuple[int, int]:
    """Everything that is due: (lent, given back)."""
    lent = given_back = 0
    while (looked := job.look()) is not None:
        lent, given_back = lent + looked.lent, given_back + looked.given_back
    return lent, given_back


def hold(service: TaskService, user: str, count: int) -> None:
    """`user` has accepted this many tasks of their role."""
    service.feed(*(a_case_event(number) for number in range(count)))
    with psycopg.connect(service.url) as connection:
        connection.execute("update tasks set assignee = %s where definition = 'inspect-leak'", (user,))


def holders(service: TaskService) -> list[str | None]:
    return [row["assignee"] for row in service.rows("select assignee from tasks where definition = 'inspect-leak' order by case_id")]


def moves(service: TaskService) -> list[tuple[str, str | None]]:
    """(why, who has it since) of every move."""
    return [(event.data.reason, event.data.assignee) for event in service.events if event.type == "casestream.task.assigned.v1"]


def test_what_somebody_holds_is_lent_and_comes_back_once_though_two_look_at_once(service: TaskService, job: Absences) -> None:
    hold(service, "paul", 5)
    away(service, "paul", "rita")
    with ThreadPoolExecutor(2) as threads:
        assert [sum(each) for each in zip(*threads.map(do_all, [job, job]), strict=True)] == [5, 0]
        do_all(job)
        assert holders(service) == ["rita"] * 5
        at(service, NOW + WEEK)
        assert [sum(each) for each in zip(*threads.map(do_all, [job, job]), strict=True)] == [0, 5]
    assert do_all(job) == (0, 0)
    assert holders(service) == ["paul"] * 5
    assert moves(service) == [("absence of paul", "rita")] * 5 + [("return of paul", "paul")] * 5
    assert service.rows("select * from loans") == []
    assert_gapless(service.events)
    changes = service.rows("select changes from history where event like '%%assigned%%' order by revision limit 1")
    assert changes == [{"changes": {"assignee": ["paul", "rita"], "why": [None, "absence of paul"]}}]


def test_a_crash_in_a_hand_over_leaves_nothing_half_done(service: TaskService, job: Absences) -> None:
    hold(service, "paul", 3)
    away(service, "paul", "rita")
    assert job.look() is not None
    with psycopg.connect(service.url) as connection:
        connection.execute(FAIL.encode())
    with pytest.raises(psycopg.Error, match="no"):
        job.look()
    assert sorted(str(user) for user in holders(service)) == ["paul", "rita", "rita"]
    assert len(service.rows("select 1 from loans")) == len(moves(service)) == 2
    assert service.rows("select begun_at from absences") == [{"begun_at": None}]
    with psycopg.connect(service.url) as connection:
        connection.execute("drop trigger fail on history")
    assert do_all(job) == (1, 0)
    assert holders(service) == ["rita"] * 3
    assert_gapless(service.events)


@pytest.mark.parametrize("first", ["paul", "rita"])
def test_what_was_lent_on_comes_back_to_whom_it_belongs_whoever_returns_first(service: TaskService, job: Absences, first: str) -> None:
    hold(service, "paul", 1)
    away(service, "paul", "rita", 3 if first == "paul" else 4)
    assert do_all(job) == (1, 0)
    away(service, "rita", "lena", 2 if first == "paul" else 1, begins=NOW + timedelta(days=1, hours=1 if first == "paul" else 0))
    at(service, NOW + timedelta(days=1, hours=2))
    assert do_all(job) == (1, 0)
    assert holders(service) == ["lena"]
    at(service, NOW + (timedelta(days=3) if first == "paul" else timedelta(days=2)))
    assert do_all(job) == (0, 1)
    assert holders(service) == [first]
    at(service, NOW + WEEK)
    do_all(job)
    assert holders(service) == ["paul"]
    assert service.rows("select * from loans") == []
    assert_gapless(service.events)


def test_an_absence_that_follows_another_takes_its_loans_on(service: TaskService, job: Absences) -> None:
    hold(service, "paul", 3)
    away(service, "paul", "rita")
    do_all(job)
    away(service, "paul", "lena", begins=NOW + WEEK)
    at(service, NOW + WEEK)
    assert do_all(job) == (0, 0)
    assert holders(service) == ["rita"] * 3
    at(service, NOW + 2 * WEEK)
    assert do_all(job) == (0, 3)
    assert holders(service) == ["paul"] * 3


def test_what_is_where_somebody_wanted_it_does_not_come_back(service: TaskService, job: Absences) -> None:
    hold(service, "paul", 3)
    away(service, "paul", None)
    do_all(job)
    assert holders(service) == [None] * 3  # without a stand-in they are their role's again
    with psycopg.connect(service.url) as connection:
        cases = [derive("test case", number) for number in (0, 1)]
        for case_id, change in zip(cases, ("assignee = 'lena'", "state = 'completed'"), strict=True):
            connection.execute(f"update tasks set {change} where definition = 'inspect-leak' and case_id = %s".encode(), (case_id,))
    at(service, NOW + WEEK)
    assert do_all(job) == (0, 1)
    assert service.task(derive("test case", 0), "inspect-leak")["assignee"] == "lena"
    assert service.task(derive("test case", 1), "inspect-leak")["assignee"] is None
    assert service.task(derive("test case", 2), "inspect-leak")["assignee"] == "paul"


@pytest.mark.parametrize(("hand_over", "count"), [(HandOver.ALL, 2), (HandOver.DUE_BEFORE_RETURN, 1), (HandOver.NONE, 0)])
def test_as_much_is_handed_over_as_was_wanted(service: TaskService, job: Absences, hand_over: HandOver, count: int) -> None:
    hold(service, "paul", 2)
    with psycopg.connect(service.url) as connection:
        later, one = NOW + 2 * WEEK, derive("test case", 0)
        connection.execute("update tasks set due_at = %s where definition = 'inspect-leak' and case_id = %s", (later, one))
    away(service, "paul", "rita", hand_over=hand_over)
    assert do_all(job) == (count, 0)
    assert service.rows("select 1 from absences where begun_at is null") == []


def test_what_is_lent_too_late_for_the_return_comes_back_all_the_same(service: TaskService, job: Absences) -> None:
    absence = away(service, "nils", "rita")
    do_all(job)
    # A batch that looked who is away just before the return commits after it.
    late = Database(service.url, pool_size=1, service="task")
    try:
        service.feed(a_case_event("noise", subject="noise"))
        at(service, NOW + WEEK)
        with late.transaction() as tx:
            rows = tx.rows("delete from loans returning task_id")
            assert len(rows) == 1
        assert do_all(job) == (0, 0)
        with late.transaction() as tx:
            tx.execute(
                "insert into loans values (%s, %s, 'user', 'nils', 'nils', 'user', 'nils', 'rita')",
                (rows[0][0], absence),
            )
    finally:
        late.close()
    assert do_all(job) == (0, 1)
    assert service.task(derive("test case", "noise"), "warn-neighbour")["assignee"] == "nils"
