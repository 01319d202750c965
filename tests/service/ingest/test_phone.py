"""Webhooks of telephone gateways, from the request to Kafka (COM-5)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.domain import phone as phone_domain
from services.ingest.handlers import phone as phone_handler
from shared.messaging import StaticReference
from shared.schemas.events import CommunicationReceived, CommunicationUpdated
from shared.schemas.parts import Handle
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support.configuration import METHODS, a_configuration
from tests.support.phone import ACCOUNT, CUSTOMER, KEY, NUMBER, TOKEN, a_call, a_leg, a_recording, a_text, an_event, by_twilio, signed
from tests.support.x import FakeX, Scripted, serving_x

pytestmark = pytest.mark.requirement("COM-5")
SWITCHBOARD, NO_TEXTS = "+441632960200", "+441632960300"
PUBLIC = "https://ingest.housing.example/in"
SMS = {"code": "sms", "name": "Text message", "directions": ["inbound"]}
BY_TWILIO, BY_SWITCHBOARD = f"/phone/{NUMBER}/twilio", f"/phone/{SWITCHBOARD}/events"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FakeX]:
    """A host that recordings are fetched from."""
    with serving_x(tmp_path) as host:
        yield host


class Phone:
    """ingest with three lines."""

    def __init__(self, ingest: Ingest, files: FakeX, folder: Path) -> None:
        self.ingest = ingest
        self.files = files
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "twilio").write_text(f"{TOKEN}\n")
        (self.credentials / "switchboard").write_text(KEY)
        lines = [
            {"number": NUMBER, "gateway": "twilio", "calls": "telephone", "messages": "sms", "secret": "twilio"},
            {"number": SWITCHBOARD, "gateway": "signed", "calls": "telephone", "messages": "sms", "secret": "switchboard"},
            {"number": NO_TEXTS, "gateway": "twilio", "calls": "telephone", "secret": "twilio"},
        ]
        for line in lines:
            line["recording_hosts"] = [files.host]  # type: ignore[assignment]
        ingest.reference = StaticReference(a_configuration(methods=[*METHODS, SMS], phone_lines=lines))

    @contextmanager
    def api(self, **changes: object) -> Iterator[httpx.Client]:
        """The API, served; its client has no access token."""
        given: dict[str, object] = {
            "credentials": str(self.credentials),
            "public_url": PUBLIC,
            "phone_private_hosts": "127.0.0.1",
            "phone_ca_file": self.files.ca_file,
        }
        with self.ingest.api("", **(given | changes)) as client:  # type: ignore[arg-type]
            yield client

    def published(self) -> dict[UUID, CommunicationReceived]:
        """Each event once, as its receivers see it."""
        return {event.id: event.data for event in self.ingest.published()}


@pytest.fixture
def phone(ingest: Ingest, files: FakeX, tmp_path: Path) -> Phone:
    return Phone(ingest, files, tmp_path)


def twilio(api: httpx.Client, form: dict[str, str], path: str = BY_TWILIO) -> httpx.Response:
    """Twilio's request, signed for the public address."""
    body, headers = by_twilio(PUBLIC + path, form)
    return api.post(path, content=body, headers=headers)


def switchboard(api: httpx.Client, body: bytes, at: datetime | None = None) -> httpx.Response:
    return api.post(BY_SWITCHBOARD, content=body, headers=signed(body, at or datetime.now(UTC)))


@pytest.mark.requirement("EDGE-3")
def test_a_call_is_one_communication_that_opens_no_case_whatever_is_said_of_it(phone: Phone) -> None:
    with phone.api() as api:
        ringing = twilio(api, a_call())
        for status in ("ringing", "in-progress", "completed"):
            assert twilio(api, a_call(status, CallDuration="42")).status_code == 200
    assert (ringing.status_code, ringing.text, ringing.headers["content-type"]) == (200, "<Response/>", "text/xml; charset=utf-8")
    (call,) = phone.published().values()
    assert len(phone.ingest.published()) == 4
    assert call.sender == Handle(kind="phone", value=CUSTOMER)
    assert (call.method, call.channel_account, call.recipients, call.opens_case) == ("telephone", NUMBER, (NUMBER,), False)


@pytest.mark.requirement("EDGE-3")
def test_how_a_call_goes_on_is_told_behind_the_call_itself_once_for_each_stage(phone: Phone) -> None:
    stamps = {"Timestamp": "Mon, 02 Mar 2026 10:00:07 +0000"}
    with phone.api() as api:
        for form in (a_call(), a_call(), a_leg("in-progress", To="client:dora", **stamps), a_leg("completed", CallDuration="42"), a_text()):
            assert twilio(api, form).status_code == 200
    told = phone.ingest.told()
    (call,) = (data for data in phone.published().values() if data.method == "telephone")
    of_call = [event for event in told if event.key == str(call.conversation_id)]
    assert [type(event.data) for event in of_call] == [CommunicationReceived, CommunicationUpdated] * 4
    updates = [event for event in of_call if isinstance(event.data, CommunicationUpdated)]
    assert len({event.id for event in updates}) == len({event.subject for event in updates}) == 3, "the second ringing is a repeat"
    assert {event.revision for event in updates} == {1}
    ringing, _, answered, ended = (event.data for event in updates)
    assert {data.communication_id for data in (ringing, answered, ended)} == {call.communication_id}
    assert (ringing.stage, ringing.leg) == ("ringing", False)
    assert (answered.stage, answered.answered_by, answered.leg) == ("answered", "client:dora", True)
    assert answered.at == datetime(2026, 3, 2, 10, 0, 7, tzinfo=UTC)
    assert (ended.stage, ended.outcome, ended.duration_seconds) == ("ended", "completed", 42)


@pytest.mark.requirement("EDGE-3")
def test_a_text_message_is_one_communication_however_often_it_comes(phone: Phone) -> None:
    with phone.api() as api:
        for _ in range(2):
            assert twilio(api, a_text("The tap leaks 🚿")).status_code == 200
        assert twilio(api, a_text(SmsStatus="sent")).status_code == 200
    (message,) = phone.published().values()
    assert (message.method, message.text, message.opens_case) == ("sms", "The tap leaks 🚿", True)
    assert message.raw is not None
    assert b"The+tap+leaks" in phone.ingest.objects.get(message.raw.sha256)


@pytest.mark.requirement("COM-1", "EDGE-3")
def test_pictures_of_a_message_are_its_files_and_what_cannot_be_had_is_told_with_its_address(phone: Phone) -> None:
    host = phone.files
    host.files["/1"] = Scripted(307, b"", {"Location": "/cdn"})
    host.files["/cdn"] = Scripted(200, b"\xff\xd8 a leak", {"Content-Type": "image/jpeg"})
    host.files["/2"] = Scripted(200, b"MZ\x90\x00 a program", {"Content-Type": ""})
    host.files["/later"] = Scripted(503, b"")
    host.files["/gone"] = Scripted(404, b"")
    paths = ["1", "later", "2", "gone"]
    media = {f"MediaUrl{place}": f"{host.url}/{path}" for place, path in enumerate(paths)} | {"MediaContentType2": "application/pdf"}
    with phone.api() as api:
        for _ in range(2):
            assert twilio(api, a_text(NumMedia="4", **media)).status_code == 200
    (message,) = phone.published().values()
    assert [(file.filename, file.content_type, file.danger) for file in message.attachments] == [
        ("picture-1.jpg", "image/jpeg", ""),
        ("file-2.pdf", "application/pdf", "disguised"),
    ]
    assert phone.ingest.objects.get(message.attachments[0].sha256) == b"\xff\xd8 a leak"
    assert message.text.splitlines() == [
        "The tap leaks",
        "",
        f"A file was not fetched, because its host did not give it in time: {host.url}/later",
        f"A file was not fetched, because HTTP 404: {host.url}/gone",
    ]


def test_pictures_share_their_time_and_room_and_the_message_comes_without_them(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    host, url = phone.files, "MediaUrl"
    host.files["/large"] = Scripted(200, b"x" * 700, {"Content-Type": "image/png"})
    host.files["/slow"] = Scripted(200, b"x" * 100, {"Content-Type": "image/png"}, stalls=10)
    monkeypatch.setattr(phone_handler, "MEDIA_BYTES", 1000)
    with phone.api() as api:
        assert twilio(api, a_text(**{url + "0": f"{host.url}/large", url + "1": f"{host.url}/large"})).status_code == 200
        monkeypatch.setattr(phone_handler, "MEDIA_SECONDS", 0.3)
        slow = a_text(MessageSid="SM2", **{f"{url}{place}": f"{host.url}/slow" for place in range(10)})
        assert twilio(api, slow).status_code == 200
    first, second = sorted(phone.published().values(), key=lambda data: len(data.text))
    assert [file.size for file in first.attachments] == [700]
    assert "because it is over" in first.text
    assert second.attachments == ()
    assert second.text.count("did not give it in time") == 1
    assert second.text.count("those before it took too long") == 9


def test_twilio_is_given_its_accounts_token_for_files(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_domain, "TWILIO_FILES", phone.files.host)
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Media/ME1"
    phone.files.files[path] = Scripted(200, b"a picture", {"Content-Type": "image/png"})
    with phone.api() as api:
        assert twilio(api, a_text(MediaUrl0=phone.files.url + path)).status_code == 200
        assert twilio(api, a_recording(phone.files.url + path)).status_code == 200
        assert switchboard(api, an_event("voicemail", recording_url=phone.files.url + path)).status_code == 202
    login = "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert phone.files.logins == [login, login, ""]


def test_without_named_hosts_the_addresses_of_pictures_stand_below_the_text(phone: Phone) -> None:
    config = phone.ingest.reference.configuration()
    lines = tuple(line.model_copy(update={"recording_hosts": ()}) for line in config.phone_lines)
    phone.ingest.reference = StaticReference(config.model_copy(update={"phone_lines": lines}))
    with phone.api() as api:
        assert twilio(api, a_text(MediaUrl0="https://a.example/0", MediaUrl1="https://a.example/1")).status_code == 200
    (message,) = phone.published().values()
    assert message.text == "The tap leaks\n\nhttps://a.example/0\nhttps://a.example/1"


def test_the_address_counts_as_it_was_asked_for(phone: Phone) -> None:
    path = BY_TWILIO.replace("+", "%2B") + "?via=flow%201"
    with phone.api() as api:
        assert twilio(api, a_call(), path).status_code == 200


@pytest.mark.requirement("CON-1")
def test_a_withheld_number_is_nobodys(phone: Phone) -> None:
    with phone.api() as api:
        assert twilio(api, a_call(From="+266696687")).status_code == 200
        assert switchboard(api, an_event(**{"from": "anonymous"})).status_code == 202
    assert [data.sender for data in phone.published().values()] == [Handle(kind="phone", value="")] * 2


def test_text_messages_to_a_line_without_a_method_for_them_are_refused(phone: Phone) -> None:
    with phone.api() as api:
        refused = twilio(api, a_text(), f"/phone/{NO_TEXTS}/twilio")
        outbound = twilio(api, a_call(From=NUMBER, To=CUSTOMER))
    assert (refused.status_code, outbound.status_code) == (422, 422)
    assert "text messages to this line are not taken" in refused.json()["detail"]
    assert phone.ingest.published() == []


@pytest.mark.requirement("EDGE-3")
def test_a_signed_call_sent_again_or_by_a_listener_changes_nothing(phone: Phone) -> None:
    body = an_event(at="2026-03-02T10:00:00Z", name="Ann")
    with phone.api() as api:
        answers = [switchboard(api, body) for _ in range(2)] + [switchboard(api, an_event("ended"))]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1
    (call,) = phone.published().values()
    assert {str(call.communication_id)} == {answer.json()["id"] for answer in answers}


def test_what_is_not_signed_too_old_or_for_another_line_is_refused(phone: Phone) -> None:
    body, headers = by_twilio(PUBLIC + BY_TWILIO, a_call())
    event, now = an_event(), datetime.now(UTC)
    with phone.api() as api:
        refused = [
            api.post(BY_TWILIO, content=body + b"&more=1", headers=headers),
            api.post(BY_TWILIO, content=body),
            api.post(BY_SWITCHBOARD, content=event, headers=signed(event, now, "another key")),
            switchboard(api, event, now - timedelta(minutes=6)),
            switchboard(api, event, now + timedelta(minutes=6)),
        ]
        unknown = [
            twilio(api, a_call(), "/phone/+441632960999/twilio"),
            api.post(BY_TWILIO.replace("twilio", "events"), content=event, headers=signed(event, now)),
            twilio(api, a_call(), BY_SWITCHBOARD.replace("events", "twilio")),
        ]
        garbage = [switchboard(api, b"\xff\x00"), twilio(api, {"CallSid": "CA1", "CallStatus": "humming"})]
        long = api.post(BY_SWITCHBOARD, content=b"x" * (64 * 1024 + 1))
    for answers, status in ((refused, 401), (unknown, 404), (garbage, 422), ([long], 413)):
        assert [answer.status_code for answer in answers] == [status] * len(answers)
        assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert phone.ingest.published() == []


@pytest.mark.requirement("EDGE-3")
def test_a_gateway_is_asked_to_send_again_while_something_is_away(phone: Phone) -> None:
    def put_off(answer: httpx.Response) -> bool:
        return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0

    with phone.api(kafka=NOBODY, acknowledge_seconds=0.5) as api:
        assert put_off(twilio(api, a_call()))
        assert put_off(switchboard(api, an_event()))
    with phone.api(credentials="") as api:
        assert put_off(twilio(api, a_call()))
    with phone.api(public_url="") as api:
        assert put_off(twilio(api, a_call()))
    with phone.api() as api:
        store = Path(phone.files.ca_file).parent / "objects"
        store.rename(store.with_name("away"))
        assert put_off(twilio(api, a_text()))
        assert phone.ingest.published() == []
        assert twilio(api, a_call()).status_code == 200, "a call that rings does not wait for files"
        store.with_name("away").rename(store)
        assert twilio(api, a_text()).status_code == 200
    assert len(phone.published()) == 2


def test_a_recording_is_fetched_and_kept_with_its_call(phone: Phone) -> None:
    phone.files.files["/RE4"] = Scripted(200, b"RIFF of a voice", {"Content-Type": "audio/x-wav"})
    with phone.api() as api:
        assert twilio(api, a_call()).status_code == 200
        for _ in range(2):
            assert twilio(api, a_recording(f"{phone.files.url}/RE4")).status_code == 200
    call, voicemail = sorted(phone.published().values(), key=lambda data: len(data.attachments))
    (file,) = voicemail.attachments
    assert (voicemail.text, voicemail.opens_case, voicemail.conversation_id) == ("Voicemail, 42 seconds", False, call.conversation_id)
    assert (file.filename, file.content_type) == ("voicemail.wav", "audio/x-wav")
    assert phone.ingest.objects.get(file.sha256) == b"RIFF of a voice"


def test_a_recording_from_a_host_that_is_not_named_stays_there(phone: Phone) -> None:
    with phone.api() as api:
        assert twilio(api, a_recording("https://elsewhere.example/RE4")).status_code == 200
    (voicemail,) = phone.published().values()
    assert voicemail.attachments == ()
    assert voicemail.text.endswith("https://elsewhere.example/RE4")


@pytest.mark.requirement("EDGE-3")
def test_a_recording_that_cannot_be_had_yet_does_not_hold_its_call_up(phone: Phone) -> None:
    body = an_event("voicemail", recording_url=f"{phone.files.url}/later", recording_id="1")
    phone.files.files["/later"] = Scripted(503, b"", {"Retry-After": "9" * 400})
    with phone.api() as api:
        put_off = switchboard(api, body)
        assert (put_off.status_code, put_off.headers["retry-after"]) == (503, "3600")
        assert [data.attachments for data in phone.published().values()] == [()]
        phone.files.files["/later"] = Scripted(200, b"voice", {"Content-Type": "audio/mpeg"})
        assert switchboard(api, body).status_code == 202
    assert [file.filename for data in phone.published().values() for file in data.attachments] == ["voicemail.mp3"]


def test_whatever_is_sent_is_taken_or_refused(phone: Phone) -> None:
    with phone.api() as api:

        @settings(max_examples=40, deadline=None)
        @given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["CallSid", "CallStatus", "From", "RecordingUrl"]), st.text()))
        def check(body: bytes, form: dict[str, str]) -> None:
            assert switchboard(api, body).status_code == 422
            assert api.post(BY_TWILIO, content=body, headers={"X-Twilio-Signature": "?"}).status_code == 401
            assert twilio(api, a_call() | form).status_code in (200, 422)

        check()
