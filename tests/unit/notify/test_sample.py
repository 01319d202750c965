"""Every message of the sample organisation, read back as a mail program and a mail server read it."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lxml import html

from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from tests.support.letters import Sent, composed

SAMPLE = Path(__file__).resolve().parents[3] / "config" / "housing.yaml"
MESSAGE_ID = re.compile(r"<[0-9a-f-]{36}\.[0-9a-f-]{36}@housing\.example>")
ONCE = ("Message-ID", "Date", "From", "To", "Subject", "Reply-To", "References", "In-Reply-To", "MIME-Version", "Content-Type")


@pytest.fixture(scope="module")
def sample() -> Configuration:
    checked = check_configuration(SAMPLE.read_text())
    assert checked.problems == ()
    assert checked.configuration is not None
    return checked.configuration


@pytest.fixture(scope="module")
def sent(sample: Configuration, tmp_path_factory: pytest.TempPathFactory) -> list[Sent]:
    return composed(sample, tmp_path_factory.mktemp("keys"))


def read(one: Sent) -> EmailMessage:
    mail = message_from_bytes(one.written.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert [part.defects for part in mail.walk()] == [[]] * len(list(mail.walk()))
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert isinstance(found, EmailMessage)
    return str(found.get_content())


def test_each_definition_is_there(sample: Configuration, sent: list[Sent]) -> None:
    assert {one.definition for one in sent} == {definition.code for definition in sample.communications}


@pytest.mark.requirement("NOTE-2")
def test_no_tag_and_no_code_is_left_in_any_message(sent: list[Sent]) -> None:
    for one in sent:
        mail = read(one)
        text, markup = part(mail, "plain"), part(mail, "html")
        (shown,) = html.document_fromstring(markup.encode()).xpath("//body")
        assert not re.search(r"#\w", str(mail["Subject"]) + text + shown.text_content()), one.definition
        assert "None" not in text, one.definition
        assert "farah.khan" not in text, "people are named"
        assert str(mail["Subject"]).count("[C-2026-000123]") == 1, one.definition


@pytest.mark.requirement("NOTE-2")
def test_text_and_html_say_the_same(sent: list[Sent]) -> None:
    for one in sent:
        mail = read(one)
        assert mail.get_content_type() == "multipart/alternative"
        text, document = part(mail, "plain"), html.document_fromstring(part(mail, "html").encode())
        (card,) = document.xpath("//td[contains(@class, 'cs-card')]")
        in_html, links = set(" ".join(card.itertext()).split()), set(card.xpath(".//a/@href"))
        for word in text.split():
            assert word in in_html | links or word.removesuffix(":") in in_html, (one.definition, word)


class Nesting(HTMLParser):
    """What is open, element within element; raises where another one is ended."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_element_is_ended_where_it_belongs(sent: list[Sent]) -> None:
    for one in sent:
        nesting = Nesting()
        nesting.feed(part(read(one), "html"))
        nesting.close()
        assert nesting.open == [], one.definition


@pytest.mark.requirement("NOTE-2")
def test_headers_keep_threads_together_and_machines_quiet(sent: list[Sent]) -> None:
    for one in sent:
        mail, claimed = read(one), one.claimed
        assert all(len(mail.get_all(name, [])) == 1 for name in ONCE), one.definition
        assert MESSAGE_ID.fullmatch(mail["Message-ID"])
        thread = claimed.thread_id if claimed.audience == "customer" else claimed.case_id or claimed.item_id
        assert mail["References"] == mail["In-Reply-To"] == f"<{thread}.{thread}@housing.example>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["X-Auto-Response-Suppress"] == "All"
        assert mail["Content-Language"] == "en"
        answers = "contact@housing.example" if claimed.audience == "customer" else "repairs@housing.example"
        assert mail["Reply-To"].addresses[0].addr_spec == answers
        assert mail["To"].addresses[0].addr_spec == claimed.recipient
    ids = [read(one)["Message-ID"] for one in sent]
    assert len(set(ids)) == len(ids)


def test_what_goes_over_the_wire_is_as_strict_servers_and_signatures_want_it(sent: list[Sent]) -> None:
    for one in sent:
        content = one.written.content
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content), "only CRLF ends a line"
        assert max(map(len, content.split(b"\r\n"))) <= 998
        assert content.isascii()
        head = content.partition(b"\r\n\r\n")[0]
        for header in re.split(rb"\r\n(?![ \t])", head):
            assert len(header) <= 998
            assert re.match(rb"[!-9;-~]+: \S", header), header
            assert not re.search(rb"[ \t]\r\n", header), "no fold leaves white space behind it that relays take away"
        assert not re.search(rb"\r\n[ \t]+\r\n", head), "no line of a header is empty"


@pytest.mark.requirement("EDGE-14")
def test_only_who_may_answer_gets_a_link_to_answer_by(sent: list[Sent]) -> None:
    with_link = {one.definition for one in sent if "answer.housing.example" in part(read(one), "plain")}
    assert with_link == {"approval-asked-approver", "approval-reminded-approver", "resolved-customer"}
    for one in sent:
        document = html.document_fromstring(part(read(one), "html").encode())
        to_answer = document.xpath("//a[contains(@class, 'cs-button')][starts-with(@href, 'https://answer.')]")
        assert len(to_answer) == (1 if one.definition in with_link else 0), one.definition


@pytest.mark.requirement("NOTE-1")
def test_staff_get_to_the_item_by_a_link_and_customers_do_not(sent: list[Sent]) -> None:
    pages = {"case": "cases", "task": "tasks", "lead": "leads"}
    for one in sent:
        document, text = html.document_fromstring(part(read(one), "html").encode()), part(read(one), "plain")
        claimed = one.claimed
        if claimed.audience == "customer":
            assert "desk.housing.example" not in text + html.tostring(document).decode(), one.definition
        else:
            page = f"https://desk.housing.example/{pages[claimed.item_kind]}/{claimed.item_id}"
            assert page in text.split(), one.definition
            assert page in document.xpath("//td[@class = 'cs-quiet']/a/@href"), one.definition
