"""Writing to customers by hand, and what becomes of messages to them."""

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
from services.case.domain.refusals import InputRefused
from services.case.handlers.commands import Asked
from services.case.handlers.messages import Messages
from services.case.handlers.writing import Wanted
from services.case.settings import Settings
from services.case.storage import retention
from shared.ids import case_id, derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseAmended,
    CommunicationReceived,
    CommunicationRecorded,
    DeliveryBounced,
    DeliveryFailed,
    DeliverySent,
    DeliveryState,
    ItemKind,
    MessageAsked,
)
from shared.schemas.events.messages import LONGEST_TEXT
from shared.schemas.parts import FileRef
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, a_plan, an_event, received
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("NOTE-2")
WRITER = ("case:read", "communication:read", "message:send")
LETTER = {"subject_line": "Your leak", "text": "Dear Ann,\r\n\r\na plumber comes."}


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "objects").as_uri())


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str, objects: ObjectStore) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)

    def clock() -> Any:
        return service.now

    given = [*routers(publisher, service.reference, clock), message_files_router(publisher, objects, clock)]
    with served(create_app("case", settings, given, verifier=a_verifier())) as client:
        yield client
    publisher.close()


@pytest.fixture
def mail(service: CaseService, objects: ObjectStore) -> CommunicationReceived:
    """A mail about a leak (of the unit `repairs`) with a photo and a program."""
    photo = FileRef(sha256=objects.put(b"photo"), size=5, filename="ceiling.jpg", content_type="image/jpeg")
    program = FileRef(sha256=objects.put(b"MZ"), size=2, filename="virus.exe", danger="executable")
    mail = a_mail("Leak", "A leak.", attachments=(photo, program))
    service.receive(received(mail))
    return mail


@pytest.fixture
def leak(mail: CommunicationReceived) -> UUID:
    return case_id(mail.communication_id, "leak")


def rita(key: str = "", unit: str = "repairs", permissions: tuple[str, ...] = WRITER, user: str = "rita") -> dict[str, str]:
    headers = bearer(a_token(user, *permissions, unit=unit, scope="unit"))
    return headers | ({"Idempotency-Key": key} if key else {})


def send(service: CaseService, case: UUID, wanted: Wanted, cause: str = "") -> list[Event]:
    """What is told when Rita sends this."""
    asked = Asked(case, Actor("rita", "repairs"), derive("asked", cause), service.now, "", lambda _case: None)
    with service.database.transaction() as tx:
        Messages(service.reference).send(tx, asked, wanted)
        return [emitted.event for emitted in tx.emitted]


def ended(kind: type[DeliveryState], id: UUID, case: UUID | None, revision: int, **changes: Any) -> Event:
    state = kind.event_type.split(".")[2]
    values = {
        "delivery_id": id,
        "case_id": case,
        "item_kind": ItemKind.CASE,
        "item_id": case or id,
        "definition": "opened",
        "channel": "email",
        "recipient": "ann@customer.example",
        "message_id": f"<x.{id}@housing.example>",
        "state": state,
    }
    return an_event(kind.model_validate(values | changes), subject=id, revision=revision, time=NOW + timedelta(minutes=revision))


def test_a_message_is_recorded_at_once_and_asked_of_notify_with_its_files(
    service: CaseService, objects: ObjectStore, mail: CommunicationReceived, leak: UUID
) -> None:
    wanted = Wanted("Your leak", "A plumber comes.", files=((mail.communication_id, 0),))
    told = send(service, leak, wanted)
    assert [type(event.data) for event in told] == [CommunicationRecorded, MessageAsked, CaseAmended]
    recorded, message, amended = (event.data for event in told)
    assert [(event.revision, event.key) for event in told[:2]] == [(1, str(leak)), (2, str(leak))]
    assert (recorded.direction, recorded.case_ids) == ("outbound", (leak,))
    assert message.conversation_id == mail.conversation_id
    assert message.message_id == f"<{mail.conversation_id}.{message.communication_id}@housing.example>"
    assert (message.in_reply_to, message.reply_to) == (mail.message_id, "contact@housing.example")
    assert (message.recipient, message.recipient_name, message.number) == ("ann@customer.example", "Ann Customer", amended.number)
    assert [(file.filename, objects.get(file.sha256)) for file in message.files] == [("ceiling.jpg", b"photo")]
    assert amended.customer_updated_at == NOW, "a person wrote: the customer has heard from us"
    row = service.rows(
        """select direction, method, sender, sender_name, recipients, body, robot, entered_by, contact_id is not null
           from communications where id = %s""",
        message.communication_id,
    )
    assert row == [
        ("outbound", "email", "contact@housing.example", "Rita Repairs", ["ann@customer.example"], "A plumber comes.", "none", "rita", True)
    ]
    assert service.rows("select state, revision, definition from deliveries") == [("queued", 0, "")]


def test_over_the_api_a_message_is_sent_once_and_shown_with_its_state(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    handed = api.post("/message-files", params={"filename": "../etc/plan.pdf"}, content=b"%PDF", headers=rita("file"))
    assert (handed.status_code, handed.json()["filename"]) == (201, "plan.pdf")
    content = LETTER | {"handed_in": [handed.json()["id"]]}
    first, again = (api.post(f"/cases/{leak}/messages", json=content, headers=rita("one")) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, first.json())
    assert first.json()["state"] == "queued"
    shown = api.get(f"/cases/{leak}", headers=rita()).json()["communications"]
    (ours,) = [one for one in shown if one["direction"] == "outbound"]
    assert ours["id"] == first.json()["id"]
    assert (ours["body"], ours["delivery"]["state"], ours["entered_by"]) == ("Dear Ann,\n\na plumber comes.", "queued", "rita")
    assert [(file["filename"], file["content_type"]) for file in ours["attachments"]] == [("plan.pdf", "application/octet-stream")]
    service.take(topics.NOTIFICATIONS, [ended(DeliverySent, UUID(ours["id"]), leak, 1)])
    told = api.get(f"/communications/{ours['id']}", headers=rita()).json()["delivery"]
    assert (told["state"], told["error"], told["definition"]) == ("sent", "", "")


def test_what_cannot_be_sent_is_refused(api: httpx.Client, service: CaseService, mail: CommunicationReceived, leak: UUID) -> None:
    def status(headers: dict[str, str] | None = None, case: UUID = leak, **changes: Any) -> int:
        answer = api.post(f"/cases/{case}/messages", json=LETTER | changes, headers=headers or rita())
        return answer.status_code

    photo = {"communication_id": str(mail.communication_id), "position": 0}
    assert status(rita(unit="neighbourhood")) == 404
    assert status(rita(permissions=("case:read",))) == 403
    assert status(rita(permissions=("case:read", "message:send")), files=[photo]) == 403
    assert status(to="eve@elsewhere.example") == 422
    assert status(files=[photo | {"position": 1}]) == 422, "a program"
    assert status(files=[photo | {"position": 7}]) == 422
    other = a_mail("Noise", "Noise.", sender="bob@customer.example", attachments=mail.attachments[:1])
    service.receive(received(other))
    assert status(files=[{"communication_id": str(other.communication_id), "position": 0}]) == 422, "of another case"
    assert status(handed_in=[str(derive("nothing"))]) == 422
    bobs = api.post("/message-files", params={"filename": "a.txt"}, content=b"a", headers=rita(user="max")).json()["id"]
    assert status(handed_in=[bobs]) == 422, "somebody else's"
    mine = api.post("/message-files", params={"filename": "a.txt"}, content=b"a", headers=rita()).json()["id"]
    service.now += timedelta(days=2)
    assert status(handed_in=[mine]) == 422, "too long ago"
    for bad in ({"text": " "}, {"subject_line": ""}, {"subject_line": "a\r\nBcc: eve@elsewhere.example"}, {"text": "a\x00"}, {"cc": "x"}):
        assert status(**bad) == 422
    assert api.post("/message-files", params={"filename": "a.exe"}, content=b"MZ", headers=rita()).status_code == 422
    assert api.post("/message-files", params={"filename": "a"}, content=b"", headers=rita()).status_code == 422
    assert service.rows("select 1 from communications where direction = 'outbound'") == []
    with service.database.transaction() as tx:
        tx.execute("update cases set customer_email = '', contact_id = null")
    assert status() == 409, "nobody to write to"
    with service.database.transaction() as tx:
        tx.execute("update cases set customer_email = 'a@b.example', merged_into = %s", (leak,))
    assert status() == 409, "merged"


def test_a_message_begins_with_a_template_that_the_case_fills(api: httpx.Client, leak: UUID) -> None:
    choices = api.get(f"/cases/{leak}/message-choices", headers=rita()).json()
    assert choices["recipients"] == [{"address": "ann@customer.example", "came_back": False}]
    assert [one["code"] for one in choices["templates"]] == ["alert", "acknowledge"]
    tags = {one["tag"]: one for one in choices["tags"]}
    assert tags["first_name"] == {"tag": "first_name", "means": "The customer's first name.", "value": "Ann"}
    assert tags["case_number"]["value"].startswith("C-2026-")
    draft = api.get(f"/cases/{leak}/message-draft", params={"template": "acknowledge"}, headers=rita())
    assert draft.json()["text"] == "Dear Ann,\n\nthank you."
    assert draft.json()["subject_line"].startswith("We got your message, C-2026-")
    assert api.get(f"/cases/{leak}/message-draft", params={"template": "new-task"}, headers=rita()).status_code == 404
    assert api.get(f"/cases/{leak}/message-draft", params={"template": "alert"}, headers=rita(unit="neighbourhood")).status_code == 404


def test_tags_in_a_message_are_filled_when_it_is_sent(service: CaseService, leak: UUID) -> None:
    send(service, leak, Wanted("About #subject", "Dear #first_name,\n\nflat #12 is next."))
    rows = service.rows("select subject_line, body from communications where direction = 'outbound'")
    assert rows == [("About Water leak", "Dear Ann,\n\nflat #12 is next.")]
    with pytest.raises(InputRefused, match="too long"):
        send(service, leak, Wanted("About it", "#first_name" + "x" * (LONGEST_TEXT - 1)))


def test_the_state_only_goes_forward(service: CaseService, leak: UUID) -> None:
    send(service, leak, Wanted("Your leak", "A plumber comes."))
    ((id,),) = service.rows("select communication_id from deliveries")
    assert isinstance(id, UUID)

    def state(*events: Event) -> tuple[object, ...]:
        assert service.take(topics.NOTIFICATIONS, events) == [], "nobody is told"
        ((found),) = service.rows("select state, error, revision from deliveries")
        return found

    bounced = ended(DeliveryBounced, id, leak, 2, error="bounced: 5.1.1")
    assert state(ended(DeliverySent, id, leak, 1), ended(DeliverySent, id, leak, 1)) == ("sent", "", 1)
    assert state(bounced, ended(DeliverySent, id, leak, 1)) == ("bounced", "bounced: 5.1.1", 2)
    assert state(ended(DeliverySent, id, leak, 1)) == ("bounced", "bounced: 5.1.1", 2)
    assert service.count("communications") == 2


def test_a_message_that_came_back_is_sent_again_to_where_the_customer_is_reached_now(
    api: httpx.Client, service: CaseService, mail: CommunicationReceived, leak: UUID
) -> None:
    photo = {"communication_id": str(mail.communication_id), "position": 0}
    first = api.post(f"/cases/{leak}/messages", json=LETTER | {"files": [photo]}, headers=rita()).json()["id"]
    again = f"/cases/{leak}/messages/{first}/send-again"
    assert api.post(again, headers=rita()).status_code == 409, "it is on its way"
    service.take(topics.NOTIFICATIONS, [ended(DeliveryBounced, UUID(first), leak, 2, error="bounced: 5.1.1")])
    with service.database.transaction() as tx:
        tx.execute("insert into handles select 'email', 'ann@new.example', contact_id from cases where id = %s", (leak,))
    choices = api.get(f"/cases/{leak}/message-choices", headers=rita()).json()["recipients"]
    assert choices == [{"address": "ann@customer.example", "came_back": True}, {"address": "ann@new.example", "came_back": False}]
    second = api.post(again, headers=rita("again"))
    assert (second.status_code, second.json()["recipient"]) == (202, "ann@new.example")
    assert api.post(again, headers=rita("again")).json() == second.json()
    rows = service.rows(
        "select body, (select count(*) from attachments a where a.communication_id = c.id) from communications c where id = %s",
        UUID(second.json()["id"]),
    )
    assert rows == [("Dear Ann,\n\na plumber comes.", 1)]
    other = api.post(f"/cases/{derive('no case')}/messages/{first}/send-again", headers=rita())
    assert other.status_code == 404


def test_what_goes_out_by_itself_is_recorded_with_its_case_and_counts_as_no_word_of_ours(
    service: CaseService, mail: CommunicationReceived, leak: UUID
) -> None:
    before = service.rows("select revision, customer_updated_at, state from cases where id = %s", leak)
    id, failed, other = derive("delivery", 1), derive("delivery", 2), derive("delivery", 3)
    customers: dict[str, Any] = {"audience": "customer", "conversation_id": mail.conversation_id}
    told = {"subject_line": "We got it", "text": "Dear Ann,\n\nthank you."}
    sent = ended(DeliverySent, id, leak, 1, **customers, **told)
    events = [
        sent,
        ended(DeliverySent, other, leak, 1, audience="staff"),
        ended(DeliveryFailed, failed, leak, 1, **customers, error="not sent"),
        ended(DeliverySent, derive("delivery", 4), derive("no case"), 1, **customers, **told),
        ended(DeliverySent, derive("delivery", 5), None, 1, audience="customer"),
    ]
    assert service.take(topics.NOTIFICATIONS, events) == []
    assert service.take(topics.NOTIFICATIONS, [sent, ended(DeliveryBounced, id, leak, 2, **customers, error="bounced: 5.1.1")]) == []
    rows = service.rows(
        """select c.id, c.body, c.robot, d.state, d.definition, l.case_id
           from communications c join deliveries d on d.communication_id = c.id
           join case_communications l on l.communication_id = c.id order by c.body"""
    )
    assert rows == [
        (failed, "", "notice", "failed", "opened", leak),
        (id, "Dear Ann,\n\nthank you.", "notice", "bounced", "opened", leak),
    ]
    assert service.rows("select revision, customer_updated_at, state from cases where id = %s", leak) == before
    reply = a_mail("Re: We got it", "Thanks.", reply_to=mail)
    service.receive(received(reply))
    assert service.count("cases") == 1, "an answer joins the case"


def test_with_the_mail_that_opened_a_case_what_went_out_by_itself_about_it_is_erased(
    api: httpx.Client, service: CaseService, mail: CommunicationReceived, leak: UUID
) -> None:
    told: dict[str, Any] = {"audience": "customer", "conversation_id": mail.conversation_id, "subject_line": "Leak", "text": "About: Leak"}
    service.take(topics.NOTIFICATIONS, [ended(DeliverySent, derive("delivery", 1), leak, 1, **told)])
    send(service, leak, Wanted("Your visit", "A plumber comes."))
    erased = api.post(f"/communications/{mail.communication_id}/erase", headers=bearer(a_token("max")))
    assert erased.status_code == 200, erased.text
    rows = service.rows("select robot, body from communications where direction = 'outbound' order by robot")
    assert rows == [("none", "A plumber comes."), ("notice", "[erased]")]


def test_an_erasure_takes_what_the_mail_server_said_as_well(service: CaseService, leak: UUID) -> None:
    send(service, leak, Wanted("Your leak", "A plumber comes."))
    ((id,),) = service.rows("select communication_id from deliveries")
    assert isinstance(id, UUID)
    service.take(topics.NOTIFICATIONS, [ended(DeliveryFailed, id, leak, 1, error="550 ann@customer.example unknown")])
    with service.database.transaction() as tx:
        retention.erase(tx, [id], NOW)
    assert service.rows("select state, error from deliveries") == [("failed", "")]
    service.take(topics.NOTIFICATIONS, [ended(DeliveryBounced, id, leak, 2, audience="customer", text="Dear Ann")])
    assert service.rows("select body from communications where id = %s", id) == [("[erased]",)]


def test_a_message_that_is_written_for_a_task_names_it(api: httpx.Client, service: CaseService, leak: UUID) -> None:
    task, other = derive("task", 1), derive("task", 2)
    service.take(topics.TASKS, [a_plan(leak, task)])
    refused = api.post(f"/cases/{leak}/messages", json=LETTER | {"task_id": str(other)}, headers=rita("no"))
    assert (refused.status_code, "none of this case" in refused.json()["detail"]) == (422, True)
    id = api.post(f"/cases/{leak}/messages", json=LETTER | {"task_id": str(task)}, headers=rita("yes")).json()["id"]
    shown = api.get(f"/cases/{leak}", headers=rita()).json()["communications"]
    assert {one["id"]: one["task_id"] for one in shown if one["direction"] == "outbound"} == {id: str(task)}
    service.take(
        topics.NOTIFICATIONS, [ended(DeliveryFailed, UUID(id), leak, 1, item_kind=ItemKind.TASK, item_id=task, definition="by-hand")]
    )
    again = api.post(f"/cases/{leak}/messages/{id}/send-again", headers=rita("again")).json()["id"]
    assert api.get(f"/communications/{again}", headers=rita()).json()["task_id"] == str(task)
    message = send(service, leak, Wanted("Your leak", "Today.", task_id=task), "for a task")[1].data
    assert (message.item_kind, message.item_id, message.case_id) == (ItemKind.TASK, task, leak)
