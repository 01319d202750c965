"""When customers last heard of their cases: by communications of ours, answered calls, answers; also after these have moved (SLA-1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module
from uuid import UUID

import pytest

from services.case.domain.case import Actor, HistoryEntry
from services.case.domain.life_cycle import LifeCycle
from services.case.handlers import hearing
from services.case.handlers.commands import Asked, Commands, republish
from services.case.handlers.merging import Merging
from services.case.handlers.rules import rules_of
from services.case.handlers.splitting import NewCase, Splitting
from services.case.handlers.staff import AskedOf, CommunicationCommands
from services.case.storage import cases
from shared.messaging import VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CallStage, CaseOpened, CaseState, CommunicationReceived, CommunicationUpdated
from shared.schemas.parts import Handle
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, an_event, received

pytestmark = pytest.mark.requirement("SLA-1")
US = "contact@housing.example"


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_case_configuration())


def ours(reply_to: CommunicationReceived, minutes: int, **changes: object) -> CommunicationReceived:
    """A reply of ours, sent so many minutes after the beginning."""
    given = {"direction": "outbound", "recipients": ("ann@customer.example",), "occurred_at": after(minutes), "received_at": after(minutes)}
    return a_mail("Re: Question", "At nine.", sender=US, name="Rita", reply_to=reply_to, **(given | changes))


def a_call_to(conversation: UUID, number: int = 1) -> CommunicationReceived:
    us = Handle(kind="phone", value="+441632960100")
    call = a_mail("", str(number), sender=us, direction="outbound", recipients=("+441632960001",), method="telephone", opens_case=False)
    return call.model_copy(update={"message_id": "", "conversation_id": conversation, "occurred_at": after(1)})


def report(call: CommunicationReceived, stage: str, minutes: int, **more: object) -> Event:
    ids = {"communication_id": call.communication_id, "conversation_id": call.conversation_id}
    return an_event(CommunicationUpdated.model_validate({**ids, "stage": CallStage(stage), "at": after(minutes), **more}))


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def told(events: list[Event]) -> list[tuple[str, int, datetime | None]]:
    """What these events say of cases: which, its revision, when the customer heard."""
    return [
        (event.type.split(".")[-2], event.revision, event.data.customer_updated_at) for event in events if isinstance(event.data, CaseState)
    ]


def opened(events: list[Event]) -> UUID:
    (case,) = [event.data.case_id for event in events if isinstance(event.data, CaseOpened)]
    return UUID(str(case))


def heard(service: CaseService, case: UUID) -> object:
    return service.rows("select customer_updated_at from cases where id = %s", case)[0][0]


def test_a_reply_of_ours_is_told_once_with_the_case(service: CaseService) -> None:
    service.now = after(60)
    mail = a_mail()
    case = opened(service.receive(received(mail), received(a_mail(reply_to=mail))))
    first = ours(mail, 10)
    assert told(service.receive(received(first))) == [("amended", 2, after(10))]
    assert told(service.receive(received(first))) == [], "read again"
    # Several in one batch, in any order, are one change; what came out by itself, what is older, and what the customer wrote are none.
    robot = ours(mail, 50, robot="auto_reply")
    batch = (ours(mail, 40), ours(mail, 30), robot, ours(mail, 5), a_mail(reply_to=mail))
    assert told(service.receive(*map(received, batch))) == [("amended", 3, after(40))]
    assert told(service.receive(received(ours(mail, 20)), received(a_mail(reply_to=mail)))) == []
    assert told(service.receive(received(ours(mail, 90)))) == [("amended", 4, after(60))], "a clock that runs ahead counts as now"
    assert service.rows("select revision, new_value, changed_by from history where field = 'customer_updated_at' order by id") == [
        (2, after(10).isoformat(), "system"),
        (3, after(40).isoformat(), "system"),
        (4, after(60).isoformat(), "system"),
    ]
    with service.database.transaction() as tx:
        republish(tx, None, UUID(int=1), service.now, "")
        assert told([emitted.event for emitted in tx.emitted]) == [("republished", 4, after(60))]
    assert heard(service, case) == after(60)


def test_a_case_and_our_reply_in_one_batch_are_told_in_order(service: CaseService) -> None:
    mail = a_mail()
    assert told(service.receive(received(mail), received(ours(mail, -1)))) == [("opened", 1, None), ("amended", 2, after(-1))]


def test_a_call_of_ours_counts_when_it_is_answered(service: CaseService) -> None:
    service.now = after(60)
    mail = a_mail()
    case = opened(service.receive(received(mail)))
    missed, answered = a_call_to(mail.conversation_id), a_call_to(mail.conversation_id, 2)
    assert told(service.receive(received(missed), report(missed, "ringing", 1))) == []
    assert told(service.receive(report(missed, "ended", 2, outcome="no_answer"))) == []
    assert told(service.receive(received(answered), report(answered, "ringing", 3))) == []
    assert told(service.receive(report(answered, "answered", 4, answered_by="Ann"))) == [("amended", 2, after(4))]
    assert told(service.receive(report(answered, "ended", 9, outcome="completed"))) == []
    assert heard(service, case) == after(4)


def test_what_staff_join_or_open_a_case_from_counts_too(service: CaseService) -> None:
    service.now = after(60)
    mail = a_mail()
    case = opened(service.receive(received(mail)))
    letter = ours(a_mail(), 20)
    call = a_call_to(UUID(int=7))
    service.receive(received(letter), received(call), report(call, "answered", 30))
    commands = CommunicationCommands(service.reference, VersionCache(service.reference, rules_of))
    with service.database.transaction() as tx:
        commands.join(tx, asked_of(service, letter), case, lambda _case: None)
        assert told([emitted.event for emitted in tx.emitted]) == [("amended", 2, after(20))]
    with service.database.transaction() as tx:
        commands.open_cases(tx, asked_of(service, call), ["noise"], None, None)
        assert told([emitted.event for emitted in tx.emitted]) == [("opened", 1, after(30))]


def test_an_answer_counts_and_is_one_change(service: CaseService) -> None:
    case = opened(service.receive(received(a_mail())))
    commands = Commands(service.reference, VersionCache(service.reference, rules_of))
    with service.database.transaction() as tx:
        commands.assign(tx, asked(case, 1), None, "rita", "")
        commands.set_status(tx, asked(case, 2), "answered", "")
        assert told([emitted.event for emitted in tx.emitted]) == [("assigned", 2, None), ("status-changed", 3, after(2))]
    assert service.rows("select state, customer_told_at from cases where id = %s", case) == [(LifeCycle.RESPONDED, after(2))]


def test_the_migration_finds_it_for_the_cases_that_there_were(service: CaseService) -> None:
    service.now = after(60)
    mails = [a_mail(f"Question {number}") for number in range(5)]
    silent, replied, called, answered, told_news = (opened(service.receive(received(mail))) for mail in mails)
    call, missed = a_call_to(mails[2].conversation_id), a_call_to(mails[0].conversation_id)
    service.receive(received(ours(mails[1], 20)), received(ours(mails[0], 30, robot="bulk")), received(a_mail(reply_to=mails[0])))
    service.receive(received(call), report(call, "answered", 30), received(missed), report(missed, "ended", 40, outcome="busy"))
    commands = Commands(service.reference, VersionCache(service.reference, rules_of))
    with service.database.transaction() as tx:
        commands.assign(tx, asked(answered, 1), None, "rita", "")
        commands.set_status(tx, asked(answered, 2), "answered", "")
        cases.add_history(tx, [HistoryEntry(told_news, None, "broadcast", None, "All is well.", "rita", after(50))])
        cases.change(tx, [case._replace(customer_told_at=after(50)) for case in cases.lock(tx, [told_news]).values()])
        hearing.settle(tx, list(cases.lock(tx, [told_news]).values()), "rita", UUID(int=9), after(50), "")
    known = service.rows("select id, customer_updated_at, customer_told_at from cases order by id")
    assert {row[1] for row in known} == {None, after(20), after(30), after(2), after(50)}
    assert heard(service, silent) is None
    assert (heard(service, replied), heard(service, called)) == (after(20), after(30))
    before = service.rows("select id, revision from cases order by id")
    told = service.rows("select case_id, revision + 1, new_value from history where field = 'customer_updated_at' order by case_id")
    with service.database.transaction() as tx:
        tx.execute("update cases set customer_updated_at = null, customer_told_at = null")
        tx.execute("delete from history where field = 'customer_updated_at'")
        migration = import_module("services.case.storage.migrations.versions.0021_customers_heard")
        tx.execute(migration.FILL)
        tx.execute("set local time zone 'UTC'")
        tx.execute(migration.TELL)
    assert service.rows("select id, customer_updated_at, customer_told_at from cases order by id") == known
    # An open case of which it is known is another revision now: sent again it is heeded.
    counted = [(id, int(str(revision)) + (id != silent)) for id, revision in before]
    assert service.rows("select id, revision from cases order by id") == counted
    assert service.rows("select case_id, revision, new_value from history where field = 'customer_updated_at' order by case_id") == told


@pytest.mark.requirement("EDGE-11")
def test_it_goes_with_the_communications_and_comes_back_with_them(service: CaseService) -> None:
    service.now = after(60)
    mails = a_mail("Question one"), a_mail("Question two")
    one, other = (opened(service.receive(received(mail))) for mail in mails)
    service.receive(received(ours(mails[0], 10)))
    late = ours(mails[1], 30)
    service.receive(received(ours(mails[1], 20)), received(late))
    rules = VersionCache(service.reference, rules_of)
    merging, splitting = Merging(rules), Splitting(service.reference, rules)

    with service.database.transaction() as tx:
        _, merge = merging.merge(tx, asked(other, 61), one, lambda _case: None, "")
    assert (heard(service, one), heard(service, other)) == (after(30), after(30))
    with service.database.transaction() as tx:
        merging.undo(tx, asked(other, 62), merge.id)
        assert told([emitted.event for emitted in tx.emitted]) == [("merge-undone", 4, after(30)), ("amended", 4, after(10))]
    assert (heard(service, one), heard(service, other)) == (after(10), after(30))

    with service.database.transaction() as tx:
        new, split = splitting.split(tx, asked(other, 63), [late.communication_id], NewCase("noise"))
    assert (heard(service, other), heard(service, new.id)) == (after(20), after(30))
    service.now = after(70)
    service.receive(received(ours(late, 65)))
    with service.database.transaction() as tx:
        splitting.undo(tx, asked(other, 71), split.id)
    assert heard(service, other) == after(65)


def asked(case: UUID, minutes: int) -> Asked:
    return Asked(case, Actor("max", "repairs"), UUID(int=minutes), after(minutes), "", lambda _case: None)


def asked_of(service: CaseService, communication: CommunicationReceived) -> AskedOf:
    return AskedOf(communication.communication_id, "max", UUID(int=1), service.now, "", lambda _tx, _kept: None)
