"""Webhooks: who is told of what, what is told, how it is signed, and when it is tried again."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from services.notify.domain.webhooks import (
    BadSecret,
    Ending,
    Reply,
    next_try,
    parse_secrets,
    reply_of,
    signed_headers,
)
from services.notify.handlers.webhook_queueing import Batch, telling
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.events import (
    CaseAssigned,
    CaseOpened,
    CaseRepublished,
    CommunicationErased,
    ContactErased,
    DeliverySent,
    TaskTriggered,
)
from tests.service.notify.harness import a_case, a_task, an_event
from tests.support.configuration import a_configuration

GIVE_UP = timedelta(days=3)
FAILED = Reply(Ending.FAILED, 500, "HTTP 500")


def a_webhook(code: str = "crm", *events: str, **more: object) -> dict[str, object]:
    return {"code": code, "name": code, "url": f"https://{code}.example/in", "events": list(events or ["casestream.case.*"]), **more}


def told(batch: Batch) -> list[tuple[str, str]]:
    return [(message.webhook, message.event_type) for message in batch.told]


@pytest.mark.requirement("EDGE-18")
def test_signature_is_as_the_specification_has_it() -> None:
    (secret,) = parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_is_replaced_both_sign() -> None:
    new, old = b"n" * 32, b"o" * 32
    text = "\n".join(f"whsec_{b64encode(secret).decode()}" for secret in (new, old))
    both = signed_headers(parse_secrets(text), "id", 1, b"{}")["webhook-signature"].split(" ")
    assert both == [signed_headers([secret], "id", 1, b"{}")["webhook-signature"] for secret in (new, old)]


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "empty"), ("whsec_c2hvcnQ=", "has 5 bytes"), ("whsec_!", "not `whsec_`"), (f"whsec_{b64encode(b'x' * 65).decode()}", "65 bytes")],
)
def test_a_secret_that_is_none_is_refused_without_being_told(text: str, why: str) -> None:
    with pytest.raises(BadSecret, match=why) as refused:
        parse_secrets(text)
    assert not text or text.removeprefix("whsec_") not in str(refused.value)


def test_pauses_double_up_to_an_hour_and_end_after_days() -> None:
    pauses = [next_try(failures, timedelta(0), GIVE_UP, FAILED, 0.5) for failures in (1, 2, 3, 40)]
    assert pauses == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20), timedelta(hours=1)]
    assert next_try(90, GIVE_UP, GIVE_UP, FAILED, 0.5) is None
    assert next_try(90, GIVE_UP - timedelta(seconds=1), GIVE_UP, FAILED, 0.5) is not None


@pytest.mark.parametrize(
    ("status", "headers", "reply"),
    [
        (200, {}, Reply(Ending.TAKEN, 200)),
        (204, {}, Reply(Ending.TAKEN, 204)),
        (302, {"Location": "https://elsewhere.example"}, Reply(Ending.FAILED, 302, "HTTP 302")),
        (400, {}, Reply(Ending.FAILED, 400, "HTTP 400")),
        (410, {}, Reply(Ending.GONE, 410, "HTTP 410")),
        (429, {"Retry-After": "120"}, Reply(Ending.FAILED, 429, "HTTP 429", 120.0)),
        (503, {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, Reply(Ending.FAILED, 503, "HTTP 503")),
        (503, {"Retry-After": "9" * 400}, Reply(Ending.FAILED, 503, "HTTP 503")),
    ],
)
def test_what_an_answer_means(status: int, headers: dict[str, str], reply: Reply) -> None:
    assert reply_of(status, headers) == reply


def test_a_wish_to_wait_is_followed_and_gone_is_for_good() -> None:
    assert next_try(1, timedelta(0), GIVE_UP, Reply(Ending.FAILED, 429, "", 120.0), 0.5) == timedelta(seconds=120)
    assert next_try(1, timedelta(0), GIVE_UP, Reply(Ending.FAILED, 429, "", 1.0), 0.5) == timedelta(seconds=5)
    assert next_try(1, timedelta(0), GIVE_UP, Reply(Ending.FAILED, 429, "", 1e8), 0.5) == timedelta(hours=6)
    assert next_try(1, timedelta(0), GIVE_UP, Reply(Ending.GONE, 410), 0.5) is None


@pytest.mark.requirement("EDGE-18")
def test_each_webhook_is_told_of_what_it_takes() -> None:
    webhooks = [
        a_webhook("crm"),
        a_webhook("wall", "casestream.task.triggered.v1", "casestream.case.assigned.v1"),
        a_webhook("noise", "casestream.*", units=["neighbourhood"]),
    ]
    handler = telling(StaticReference(a_configuration(webhooks=webhooks)))
    batch = Batch(None)
    for event in (a_case(), a_case(kind=CaseAssigned), a_task(), a_case(2, unit="neighbourhood")):
        handler.apply[type(event.data)](batch, event)
    opened, assigned, triggered = (payload.event_type for payload in (CaseOpened, CaseAssigned, TaskTriggered))
    assert told(batch) == [("crm", opened), ("crm", assigned), ("wall", assigned), ("wall", triggered), ("crm", opened), ("noise", opened)]


def test_what_nobody_takes_is_not_even_decoded() -> None:
    handler = telling(StaticReference(a_configuration(webhooks=[a_webhook()])))
    assert CaseOpened in handler.apply
    assert TaskTriggered not in handler.apply
    assert DeliverySent not in handler.apply
    # What is published again is left out by a wildcard, and taken by its name.
    assert CaseRepublished not in handler.apply
    named = a_webhook("crm", "casestream.case.republished.v1")
    assert CaseRepublished in telling(StaticReference(a_configuration(webhooks=[named]))).apply
    assert CaseOpened not in telling(StaticReference(a_configuration())).apply


def test_an_event_is_told_as_cloudevents_have_it() -> None:
    handler, batch, event = telling(StaticReference(a_configuration(webhooks=[a_webhook()]))), Batch(None), a_case()
    handler.apply[CaseOpened](batch, event)
    (message,) = batch.told
    content = orjson.loads(message.body)
    assert (message.event_id, message.item) == (event.id, str(derive("case", 1)))
    assert content.pop("data") == orjson.loads(event.value())
    assert datetime.fromisoformat(content.pop("time")) == event.time.astimezone(UTC)
    assert content == {
        "specversion": "1.0",
        "id": str(event.id),
        "source": "/test",
        "type": "casestream.case.opened.v1",
        "subject": str(derive("case", 1)),
        "datacontenttype": "application/json",
        "partitionkey": str(derive("case", 1)),
        "revision": 1,
        "configversion": 1,
        "traceparent": event.traceparent,
    }


@pytest.mark.requirement("EDGE-17")
def test_what_is_erased_in_the_same_batch_is_not_told_but_the_erasure_is() -> None:
    webhooks = [a_webhook("crm", "casestream.case.*", "casestream.contact.*", "casestream.communication.*")]
    handler, batch = telling(StaticReference(a_configuration(webhooks=webhooks))), Batch(None)
    contact, case, communication = derive("contact", "ann"), derive("case", 1), derive("communication", 2)
    erasures = [
        an_event(ContactErased(contact_id=contact, case_ids=(case,)), contact, contact),
        an_event(CommunicationErased(communication_id=communication, opened=(derive("case", 2),)), communication, communication),
    ]
    for event in (a_case(1), a_case(2), a_case(3), *erasures):
        handler.apply[type(event.data)](batch, event)
    assert [message.item for message in batch.told] == [str(derive("case", 3)), str(contact), str(communication)]
    assert batch.erased == {str(contact), str(case), str(communication), str(derive("case", 2))}
