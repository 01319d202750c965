"""What staff do with a communication: open cases, join it to one, record answers; also while more of it arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.consumer import handlers
from services.case.handlers.rules import rules_of
from services.case.handlers.staff import AskedOf, CommunicationCommands
from services.case.settings import Settings
from shared.ids import case_id, contact_id, derive
from shared.messaging import EventPublisher, VersionCache
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import CaseOpened, CommunicationBounced, CommunicationExpired, CommunicationReceived, CommunicationRecorded
from shared.schemas.parts import BounceReport, Handle, ScriptAnswer
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, an_expiry, received
from tests.support.web import a_token, a_verifier, bearer, served

PHONE = {
    "code": "telephone",
    "name": "Telephone",
    "directions": ["inbound"],
    "locations": ["Desk"],
    "pre_script": ["Your name?"],
    "security_script": ["Your birthday?"],
    "expire_after": "2 hours",
}


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_case_configuration(phone=PHONE))


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def a_call(**changes: Any) -> CommunicationReceived:
    """A call that has begun: it opens no case by itself."""
    given: dict[str, Any] = {
        "sender": Handle(kind="phone", value="+441632960001", name="Ann Customer"),
        "method": "telephone",
        "channel_account": "+441632960000",
        "message_id": "",
        "opens_case": False,
        "conversation_id": uuid4(),
        "communication_id": uuid4(),
    }
    return a_mail("Call", "", **(given | changes))


def _as(user: str, unit: str, *permissions: str) -> dict[str, str]:
    return bearer(a_token(user, *permissions, unit=unit, scope="unit"))


AGENT = ("case:read", "case:create", "case:progress", "communication:read")


@pytest.mark.requirement("CASE-1", "COM-5", "CASE-10", "CON-1")
def test_a_calls_subjects_are_chosen_and_open_cases_like_routed_ones(api: httpx.Client, service: CaseService) -> None:
    call = a_call()
    service.receive(received(call))
    path = f"/communications/{call.communication_id}"
    cora = _as("cora", "contact-centre", *AGENT)
    seen = api.get(path, headers=cora)

    answer = api.post(f"{path}/cases", json={"subjects": ["leak", "noise"]}, headers=cora | {"If-Match": seen.headers["etag"]})

    assert answer.status_code == 201, answer.text
    leak, noise = answer.json()["cases"]
    assert (leak, noise["number"]) == (
        {"id": str(case_id(call.communication_id, "leak")), "number": "C-2026-000001", "subject": "leak"},
        "C-2026-000002",
    )
    assert (seen.headers["etag"], answer.headers["etag"]) == ('"1"', '"2"')
    shown = api.get(f"/cases/{leak['id']}").json()
    assert (shown["unit"], shown["priority"], shown["state"], shown["customer"]["name"]) == ("repairs", "high", "pending", "Ann Customer")
    assert shown["customer"]["contact_id"] == str(contact_id("phone", "+441632960001"))
    assert {(entry["field"], entry["by"]) for entry in shown["history"]} == {("communication", "cora"), ("state", "cora")}
    # Whoever took the call sees it still, though its cases went to other units.
    after = api.get(path, headers=cora).json()
    assert (after["effect"], after["case_ids"]) == ("opens", [leak["id"], noise["id"]])
    assert api.get(path, headers=_as("lena", "income", *AGENT)).status_code == 404
    later = service.receive(received(a_call(conversation_id=call.conversation_id)))
    assert [event.data.case_ids for event in later] == [(UUID(leak["id"]), UUID(noise["id"]))]


@pytest.mark.requirement("COM-6", "CASE-10")
def test_what_staff_entered_is_theirs_in_history_and_in_sight(api: httpx.Client, service: CaseService) -> None:
    visit = a_mail("Visit", "A leak.", message_id="", entered_by="cora")
    (opened, _) = service.receive(received(visit))

    assert opened.data.changed_by == "cora"
    assert {entry["by"] for entry in api.get(f"/cases/{opened.data.case_id}").json()["history"]} == {"cora"}
    path = f"/communications/{visit.communication_id}"
    assert api.get(path, headers=_as("cora", "contact-centre", *AGENT)).json()["entered_by"] == "cora"
    assert api.get(path, headers=_as("nils", "neighbourhood", *AGENT)).status_code == 404


@pytest.mark.requirement("CASE-1", "EDGE-4")
def test_a_subject_is_added_by_hand_once(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "A leak.")
    service.receive(received(mail))
    path = f"/communications/{mail.communication_id}/cases"
    once = {"Idempotency-Key": "once"}

    first = api.post(path, json={"subjects": ["noise"], "urgency": "high", "impact": "high"}, headers=once)
    repeat = api.post(path, json={"subjects": ["noise"], "urgency": "high", "impact": "high"}, headers=once)
    again = api.post(path, json={"subjects": ["enquiry", "noise"]})
    routed = api.post(path, json={"subjects": ["leak"]})

    assert (first.status_code, repeat.json()) == (201, first.json())
    assert (again.status_code, again.json()["why"]) == (409, "this communication has opened C-2026-000002 (Noisy neighbours) before")
    assert routed.status_code == 409
    assert service.rows("select subject, priority from cases order by number") == [("leak", "high"), ("noise", "high")]
    reply = service.receive(received(a_mail("Re: Leak", "And?", reply_to=mail)))
    assert len(reply[0].data.case_ids) == 2


def test_what_cannot_be_opened_is_refused_and_nothing_is_done(api: httpx.Client, service: CaseService) -> None:
    call = a_call()
    service.receive(received(call))
    path = f"/communications/{call.communication_id}/cases"

    unknown = api.post(path, json={"subjects": ["leak", "ghosts"]})
    cell = api.post(path, json={"subjects": ["leak"], "urgency": "extreme"})

    assert (unknown.status_code, unknown.json()["why"]) == (422, "there is no subject ghosts in the configuration")
    assert (cell.status_code, cell.json()["why"]) == (422, "the prioritisation table has none")
    assert api.post(path, json={"subjects": []}).status_code == 422
    assert api.post(path, json={"subjects": ["leak"]}, headers={"If-Match": '"7"'}).status_code == 412
    assert api.post(path, json={"subjects": ["leak"]}, headers=_as("rita", "repairs", "case:progress")).status_code == 403
    assert api.post(f"/communications/{derive('none')}/cases", json={"subjects": ["leak"]}).status_code == 404
    assert (service.count("cases"), service.count("contacts")) == (0, 1)


@pytest.mark.requirement("CASE-1", "COM-7")
def test_a_held_robots_mail_opens_a_case_by_hand(api: httpx.Client, service: CaseService) -> None:
    alarm = a_mail("Leak", "Water in the cellar.", robot="auto_reply", sender="cellar@alarms.example", name="")
    service.receive(received(alarm))
    with service.database.transaction() as tx:
        tx.execute("update communications set reason = 'loop'")
    assert service.count("contacts") == 0

    api.post(f"/communications/{alarm.communication_id}/cases", json={"subjects": ["leak"]})

    assert service.rows("select customer_email, contact_id from cases") == [
        ("cellar@alarms.example", contact_id("email", "cellar@alarms.example"))
    ]
    contact = contact_id("email", "cellar@alarms.example")
    assert service.rows("select effect, contact_id, reason from communications") == [("opens", contact, "")]


@pytest.mark.requirement("EDGE-1")
def test_a_suggested_case_is_joined_and_so_is_what_follows(api: httpx.Client, service: CaseService) -> None:
    opened = service.receive(received(a_mail("Leak", "A leak.")))[0].data
    stranger = a_mail(f"About {opened.number}", "Me too: a leak.", sender="stranger@elsewhere.example")
    own = service.receive(received(stranger))[0].data
    path = f"/communications/{stranger.communication_id}"
    assert api.get(path).json()["suggested_case"] == str(opened.case_id)

    joined = api.post(f"{path}/join", json={"case_id": str(opened.case_id)})
    again = api.post(f"{path}/join", json={"case_id": str(opened.case_id)})

    assert joined.json()["case_ids"] == [str(own.case_id), str(opened.case_id)]
    assert (joined.json()["suggested_case"], joined.headers["etag"]) == (None, '"2"')
    assert (again.status_code, again.json()["why"]) == (409, "this communication belongs to it already")
    later = service.receive(received(a_mail("Re: that", "And?", reply_to=stranger)))
    assert set(later[0].data.case_ids) == {own.case_id, opened.case_id}
    assert api.get(f"/cases/{opened.case_id}").json()["history"][-2]["new"] == str(stranger.communication_id)


def test_a_case_out_of_reach_is_not_joined(api: httpx.Client, service: CaseService) -> None:
    opened = service.receive(received(a_mail("Leak", "A leak.")))[0].data
    call = a_call()
    service.receive(received(call))

    answer = api.post(
        f"/communications/{call.communication_id}/join",
        json={"case_id": str(opened.case_id)},
        headers=_as("nils", "neighbourhood", *AGENT),
    )

    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such case that you can see.")
    assert service.rows("select count(*) from joined_conversations") == [(0,)]


@pytest.mark.requirement("COM-2")
def test_answers_to_the_scripts_are_recorded_with_history(api: httpx.Client, service: CaseService) -> None:
    call = a_call(script_answers=(ScriptAnswer(script="pre", prompt="Your name?", answer="Ann"),), location="Garden")
    service.receive(received(call))
    path = f"/communications/{call.communication_id}"
    (case,) = api.post(f"{path}/cases", json={"subjects": ["leak"]}).json()["cases"]
    before = api.get(path).json()
    assert (before["method_name"], before["unanswered"], before["locations"]) == ("Telephone", ["Your birthday?"], ["Desk"])
    assert (before["doubts"], before["expires_at"]) == (
        ["The location is none of the method's."],
        (call.occurred_at + timedelta(hours=2)).isoformat(),
    )

    given = [{"prompt": "Your name?", "answer": "Anna"}, {"prompt": "Your birthday?", "answer": "1 May"}]
    shown = api.post(f"{path}/script-answers", json={"answers": given}, headers=_as("rita", "repairs", *AGENT)).json()
    unknown = api.post(f"{path}/script-answers", json={"answers": [{"prompt": "Your shoe size?", "answer": "44"}]})

    assert [(a["script"], a["prompt"], a["answer"], a["by"]) for a in shown["script_answers"]] == [
        ("pre", "Your name?", "Anna", "rita"),
        ("security", "Your birthday?", "1 May", "rita"),
    ]
    assert shown["unanswered"] == []
    assert (unknown.status_code, "'Your shoe size?'" in unknown.json()["why"]) == (422, True)
    history = api.get(f"/cases/{case['id']}").json()["history"][-2:]
    assert [(entry["field"], entry["old"], entry["new"], entry["by"]) for entry in history] == [
        ("script_answer", "Your name? Ann", "Your name? Anna", "rita"),
        ("script_answer", None, "Your birthday? 1 May", "rita"),
    ]
    taken_back = api.post(f"{path}/script-answers", json={"answers": [{"prompt": "Your name?", "answer": " "}]}).json()
    assert taken_back["unanswered"] == ["Your name?"]


class Staff:
    """The commands without HTTP, to interleave them with the consumer."""

    def __init__(self, service: CaseService) -> None:
        self.service = service
        self.commands = CommunicationCommands(service.reference, VersionCache(service.reference, rules_of))

    def asked(self, communication: UUID) -> AskedOf:
        return AskedOf(communication, "cora", uuid4(), NOW, "", lambda _tx, _kept: None)

    def open(self, communication: UUID, *subjects: str) -> list[Event]:
        with self.service.database.transaction() as tx:
            self.commands.open_cases(tx, self.asked(communication), subjects, None, None)
            return [emitted.event for emitted in tx.emitted]

    def join(self, communication: UUID, case: UUID) -> list[Event]:
        with self.service.database.transaction() as tx:
            self.commands.join(tx, self.asked(communication), case, lambda _case: None)
            return [emitted.event for emitted in tx.emitted]


@pytest.fixture
def staff(service: CaseService) -> Staff:
    return Staff(service)


def test_what_is_told_has_the_key_that_it_always_had_and_no_bounce_again(service: CaseService, staff: Staff) -> None:
    call = a_call()
    service.receive(received(call))

    events = staff.open(call.communication_id, "leak")
    (expired, *_) = [e for e in service.take(topics.SLA, [an_expiry(call.communication_id)]) if e.subject == str(call.communication_id)]

    assert [type(event.data) for event in events] == [CaseOpened, CommunicationRecorded]
    assert (events[0].key, events[0].data.changed_by, events[0].data.opened_at) == (events[0].subject, "cora", NOW)
    # Another key is another partition, and there sla would start a second clock of the communication.
    assert (events[1].key, events[1].revision, events[1].data.case_ids) == (
        str(call.communication_id),
        2,
        (case_id(call.communication_id, "leak"),),
    )
    assert (expired.key, expired.revision) == (str(call.communication_id), 3)
    report = BounceReport(message_id="<x@housing.example>", recipients=())
    bounce = a_mail("Undelivered", "", sender="mailer-daemon@x.example", robot="bounce", bounce=report)
    assert [type(event.data) for event in service.receive(received(bounce))] == [CommunicationBounced]
    # Told again as a bounce, it would be acted upon again.
    assert [type(event.data) for event in staff.open(bounce.communication_id, "noise")] == [CaseOpened, CommunicationRecorded]
    (*_, again) = staff.open(call.communication_id, "noise")
    assert (type(again.data), again.key, again.revision) == (CommunicationExpired, str(call.communication_id), 4)


@pytest.mark.requirement("NOTE-1")
@pytest.mark.parametrize(("owner", "robot", "is_told"), [("rita", "none", True), ("cora", "none", False), ("rita", "auto_reply", False)])
def test_who_has_a_case_is_told_what_another_joins_to_it(
    service: CaseService, staff: Staff, owner: str, robot: str, *, is_told: bool
) -> None:
    case = service.receive(received(a_mail("Leak", "A leak.")))[0].data.case_id
    with service.database.transaction() as tx:
        tx.execute("update cases set owner = %s where id = %s", (owner, case))
    stranger = a_mail("About it", "Me too.", sender="stranger@elsewhere.example", robot=robot)
    service.receive(received(stranger))
    (event,) = staff.join(stranger.communication_id, case)
    assert [(one.item_id, one.owner) for one in event.data.concerns] == ([(case, "rita")] if is_told else [])


@pytest.mark.requirement("COM-8")
def test_of_an_old_communication_only_its_new_case_is_told(service: CaseService, staff: Staff) -> None:
    old = a_mail(method="social", message_id="", old=True, occurred_at=NOW - timedelta(days=900), received_at=NOW - timedelta(days=900))
    service.receive(received(old))

    events = staff.open(old.communication_id, "leak")

    assert [type(event.data) for event in events] == [CaseOpened]
    assert service.rows("select effect, old from communications") == [("recorded", True)]


@pytest.mark.requirement("EDGE-4")
def test_a_mail_that_arrives_while_a_case_is_opened_is_before_or_after_it(service: CaseService, staff: Staff) -> None:
    held = a_mail("Away", "Noted.", robot="auto_reply")
    service.receive(received(held))
    during = a_mail("Re: Away", "A leak.", reply_to=held)
    consumer = handlers(service.reference, lambda: NOW)[topics.COMMUNICATIONS]
    with service.database.transaction() as tx:
        batch = consumer.load(tx, [received(during)])
        (opened, *_) = staff.open(held.communication_id, "noise")
        consumer.apply[CommunicationReceived](batch, received(during))
        consumer.save(tx, batch)

    (after,) = service.receive(received(a_mail("Re: Away", "Hello?", reply_to=held)))

    leak = case_id(during.communication_id, "leak")
    assert service.rows("select case_id from case_communications where communication_id = %s", during.communication_id) == [(leak,)]
    assert set(after.data.case_ids) == {leak, opened.data.case_id}
    assert service.count("contacts") == 1


def test_many_at_once_open_one_case_and_join_once(service: CaseService, staff: Staff) -> None:
    opened = service.receive(received(a_mail("Leak", "A leak.")))[0].data
    call = a_call()
    service.receive(received(call))
    gate = threading.Barrier(6)

    def tries(number: int) -> str:
        gate.wait(10)
        try:
            if number % 2:
                staff.open(call.communication_id, "noise")
            else:
                staff.join(call.communication_id, opened.case_id)
        except Exception as error:  # noqa: BLE001 - told below
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(6) as pool:
        told = sorted(pool.map(tries, range(6)))

    assert told == ["FeedsAlready"] * 4 + ["done"] * 2
    assert service.rows("select count(*) from cases where communication_id = %s", call.communication_id) == [(1,)]
    assert service.rows("select revision from communications where id = %s", call.communication_id) == [(3,)]
