"""Handles that messages came back from for good: marked, told of, shown and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.handlers.people import erase_person
from services.case.settings import Settings
from services.case.storage import people
from shared.ids import case_id, contact_id, derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import AddressRevived, CommunicationReceived, ContactChanged, DeliveryBounced, DeliveryFailed, ItemKind
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, an_event, received
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("EDGE-2", "CON-1")
ANN = contact_id("email", "ann@customer.example")
BOB = contact_id("email", "bob@customer.example")
BACK_AT = NOW + timedelta(minutes=5)
EDITOR = ("case:read", "contact:edit", "contact:merge")


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: service.now), verifier=a_verifier())
    with served(app, a_token("rita", *EDITOR, scope="all")) as client:
        yield client
    publisher.close()


@pytest.fixture
def mail(service: CaseService) -> CommunicationReceived:
    """Ann's mail about a leak."""
    mail = a_mail("Leak", "A leak.", received_at=NOW)
    service.receive(received(mail))
    return mail


def came_back(mail: CommunicationReceived, number: int = 1, at: Any = BACK_AT, **changes: Any) -> Event:
    """Our message about the leak came back."""
    id, case = derive("ours", number), case_id(mail.communication_id, "leak")
    values = {
        "delivery_id": id,
        "case_id": case,
        "item_kind": ItemKind.CASE,
        "item_id": case,
        "definition": "opened",
        "channel": "email",
        "recipient": "Ann@Customer.example",
        "state": "bounced",
        "error": "bounced: 5.1.1",
        "audience": "customer",
        "conversation_id": mail.conversation_id,
        "undeliverable_since": at,
        "status": "5.1.1",
    }
    return an_event(DeliveryBounced.model_validate(values | changes), subject=id, revision=2, time=at)


def take(service: CaseService, *events: Event) -> list[ContactChanged]:
    """What is told of contacts when these deliveries end."""
    return changed(service.take(topics.NOTIFICATIONS, events))


def changed(told: list[Event]) -> list[ContactChanged]:
    return [event.data for event in told if isinstance(event.data, ContactChanged)]


def marks(service: CaseService) -> list[tuple[object, ...]]:
    return service.rows("select value, status, since, restored_at is null from undeliverable_handles order by value")


def test_mail_that_came_back_marks_the_address_once_and_is_told(service: CaseService, mail: CommunicationReceived) -> None:
    event = came_back(mail)
    (told,) = take(service, event)
    assert (told.contact_id, told.changed_by, told.restored) == (ANN, "system", ())
    assert [(one.kind, one.value, one.since, one.status) for one in told.undeliverable] == [
        ("email", "ann@customer.example", BACK_AT, "5.1.1")
    ]
    assert take(service, event) == []
    assert take(service, came_back(mail, 2, BACK_AT + timedelta(days=1))) == [], "it keeps the day of the first"
    assert marks(service) == [("ann@customer.example", "5.1.1", BACK_AT, True)]
    history = service.rows("select revision, field, new_value, changed_by from record_history where record_id = %s", ANN)
    assert history == [(2, "undeliverable", "email ann@customer.example", "system")]
    assert service.rows("select revision from contacts where id = %s", ANN) == [(2,)]


def test_what_says_nothing_of_the_customers_address_marks_nothing(service: CaseService, mail: CommunicationReceived) -> None:
    full = came_back(mail, 1, undeliverable_since=None, status="", error="bounced: 5.2.2")
    staff = came_back(mail, 2, audience="staff")
    stranger = came_back(mail, 3, recipient="nobody@customer.example")
    given_up = came_back(mail, 4).data.model_dump() | {"undeliverable_since": None, "state": "failed", "error": "451 4.7.1 try later"}
    late = an_event(DeliveryFailed.model_validate(given_up), subject=derive("ours", 4), revision=2)
    assert take(service, full, staff, stranger, late) == []
    assert marks(service) == []


def test_the_mark_goes_when_its_owner_writes_and_what_is_told_late_does_not_bring_it_back(
    service: CaseService, mail: CommunicationReceived
) -> None:
    take(service, came_back(mail))
    before = a_mail("Leak", "Written before it came back.", received_at=NOW + timedelta(minutes=1))
    reply = a_mail("Away", "I am away.", received_at=BACK_AT + timedelta(minutes=1), robot="auto_reply")
    assert changed(service.receive(received(before), received(reply))) == []
    again = a_mail("Leak", "It still leaks.", received_at=BACK_AT + timedelta(hours=1))
    (told,) = changed(service.receive(received(again)))
    assert (told.undeliverable, [(one.value, one.at) for one in told.restored]) == (
        (),
        [("ann@customer.example", BACK_AT + timedelta(hours=1))],
    )
    assert take(service, came_back(mail, 2, BACK_AT + timedelta(minutes=30))) == [], "it came back before she wrote"
    (told,) = take(service, came_back(mail, 3, BACK_AT + timedelta(hours=2)))
    assert [one.since for one in told.undeliverable] == [BACK_AT + timedelta(hours=2)]


def test_the_mark_goes_when_an_operator_has_it_written_to_again(service: CaseService, mail: CommunicationReceived) -> None:
    def revived(at: datetime) -> Event:
        id = derive("revived", at)
        return an_event(
            AddressRevived(revival_id=id, kind="email", address="ann@customer.example", revived_by="olga"), subject=id, revision=1, time=at
        )

    take(service, came_back(mail))
    assert take(service, revived(NOW)) == [], "that was before it came back"
    (told,) = take(service, revived(BACK_AT + timedelta(hours=1)))
    assert (told.changed_by, told.undeliverable, told.restored) == ("olga", (), ()), "notify knows already"
    assert take(service, revived(BACK_AT + timedelta(hours=2)), came_back(mail, 2, BACK_AT + timedelta(minutes=1))) == []


def test_what_came_back_before_she_wrote_marks_nothing_when_it_is_told_after(service: CaseService, mail: CommunicationReceived) -> None:
    service.receive(received(a_mail("Leak", "It still leaks.", received_at=BACK_AT + timedelta(hours=1))))
    assert take(service, came_back(mail)) == []


def test_the_api_shows_it_and_staff_take_it_back_for_everybody_who_has_the_handle(
    service: CaseService, api: httpx.Client, mail: CommunicationReceived
) -> None:
    number = {"kind": "phone", "value": "+441632960001"}
    other = api.post("/contacts", json={"name": "Bob", "handles": [number]}).json()["id"]
    assert api.post(f"/contacts/{ANN}/handles", json=number).status_code == 200
    lost = came_back(mail, 1, channel="sms", recipient="+441632960001", error="bounced: 21614", status="21614")
    assert {one.contact_id for one in take(service, lost, came_back(mail, 2))} == {ANN, UUID(other)}
    shown = api.get(f"/contacts/{ANN}")
    assert [(one["value"], one["undeliverable"]["status"]) for one in shown.json()["handles"]] == [
        ("ann@customer.example", "5.1.1"),
        ("+441632960001", "21614"),
    ]
    case = api.get(f"/cases/{case_id(mail.communication_id, 'leak')}").json()
    assert [(one["kind"], one["value"], one["status"]) for one in case["undeliverable"]] == [
        ("email", "ann@customer.example", "5.1.1"),
        ("phone", "+441632960001", "21614"),
    ]

    service.now = BACK_AT + timedelta(hours=1)
    path = f"/contacts/{ANN}/handles/restore"
    reader = bearer(a_token("max", "case:read", scope="all"))
    assert api.post(path, json=number, headers=reader).status_code == 403
    assert api.post(path, json=number, headers={"If-Match": '"1"'}).status_code == 412
    assert api.post(path, json={"kind": "email", "value": "bob@customer.example"}).status_code == 422
    for _ in range(2):
        restored = api.post(path, json=number, headers={"If-Match": shown.headers["etag"], "Idempotency-Key": "restored"})
        assert restored.status_code == 200, restored.text
    again = api.post(path, json=number)
    assert again.json()["revision"] == restored.json()["revision"], "there is nothing left to take back"
    assert api.get(f"/contacts/{other}").json()["handles"] == [number | {"undeliverable": None}]
    past = [(one["field"], one["old"], one["by"]) for one in api.get(f"/contacts/{other}/history").json()["items"]]
    assert past[-1] == ("undeliverable", "phone +441632960001", "rita")
    assert take(service, lost) == [], "it was lost before then"


def test_the_mark_goes_with_the_handle_through_merging_and_its_undoing_and_with_its_removal(
    service: CaseService, api: httpx.Client, mail: CommunicationReceived
) -> None:
    service.receive(received(a_mail("Rent", "A question.", sender="bob@customer.example", name="Bob")))
    take(service, came_back(mail))

    def marked(contact: UUID) -> list[str]:
        return [one["value"] for one in api.get(f"/contacts/{contact}").json()["handles"] if one["undeliverable"]]

    merge = api.post(f"/contacts/{ANN}/merge", json={"into": str(BOB)}).json()
    assert (marked(ANN), marked(BOB)) == ([], ["ann@customer.example"])
    assert api.post(f"/contact-merges/{merge['id']}/undo").status_code == 200
    assert (marked(ANN), marked(BOB)) == (["ann@customer.example"], [])
    api.post(f"/contacts/{ANN}/handles/remove", json={"kind": "email", "value": "ann@customer.example"})
    assert marks(service) == []


@pytest.mark.requirement("EDGE-17")
def test_with_a_person_what_is_known_of_their_handles_is_erased_but_not_of_those_that_others_have_too(
    service: CaseService, api: httpx.Client, mail: CommunicationReceived
) -> None:
    shared = {"kind": "phone", "value": "+441632960001"}
    api.post("/contacts", json={"name": "Bob", "handles": [shared]})
    api.post(f"/contacts/{ANN}/handles", json=shared)
    take(service, came_back(mail, 1, channel="sms", recipient="+441632960001", status="21614"), came_back(mail, 2))
    with service.database.transaction() as tx:
        given_out = dict(people.sections(tx, ANN))["undeliverable_handles"]
        person = people.lock(tx, ANN)
        assert person is not None
        erase_person(tx, person, "dpo", UUID(int=1), NOW, "")
    assert [one["value"] for one in given_out] == ["ann@customer.example", "+441632960001"]
    assert [row[0] for row in marks(service)] == ["+441632960001"]
    assert "ann@" not in str(service.rows("select old_value, new_value from record_history"))
