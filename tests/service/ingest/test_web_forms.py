"""Forms on web pages: a page that customers write with, and that floods do not get through (COM-2)."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.domain.tickets import make_ticket
from shared.messaging import StaticReference
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support.configuration import METHODS, a_configuration

KEY = "a long random text"
FORM: dict[str, Any] = {
    "code": "contact",
    "title": "Contact <us>",
    "method": "web-form",
    "may_embed": ["https://www.housing.example"],
    "secret": "form",
}
WEB = {"code": "web-form", "name": "Web form", "directions": ["inbound"]}
FILLED = {"name": "Ann", "email": "Ann@Tenant.example", "phone": "", "subject": "Tap", "message": "The tap leaks & drips."}
File = tuple[str, tuple[str, bytes, str]]
PHOTO: File = ("file", ("../../tap.jpg", b"\xff\xd8photo", "image/jpeg"))


@pytest.fixture
def organisation(ingest: Ingest) -> Ingest:
    """ingest of an organisation with a form."""
    ingest.reference = StaticReference(a_configuration(methods=[*METHODS, WEB], web_forms=[FORM]))
    return ingest


@pytest.fixture
def web(organisation: Ingest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A customer's browser: it has no token."""
    (tmp_path / "form").write_text(KEY)
    with organisation.api(token="", credentials=str(tmp_path), form_per_hour=8, acknowledge_seconds=30) as client:
        yield client


def a_ticket(age: float = 60, form: str = "contact", nonce: str = "0" * 32) -> str:
    """A ticket of a page that was made `age` seconds ago."""
    return make_ticket(form, KEY, nonce, datetime.now(UTC) - timedelta(seconds=age))


def work_for(ticket: str) -> str:
    """What the page's script finds."""
    tries = 0
    while int.from_bytes(hashlib.sha256(f"{ticket}:{tries}".encode()).digest()[:4]) >> 17:
        tries += 1
    return str(tries)


def send(web: httpx.Client, ticket: str, *files: File, **changes: str) -> httpx.Response:
    """Send the form as a browser does."""
    fields = {"ticket": ticket, "work": "", "website": ""} | FILLED | changes
    return web.post("/forms/contact", files=[*[(name, (None, value)) for name, value in fields.items()], *files])


@pytest.mark.requirement("COM-1", "COM-2")
def test_a_form_that_is_sent_becomes_one_communication(organisation: Ingest, web: httpx.Client) -> None:
    shown = web.get("/forms/contact")
    assert shown.status_code == 200
    assert "Contact &lt;us&gt;" in shown.text
    found = re.search(r'name="ticket" value="([^"]+)"', shown.text)
    assert found is not None
    policy = shown.headers["content-security-policy"]
    assert "frame-ancestors https://www.housing.example" in policy
    assert "default-src 'none'" in policy

    ticket = a_ticket()
    answers = [send(web, ticket, PHOTO, ("file", ("", b"", "application/octet-stream"))) for _ in range(2)]
    edited = send(web, ticket, message="It floods now.")

    assert [answer.status_code for answer in (*answers, edited)] == [200] * 3
    assert all("We will answer by email." in answer.text for answer in (*answers, edited))
    data = {event.id: event.data for event in organisation.published()}
    assert len(data) == 2, "the same page sent again is the same message, written anew it is another"
    first = next(one for one in data.values() if "leaks" in one.text)
    assert (first.sender.kind, first.sender.value, first.sender.name) == ("email", "ann@tenant.example", "Ann")
    assert (first.method, first.subject_line, first.text) == ("web-form", "Tap", "The tap leaks & drips.")
    assert [(file.filename, file.content_type) for file in first.attachments] == [("tap.jpg", "image/jpeg")]
    assert organisation.objects.get(first.attachments[0].sha256) == b"\xff\xd8photo"


@pytest.mark.requirement("COM-2")
def test_a_form_with_mistakes_is_shown_again_with_what_was_written(organisation: Ingest, web: httpx.Client) -> None:
    answer = send(web, a_ticket(), name="", email="nobody", phone="12", message='<script>alert("x")</script>')

    assert answer.status_code == 422
    text = html.unescape(answer.text)
    for told in ("Please tell us your name.", "This is no email address", "This is no phone number."):
        assert text.count(told) == 2, "above the form, and at the field"
    assert '<script>alert("x")</script>' not in answer.text
    assert '<script>alert("x")</script>' in text
    assert organisation.published() == []


@pytest.mark.requirement("COM-2")
@pytest.mark.parametrize(
    ("ticket", "changes", "told"),
    [
        ({"form": "another"}, {}, "open for too long"),
        ({"age": 90_000}, {}, "open for too long"),
        ({"nonce": "g" * 32}, {}, "open for too long"),
        ({}, {"ticket": "0.0.0"}, "open for too long"),
        ({"age": 5}, {}, "That was quick"),
        ({"age": 5}, {"work": "1"}, "That was quick"),
        ({}, {"website": "https://spam.example"}, "hidden field"),
    ],
)
def test_what_a_program_sends_is_refused(
    organisation: Ingest, web: httpx.Client, ticket: dict[str, Any], changes: dict[str, str], told: str
) -> None:
    answer = send(web, **{"ticket": a_ticket(**ticket)} | changes)
    assert answer.status_code == 422
    assert told in answer.text
    assert organisation.published() == []


@pytest.mark.requirement("COM-2")
def test_a_browser_that_did_the_work_need_not_wait(organisation: Ingest, web: httpx.Client) -> None:
    ticket = a_ticket(age=5)
    assert send(web, ticket, work=work_for(ticket)).status_code == 200
    assert len(organisation.published()) == 1


@pytest.mark.requirement("COM-2")
def test_from_one_address_only_so_many_are_taken(organisation: Ingest, web: httpx.Client) -> None:
    codes = [send(web, a_ticket(), message=f"Message {number}").status_code for number in range(10)]
    assert codes == [200] * 8 + [429] * 2
    assert len(organisation.published()) == 8


@pytest.mark.requirement("COM-2")
def test_nothing_counts_as_sent_that_kafka_did_not_take(organisation: Ingest, tmp_path: Path) -> None:
    (tmp_path / "form").write_text(KEY)
    with organisation.api(token="", credentials=str(tmp_path), kafka=NOBODY, acknowledge_seconds=0.2) as web:
        answer = send(web, a_ticket())
    assert answer.status_code == 503
    assert "cannot take your message just now" in answer.text
    assert "The tap leaks &amp; drips." in answer.text


def test_a_form_that_is_not_there_and_what_is_no_form_are_refused(web: httpx.Client) -> None:
    assert web.get("/forms/nothing").status_code == 404
    assert web.post("/forms/contact", data={"name": "Ann"}).status_code == 415
    assert web.post("/forms/contact", files={"strange": (None, "x")}).status_code == 400
    assert web.post("/forms/contact", files={"message": (None, "x" * 300_000)}).status_code == 413
