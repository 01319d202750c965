"""Messages that come back: their delivery has bounced, and a dead address is not written to until something comes from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.notify.api import build
from services.notify.settings import Settings
from shared.ids import derive
from shared.schemas.envelope import Event
from shared.schemas.events import AddressRevived, CaseAssigned, CommunicationBounced, CommunicationErased, ContactChanged, ContactErased
from shared.schemas.parts import BounceReport, CustomerRef, Undelivered
from tests.service.notify.harness import ANN, NotifyService, a_case, an_event
from tests.service.notify.mail_server import MailServer
from tests.support.configuration import COMMUNICATIONS, a_configuration
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("EDGE-2", "NOTE-2")

NOBODY = CustomerRef(contact_id=derive("contact", "daemon"), name="Mail Delivery System", email="mailer-daemon@mx.example")


def recorded(
    number: int, message_id: str | None, *reported: tuple[str, str], customer: CustomerRef = NOBODY, robot: str = "bounce"
) -> Event:
    """A bounce that case recorded, of the message with this id."""
    communication = derive("bounce", number)
    recipients = tuple(Undelivered(address="somebody@else.example", action=action, status=status) for action, status in reported)
    data = CommunicationBounced(
        communication_id=communication,
        conversation_id=communication,
        method="email",
        case_ids=(),
        customer=NOBODY,
        direction="inbound",
        robot="bounce",
        bounce=BounceReport(message_id=message_id, recipients=recipients),
        occurred_at=datetime.now(UTC),
    )
    return an_event(data, communication, communication)


def the_message(notify: NotifyService, recipient: str) -> str:
    ((found,),) = notify.rows("select message_id from deliveries where recipient = %s", [recipient])
    return str(found)


def sent_to_ann(notify: NotifyService, number: int = 1) -> str:
    notify.take(a_case(number))
    notify.rows("update deliveries set state = 'sent', revision = 1, finished_at = now() returning 1")
    return the_message(notify, "ann@mail.example")


def test_a_bounce_ends_its_delivery_once_and_is_told(notify: NotifyService) -> None:
    notify.publisher.start_sweeper()  # a topic that was just made may be slow to take its first message
    bounce = recorded(1, sent_to_ann(notify, 9_077), ("failed", "5.1.1"))
    notify.take(bounce)
    notify.take(bounce, recorded(2, the_message(notify, "ann@mail.example"), ("failed", "5.1.1")))
    assert notify.rows("select state, error, revision from deliveries") == [("bounced", "bounced: 5.1.1", 2)]
    ((event, data),) = notify.published(1, derive("case", 9_077))
    assert (event.type, data.state, event.revision) == ("casestream.delivery.bounced.v1", "bounced", 2)
    assert (data.undeliverable_since, data.status) == (event.time, "5.1.1")
    # Whom the report names does not matter: only the address that we wrote to is marked.
    assert notify.rows("select address, status from dead_addresses") == [("ann@mail.example", "5.1.1")]


def test_a_dead_address_is_not_written_to_until_its_owner_makes_contact(notify: NotifyService) -> None:
    notify.publisher.start_sweeper()
    told = {"code": "told", "name": "Told", "on": "case.assigned", "to": ["customer", "unit"], "template": "opened"}
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, told]))  # type: ignore[call-arg]
    notify.take(recorded(1, sent_to_ann(notify), ("failed", "5.1.1")))
    upper = ANN.model_copy(update={"email": "Ann@Mail.example"})
    notify.take(a_case(2, CaseAssigned, customer=upper))
    states = dict(notify.rows("select recipient, state from deliveries where case_id = %s", [derive("case", 2)]))
    assert states == {"Ann@Mail.example": "failed", "repairs@housing.example": "queued"}
    ((error,),) = notify.rows("select error from deliveries where recipient = 'Ann@Mail.example'")
    assert "5.1.1" in error
    (spared,) = [event.data for event, _ in notify.published(2) if event.data.state == "failed"]
    ((since,),) = notify.rows("select since from dead_addresses")
    assert (spared.undeliverable_since, spared.status) == (since, "5.1.1"), "who has it meanwhile may not know yet"
    notify.take(a_case(3, customer=upper))
    assert notify.rows("select 1 from dead_addresses") == []
    assert notify.rows("select state from deliveries where case_id = %s", [derive("case", 3)]) == [("queued",)]


def test_an_address_that_the_server_knows_to_be_none_is_not_written_to_again_and_that_is_told(notify: NotifyService) -> None:
    notify.take(a_case(9_079))
    with MailServer(rcpt=lambda _: "550 5.1.1 no such user") as server, notify.sending(server.port):
        eventually(lambda: notify.states() == {"failed": 1})
        ((_, data),) = notify.published(1, derive("case", 9_079))
    assert (data.state, data.status, data.undeliverable_since is not None) == ("failed", "5.1.1", True)
    assert notify.rows("select address, status from dead_addresses") == [("ann@mail.example", "5.1.1")]


def test_what_case_knows_to_work_again_is_written_to_again_unless_it_came_back_since(notify: NotifyService) -> None:
    def known(at: datetime, by: str = "rita") -> Event:
        ann = derive("contact", "ann")
        restored = ({"kind": "email", "value": "ann@mail.example", "at": at},)
        data = {"contact_id": ann, "name": "Ann", "email": "", "area": "", "state": "prospect", "changed_by": by, "restored": restored}
        return an_event(ContactChanged.model_validate(data), ann, ann)

    notify.take(recorded(1, sent_to_ann(notify), ("failed", "5.1.1")))
    notify.take(known(datetime.now(UTC) - timedelta(days=1)))
    assert notify.rows("select address from dead_addresses") == [("ann@mail.example",)]
    notify.take(known(datetime.now(UTC) + timedelta(days=1)))
    assert notify.rows("select address from suppressions") == []
    assert notify.rows("select by_user, what, address from suppression_changes") == [("rita", "removed", "ann@mail.example")]
    notify.rows("insert into suppressions (address, reason) values ('ann@mail.example', 'unsubscribed') returning 1")
    notify.take(known(datetime.now(UTC) + timedelta(days=2)))
    assert notify.rows("select reason from suppressions") == [("unsubscribed",)]


def test_a_full_mailbox_has_bounced_and_is_written_to_again(notify: NotifyService) -> None:
    notify.publisher.start_sweeper()
    notify.take(recorded(1, sent_to_ann(notify, 9_078), ("failed", "5.2.2")))
    assert notify.states() == {"bounced": 1}
    assert notify.rows("select 1 from dead_addresses") == []
    ((_, data),) = notify.published(1, derive("case", 9_078))
    assert (data.state, data.undeliverable_since) == ("bounced", None)


def test_a_delay_and_what_is_forged_change_nothing(notify: NotifyService) -> None:
    message = sent_to_ann(notify)
    forged = message.replace("@housing.example", "@other.example")
    notify.take(recorded(1, message, ("delayed", "4.4.1")), recorded(2, forged, ("failed", "5.1.1")))
    assert notify.states() == {"sent": 1}


def test_dead_addresses_are_listed_and_written_to_again_when_an_operator_says_so(notify: NotifyService) -> None:
    notify.publisher.start_sweeper()
    notify.take(recorded(1, sent_to_ann(notify), ("failed", "5.1.1")))
    operator = a_token("olga", "delivery:revive", scope="all")
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    with served(build(settings, notify.database, a_verifier(), publisher=notify.publisher), operator) as api:
        page = api.get("/dead-addresses").json()
        assert [(found["address"], found["status"]) for found in page["items"]] == [("ann@mail.example", "5.1.1")]
        assert page["next"] is None
        assert api.post("/dead-addresses/revive", json={"address": "nobody@mail.example"}).status_code == 404
        assert api.post("/dead-addresses/revive", json={"address": "no address"}).status_code == 422
        nobody = bearer(a_token("max", "delivery:read", scope="all"))
        assert api.get("/dead-addresses", headers=nobody).status_code == 403
        assert api.post("/dead-addresses/revive", json={"address": "ann@mail.example"}, headers=nobody).status_code == 403
        assert api.post("/dead-addresses/revive", json={"address": " Ann@Mail.example "}).status_code == 204
        assert api.get("/dead-addresses").json()["items"] == []
    told = [event.data for event, _ in notify.published(2) if isinstance(event.data, AddressRevived)]
    assert [(data.kind, data.address, data.revived_by) for data in told] == [("email", "ann@mail.example", "olga")]
    notify.take(a_case(2))
    assert notify.rows("select state from deliveries where recipient = 'ann@mail.example' order by sequence desc limit 1") == [("queued",)]


@pytest.mark.requirement("EDGE-17")
def test_titles_of_what_was_erased_are_forgotten(notify: NotifyService) -> None:
    notify.take(a_case(1), a_case(2))
    erased = CommunicationErased(communication_id=derive("mail", 1), case_ids=(derive("case", 1),), opened=(derive("case", 1),))
    notify.take(an_event(erased, derive("mail", 1), derive("case", 1)))
    titles = dict(notify.rows("select case_id, facts::jsonb ->> 'title' from deliveries"))
    assert titles[derive("case", 1)] == "[erased]"
    assert titles[derive("case", 2)] not in ("[erased]", None, "")


@pytest.mark.requirement("EDGE-17")
def test_a_customer_who_was_erased_is_forgotten_and_written_to_no_more(notify: NotifyService) -> None:
    notify.take(a_case(1), a_case(2), recorded(1, sent_to_ann(notify), ("failed", "5.1.1")))
    gone = derive("contact", "ann")
    notify.take(an_event(ContactErased(contact_id=gone, case_ids=(derive("case", 1),)), gone, gone))
    rows = notify.rows("select case_id, audience, state, recipient, recipient_name, facts, error from deliveries")
    theirs = [row for row in rows if row[0] == derive("case", 1)]
    assert {row[3] for row in theirs if row[1] == "customer"} == {""}
    assert "Ann" not in str(theirs)
    assert "ann@" not in str(theirs)
    assert "Ann" in str([row for row in rows if row[0] == derive("case", 2)])
    assert all(row[3] for row in rows if row[1] != "customer")
