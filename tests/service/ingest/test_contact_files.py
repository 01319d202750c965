"""Contacts that staff enter, with files, over HTTP (COM-1, COM-2, COM-6)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.settings import CONTACT_JSON_BYTES
from shared.messaging import StaticReference
from shared.schemas.events import CommunicationReceived
from shared.schemas.parts import ScriptAnswer
from shared.storage.objects import ObjectStore
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.service.ingest.test_contact_intake import NOW, headers
from tests.support import eventually
from tests.support.configuration import METHODS, a_configuration
from tests.support.web import a_token, bearer

SURGERY: dict[str, Any] = {
    "code": "surgery",
    "name": "Housing surgery",
    "directions": ["inbound"],
    "locations": ["Library", "Head office"],
    "default_subject_line": "Visit to a housing surgery",
    "pre_script": ["Is anybody in danger?"],
    "security_script": ["Was a document shown?"],
}
ANSWERS = [
    {"script": "pre", "prompt": "Is anybody in danger?", "answer": "No."},
    {"script": "security", "prompt": "Was a document shown?", "answer": "A passport."},
]
File = tuple[str, tuple[str, bytes, str]]
SCAN: File = ("file", ("scan.pdf", b"%PDF-1.7 scan", "application/pdf"))
PHOTO: File = ("file", ("../../tap.jpg", b"\xff\xd8photo", "image/jpeg"))


@pytest.fixture
def surgery(ingest: Ingest) -> Ingest:
    """ingest of an organisation with housing surgeries."""
    ingest.reference = StaticReference(a_configuration(methods=[*METHODS, SURGERY]))
    return ingest


def a_visit(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "source_system": "desk",
        "method": "surgery",
        "location": "Library",
        "sender": {"kind": "phone", "value": "020 7946 0018", "name": "Ann"},
        "text": "The tap leaks",
        "occurred_at": NOW.isoformat(),
        "scripts": ANSWERS,
    }
    return given | changes


def send(api: httpx.Client, contact: dict[str, Any], *files: File, key: str = "entry-1") -> httpx.Response:
    """Send a form, as the desk does."""
    # A part without a file name besides, or httpx would make no form of a contact without files.
    return api.post("/contacts", files=[("contact", (None, orjson.dumps(contact))), *files], headers={"Idempotency-Key": key})


def only(ingest: Ingest) -> CommunicationReceived:
    """The one communication that Kafka has, however often."""
    events = ingest.published()
    assert len({event.id for event in events}) == 1
    data: CommunicationReceived = events[0].data
    return data


@pytest.mark.requirement("COM-1", "COM-2", "COM-6")
def test_a_visit_is_taken_with_its_place_scans_and_answers(surgery: Ingest) -> None:
    with surgery.api() as api:
        taken = send(api, a_visit(), SCAN, PHOTO)
    assert taken.status_code == 202, taken.text
    data = only(surgery)
    assert taken.json() == {"id": str(data.communication_id)}
    assert (data.method, data.location, data.subject_line) == ("surgery", "Library", "Visit to a housing surgery")
    assert data.script_answers == tuple(ScriptAnswer(**answer) for answer in ANSWERS)
    assert [(file.filename, file.content_type, file.size) for file in data.attachments] == [
        ("scan.pdf", "application/pdf", 13),
        ("tap.jpg", "image/jpeg", 7),
    ]
    assert [surgery.objects.get(file.sha256) for file in data.attachments] == [SCAN[1][1], PHOTO[1][1]]


@pytest.mark.requirement("COM-6")
def test_an_entry_sent_again_under_its_key_is_one_communication(surgery: Ingest) -> None:
    with surgery.api() as api:
        first, again = send(api, a_visit(), SCAN), send(api, a_visit(text="The tap leaks badly"), SCAN)
        other, elsewhere = send(api, a_visit(), key="entry-2"), send(api, a_visit(source_system="kiosk"))
        named = send(api, a_visit(external_id="entry-1"))
    ids = [answer.json()["id"] for answer in (first, again, other, elsewhere, named)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert len({event.id for event in surgery.published()}) == 4


def test_an_entry_needs_an_id_or_a_key(surgery: Ingest) -> None:
    with surgery.api() as api:
        refused = api.post("/contacts", json=a_visit())
        empty = api.post("/contacts", json=a_visit(external_id=""), headers={"Idempotency-Key": "entry-1"})
        keyed = api.post("/contacts", json=a_visit(), headers={"Idempotency-Key": "entry-1"})
    assert (refused.status_code, empty.status_code, keyed.status_code) == (422, 422, 202)
    assert refused.json()["errors"][0]["where"] == "body.external_id"
    assert "Idempotency-Key" in refused.json()["detail"]


@pytest.mark.requirement("COM-2")
def test_what_disagrees_with_the_method_is_refused_with_its_reason(surgery: Ingest) -> None:
    with surgery.api() as api:
        place = send(api, a_visit(location="Pub"), SCAN)
        prompt = send(api, a_visit(scripts=[ANSWERS[0], ANSWERS[1] | {"script": "pre"}]))
        many = send(api, a_visit(scripts=ANSWERS * 26))
        broken = api.post("/contacts", files=[("contact", (None, b"{"))])
    assert [answer.status_code for answer in (place, prompt, many, broken)] == [422] * 4
    assert "the location is none of communication method surgery" in place.json()["detail"]
    assert "script answer 2 is not in the pre script of communication method surgery" in prompt.json()["detail"]
    assert many.json()["errors"][0]["where"] == "body.scripts"
    assert broken.json()["errors"][0]["where"] == "body"
    assert surgery.published() == []


@pytest.mark.requirement("COM-2", "COM-6")
def test_place_and_answers_come_on_the_topic_too(surgery: Ingest) -> None:
    with surgery.consuming():
        for contact in (a_visit(external_id="1"), a_visit(external_id="2", location="Pub")):
            surgery.upstream(orjson.dumps(contact), headers(), key=b"one")
        eventually(lambda: surgery.rows("select count(*) from dead_letters") == [(1,)])
        eventually(lambda: len(surgery.published()) == 1)
    data = only(surgery)
    assert (data.location, data.subject_line, len(data.script_answers)) == ("Library", "Visit to a housing surgery", 2)


def test_what_is_over_a_limit_is_refused_and_nothing_is_stored(surgery: Ingest, stored: Callable[[], int]) -> None:
    limits: dict[str, Any] = {"contact_files": 2, "contact_file_bytes": 200_000, "contact_files_bytes": 300_000}
    with surgery.api(**limits) as api:
        longest: File = ("file", ("a", b"a" * 200_000, "text/plain"))
        too_long: File = ("file", ("a", b"a" * 200_001, "text/plain"))
        answers = [
            send(api, a_visit(), too_long),
            send(api, a_visit(), longest, longest),
            send(api, a_visit(), SCAN, SCAN, SCAN),
            api.post("/contacts", content=b" " * (CONTACT_JSON_BYTES + 1), headers={"Content-Type": "application/json"}),
            api.post("/contacts", content=iter([b" " * CONTACT_JSON_BYTES, b" "]), headers={"Content-Type": "application/json"}),
        ]
        assert stored() == 0
        assert send(api, a_visit(), longest).status_code == 202
    assert [answer.status_code for answer in answers] == [413] * 5
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
    assert stored() == 1


def test_what_is_no_form_or_another_type_is_refused(surgery: Ingest) -> None:
    with surgery.api() as api:
        form = {"Content-Type": "multipart/form-data; boundary=edge"}
        assert api.post("/contacts", content=b"--edge\r\n", headers=form).status_code == 400
        assert api.post("/contacts", content=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 400
        text = api.post("/contacts", content=b"{}", headers={"Content-Type": "text/plain"})
        unknown = send(api, a_visit(), ("letter", ("a", b"a", "text/plain")))
        anonymous = api.post("/contacts", content=b"--edge\r\n", headers=form | {"Authorization": ""})
    assert (text.status_code, text.headers["accept-post"]) == (415, "application/json, multipart/form-data")
    assert (unknown.status_code, anonymous.status_code) == (400, 401)
    with surgery.api(token=a_token("rita", "case:read")) as api:
        assert send(api, a_visit()).status_code == 403


def test_no_form_whatever_it_holds_is_answered_but_as_declared(surgery: Ingest) -> None:
    request = httpx.Request("POST", "http://ingest", files=[("contact", (None, orjson.dumps(a_visit()))), SCAN, PHOTO])
    whole, form = request.read(), {"Content-Type": request.headers["content-type"], "Idempotency-Key": "entry-1"}
    edge = form["Content-Type"].partition("boundary=")[2].encode()
    odd = st.one_of(
        st.binary(max_size=20), st.sampled_from([b"\r\n", b"--" + edge, b"--" + edge + b"--", b'"', b"\x00", b"\\ud800", b"null"])
    )
    answers: set[int] = set()

    with surgery.api() as api:

        @settings(max_examples=150, deadline=None)
        @given(st.lists(st.tuples(st.integers(0, len(whole)), st.integers(0, 60), odd), max_size=3))
        @example([])
        @example([(len(whole) - 10, 60, b"")])
        @example([(whole.index(b"surgery"), 0, b"\x00")])
        def send_spoilt(changes: list[tuple[int, int, bytes]]) -> None:
            body = whole
            for at, gone, new in changes:
                body = body[:at] + new + body[at + gone :]
            answers.add(api.post("/contacts", content=body, headers=form).status_code)

        send_spoilt()
    assert answers == {202, 400, 422}


def test_contacts_beyond_what_memory_may_hold_are_asked_to_come_back(surgery: Ingest) -> None:
    """One slow sender holds all there is; when it goes away there is room again."""
    with surgery.api(contact_files_bytes=1_000_000, contact_held_bytes=11_000_000) as api:
        with sending(api, 10_000_000):
            refused = big(api)
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        eventually(lambda: big(api).status_code == 202)


def big(api: httpx.Client) -> httpx.Response:
    """A contact that does not fit beside the slow one."""
    return send(api, a_visit(text="x" * 400_000, subject_line=str(uuid4())), ("file", ("a", b"a" * 900_000, "text/plain")))


@contextlib.contextmanager
def sending(api: httpx.Client, length: int) -> Iterator[None]:
    """A sender that says how long its contact is and then takes its time: from when the service has made room for all of it."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), 10) as connection:
        head = [
            "POST /contacts HTTP/1.1",
            "Host: ingest",
            f"Authorization: {bearer(a_token())['Authorization']}",
            "Content-Type: multipart/form-data; boundary=edge",
            f"Content-Length: {length}",
            "Expect: 100-continue",
        ]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100"), "the service reads no body"
        connection.sendall(b"--edge\r\n")
        yield


def test_with_kafka_away_an_entry_is_not_taken_and_is_when_sent_again(surgery: Ingest) -> None:
    with surgery.api(kafka=NOBODY, acknowledge_seconds=0.5) as api:
        refused = send(api, a_visit(), SCAN)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert surgery.published() == []
    with surgery.api() as api:
        assert send(api, a_visit(), SCAN).status_code == 202
    assert len(only(surgery).attachments) == 1


@pytest.fixture
def stored(surgery: Ingest, tmp_path: Any) -> Callable[[], int]:
    """How many files the store has."""
    folder = tmp_path / "counted"
    surgery.objects = ObjectStore(folder.as_uri())
    return lambda: sum(path.is_file() for path in folder.rglob("*"))


def an_entry(**changes: Any) -> dict[str, Any]:
    given = a_visit()
    del given["source_system"]
    return given | changes


def enter(api: httpx.Client, contact: dict[str, Any], *files: File, user: str = "cora", may: str = "contact:enter") -> httpx.Response:
    """Send what a member of staff enters, as the desk does."""
    head = bearer(a_token(user, may)) | {"Idempotency-Key": "entry-1"}
    return api.post("/contacts/by-hand", files=[("contact", (None, orjson.dumps(contact))), *files], headers=head)


@pytest.mark.requirement("COM-6")
def test_an_entry_by_hand_is_of_its_author_and_taken_once(surgery: Ingest) -> None:
    with surgery.api() as api:
        first, again = (enter(api, an_entry(subjects=["leak"]), SCAN) for _ in range(2))
        assert (first.status_code, first.json()) == (202, again.json()), first.text
        data = only(surgery)
        other = enter(api, an_entry(), user="nils")
    assert (data.entered_by, data.subjects, data.location, len(data.attachments)) == ("cora", ("leak",), "Library", 1)
    assert str(data.communication_id) == first.json()["id"] != other.json()["id"]


@pytest.mark.requirement("COM-6", "COM-2")
def test_an_entry_by_hand_can_say_nothing_in_anothers_name(surgery: Ingest) -> None:
    with surgery.api() as api:
        for foreign in ({"source_system": "switchboard"}, {"external_id": "1"}, {"entered_by": "nils"}, {"direction": "outbound"}):
            answer = enter(api, an_entry(**foreign))
            assert (answer.status_code, next(iter(foreign)) in answer.json()["detail"]) == (422, True)
        machine_fed = enter(api, an_entry(method="email", location="", scripts=[]))
        assert (machine_fed.status_code, "not entered by hand" in machine_fed.json()["detail"]) == (422, True)
        elsewhere = enter(api, an_entry(location="Moon"))
        assert (elsewhere.status_code, "location is none of" in elsewhere.json()["detail"]) == (422, True)
        assert enter(api, an_entry(), may="contact-event:write").status_code == 403
        staff = bearer(a_token("cora", "contact:enter"))
        assert api.post("/contacts", json=a_visit(), headers=staff | {"Idempotency-Key": "1"}).status_code == 403
        assert api.post("/contacts/by-hand", json=an_entry(), headers=staff).status_code == 422
    assert surgery.published() == []
