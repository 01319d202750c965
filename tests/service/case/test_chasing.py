"""Silent customers are reminded and their cases closed, once, whoever works and however often (EDGE-10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from services.case.domain.case import Actor, Case, HistoryEntry
from services.case.handlers.chasing import Chaser
from services.case.handlers.commands import Asked, Commands
from services.case.handlers.rules import rules_of
from services.case.storage import cases
from services.case.worker.chasing import chase
from shared.ids import derive
from shared.messaging import EventPublisher, VersionCache
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import CaseOpened, CommunicationReceived
from shared.storage import Database, Transaction
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, a_plan, received

CHASE = {"after": "3 working days", "reminders": 2, "close_after": "5 working days"}


class Chasing:
    """The worker round by round, on a clock that the test turns."""

    def __init__(self, service: CaseService, publisher: EventPublisher) -> None:
        self.service, self.publisher = service, publisher
        self.rules = VersionCache(service.reference, rules_of)
        self.commands = Commands(service.reference, self.rules)

    def chaser(self) -> Chaser:
        return Chaser(self.publisher, self.rules, lambda: self.service.now)

    def day(self, day: int) -> None:
        """Two rounds at noon of this day of March."""
        self.service.now = NOW.replace(day=day, hour=12)
        for _ in range(2):
            chase(self.chaser())

    def opens(self) -> tuple[CommunicationReceived, UUID]:
        mail = a_mail("Leak", "A leak.")
        case = next(event.data.case_id for event in self.service.receive(received(mail)) if isinstance(event.data, CaseOpened))
        return mail, case

    def sets(self, case: UUID, *statuses: str) -> None:
        with self.publisher.transaction() as tx:
            tx.execute("update cases set owner = 'rita' where id = %s", (case,))
            for status in statuses:
                asked = Asked(case, Actor("rita", "repairs"), derive(case, status, self.service.now), self.service.now, "", lambda _: None)
                self.commands.set_status(tx, asked, status, "")

    def told(self, case: UUID) -> list[tuple[Any, ...]]:
        """What the history tells of chases and statuses."""
        return self.service.rows(
            """select extract(day from changed_at)::int, field, new_value from history
               where case_id = %s and changed_by = 'system' and field in ('chased', 'status', 'needs_review', 'not closed') order by id""",
            case,
        )


@pytest.fixture
def chasing(case_database: Database, kafka: str, case_topics: str) -> Iterator[Chasing]:
    publisher = EventPublisher(case_database, kafka, case_topics, "case")
    yield Chasing(CaseService(case_database, a_case_configuration(chase=CHASE)), publisher)
    publisher.close()


@pytest.mark.requirement("EDGE-10")
def test_a_silent_customer_is_reminded_twice_and_the_case_closed(chasing: Chasing) -> None:
    _, case = chasing.opens()
    chasing.service.take(topics.TASKS, [a_plan(case)])
    chasing.sets(case, "answered", "waiting")
    for day in range(2, 20):
        chasing.day(day)

    assert chasing.told(case) == [(5, "chased", "1"), (10, "chased", "2"), (17, "status", "resolved"), (17, "status", "closed")]
    assert chasing.service.rows("select state, revision, reason from cases") == [("completed", 7, "no word from the customer")]
    assert chasing.service.count("chases") == 0


@pytest.mark.requirement("EDGE-10")
def test_a_word_of_the_customer_begins_the_chase_anew_but_not_that_of_a_machine(chasing: Chasing) -> None:
    mail, case = chasing.opens()
    chasing.sets(case, "answered", "waiting")
    chasing.day(5)
    for day, robot in ((6, "none"), (9, "auto_reply")):
        at = NOW.replace(day=day)
        chasing.service.receive(received(a_mail("Re: Leak", "Soon.", reply_to=mail, robot=robot, received_at=at, occurred_at=at)))
    chasing.day(10)
    chasing.day(11)

    assert chasing.told(case) == [(5, "chased", "1"), (11, "chased", "1")]

    chasing.sets(case, "answered")
    chasing.day(31)
    assert len(chasing.told(case)) == 2
    assert chasing.service.count("chases") == 0


@pytest.mark.requirement("EDGE-10")
def test_a_case_that_cannot_be_closed_goes_to_the_review_list_once_and_is_chased_anew_when_it_waits_anew(chasing: Chasing) -> None:
    _, case = chasing.opens()
    chasing.sets(case, "answered", "waiting")
    for day in (5, 10, 17, 18, 19):
        chasing.day(day)
    with chasing.service.database.transaction() as tx:
        tx.execute("update cases set revision = revision + 1")
    chasing.day(20)

    assert chasing.told(case)[2:] == [(17, "needs_review", "true"), (17, "not closed", "its tasks are not planned yet")]
    assert chasing.service.rows("select state, needs_review from cases") == [("responded", True)]

    chasing.sets(case, "answered", "waiting")
    chasing.day(25)
    assert chasing.told(case)[4:] == [(25, "chased", "1")]


@pytest.mark.requirement("EDGE-10", "CASE-12")
def test_a_final_resolution_that_wants_acceptance_is_chased_in_its_turn_and_silence_accepts_it(chasing: Chasing) -> None:
    daily = {"after": "1 working day", "close_after": "1 working day"}
    category = {"code": "done", "name": "Done", "default": True, "requires_acceptance": True}
    configuration = a_case_configuration(chase=daily, final_resolution_categories=[category])
    chasing = Chasing(CaseService(chasing.service.database, configuration), chasing.publisher)
    _, case = chasing.opens()
    chasing.service.take(topics.TASKS, [a_plan(case)])
    chasing.sets(case, "answered", "waiting")
    for day in range(2, 8):
        chasing.day(day)

    assert chasing.told(case) == [(3, "chased", "1"), (4, "status", "resolved"), (5, "chased", "1"), (6, "status", "closed")]
    assert chasing.service.rows("select stage, accepted, accepted_by, comment from answers where case_id = %s", case) == [
        ("final_resolution", True, "system", "no word from the customer")
    ]


@pytest.mark.requirement("EDGE-10")
def test_two_workers_remind_each_customer_once(chasing: Chasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second works between the first one's look at what is due and its locks: the first must see what the second has done."""
    for _ in range(3):
        chasing.sets(chasing.opens()[1], "answered", "waiting")
    chasing.day(2)
    chasing.service.now = NOW.replace(day=5, hour=12)
    lock_free, second = cases.lock_free, iter([chasing.chaser()])
    outcomes: list[Counter[str] | None] = []

    def overtaken(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Case]:
        outcomes.extend(other.look() for other in second)
        return lock_free(tx, ids)

    monkeypatch.setattr(cases, "lock_free", overtaken)
    outcomes.append(chasing.chaser().look())
    monkeypatch.undo()
    chasing.day(5)

    assert outcomes == [{"reminded": 3}, None]
    assert chasing.service.rows("select count(*) from history where field = 'chased'") == [(3,)]
    assert chasing.service.rows("select distinct revision from cases") == [(4,)]


@pytest.mark.requirement("EDGE-10")
def test_a_case_that_somebody_works_on_is_left_for_the_next_round(chasing: Chasing) -> None:
    _, case = chasing.opens()
    chasing.sets(case, "answered", "waiting")
    chasing.day(2)
    with chasing.service.database.transaction() as tx:
        cases.lock(tx, [case])
        chasing.day(5)
    assert chasing.told(case) == []
    chasing.day(6)
    assert chasing.told(case) == [(6, "chased", "1")]


@pytest.mark.requirement("EDGE-10")
def test_a_crash_takes_the_reminder_back_and_it_is_told_once_under_the_same_id(chasing: Chasing, monkeypatch: pytest.MonkeyPatch) -> None:
    _, case = chasing.opens()
    chasing.sets(case, "answered", "waiting")
    chasing.day(2)
    chasing.service.now = NOW.replace(day=5, hour=12)
    made: list[Event] = []

    class Crash(Exception):
        """The process dies before it commits."""

    def die(tx: Transaction, _: Sequence[HistoryEntry]) -> None:
        made.extend(emitted.event for emitted in tx.emitted)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(cases, "add_history", die)
        with pytest.raises(Crash):
            chasing.chaser().look()
    assert chasing.told(case) == []

    add_history = cases.add_history

    def note(tx: Transaction, entries: Sequence[HistoryEntry]) -> None:
        made.extend(emitted.event for emitted in tx.emitted)
        add_history(tx, entries)

    with monkeypatch.context() as patched:
        patched.setattr(cases, "add_history", note)
        chase(chasing.chaser())
    assert [(event.type, event.revision, event.data.reminder) for event in made] == [("casestream.case.chased.v1", 4, 1)] * 2
    assert made[0].id == made[1].id
    assert chasing.told(case) == [(5, "chased", "1")]
