"""Telephone calls as they go on, from Kafka's events to the database and to whoever answers (COM-5)."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import CallChanged, CallStage, CommunicationReceived, CommunicationUpdated
from shared.schemas.parts import ContactRef, Handle
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, an_event, received

pytestmark = pytest.mark.requirement("COM-5")
LINE, CALLER = "+441632960100", "+441632960001"


@pytest.fixture
def service(case_database: Database) -> CaseService:
    line = {"number": LINE, "gateway": "signed", "calls": "telephone", "secret": "key", "unit": "repairs"}
    return CaseService(case_database, a_case_configuration(phone_lines=[line]))


def a_call(caller: str = CALLER, **changes: Any) -> CommunicationReceived:
    sender = Handle(kind="phone", value=caller, name="ANN")
    given = {"sender": sender, "method": "telephone", "channel_account": LINE, "recipients": (LINE,), "opens_case": False}
    return a_mail("", "").model_copy(update={"message_id": "", **given, **changes})


def report(call: CommunicationReceived, stage: str, second: int = 0, **more: Any) -> Event:
    at = NOW + timedelta(seconds=second)
    ids = {"communication_id": call.communication_id, "conversation_id": call.conversation_id}
    return an_event(CommunicationUpdated(**ids, stage=CallStage(stage), at=at, **more))


def changes(emitted: list[Event]) -> list[CallChanged]:
    return [event.data for event in emitted if isinstance(event.data, CallChanged)]


def test_a_call_is_told_of_while_it_rings_and_at_each_change_with_all_that_is_known(service: CaseService) -> None:
    call = a_call()
    first = service.receive(received(call), report(call, "ringing"))
    second = service.receive(received(call), report(call, "answered", 5, answered_by="Dora"))
    third = service.receive(report(call, "ended", 60, outcome="completed", duration_seconds=55), received(call))

    (ringing,), (answered,), (ended,) = changes(first), changes(second), changes(third)
    (contact,) = service.rows("select contact_id from communications")[0]
    assert (ringing.communication_id, ringing.line, ringing.unit, ringing.method) == (call.communication_id, LINE, "repairs", "telephone")
    assert (ringing.other_party, ringing.stage) == (Handle(kind="phone", value=CALLER, name="ANN"), "ringing")
    assert (ringing.customer.contact_id, ringing.customer.name) == (contact, "ANN")
    assert (answered.stage, answered.answered_by) == ("answered", "Dora")
    assert (ended.began_at, ended.answered_at, ended.ended_at) == (NOW, NOW + timedelta(seconds=5), NOW + timedelta(seconds=60))
    assert (ended.stage, ended.outcome, ended.duration_seconds, ended.customer) == ("ended", "completed", 55, ringing.customer)
    sent = [event for event in [*first, *second, *third] if isinstance(event.data, CallChanged)]
    assert [(event.revision, event.subject, event.key) for event in sent] == [
        (number, f"call:{call.communication_id}", str(call.communication_id)) for number in (1, 2, 3)
    ]
    assert service.rows("select revision from communications") == [(1,)], "who writes on its form meanwhile is not in the way"


def test_reports_of_one_batch_are_one_change_and_repeats_are_none(service: CaseService) -> None:
    call, other = a_call(), a_call("+441632960002")
    reports = [report(call, "answered", 5), report(call, "ringing"), report(other, "ringing", 1)]

    told = changes(service.receive(received(call), received(other), *reports))
    assert [(change.communication_id, change.stage) for change in told] == [
        (call.communication_id, "answered"),
        (other.communication_id, "ringing"),
    ]
    assert changes(service.receive(*reports)) == []


@pytest.mark.requirement("EDGE-3")
def test_whatever_the_order_of_the_reports_the_call_is_the_same(service: CaseService) -> None:
    orders = list(permutations([("ringing", 0, {}), ("answered", 5, {}), ("ended", 9, {"outcome": "completed", "duration_seconds": 4})]))
    for order in orders:
        call = a_call()
        service.receive(received(call))
        for stage, second, more in order:
            service.receive(report(call, stage, second, **more))
    shape = "stage, rang_at, answered_at, answered_by, ended_at, outcome, seconds"
    assert service.rows(f"select distinct {shape} from calls") == [
        ("ended", NOW, NOW + timedelta(seconds=5), "", NOW + timedelta(seconds=9), "completed", 4)
    ]
    assert service.count("calls") == len(orders)


def test_a_report_of_a_call_that_is_not_known_is_kept_until_it_is(service: CaseService) -> None:
    call, late = a_call(), report(a_call(), "ringing")
    with pytest.raises(Refused, match="not known"):
        service.receive(late)
    ended = report(call, "ended", 3)
    with pytest.raises(Refused, match="not known"):
        service.receive(ended)
    service.receive(received(call))
    (change,) = changes(service.receive(ended))
    assert (change.stage, change.ended_at) == ("ended", NOW + timedelta(seconds=3))


@pytest.mark.requirement("CON-1")
def test_who_shares_the_number_is_named_and_a_withheld_one_is_nobodys(service: CaseService) -> None:
    shared, withheld = a_call(), a_call("")
    (first,) = changes(service.receive(received(shared), report(shared, "ringing")))
    with service.database.transaction() as tx:
        tx.execute("insert into contacts values (%s, 1, null, 'Ben', '', %s)", (UUID(int=7), NOW + timedelta(days=1)))
        tx.execute("insert into handles values ('phone', %s, %s)", (CALLER, UUID(int=7)))
    again = a_call()
    (change,) = changes(service.receive(received(again), report(again, "ringing")))
    (nobody,) = changes(service.receive(received(withheld), report(withheld, "ringing")))

    assert first.customer.contact_id is not None
    assert first.candidates == ()
    assert change.customer.contact_id is None
    assert change.candidates == (
        ContactRef(contact_id=first.customer.contact_id, name="ANN"),
        ContactRef(contact_id=UUID(int=7), name="Ben"),
    )
    assert (nobody.other_party.value, nobody.customer.contact_id, nobody.candidates) == ("", None, ())
