"""Whatever comes to webhooks, `/contacts`, `/mail` and web forms, signed or not, is answered as documented: nothing is left unhandled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.api import intake_router
from services.ingest.api.phone import FORM_TYPE, phone_router
from services.ingest.api.web_forms import web_forms_router
from services.ingest.domain.tickets import make_ticket
from services.ingest.gateways.credentials import Credentials
from services.ingest.handlers.contacts import ContactIntake
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.phone import PhoneIntake
from services.ingest.settings import ApiSettings
from shared.messaging import StaticReference
from shared.messaging.direct import DirectPublisher
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.support.broker import a_broker
from tests.support.configuration import METHODS, a_configuration
from tests.support.phone import KEY, NUMBER, TOKEN, a_call, a_text, an_event, by_twilio, signed
from tests.support.web import a_token, a_verifier, bearer, served

NOBODY = "127.0.0.1:9"
"""Where no Kafka listens."""
FORM_KEY = "a long random text"
WEB = {"code": "web-form", "name": "Web form", "directions": ["inbound"]}
WEB_FORM = {"code": "contact", "title": "Contact us", "method": "web-form", "secret": "form"}
MULTIPART = ("multipart/form-data", "multipart/form-data; boundary=b", 'multipart/form-data; boundary="', "text/plain")
EXAMPLES = 60
SWITCHBOARD = "+441632960200"
PUBLIC = "https://ingest.housing.example"
TWILIO, SIGNED = f"/phone/{NUMBER}/twilio", f"/phone/{SWITCHBOARD}/events"
LINES = [
    {"number": NUMBER, "gateway": "twilio", "calls": "telephone", "messages": "sms", "secret": "twilio"},
    {"number": SWITCHBOARD, "gateway": "signed", "calls": "telephone", "messages": "sms", "secret": "switchboard"},
]
SMS = {"code": "sms", "name": "Text message", "directions": ["inbound"]}
CONTACT = MappingProxyType(
    {"source_system": "switchboard", "external_id": "c1", "method": "telephone", "sender": {"kind": "phone", "value": "020 7946 0018"},
     "text": "The tap leaks", "occurred_at": "2026-03-02T10:00:00Z"}
)  # fmt: skip
INWARD = ["https://127.0.0.1:9/x", "https://localhost/x", "http://[::1]/x", "https://a@127.1/x", "file:///etc/passwd"]
TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "\x00", "\ud800", "+44", "https://", "http://[", "9" * 400, "2026-13-40T99:99Z", "-1", *INWARD]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FORM = st.dictionaries(
    st.sampled_from([*a_call(), *a_text(), "RecordingUrl", "RecordingStatus", "MediaUrl0", "CallDuration"]), TEXT, max_size=5
)


@contextmanager
def an_api(folder: Path, kafka: str, seconds: float) -> Iterator[httpx.Client]:
    """ingest's intake with a Kafka that has so many seconds to acknowledge."""
    (folder / "twilio").write_text(TOKEN)
    (folder / "switchboard").write_text(KEY)
    (folder / "form").write_text(FORM_KEY)
    given = {"kafka": kafka, "database": "postgresql://nobody", "port": 0, "objects": "file:///unused", "credentials": str(folder)}
    used = ApiSettings.model_validate(given | {"form_per_hour": 1_000_000})
    reference = StaticReference(a_configuration(methods=[*METHODS, SMS, WEB], phone_lines=LINES, web_forms=[WEB_FORM]))
    objects = ObjectStore(f"file://{folder}")
    publisher = DirectPublisher(kafka, "", seconds)
    contacts = ContactIntake(reference, objects, publisher, "GB")
    intake = intake_router(MailIntake(reference, objects, publisher), contacts, reference, used)
    phone = PhoneIntake(reference, objects, publisher, "GB")
    webhooks = phone_router(phone, reference, Credentials(str(folder)), PUBLIC, lambda: datetime.now(UTC))
    forms = web_forms_router(contacts, reference, Credentials(str(folder)), used, lambda: datetime.now(UTC))
    try:
        with served(create_app("ingest", used, [intake], public=[webhooks, forms], verifier=a_verifier()), "") as client:
            yield client
    finally:
        publisher.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with a_broker() as kafka, an_api(tmp_path_factory.mktemp("webhooks"), kafka, 20) as client:
        yield client


def post(api: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> int:
    """The answer's status. Every refusal is a problem that says what is wrong."""
    answer = api.post(path, content=body, headers=headers)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    return answer.status_code


def written(changes: dict[str, object], whole: dict[str, object]) -> bytes:
    """JSON, also of what JSON has no room for."""
    try:
        return orjson.dumps(whole | changes)
    except orjson.JSONEncodeError:
        return repr(whole | changes).encode("utf-8", "surrogatepass")


@pytest.mark.requirement("COM-5")
@settings(max_examples=EXAMPLES, deadline=None)
@given(FORM)
def test_any_form_that_twilio_signed_is_answered(api: httpx.Client, form: dict[str, str]) -> None:
    changed = {name: value.encode("utf-8", "replace").decode() for name, value in (a_call() | form).items()}
    body, headers = by_twilio(PUBLIC + TWILIO, changed)
    assert post(api, TWILIO, body, headers) in (200, 401, 422)


@pytest.mark.requirement("COM-5")
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(st.sampled_from(["event", "id", "from", "at", "text", "recording_url", "seconds", "direction"]), VALUES, max_size=4))
def test_any_event_that_a_gateway_signed_is_answered(api: httpx.Client, changes: dict[str, object]) -> None:
    body = written(changes, orjson.loads(an_event()))
    assert post(api, SIGNED, body, signed(body, datetime.now(UTC))) in (202, 422)


@pytest.mark.requirement("COM-5")
# HTTP itself refuses control characters in header fields, and spaces around them.
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=300), st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=60))
def test_any_bytes_to_a_webhook_are_answered(api: httpx.Client, body: bytes, signature: str) -> None:
    mark = signature.encode("latin-1")
    assert api.post(TWILIO, content=body, headers={b"X-Twilio-Signature": mark, b"Content-Type": FORM_TYPE.encode()}).status_code == 401
    for stamp in (mark, b"99999999999999", b"1", b"-1"):
        assert api.post(SIGNED, content=body, headers={b"Casestream-Timestamp": stamp, b"Casestream-Signature": mark}).status_code == 401
    assert post(api, SIGNED, body, signed(body, datetime.now(UTC))) in (202, 422)


@pytest.mark.requirement("COM-6")
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(st.sampled_from([*CONTACT, "more", "accounts"]), VALUES, max_size=4), st.binary(max_size=200))
def test_any_contact_is_answered(api: httpx.Client, changes: dict[str, object], raw: bytes) -> None:
    allowed = bearer(a_token())
    for body in (written(changes, dict(CONTACT)), raw):
        assert post(api, "/contacts", body, allowed | {"Content-Type": "application/json"}) in (202, 422)
    for kind in MULTIPART:
        body = b'--b\r\nContent-Disposition: form-data; name="contact"\r\n\r\n' + raw + b"\r\n--b--\r\n"
        assert post(api, "/contacts", body, allowed | {"Content-Type": kind}) in (202, 400, 413, 415, 422)


@pytest.mark.requirement("COM-3")
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["message/rfc822", "multipart/digest", "multipart/digest; boundary=b", 'multipart/digest; boundary="']),
)
def test_any_mail_and_any_digest_is_answered(api: httpx.Client, raw: bytes, kind: str) -> None:
    headed = bearer(a_token()) | {"Content-Type": kind}
    for body in (raw, b"--b\r\n\r\nSubject: x\r\n\r\n" + raw + b"\r\n--b--\r\n", b"From: ann@tenant.example\n" + raw):
        assert post(api, "/mail", body, headed) in ((202,) if kind == "message/rfc822" else (202, 400, 413))


@pytest.mark.requirement("COM-1")
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["ticket", "work", "website", "name", "email", "phone", "subject", "message"]), TEXT),
    st.binary(max_size=200),
)
def test_any_form_of_a_page_is_answered(api: httpx.Client, fields: dict[str, str], raw: bytes) -> None:
    ticket = make_ticket("contact", FORM_KEY, "0" * 32, datetime.now(UTC) - timedelta(minutes=1))
    filled = {"ticket": ticket, "name": "Ann", "email": "ann@tenant.example", "subject": "Tap", "message": "It leaks"} | fields
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value.encode("utf-8", "replace") + b"\r\n"
        for name, value in filled.items()
    ]
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + raw + b"\r\n"
    for kind in MULTIPART:
        for body in (b"".join([*parts, file, b"--b--\r\n"]), b"".join(parts) + raw, raw):
            answer = api.post("/forms/contact", content=body, headers={"Content-Type": kind})
            assert answer.status_code in (200, 303, 400, 413, 415, 422)


@pytest.mark.requirement("COM-5", "COM-6")
def test_what_kafka_does_not_take_is_to_be_sent_again(tmp_path: Path) -> None:
    with an_api(tmp_path, NOBODY, 0.06) as api:
        event = an_event()
        assert post(api, SIGNED, event, signed(event, datetime.now(UTC))) == 503
        assert post(api, "/contacts", orjson.dumps(dict(CONTACT)), bearer(a_token()) | {"Content-Type": "application/json"}) == 503
        assert post(api, "/mail", b"Subject: x\n\nx", bearer(a_token()) | {"Content-Type": "message/rfc822"}) == 503
