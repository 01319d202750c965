"""What telephone gateways report, and whether it is from them (COM-5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from services.ingest.domain.phone import (
    BadPhoneEvent,
    PhoneEvent,
    call_report,
    other_party,
    phone_communication,
    phone_conversation,
    twilio_event,
    twilio_login,
)
from services.ingest.gateways.phone import MOST_FIELDS, NotSigned, from_signed, from_twilio
from tests.support.phone import (
    CALL,
    CUSTOMER,
    KEY,
    LEG,
    MESSAGE,
    NUMBER,
    RECORDING,
    TOKEN,
    a_call,
    a_leg,
    a_recording,
    a_text,
    an_event,
    by_twilio,
    signed,
)

pytestmark = pytest.mark.requirement("COM-5")
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
URL = f"https://ingest.housing.example/phone/{NUMBER}/twilio"
FILE = "https://api.twilio.com/2010-04-01/Accounts/AC0/Recordings/RE4"


def taken(body: bytes, headers: dict[str, str], url: str = URL) -> PhoneEvent | None:
    return from_twilio(url, body, headers["X-Twilio-Signature"], TOKEN, NUMBER)


def heard(body: bytes, headers: dict[str, str], now: datetime = NOW) -> PhoneEvent:
    return from_signed(headers["Casestream-Timestamp"], body, headers["Casestream-Signature"], KEY, now)


def test_twilios_signature_is_that_of_its_documentation() -> None:
    # The example of Twilio's page on the security of webhooks.
    form = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309", "To": "+18005551212"}
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"

    with pytest.raises(BadPhoneEvent):
        from_twilio(url, urlencode(form).encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "12345", NUMBER)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (a_call(), PhoneEvent("ringing", CALL, CUSTOMER)),
        (a_call("initiated", CallerName="ANN LEE"), PhoneEvent("ringing", CALL, CUSTOMER, name="ANN LEE")),
        (a_call("in-progress"), PhoneEvent("answered", CALL, CUSTOMER)),
        (a_call("queued"), PhoneEvent("ringing", CALL, CUSTOMER)),
        (a_call(Timestamp="Mon, 02 Mar 2026 10:00:07 +0000"), PhoneEvent("ringing", CALL, CUSTOMER, at=NOW + timedelta(seconds=7))),
        (a_call(Timestamp="Mon, 02 Mar 2026 10:00:07"), PhoneEvent("ringing", CALL, CUSTOMER, at=NOW + timedelta(seconds=7))),
        (a_call(Timestamp="soon"), PhoneEvent("ringing", CALL, CUSTOMER)),
        (a_call("completed", CallDuration="42"), PhoneEvent("ended", CALL, CUSTOMER, seconds=42, outcome="completed")),
        (a_call("busy"), PhoneEvent("ended", CALL, CUSTOMER, outcome="busy")),
        (a_call("no-answer", CallDuration="0"), PhoneEvent("ended", CALL, CUSTOMER, seconds=0, outcome="no_answer")),
        (a_call("canceled", CallDuration="?"), PhoneEvent("ended", CALL, CUSTOMER, outcome="cancelled")),
        (a_call("failed"), PhoneEvent("ended", CALL, CUSTOMER, outcome="failed")),
        (a_leg(), PhoneEvent("ringing", CALL, CUSTOMER, leg=LEG)),
        (a_leg("in-progress", To="client:dora"), PhoneEvent("answered", CALL, CUSTOMER, answered_by="client:dora", leg=LEG)),
        (a_leg("no-answer"), PhoneEvent("ended", CALL, CUSTOMER, outcome="no_answer", leg=LEG)),
        (
            a_call("in-progress", Direction="outbound-api", From=NUMBER, To=CUSTOMER, AnsweredBy="machine_start"),
            PhoneEvent("answered", CALL, CUSTOMER, "outbound", answered_by="machine_start"),
        ),
        (a_call(Direction="outbound-api", From=NUMBER, To=CUSTOMER), PhoneEvent("ringing", CALL, CUSTOMER, "outbound")),
        (a_text(), PhoneEvent("message", MESSAGE, CUSTOMER, text="The tap leaks")),
        (
            a_text("", NumMedia="2", MediaUrl0="https://a.example/0", MediaContentType0="image/jpeg", MediaUrl1="https://a.example/1"),
            PhoneEvent("message", MESSAGE, CUSTOMER, media=(("https://a.example/0", "image/jpeg"), ("https://a.example/1", ""))),
        ),
        (a_recording(FILE), PhoneEvent("voicemail", CALL, None, recording=FILE, recording_id=RECORDING, seconds=42)),
        (
            a_recording(FILE, RecordingSource="DialVerb", RecordingDuration="?"),
            PhoneEvent("recording", CALL, None, recording=FILE, recording_id=RECORDING),
        ),
        (a_recording(FILE, RecordingStatus="in-progress"), None),
        (a_recording("", RecordingStatus="absent"), None),
        (a_text(SmsStatus="delivered", MessageStatus="delivered"), None),
        (a_text(From=NUMBER, To=CUSTOMER), None),
        (a_text(SmsStatus="receiving"), PhoneEvent("message", MESSAGE, CUSTOMER, text="The tap leaks")),
    ],
)
def test_what_twilios_forms_say(form: dict[str, str], expected: PhoneEvent | None) -> None:
    assert taken(*by_twilio(URL, form)) == expected


@pytest.mark.parametrize("form", [{"A": "b"}, a_call("humming"), {"CallSid": CALL, "CallStatus": "ringing"}])
def test_a_form_of_nothing_known_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(BadPhoneEvent):
        taken(*by_twilio(URL, form))


def test_a_form_that_twilio_did_not_sign_is_refused() -> None:
    body, headers = by_twilio(URL, a_call())
    others, _ = by_twilio(URL, a_call(From="+441632960002"))
    long = urlencode([("a", "b")] * (MOST_FIELDS + 1)).encode()
    for changed in (
        (others, headers, URL),
        (body, headers, URL.replace("https", "http")),
        (body, headers, URL + "?more=1"),
        (body, by_twilio(URL, a_call(), "another token")[1], URL),
        (body, {"X-Twilio-Signature": ""}, URL),
        (body, {"X-Twilio-Signature": "\xff" * 28}, URL),
        (b"", headers, URL),
        (b"\xff\xfe", headers, URL),
        (long, headers, URL),
    ):
        with pytest.raises(NotSigned):
            taken(*changed)


def test_a_form_may_name_a_field_twice_and_have_letters_of_any_kind() -> None:
    form = {"Body": "Wasser läuft 🚿", "MessageSid": MESSAGE, "From": CUSTOMER}
    pairs = [*form.items(), ("Extra", "1"), ("Extra", "2")]

    class Several(dict[str, str]):
        def getlist(self, name: str) -> list[str]:
            return [value for key, value in pairs if key == name]

    signature = RequestValidator(TOKEN).compute_signature(URL, Several(pairs))

    event = from_twilio(URL, urlencode(pairs).encode(), signature, TOKEN, NUMBER)

    assert event == PhoneEvent("message", MESSAGE, CUSTOMER, text="Wasser läuft 🚿")


def test_what_signed_json_says_of_a_call_that_goes_on() -> None:
    ended = an_event("ended", outcome="busy", duration_seconds=7, answered_by="Dora")
    answered = an_event("answered", answered_by="Dora", outcome="busy")
    assert heard(ended, signed(ended, NOW)) == PhoneEvent("ended", "call-1", CUSTOMER, seconds=7, outcome="busy")
    assert heard(answered, signed(answered, NOW)) == PhoneEvent("answered", "call-1", CUSTOMER, answered_by="Dora")


def test_what_signed_json_says() -> None:
    body = an_event(
        "voicemail", name="Ann", at=NOW.isoformat(), recording_url=FILE, recording_id="r1", duration_seconds=7, conversation="c", more=1
    )
    assert heard(body, signed(body, NOW)) == PhoneEvent(
        "voicemail", "call-1", CUSTOMER, name="Ann", at=NOW, conversation="c", recording=FILE, recording_id="r1", seconds=7
    )


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_signature_holds_for_five_minutes(seconds: int) -> None:
    body = an_event()
    headers = signed(body, NOW + timedelta(seconds=seconds))

    assert heard(body, headers).id == heard(body, headers).id == "call-1"
    with pytest.raises(NotSigned, match="clock"):
        heard(body, headers, NOW + timedelta(seconds=seconds + 301))
    with pytest.raises(NotSigned, match="clock"):
        heard(body, headers, NOW + timedelta(seconds=seconds - 301))


def test_json_that_the_gateway_did_not_sign_is_refused() -> None:
    body = an_event()
    right = signed(body, NOW)
    for changed, headers in (
        (an_event(id="call-2"), right),
        (body, signed(body, NOW, "another key")),
        (body, right | {"Casestream-Signature": right["Casestream-Signature"].removeprefix("sha256=")}),
        (body, right | {"Casestream-Signature": ""}),
        (body, right | {"Casestream-Signature": "sha256=\xff"}),
        (body, right | {"Casestream-Timestamp": str(int(NOW.timestamp()) + 1)}),
        (body, right | {"Casestream-Timestamp": ""}),
        (body, right | {"Casestream-Timestamp": "-1"}),
        (body, right | {"Casestream-Timestamp": "1" * 400}),
        (body, right | {"Casestream-Timestamp": "\u0661"}),
    ):
        with pytest.raises(NotSigned):
            heard(changed, headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"{",
        b"[" * 5000,
        an_event("humming"),
        an_event("voicemail"),
        an_event(id=""),
        an_event(id="x" * 201),
        an_event(at="2026-03-02T10:00:00"),
        an_event(duration_seconds=-1),
        an_event("ended", outcome="humming"),
        b'{"event": "ringing", "id": "\\ud800", "from": ""}',
    ],
)
def test_signed_garbage_is_refused_without_repeating_it(body: bytes) -> None:
    with pytest.raises(BadPhoneEvent) as refusal:
        heard(body, signed(body, NOW))
    assert "humming" not in str(refusal.value)


@pytest.mark.requirement("CON-1")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+441632960001", ("phone", CUSTOMER)),
        ("01632 960001", ("phone", CUSTOMER)),
        ("", ("phone", "")),
        (" Anonymous ", ("phone", "")),
        ("+266696687", ("phone", "")),
        ("Restricted", ("phone", "")),
        ("HMRC", ("other", "HMRC")),
        ("sip:ann@pbx.example", ("other", "sip:ann@pbx.example")),
    ],
)
def test_who_the_other_party_is(value: str, expected: tuple[str, str]) -> None:
    assert other_party(value, "GB") == expected


@pytest.mark.requirement("EDGE-3")
def test_all_that_is_said_of_a_call_is_about_one_communication() -> None:
    stages = [PhoneEvent(what, "1", CUSTOMER) for what in ("ringing", "answered", "ended")]  # type: ignore[arg-type]
    message, other = PhoneEvent("message", "1", CUSTOMER), PhoneEvent("ringing", "2", CUSTOMER)

    assert len({phone_communication(NUMBER, event) for event in stages}) == 1
    assert len({phone_communication(NUMBER, event) for event in (stages[0], message, other)}) == 3
    assert len({phone_communication(number, stages[0]) for number in (NUMBER, CUSTOMER)}) == 2
    named = [PhoneEvent("message", id, CUSTOMER, conversation="c") for id in "12"]
    assert len({phone_conversation(NUMBER, event) for event in named}) == 1


def test_only_twilio_itself_is_given_the_accounts_token() -> None:
    account = "AC" + "0a" * 16
    file = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/MM1/Media/ME1"
    assert twilio_login(file, TOKEN) == {"api.twilio.com": (account, TOKEN)}
    for url in (
        file.replace("https", "http"),
        file.replace("api.", "evil."),
        file.replace(".com", ".com.evil.example"),
        file.replace(".com", ".com:8443"),
        file.replace("//", "//evil.example@"),
        file.replace("/2010", "@evil.example/2010"),
        file.replace(account, "AC1"),
        "",
    ):
        assert twilio_login(url, TOKEN) == {}
    assert twilio_login(file, "") == {}


@pytest.mark.requirement("EDGE-3")
def test_a_report_is_the_same_one_as_long_as_it_says_the_same() -> None:
    ended = PhoneEvent("ended", "1", CUSTOMER, outcome="busy", leg="a")
    others = [replace(ended, **change) for change in ({"id": "2"}, {"leg": "b"}, {"what": "answered"}, {"outcome": "failed"})]

    assert call_report(NUMBER, replace(ended, at=NOW, seconds=3, name="Ann")) == call_report(NUMBER, ended)
    assert len({call_report(NUMBER, event) for event in [ended, *others]} | {call_report(CUSTOMER, ended)}) == 6


FIELDS = [
    "Timestamp",
    "CallDuration",
    "AnsweredBy",
    "CallSid",
    "ParentCallSid",
    "MessageSid",
    "CallStatus",
    "From",
    "To",
    "RecordingUrl",
    "RecordingStatus",
    "MediaUrl0",
    "Body",
    "x",
]


@given(st.dictionaries(st.sampled_from(FIELDS), st.text() | st.sampled_from(["ringing", "completed", NUMBER, CUSTOMER])))
def test_any_form_is_an_event_or_refused(form: dict[str, str]) -> None:
    try:
        event = twilio_event(form, NUMBER)
    except BadPhoneEvent:
        return
    assert event is None or event.id


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=80))
def test_any_request_without_a_signature_is_refused(body: bytes, timestamp: str, signature: str) -> None:
    with pytest.raises(NotSigned):
        from_signed(timestamp, body, signature, KEY, NOW)
    with pytest.raises(NotSigned):
        from_twilio(URL, body, signature, TOKEN, NUMBER)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["event", "id", "from", "at", "text", "recording_url", "duration_seconds", "direction"]), JSON))
def test_any_signed_json_is_an_event_or_refused(fields: dict[str, Any]) -> None:
    body = json.dumps({"event": "ringing", "id": "1", "from": ""} | fields).encode()
    try:
        event = heard(body, signed(body, NOW))
    except BadPhoneEvent:
        return
    assert event.id
    other_party(event.customer or "", "GB")
    phone_communication(NUMBER, event)


@given(st.text())
def test_any_other_party_is_somebody_or_nobody(value: str) -> None:
    kind, handle = other_party(value, "GB")
    assert kind in ("phone", "other")
    assert len(handle) <= 320
    handle.encode()
