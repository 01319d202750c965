"""`POST /mail`: what is acknowledged is on Kafka, with its files kept; what is not acknowledged is the sender's."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.ingest.domain.digest import encode
from services.notify.domain.recipients import message_id
from shared.ids import derive
from shared.schemas.envelope import Event
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support.mails import multipart, ordinary_mails, raw_mail
from tests.support.web import a_token

MAIL = {"Content-Type": "message/rfc822"}


def deliver(api: httpx.Client, *mails: bytes, account: str | None = None) -> list[UUID]:
    """Deliver mails and give their communications."""
    content_type, body = ("message/rfc822", mails[0]) if len(mails) == 1 else encode(mails)
    answer = api.post("/mail", content=body, headers={"Content-Type": content_type}, params={"account": account} if account else None)
    assert answer.status_code == 202, answer.text
    return [UUID(each["id"]) for each in answer.json()["communications"]]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of a refusal with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    return found


@pytest.mark.requirement("COM-1", "COM-3")
def test_a_mail_becomes_a_communication_with_its_files(ingest: Ingest) -> None:
    photo = b"\x89PNG" + bytes(range(256)) * 40
    raw = multipart(
        "Content-Type: text/plain; charset=utf-8\n\nWater below the sink",
        b'Content-Type: image/png; name="sink.png"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: 8bit\r\n\r\n' + photo,
        'Content-Type: application/octet-stream; name="invoice.pdf.exe"\nContent-Disposition: attachment\n\nMZ',
        head="From: Ann Lee <Ann@Tenant.example>\nTo: Repairs@housing.example\nSubject: Leak",
    )
    with ingest.api() as api:
        ids = deliver(api, raw)
    (event,) = ingest.published()
    data = event.data
    assert ids == [data.communication_id]
    assert (event.revision, event.config_version, event.key) == (1, 1, str(data.conversation_id))
    assert event.traceparent
    assert (data.method, data.channel_account, data.direction) == ("email", "repairs@housing.example", "inbound")
    assert (data.sender.value, data.sender.name, data.subject_line) == ("ann@tenant.example", "Ann Lee", "Leak")
    assert data.text.strip() == "Water below the sink"
    attachment, program = data.attachments
    assert (attachment.filename, attachment.content_type, attachment.size) == ("sink.png", "image/png", len(photo))
    assert (attachment.danger, program.danger) == ("", "disguised")
    assert ingest.objects.get(attachment.sha256) == photo
    assert data.raw is not None
    assert ingest.objects.get(data.raw.sha256) == raw


@pytest.mark.requirement("COM-7", "EDGE-3")
def test_a_mail_delivered_again_or_to_another_account_is_the_same_event(ingest: Ingest) -> None:
    raw = raw_mail()
    with ingest.api() as api:
        first = deliver(api, raw)
        again = deliver(api, b"Received: once more\r\n" + raw)
        other = deliver(api, b"Delivered-To: repairs@housing.example\r\n" + raw, account="repairs@housing.example")
    assert first == again == other
    events = ingest.published()
    assert len(events) == 3
    assert {event.id for event in events} == {events[0].id}
    assert {event.key for event in events} == {events[0].key}


def test_a_mail_twice_in_one_delivery_is_answered_twice_and_published_once(ingest: Ingest) -> None:
    with ingest.api() as api:
        first, second, third = deliver(api, raw_mail(), raw_mail(body="another"), raw_mail())
    assert first == third != second
    assert {event.data.communication_id for event in ingest.published()} == {first, second}
    assert len(ingest.published()) == 2


@pytest.mark.requirement("COM-7")
def test_a_reply_to_our_message_has_the_key_of_its_conversation(ingest: Ingest) -> None:
    with ingest.api() as api:
        deliver(api, raw_mail("Message-ID: <start@tenant.example>"))
        (start,) = ingest.published()
        ours = message_id(UUID(start.key), derive("delivery", 1), "housing.example")
        deliver(api, raw_mail(f"Message-ID: <reply@tenant.example>\nIn-Reply-To: {ours}", "and it still leaks"))
    assert [event.key for event in ingest.published()] == [start.key] * 2


@pytest.mark.parametrize("raw", [b"\x00\xff\x01\xfe" * 300, b"", b"-", b"\r\n\r\n\r\n", bytes(range(256)) * 20], ids=range(5))
def test_garbage_is_a_communication_with_its_bytes_attached(ingest: Ingest, raw: bytes) -> None:
    with ingest.api() as api:
        ids = deliver(api, raw)
    (event,) = ingest.published()
    assert ids == [event.data.communication_id]
    assert event.data.subject_line or event.data.text
    assert event.data.raw is not None
    assert ingest.objects.get(event.data.raw.sha256) == raw
    if not event.data.text:
        assert [file.sha256 for file in event.data.attachments] == [hashlib.sha256(raw).hexdigest()]


def test_the_largest_event_that_a_mail_can_make_is_taken(ingest: Ingest) -> None:
    addresses = ", ".join(f"{'ä' * 300}{n}@{'b' * 60}.example" for n in range(500))
    references = " ".join(f"<{'ü' * 900}{n}@x.example>" for n in range(100))
    parts = [f'Content-Type: application/x-{"y" * 300}; name="{"字" * 240}{n}"\n\nfile {n}' for n in range(300)]
    raw = multipart(
        "Content-Type: text/plain; charset=utf-8\n\n" + "\x01" * 100_000,
        *parts,
        head=f"To: {addresses}\nCc: {addresses}\nReferences: {references}\nSubject: {'ß' * 3000}",
    )
    with ingest.api() as api:
        ids = deliver(api, raw)
    (event,) = ingest.published()
    assert ids == [event.data.communication_id]
    assert event.data.text_truncated
    assert len(event.data.attachments) == 200
    assert event.data.channel_account == ""


def test_a_delivery_too_large_or_of_too_many_is_refused_with_its_reason(ingest: Ingest) -> None:
    with ingest.api(mail_request_bytes=20_000, mail_request_mails=3) as api:
        assert "20000 bytes" in problem(api.post("/mail", content=b"x" * 20_001, headers=MAIL), 413)["detail"]
        streamed = (b"x" * 1000 for _ in range(30))
        assert "20000 bytes" in problem(api.post("/mail", content=streamed, headers=MAIL), 413)["detail"]
        content_type, body = encode([b"x"] * 4)
        assert "More than 3" in problem(api.post("/mail", content=body, headers={"Content-Type": content_type}), 413)["detail"]
        assert "text/plain" not in problem(api.post("/mail", content=b"x", headers={"Content-Type": "text/plain"}), 415)["detail"]
        cut_off = api.post("/mail", content=body[:-20], headers={"Content-Type": content_type})
        assert "cut off" in problem(cut_off, 400)["detail"]
        unknown = problem(api.post("/mail", content=raw_mail(), headers=MAIL, params={"account": "no@where.example"}), 422)
        assert unknown["account"] == "no@where.example"
    assert ingest.published() == []


def test_only_who_may_deliver_delivers(ingest: Ingest) -> None:
    with ingest.api(token="") as api:
        assert api.post("/mail", content=raw_mail(), headers=MAIL).headers["www-authenticate"].startswith("Bearer")
        problem(api.post("/mail", content=raw_mail(), headers=MAIL), 401)
        problem(api.post("/contacts", json={}), 401)
        assert api.get("/health/live").status_code == 200
    with ingest.api(token=a_token("portal", "contact-event:write", machine=True)) as api:
        assert "communication:deliver" in problem(api.post("/mail", content=raw_mail(), headers=MAIL), 403)["detail"]
    with ingest.api(token=a_token("mta", "communication:deliver", machine=True)) as api:
        problem(api.post("/contacts", json={}), 403)
        problem(api.get("/counts"), 403)
        problem(api.get("/dead-letters"), 403)
        deliver(api, raw_mail())
    assert len(ingest.published()) == 1


def test_while_kafka_is_away_nothing_is_acknowledged(ingest: Ingest) -> None:
    with ingest.api(kafka=NOBODY, acknowledge_seconds=0.5) as api:
        answer = api.post("/mail", content=raw_mail(), headers=MAIL)
        assert "send it again" in problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert ingest.published() == []
    with ingest.api() as api:
        deliver(api, raw_mail())
    assert len(ingest.published()) == 1


def test_while_files_cannot_be_kept_nothing_is_acknowledged(ingest: Ingest, tmp_path: Any) -> None:
    with ingest.api() as api, _without(tmp_path / "objects"):
        problem(api.post("/mail", content=raw_mail(), headers=MAIL), 503)
    assert ingest.published() == []


def test_deliveries_side_by_side_are_all_taken_in_their_own_order(ingest: Ingest) -> None:
    mails = list(ordinary_mails(120))
    batches = [mails[at : at + 20] for at in range(0, 120, 20)]
    taken: dict[int, list[UUID]] = {}
    with ingest.api() as api:
        threads = [threading.Thread(target=lambda n=n: taken.update({n: deliver(api, *batches[n])})) for n in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events: dict[UUID, Event] = {event.data.communication_id: event for event in ingest.published()}
    assert len(events) == 120
    for number, batch in enumerate(batches):
        raws = [events[id].data.raw for id in taken[number]]
        assert [raw.sha256 for raw in raws] == [hashlib.sha256(mail).hexdigest() for mail in batch]


def test_counts_are_what_ingest_owns(ingest: Ingest) -> None:
    with ingest.api() as api:
        assert api.get("/counts").json() == {"dead_letters": 0}
        assert api.get("/health/ready").json()["config_version"] == 1


@contextmanager
def _without(folder: Any) -> Iterator[None]:
    gone = folder.with_name("gone")
    folder.rename(gone)
    try:
        yield
    finally:
        gone.rename(folder)
