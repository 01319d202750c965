"""Writing by hand about leads, and to contacts: recorded, sent, answered, and seen by whoever reaches the lead or the contact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.api.messages import message_files_router
from services.case.domain.case import Actor
from services.case.domain.leads.lead import Lead, LeadLifeCycle, Opened
from services.case.handlers.leads.commands import AskedOfLead
from services.case.handlers.leads.writing import LeadMessages
from services.case.handlers.writing import Wanted
from services.case.settings import Settings
from services.case.storage import leads
from shared.ids import contact_id, derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseOpened,
    CommunicationReceived,
    CommunicationRecorded,
    DeliveryBounced,
    DeliverySent,
    DeliveryState,
    ItemKind,
    RecordMessageAsked,
)
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, an_event, received
from tests.support.leads import a_lead, a_lead_configuration
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("NOTE-2", "LEAD-1")
WRITER = ("lead:read", "lead:progress", "communication:read", "message:send")
LETTER = {"subject_line": "The garage", "text": "Dear #first_name,\r\n\r\nit is free."}
TEMPLATES = [
    {"code": "offer", "name": "Offer", "subject_line": "An offer", "text": "Dear #first_name,\n\n#unit has a garage.\nDue: #due"},
    {"code": "hello", "name": "Hello", "subject_line": "Hello from #organisation", "text": "Dear #first_name,\n\n#changed_by"},
    {"code": "opened", "name": "Opened", "subject_line": "Your case", "text": "Your case #case_number is open."},
]


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_lead_configuration(templates=TEMPLATES, communications=[]))


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str, tmp_path: Path) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    objects = ObjectStore((tmp_path / "objects").as_uri())

    def clock() -> Any:
        return service.now

    given = [*routers(publisher, service.reference, clock), message_files_router(publisher, objects, clock)]
    with served(create_app("case", settings, given, verifier=a_verifier())) as client:
        yield client
    publisher.close()


def kept(service: CaseService, **changes: Any) -> Lead:
    """A lead of the unit `repairs` of Joan, who has written before."""
    mail = a_mail("Garage?", "Is one free?", sender="joan@customer.example", name="Joan Example")
    service.receive(received(mail))
    known = {"contact_id": contact_id("email", "joan@customer.example"), "communication_id": mail.communication_id}
    lead = a_lead(**(known | changes))
    with service.database.transaction() as tx:
        leads.add(tx, [Opened(lead)])
    return lead


def rita(key: str = "", unit: str = "repairs", permissions: tuple[str, ...] = WRITER, user: str = "rita") -> dict[str, str]:
    headers = bearer(a_token(user, *permissions, unit=unit, scope="unit"))
    return headers | ({"Idempotency-Key": key} if key else {})


def told_when_sent(service: CaseService, lead: Lead) -> list[Event]:
    """What is told when Rita writes about this lead."""
    of = AskedOfLead(lead.id, Actor("rita", "repairs"), derive("asked", lead.id), service.now, "", lambda _lead: None)
    with service.database.transaction() as tx:
        LeadMessages(service.reference).send(tx, of, Wanted("The garage", "It is free."))
        return [emitted.event for emitted in tx.emitted]


def ended(kind: type[DeliveryState], id: UUID, lead: Lead | None, revision: int, **changes: Any) -> Event:
    of = lead.id if lead else id
    kind_of = ItemKind.LEAD if lead else ItemKind.COMMUNICATION
    values = {"delivery_id": id, "case_id": None, "item_kind": kind_of, "item_id": of, "definition": "by-hand"}
    values |= {"channel": "email", "recipient": "joan@customer.example", "audience": "customer", "conversation_id": of}
    values |= {"state": kind.event_type.split(".")[2]}
    return an_event(kind.model_validate(values | changes), subject=id, revision=revision, time=NOW + timedelta(minutes=revision))


def an_answer(lead: Lead, message: UUID, **changes: Any) -> CommunicationReceived:
    """A mail that answers our message, as ingest makes it of one."""
    ours = f"<{lead.id}.{message}@housing.example>"
    given = {"sender": "joan@customer.example", "conversation_id": lead.id, "in_reply_to": ours, "references": (ours,)}
    given |= {"received_at": NOW + timedelta(minutes=5)}
    return a_mail("Re: The garage", "I take it.", **(given | changes))


def test_a_message_about_a_lead_is_recorded_sent_once_and_shown_with_its_state(api: httpx.Client, service: CaseService) -> None:
    lead = kept(service)
    choices = api.get(f"/leads/{lead.id}/message-choices", headers=rita()).json()
    assert choices["recipients"] == [{"address": "joan@customer.example", "came_back": False}]
    assert [one["code"] for one in choices["templates"]] == ["offer", "hello"], "what needs a case is not offered"
    tags = {one["tag"]: one["value"] for one in choices["tags"]}
    assert (tags["first_name"], tags["unit"], tags["changed_by"]) == ("Joan", "Repairs", "Rita Repairs")
    draft = api.get(f"/leads/{lead.id}/message-draft", params={"template": "offer"}, headers=rita()).json()
    assert draft == {"subject_line": "An offer", "text": "Dear Joan,\n\nRepairs has a garage."}
    assert api.get(f"/leads/{lead.id}/message-draft", params={"template": "opened"}, headers=rita()).status_code == 404

    handed = api.post("/message-files", params={"filename": "plan.pdf"}, content=b"%PDF", headers=rita("file")).json()["id"]
    first, again = (api.post(f"/leads/{lead.id}/messages", json=LETTER | {"handed_in": [handed]}, headers=rita("one")) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, first.json())
    id = UUID(first.json()["id"])
    assert first.json() == {"id": str(id), "recipient": "joan@customer.example", "state": "queued"}
    service.take(topics.NOTIFICATIONS, [ended(DeliverySent, id, lead, 1), ended(DeliveryBounced, id, lead, 2, error="bounced: 5.2.2")])

    (ours,) = api.get(f"/leads/{lead.id}/communications", headers=rita()).json()["items"]
    assert (ours["id"], ours["direction"], ours["body"], ours["entered_by"]) == (str(id), "outbound", "Dear Joan,\n\nit is free.", "rita")
    assert (ours["delivery"]["state"], ours["delivery"]["error"]) == ("bounced", "bounced: 5.2.2")
    assert (ours["case_ids"], ours["contact_id"]) == ([], str(lead.contact_id))
    assert [file["filename"] for file in ours["attachments"]] == ["plan.pdf"]
    history = api.get(f"/leads/{lead.id}", headers=rita()).json()["history"]
    assert [(entry["field"], entry["new"], entry["by"]) for entry in history] == [("communication", str(id), "rita")]

    once_more = api.post(f"/leads/{lead.id}/messages/{id}/send-again", headers=rita("again"))
    assert (once_more.status_code, once_more.json()["state"]) == (202, "queued")
    assert once_more.json()["id"] != str(id)
    not_yet = api.post(f"/leads/{lead.id}/messages/{once_more.json()['id']}/send-again", headers=rita("too soon"))
    assert (not_yet.status_code, "on its way" in not_yet.json()["detail"]) == (409, True)


def test_what_is_asked_of_notify_names_the_lead_and_the_mail_that_it_answers(service: CaseService) -> None:
    lead = kept(service, owner="rita")
    ((mail,),) = service.rows("select message_id from communications where direction = 'inbound'")
    told = told_when_sent(service, lead)
    assert [type(event.data) for event in told] == [CommunicationRecorded, RecordMessageAsked]
    recorded, message = (event.data for event in told)
    assert {event.key for event in told} == {str(message.communication_id)}, "of no case: each communication by itself"
    assert (recorded.case_ids, recorded.conversation_id) == ((), lead.id)
    assert (message.item_kind, message.item_id, message.number, message.owner) == (ItemKind.LEAD, lead.id, lead.number, "rita")
    assert (message.message_id, message.in_reply_to) == (f"<{lead.id}.{message.communication_id}@housing.example>", mail)
    assert (message.reply_to, message.method, message.recipient_name) == ("contact@housing.example", "email", "Joan Example")


def test_what_cannot_be_sent_is_refused_with_the_reason(api: httpx.Client, service: CaseService) -> None:
    nowhere = kept(service, customer_email="", contact_id=None)
    refused = api.post(f"/leads/{nowhere.id}/messages", json=LETTER, headers=rita("a"))
    assert (refused.status_code, "no email address is known" in refused.json()["detail"]) == (409, True)
    lead = kept(service)
    stranger = api.post(f"/leads/{lead.id}/messages", json=LETTER | {"to": "eve@elsewhere.example"}, headers=rita("b"))
    assert (stranger.status_code, "none of its customer's" in stranger.json()["detail"]) == (422, True)
    not_ours = LETTER | {"files": [{"communication_id": str(lead.communication_id), "position": 0}]}
    assert api.post(f"/leads/{lead.id}/messages", json=not_ours, headers=rita("c")).status_code == 422
    assert service.count("deliveries") == 0


def test_who_does_not_reach_the_lead_neither_writes_nor_reads(api: httpx.Client, service: CaseService) -> None:
    lead = kept(service)
    id = api.post(f"/leads/{lead.id}/messages", json=LETTER, headers=rita("one")).json()["id"]
    other = {"unit": "neighbourhood", "user": "nora"}
    assert api.post(f"/leads/{lead.id}/messages", json=LETTER, headers=rita("x", **other)).status_code == 404
    assert api.get(f"/leads/{lead.id}/communications", headers=rita(**other)).status_code == 404
    assert api.get(f"/leads/{lead.id}/message-choices", headers=rita(**other)).status_code == 404
    assert api.get(f"/communications/{id}", headers=rita(**other)).status_code == 404, "though it feeds no case"
    assert api.get(f"/communications/{id}", headers=rita(user="paul")).status_code == 200, "of the lead's unit"
    for missing in ("lead:progress", "message:send"):
        permissions = tuple(one for one in WRITER if one != missing)
        assert api.post(f"/leads/{lead.id}/messages", json=LETTER, headers=rita("y", permissions=permissions)).status_code == 403
    unread = tuple(one for one in WRITER if one != "communication:read")
    assert api.get(f"/leads/{lead.id}/communications", headers=rita(permissions=unread)).status_code == 403


@pytest.mark.requirement("COM-7")
def test_an_answer_stands_with_its_lead_and_opens_a_case_only_once_that_is_closed(api: httpx.Client, service: CaseService) -> None:
    lead = kept(service)
    id = UUID(api.post(f"/leads/{lead.id}/messages", json=LETTER, headers=rita("one")).json()["id"])
    before = service.count("cases")
    answer = an_answer(lead, id)
    told = service.receive(received(answer))
    assert not any(isinstance(event.data, CaseOpened) for event in told)
    (concerned,) = told[0].data.concerns
    assert (concerned.item_kind, concerned.item_id, concerned.subject, concerned.unit) == ("lead", lead.id, lead.type, "repairs")
    shown = api.get(f"/leads/{lead.id}/communications", headers=rita()).json()["items"]
    assert [(one["id"], one["effect"]) for one in shown] == [(str(id), "recorded"), (str(answer.communication_id), "recorded")]
    assert shown[1]["contact_id"] == str(lead.contact_id)
    assert service.count("cases") == before

    with service.database.transaction() as tx:
        leads.change(tx, lead._replace(state=LeadLifeCycle.LOST, status="lost", closed_at=NOW))
    late = an_answer(lead, id, message_id="<late@customer.example>", communication_id=derive("late", id))
    stranger = a_mail("Elsewhere", "Another matter.", sender="eve@elsewhere.example")
    told = service.receive(received(late), received(stranger))
    assert [event.data.communication_id for event in told if isinstance(event.data, CaseOpened)] == [
        late.communication_id,
        stranger.communication_id,
    ]
    assert not any(event.data.concerns for event in told if isinstance(event.data, CommunicationRecorded))
    of_lead = {row[0] for row in service.rows("select communication_id from communication_items where item_id = %s", lead.id)}
    assert of_lead == {id, answer.communication_id, late.communication_id}


@pytest.mark.requirement("NOTE-1")
def test_what_staff_answer_about_a_lead_is_not_told_as_the_customers(api: httpx.Client, service: CaseService) -> None:
    lead = kept(service)
    id = UUID(api.post(f"/leads/{lead.id}/messages", json=LETTER, headers=rita("one")).json()["id"])
    (recorded,) = service.receive(received(an_answer(lead, id, sender="Rita@Housing.example")))
    assert recorded.data.concerns == ()


CLERK = ("case:read", "communication:read", "message:send")


def test_a_contact_is_written_to_without_a_case_and_an_answer_opens_one(api: httpx.Client, service: CaseService) -> None:
    contact = kept(service).contact_id
    choices = api.get(f"/contacts/{contact}/message-choices", headers=rita(permissions=CLERK)).json()
    assert [one["address"] for one in choices["recipients"]] == ["joan@customer.example"]
    assert choices["templates"] == [{"code": "hello", "name": "Hello"}]
    draft = api.get(f"/contacts/{contact}/message-draft", params={"template": "hello"}, headers=rita(permissions=CLERK)).json()
    assert draft == {"subject_line": "Hello from Test Homes", "text": "Dear Joan,\n\nRita Repairs"}
    handed = api.post("/message-files", params={"filename": "plan.pdf"}, content=b"%PDF", headers=rita("file", permissions=CLERK)).json()[
        "id"
    ]
    first, again = (
        api.post(f"/contacts/{contact}/messages", json=LETTER | {"handed_in": [handed]}, headers=rita("one", permissions=CLERK))
        for _ in range(2)
    )
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, first.json())
    id = UUID(first.json()["id"])
    page = api.get(f"/contacts/{contact}", headers=rita(permissions=CLERK)).json()
    ours = next(one for one in page["communications"] if one["direction"] == "outbound")
    assert (ours["id"], ours["delivery"]["state"], ours["entered_by"]) == (str(id), "queued", "rita")
    assert service.rows("select body from communications where id = %s", id) == [("Dear Joan,\n\nit is free.",)], "with its tags filled"
    history = api.get(f"/contacts/{contact}/history", headers=rita(permissions=CLERK)).json()["items"]
    assert [entry["new"] for entry in history if entry["field"] == "communication"] == [str(id)]

    service.take(topics.NOTIFICATIONS, [ended(DeliveryBounced, id, None, 2, error="bounced: 5.1.1")])
    once_more = api.post(f"/contacts/{contact}/messages/{id}/send-again", headers=rita("again", permissions=CLERK))
    assert once_more.status_code == 202, once_more.text
    copies = service.rows("select filename from attachments where communication_id = any(%s)", [id, UUID(once_more.json()["id"])])
    assert copies == [("plan.pdf",), ("plan.pdf",)]

    ((conversation, message_id),) = service.rows("select conversation_id, message_id from communications where id = %s", id)
    answer = an_answer(a_lead(), id, conversation_id=conversation, in_reply_to=message_id, references=(message_id,))
    told = service.receive(received(answer))
    (opened,) = [event.data for event in told if isinstance(event.data, CaseOpened)]
    assert (opened.communication_id, opened.customer.contact_id) == (answer.communication_id, contact)


def test_to_whom_a_message_cannot_go_is_said(api: httpx.Client, service: CaseService) -> None:
    lead = kept(service)
    to = f"/contacts/{lead.contact_id}/messages"
    stranger = api.post(to, json=LETTER | {"to": "eve@elsewhere.example"}, headers=rita("a", permissions=CLERK))
    assert (stranger.status_code, "none of its customer's" in stranger.json()["detail"]) == (422, True)
    kept_file = LETTER | {"files": [{"communication_id": str(lead.communication_id), "position": 0}]}
    assert api.post(to, json=kept_file, headers=rita("b", permissions=CLERK)).status_code == 422
    with service.database.transaction() as tx:
        tx.execute("delete from handles where kind = 'email'")
        tx.execute("update contacts set email = ''")
    nowhere = api.post(to, json=LETTER, headers=rita("c", permissions=CLERK))
    assert (nowhere.status_code, "no email address is known" in nowhere.json()["detail"]) == (409, True)
    for missing in ("case:read", "message:send"):
        permissions = tuple(one for one in CLERK if one != missing)
        assert api.post(to, json=LETTER, headers=rita("d", permissions=permissions)).status_code == 403
    own = bearer(a_token("paul", *CLERK, unit="repairs", scope="own"))
    assert api.post(to, json=LETTER, headers=own).status_code == 404, "no case of Paul's is theirs"
    assert service.count("deliveries") == 0
