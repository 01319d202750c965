"""Text messages on a real database, to Twilio as it is documented: queued for who has a number, sent once, and what became of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from services.notify.api import build
from services.notify.domain.limits import Limits
from services.notify.domain.suppressions import Suppression
from services.notify.handlers.composing import Composer
from services.notify.handlers.ending import end_what_is_in_vain
from services.notify.handlers.text_sending import Texter
from services.notify.settings import Settings, SmsSettings
from services.notify.storage import suppressions
from services.notify.storage.limits import claim_within
from shared.ids import derive
from shared.messaging import EventPublisher, StaticReference
from shared.schemas.envelope import Event
from shared.schemas.events import CaseAssigned, CommunicationRecorded, ContactChanged, ContactErased, RuleFired
from shared.schemas.parts import CustomerRef, Handle, UndeliverableHandle
from shared.storage import Database
from tests.service.notify.harness import ANN, NOW, NotifyService, a_case, a_task, an_event
from tests.support.configuration import COMMUNICATIONS, TEMPLATES, USERS, a_configuration
from tests.support.twilio import ACCOUNT, OURS, TOKEN, TwilioServer, refused, signature
from tests.support.waiting import eventually
from tests.support.web import a_verifier, served

ANNS, OTHER = "+441632960123", "+441632960124"
STATUS_URL = "https://answer.housing.example/sms/twilio"
SHORT = {"code": "short", "name": "Short", "subject_line": "none", "text": "#first_name, your case is #case_number."}
LONG = {"code": "long", "name": "Long", "subject_line": "none", "text": "#case_number " * 60}
TEXTED = [
    {"code": "opened-text", "name": "By text", "on": "case.opened", "to": ["customer"], "channel": "sms", "template": "short"},
    {"code": "assigned-text", "name": "By text", "on": "case.assigned", "to": ["customer"], "channel": "sms", "template": "long"},
]
pytestmark = pytest.mark.requirement("NOTE-2")


def a_contact(*numbers: str, name: str = "ann", number: int = 1, lost: str = "") -> Event:
    """Staff made or changed a contact that has these numbers, of which text messages to one are `lost`."""
    contact = derive("contact", name)
    handles = (Handle(kind="email", value="ann@mail.example"), *(Handle(kind="phone", value=value) for value in numbers))
    changed = ContactChanged(
        contact_id=contact, name="Ann Bell", email="ann@mail.example", area="", state="prospect", handles=handles, changed_by="cora"
    )
    if lost:
        mark = UndeliverableHandle(kind="phone", value=lost, since=NOW, status="21614")
        changed = changed.model_copy(update={"undeliverable": (mark,)})
    return an_event(changed, contact, contact, number)


def a_call(phone: str, contact: UUID | None = ANN.contact_id) -> Event:
    """Somebody called from this number."""
    communication = derive("communication", phone)
    recorded = CommunicationRecorded(
        communication_id=communication,
        conversation_id=communication,
        method="telephone",
        case_ids=(),
        customer=CustomerRef(contact_id=contact, phone=phone),
        direction="inbound",
        occurred_at=NOW,
    )
    return an_event(recorded, communication, communication)


class Texts:
    """notify that sends text messages by Twilio."""

    def __init__(self, notify: NotifyService, twilio: TwilioServer, folder: Path) -> None:
        self.notify, self.twilio = notify, twilio
        notify.reference = StaticReference(a_configuration(templates=[*TEMPLATES, SHORT, LONG], communications=[*COMMUNICATIONS, *TEXTED]))
        (folder / "token").write_text(TOKEN)
        self.settings = SmsSettings(
            kafka=notify.kafka,
            database=notify.url,
            port=0,
            sms_by="twilio",
            sms_from=OURS,
            sms_account=ACCOUNT,
            sms_secret_file=folder / "token",
            sms_twilio_endpoint=twilio.endpoint,
            sms_status_url=STATUS_URL,
            sms_ca_file=str(twilio.ca_file),
            sms_retry_speed=100.0,
        )

    @contextmanager
    def sending(self) -> Iterator[Texter]:
        """The sender of text messages, stopped in good order at the end of the block."""
        database, stop = Database(self.notify.url, service="notify"), threading.Event()
        publisher = EventPublisher(database, self.notify.kafka, self.notify.prefix, "notify")
        composer = Composer(self.notify.reference, "contact@housing.example")
        texter = Texter(publisher, composer, self.settings, "text-0", stop)
        texter.start()
        try:
            yield texter
        finally:
            texter.close()
            publisher.close()
            database.close()

    def rows(self) -> list[tuple[Any, ...]]:
        """Text messages by their definition: whom they are for, and how far they are."""
        return self.notify.rows("select definition, recipient, state from deliveries where channel = 'sms' order by sequence")


@pytest.fixture
def texts(notify: NotifyService, tmp_path: Path) -> Iterator[Texts]:
    with TwilioServer(tmp_path) as twilio:
        yield Texts(notify, twilio, tmp_path)


def test_a_customer_with_a_number_gets_a_text_message_once(texts: Texts) -> None:
    texts.notify.take(
        a_contact(ANNS, OTHER), a_case(9_040), a_case(2, customer=CustomerRef(contact_id=derive("contact", "bob"), name="Bob"))
    )
    texts.notify.take(a_case(9_040))
    assert texts.rows() == [("opened-text", ANNS, "queued")]
    with texts.sending():
        eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
    (form,) = texts.twilio.taken
    assert (form["To"], form["From"], form["Body"]) == (ANNS, OURS, "Ann, your case is C-2026-009040.")
    ((event, told),) = texts.notify.published(1, derive("case", 9_040))
    assert (event.type, told.channel, told.recipient, told.state) == ("casestream.delivery.sent.v1", "sms", ANNS, "sent")
    assert form["StatusCallback"] == f"{STATUS_URL}?delivery={told.delivery_id}"


def test_numbers_are_learned_from_calls_and_from_staff_who_know_better(texts: Texts) -> None:
    def numbers() -> list[tuple[Any, ...]]:
        return texts.notify.rows("select number from phones")

    texts.notify.take(a_call(""), a_call(ANNS, None))
    assert numbers() == []
    texts.notify.take(a_call(ANNS))
    texts.notify.take(a_call(OTHER))
    assert numbers() == [(ANNS,)]
    texts.notify.take(a_contact("no number", OTHER, number=1))
    assert numbers() == []
    texts.notify.take(a_contact(OTHER, number=2))
    assert numbers() == [(OTHER,)]
    texts.notify.take(a_contact(OTHER, ANNS, number=3, lost=OTHER))
    assert numbers() == [(ANNS,)], "text messages do not reach the first"
    texts.notify.take(a_contact(OTHER, number=4, lost=OTHER))
    assert numbers() == [(OTHER,)], "there is no other"
    contact = derive("contact", "ann")
    texts.notify.take(an_event(ContactErased(contact_id=contact), contact, contact))
    assert numbers() == []


def test_a_text_that_is_too_long_fails_and_says_so(texts: Texts) -> None:
    texts.notify.take(a_contact(ANNS), a_case(1, CaseAssigned))
    with texts.sending():
        eventually(lambda: texts.rows() == [("assigned-text", ANNS, "failed")])
    ((error,),) = texts.notify.rows("select error from deliveries where channel = 'sms'")
    assert "takes 6 messages" in error
    assert texts.twilio.asked == 0


def test_what_twilio_puts_off_is_tried_again_and_what_it_refuses_is_not(texts: Texts) -> None:
    texts.twilio.answers = [refused(429, 20429, "Too Many Requests", {"Retry-After": "1"}), refused(503, 20503, "Service unavailable")]
    texts.notify.take(a_contact(ANNS), a_case(1))
    with texts.sending():
        eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
        texts.twilio.answers = [refused(400, 21610, "Attempt to send to unsubscribed recipient")]
        texts.notify.take(a_case(2))
        eventually(lambda: [row[2] for row in texts.rows()] == ["sent", "failed"])
    assert texts.twilio.asked == 4
    assert texts.notify.rows("select address, status from suppressions") == [(ANNS, "21610")]
    assert texts.notify.rows("select attempts from deliveries where channel = 'sms' order by sequence") == [(3,), (1,)]


def test_while_twilio_refuses_us_messages_wait_and_health_says_so(texts: Texts) -> None:
    texts.twilio.token = "another"
    texts.notify.take(a_contact(ANNS), a_case(1))
    with texts.sending() as texter:
        eventually(texter.problems)
        assert [row[2] for row in texts.rows()] in (["queued"], ["claimed"])
        texts.twilio.token = TOKEN
        eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
        assert texter.problems() == []


def test_text_messages_and_mails_do_not_wait_for_each_other(texts: Texts) -> None:
    texts.notify.take(a_contact(ANNS), a_case(1))
    # Nobody listens where mail would go: what is sent by text is sent all the same, and the other way round it is left alone.
    with texts.notify.sending(1) as sender:
        eventually(sender.problems)
        assert texts.rows() == [("opened-text", ANNS, "queued")]
        with texts.sending():
            eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
    assert texts.notify.rows("select attempts from deliveries where channel = 'sms'") == [(1,)]


def test_what_was_left_by_a_process_that_died_is_sent_by_the_next_of_its_name(texts: Texts) -> None:
    texts.notify.take(a_contact(ANNS), a_case(1))
    texts.notify.rows("update deliveries set state = 'claimed', claimed_by = 'text-0', due_at = now() + interval '1 hour' returning 1")
    with texts.sending():
        eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
    assert texts.notify.rows("select takeovers from deliveries where channel = 'sms'") == [(1,)]


def test_a_signed_report_that_it_did_not_arrive_ends_the_delivery_and_a_dead_number_gets_no_more(texts: Texts) -> None:
    notify = texts.notify
    notify.take(a_contact(ANNS), a_case(9_041))
    with texts.sending():
        eventually(lambda: texts.rows() == [("opened-text", ANNS, "sent")])
    delivery = texts.twilio.taken[0]["StatusCallback"].partition("delivery=")[2]
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    with served(build(settings, notify.database, a_verifier(), publisher=notify.publisher, sms=texts.settings)) as api:

        def report(state: str, code: str, key: str = TOKEN, of: str = delivery) -> int:
            form = {"MessageSid": "SM1", "MessageStatus": state, "ErrorCode": code, "To": ANNS}
            signed = signature(f"{STATUS_URL}?delivery={of}", form, key)
            headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}
            return api.post("/sms/twilio", params={"delivery": of}, content=urlencode(form), headers=headers).status_code

        assert report("undelivered", "30005", "another") == 403
        assert report("delivered", "") == 204
        assert report("undelivered", "30005", of=str(derive("delivery", "none"))) == 204
        assert texts.rows() == [("opened-text", ANNS, "sent")]
        assert [report("undelivered", "30005"), report("undelivered", "30005")] == [204, 204]
        assert texts.rows() == [("opened-text", ANNS, "bounced")]
        mail = notify.rows("select id from deliveries where channel = 'email'")[0][0]
        assert report("undelivered", "30005", of=str(mail)) == 204
    assert [event.type.split(".")[2] for event, _ in notify.published(2, derive("case", 9_041))] == ["sent", "bounced"]
    notify.take(a_case(2))
    assert texts.rows()[1:] == [("opened-text", ANNS, "failed")]
    assert notify.states() == {"bounced": 1, "failed": 1, "queued": 2}


def test_no_text_messages_where_no_definition_asks_for_them(notify: NotifyService) -> None:
    notify.take(a_contact(ANNS), a_case(1))
    assert notify.rows("select channel from deliveries") == [("email",)]


def test_a_connection_that_breaks_ends_the_sender_instead_of_leaving_half_of_it(texts: Texts, monkeypatch: pytest.MonkeyPatch) -> None:
    texts.notify.take(a_contact(ANNS), a_case(1))
    unraisable: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", unraisable.append)
    texts.notify.rows("update deliveries set facts = '[1' where channel = 'sms' returning 1")
    with texts.sending() as texter:
        eventually(lambda: texter.stop.is_set())
        with pytest.raises(Exception, match="json"):
            texter.check()


@pytest.mark.requirement("EDGE-2")
def test_text_messages_have_a_limit_of_their_own_and_a_number_may_be_suppressed(texts: Texts) -> None:
    notify = texts.notify
    notify.take(a_contact(ANNS), *(a_case(number) for number in range(9_050, 9_054)))
    limits = Limits({"email": 1, "sms": 3}, to_one_an_hour=2, pressing_to_one_an_hour=2)
    with notify.publisher.transaction() as tx:
        claimed, _ = claim_within(tx, "me", 10, timedelta(minutes=1), limits, "sms")
    assert [one.recipient for one in claimed] == [ANNS, ANNS]
    with notify.database.transaction() as tx:
        suppressions.add(tx, Suppression(ANNS, "unsubscribed"), "olga")
    end_what_is_in_vain(notify.publisher)
    assert sorted(row[2] for row in texts.rows()) == ["claimed", "claimed", "failed", "failed"]


def a_firing(*actions: dict[str, Any]) -> Event:
    """A rule fired for Ann's case."""
    case, firing = derive("case", 7), derive("firing")
    customer = {"contact_id": ANN.contact_id, "name": "Ann Bell", "email": ANN.email}
    item = {"kind": "case", "id": case, "unit": "repairs", "number": "C-2026-000007", "customer": customer}
    data = RuleFired.model_validate(
        {
            "rule": "gas",
            "name": "Gas at once",
            "on": "case.opened",
            "cause_id": derive("cause"),
            "case_id": case,
            "depth": 1,
            "firing_id": firing,
            "item": item,
            "actions": [{"outcome": "asked", "template": "short", "channel": "sms", **action} for action in actions],
        }
    )
    return an_event(data, firing, case)


@pytest.mark.requirement("AUTO-1")
def test_a_rule_texts_the_customer_and_staff_who_have_a_number(texts: Texts) -> None:
    texts.notify.reference = with_numbers(lena=OTHER)
    fired = a_firing({"do": "send"}, {"do": "alert", "to": ["leader"], "user": "max"})
    texts.notify.take(a_contact(ANNS), fired)
    texts.notify.take(fired)
    assert sorted(texts.rows()) == [("rule.gas", ANNS, "queued"), ("rule.gas", OTHER, "queued")]
    with texts.sending():
        eventually(lambda: {row[2] for row in texts.rows()} == {"sent"})
    assert sorted((form["To"], form["Body"]) for form in texts.twilio.taken) == [
        (ANNS, "Ann, your case is C-2026-000007."),
        (OTHER, "Ann, your case is C-2026-000007."),
    ]


@pytest.mark.requirement("NOTE-1")
@pytest.mark.parametrize(
    ("beside", "quiet", "expected"),
    [
        (True, False, {("email", "now"), ("sms", "now")}),
        (True, True, {("email", "later")}),
        (False, True, {("sms", "later")}),
    ],
)
def test_staff_are_texted_in_quiet_hours_only_what_cannot_wait(
    texts: Texts, beside: bool, quiet: bool, expected: set[tuple[str, str]]
) -> None:
    """Beside a mail that waits, a text would tell nothing new."""
    by_text = {"code": "by-text", "name": "By text", "on": "task.triggered", "to": ["assignee"], "channel": "sms", "template": "short"}
    told = [*(COMMUNICATIONS if beside else []), by_text]
    hours = {"quiet_hours": {"from": "20:00", "until": "07:00"}} if quiet else {}
    texts.notify.reference = with_numbers(rita=OTHER, communications=told, notifications=hours)
    texts.notify.clock = lambda: datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    texts.notify.take(a_task(1))
    until = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    rows = texts.notify.rows("select channel, due_at from deliveries")
    assert {(channel, "later" if due_at == until else "now") for channel, due_at in rows} == expected
    assert len(rows) == len(expected)
    assert texts.notify.rows("select count(*) from notifications") == [(1,)]


def with_numbers(**numbers: Any) -> StaticReference:
    """The organisation, some of whose staff have telephone numbers."""
    changes = {key: numbers.pop(key) for key in ("communications", "notifications") if key in numbers}
    users = [{**user, "phone": numbers[user["user"]]} if user["user"] in numbers else user for user in USERS]
    return StaticReference(a_configuration(users=users, templates=[*TEMPLATES, SHORT, LONG], **changes))
