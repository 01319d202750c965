"""Text messages: how many parts one takes, and what gateways are told and answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import yaml
from pydantic import ValidationError

from services.notify.domain.retry import Outcome
from services.notify.domain.sms import TooLong, checked, segments
from services.notify.gateways.sms import (
    HttpGateway,
    NotSigned,
    SmsGateway,
    TwilioGateway,
    connector,
    pointed_at,
    twilio_report,
)
from services.notify.settings import SmsSettings
from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import USERS, a_document
from tests.support.graph_https import Answer
from tests.support.hooked import Hooked
from tests.support.twilio import ACCOUNT, OURS, TOKEN, TwilioServer, refused, signature

ANN = "+441632960123"
STATUS_URL = "https://answer.housing.example/sms/twilio"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" * 2 + "b" * 151, 3),  # a sign of two places is not cut
        ("Grüße, ¿où?\n", 1),
        ("`" + "a" * 69, 1),  # a letter that telephones have not
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("🚿" * 35, 1),
        ("🚿" * 36, 2),
        ("ж" * 66 + "🚿" + "ж" * 66, 3),
    ],
)
def test_parts_are_counted_as_telephones_do(text: str, count: int) -> None:
    assert segments(text) == count


def test_a_text_of_too_many_parts_is_refused_with_its_number() -> None:
    assert checked(" a \n", 1) == "a"
    with pytest.raises(TooLong, match=r"takes 3 messages \(307 characters\); the most is 2"):
        checked("a" * 307, 2)


@pytest.fixture
def twilio(tmp_path: Path) -> Iterator[TwilioServer]:
    with TwilioServer(tmp_path) as server:
        yield server


def a_gateway(twilio: TwilioServer, folder: Path, sender: str = OURS) -> TwilioGateway:
    secret = folder / "token"
    secret.write_text(TOKEN + "\n")
    return TwilioGateway(ACCOUNT, secret, sender, STATUS_URL, twilio.endpoint, 5.0, str(twilio.ca_file))


@pytest.mark.requirement("NOTE-2")
def test_twilio_takes_a_message_and_is_told_where_to_report(twilio: TwilioServer, tmp_path: Path) -> None:
    gateway = a_gateway(twilio, tmp_path)
    handed = gateway.send("the-delivery", ANN, "Your case & 100 % of it: ✓")
    gateway.close()
    assert (handed.outcome, handed.code, handed.gateway_id) == (Outcome.SENT, 201, "SM" + "0" * 32)
    (form,) = twilio.taken
    assert form == {
        "To": ANN,
        "From": OURS,
        "Body": "Your case & 100 % of it: ✓",
        "StatusCallback": f"{STATUS_URL}?delivery=the-delivery",
        "sid": "SM" + "0" * 32,
    }


def test_a_messaging_service_sends_in_our_stead(twilio: TwilioServer, tmp_path: Path) -> None:
    gateway = a_gateway(twilio, tmp_path, "MG" + "f" * 32)
    assert gateway.send("one", ANN, "text").outcome is Outcome.SENT
    gateway.close()
    assert "From" not in twilio.taken[0]
    assert twilio.taken[0]["MessagingServiceSid"] == "MG" + "f" * 32


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (refused(400, 21211, "not a valid phone number"), Outcome.REFUSED, "HTTP 400 21211 not a valid phone number"),
        (refused(400, 21610, "unsubscribed recipient"), Outcome.REFUSED, "21610"),
        (refused(400, 21606, "not a valid From"), Outcome.UNREACHABLE, "21606"),
        (refused(429, 20429, "Too Many Requests", {"Retry-After": "7"}), Outcome.DEFERRED, "20429"),
        (refused(401, 20003, "Authenticate"), Outcome.UNREACHABLE, "20003"),
        (refused(503, 20503, "Service unavailable"), Outcome.DEFERRED, "20503"),
        (Answer(500, b"<html>", "text/html"), Outcome.DEFERRED, "HTTP 500"),
        (Answer(302, headers={"Location": "https://elsewhere.example"}), Outcome.UNREACHABLE, "HTTP 302"),
        (Answer(400, b"[1]"), Outcome.REFUSED, "HTTP 400"),
    ],
)
def test_what_twilio_refuses(twilio: TwilioServer, tmp_path: Path, answer: Answer, outcome: Outcome, words: str) -> None:
    twilio.answers = [answer]
    gateway = a_gateway(twilio, tmp_path)
    handed = gateway.send("one", ANN, "text")
    gateway.close()
    assert handed.outcome is outcome
    assert words in handed.error
    assert handed.retry_after == (7.0 if answer.status == 429 else None)


def test_a_secret_is_read_each_time_and_told_to_nobody(twilio: TwilioServer, tmp_path: Path) -> None:
    gateway = a_gateway(twilio, tmp_path)
    (tmp_path / "token").write_text("another")
    assert gateway.send("one", ANN, "text").outcome is Outcome.UNREACHABLE
    (tmp_path / "token").unlink()
    missing = gateway.send("one", ANN, "text")
    assert (missing.outcome, missing.error) == (Outcome.UNREACHABLE, "the gateway's secret cannot be read: FileNotFoundError")
    (tmp_path / "token").write_text(TOKEN)
    assert gateway.send("one", ANN, "text").outcome is Outcome.SENT
    gateway.close()


def a_report(state: str, code: str = "") -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": state, "To": ANN, "From": OURS, **({"ErrorCode": code} if code else {})}


@pytest.mark.parametrize(
    ("form", "status", "is_lost", "is_dead"),
    [
        (a_report("delivered"), "delivered", False, False),
        (a_report("sent"), "sent", False, False),
        (a_report("undelivered", "30003"), "30003", True, False),
        (a_report("undelivered", "30005"), "30005", True, True),
        (a_report("failed"), "failed", True, False),
    ],
)
def test_what_twilio_reports(form: dict[str, str], status: str, is_lost: bool, is_dead: bool) -> None:
    url = f"{STATUS_URL}?delivery=one"
    reported = twilio_report(url, urlencode(form).encode(), signature(url, form), TOKEN)
    assert (reported.status, reported.is_lost, reported.is_dead) == (status, is_lost, is_dead)


def test_a_report_of_somebody_else_is_not_heard() -> None:
    url, form = f"{STATUS_URL}?delivery=one", a_report("undelivered", "30005")
    body, signed = urlencode(form).encode(), signature(url, form)
    for wrong in (
        (url.replace("one", "two"), body, signed, TOKEN),
        (url, body.replace(b"30005", b"30006"), signed, TOKEN),
        (url, body + b"&To=other", signed, TOKEN),
        (url, body, signed, "another"),
        (url, body, "", TOKEN),
        (url, b"a=b&" * 200, signed, TOKEN),
        (url, b"\xff\xfe", signed, TOKEN),
    ):
        with pytest.raises(NotSigned):
            twilio_report(*wrong)


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(("user", "login"), [("", "Bearer word"), ("us", "Basic dXM6d29yZA==")])
def test_any_gateway_is_spoken_with_in_its_own_words(tmp_path: Path, user: str, login: str) -> None:
    (tmp_path / "secret").write_text("word")
    fields, more = {"to": "recipient", "text": "body", "reference": "client_ref"}, {"class": 1}
    with Hooked(tmp_path) as system:
        gateway = HttpGateway(system.url, fields, more, "us", "/messages/0/id", user, tmp_path / "secret", 5.0, str(system.ca_file))
        system.answers = [Answer.json({"messages": [{"id": 77}]}, 202), Answer(429, headers={"Retry-After": "3"}), Answer(422)]
        first, second, third = (gateway.send("ref", ANN, "Grüße") for _ in range(3))
        gateway.close()
        told = system.told[0]
    assert (told.headers["authorization"], told.headers["idempotency-key"]) == (login, "ref")
    assert orjson.loads(told.body) == {"recipient": ANN, "body": "Grüße", "client_ref": "ref", "class": 1}
    assert (first.outcome, first.code, first.gateway_id) == (Outcome.SENT, 202, "77")
    assert (second.outcome, second.retry_after) == (Outcome.DEFERRED, 3.0)
    assert third.outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("pointer", "found"), [("", ""), ("/a/b~1c", "x"), ("/list/1", "2"), ("/list/9", ""), ("/a", ""), ("/yes", ""), ("/none/of/it", "")]
)
def test_a_pointer_leads_to_text_or_a_number(pointer: str, found: str) -> None:
    assert pointed_at({"a": {"b/c": "x"}, "list": [1, 2], "yes": True}, pointer) == found


def settings(**values: Any) -> SmsSettings:
    return SmsSettings(kafka="none:1", database="postgresql:///none", port=0, **values)


def test_settings_say_what_is_missing(tmp_path: Path) -> None:
    assert connector(settings()) is None
    for by, missing in (("twilio", {"sms_from", "sms_account", "sms_secret_file"}), ("http", {"sms_url", "sms_secret_file"})):
        with pytest.raises(ValidationError) as refusal:
            settings(sms_by=by)
        assert {error["loc"][0] for error in refusal.value.errors()} == missing
    given = {"sms_secret_file": tmp_path / "secret", "sms_from": OURS}
    made: list[SmsGateway] = []
    for more in ({"sms_by": "twilio", "sms_account": ACCOUNT}, {"sms_by": "http", "sms_url": "https://sms.example/send"}):
        connect = connector(settings(**given, **more))
        assert connect is not None
        made.append(connect())
    assert [type(gateway) for gateway in made] == [TwilioGateway, HttpGateway]
    for gateway in made:
        gateway.close()


def test_customers_and_staff_get_text_messages_and_units_cannot() -> None:
    def problems(*to: str) -> list[tuple[str, str]]:
        by_text = {"code": "text", "name": "Text", "on": "case.opened", "to": list(to), "channel": "sms", "template": "acknowledge"}
        found = check_configuration(yaml.safe_dump(a_document(communications=[by_text]))).problems
        return [(problem.path, problem.message) for problem in found]

    assert problems("customer") == []
    assert problems("customer", "assignee", "role:plumber") == []
    assert problems("assignee", "unit") == [
        ("communications[0].to[1]", "a unit has no telephone number; name people of it: leader, manager, a role or a user")
    ]


@pytest.mark.parametrize(("phone", "is_right"), [("+441632960001", True), ("01632 960001", False), ("+0441632960001", False)])
def test_staffs_numbers_are_international(phone: str, is_right: bool) -> None:
    users = [{**USERS[0], "phone": phone}, *USERS[1:]]
    found = check_configuration(yaml.safe_dump(a_document(users=users))).problems
    assert [problem.path for problem in found] == ([] if is_right else ["users[0].phone"])
