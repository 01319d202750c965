"""In which language a message is, and what that changes (NOTE-2)."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from shared.schemas.configuration import Configuration
from tests.support.configuration import COMMUNICATIONS, DOCUMENT, METHODS, TEMPLATES, USERS, a_configuration
from tests.support.letters import composed

WORDS = {"nl": {"customer": "klant", "Water leak": "Lekkage", "overdue": "te laat", "due": "afhandeling", "case": "zaak"}}
DUTCH = {
    "nl": {"subject_line": "Wij hebben uw bericht, #case_number", "text": "Beste #first_name,\n\n#item over #subject van #opened."},
    "de": {"subject_line": "Ihre Nachricht", "text": "Guten Tag", "html": "<b>Guten Tag</b>"},
}
LATE = {"nl": {"subject_line": "#alert", "text": "#case_title (#clock) moest af zijn op #due."}}


def an_organisation(method: str | None = None, user: str | None = None, **organisation: Any) -> Configuration:
    return a_configuration(
        organisation=DOCUMENT["organisation"] | {"words": WORDS} | organisation,
        methods=[METHODS[0] | {"language": method}, *METHODS[1:]],
        users=[one | {"language": user} if one["user"] == "lena" else one for one in USERS],
        templates=[TEMPLATES[0], TEMPLATES[1] | {"translations": LATE}, TEMPLATES[2] | {"translations": DUTCH}],
        communications=COMMUNICATIONS,
    )


def sent(folder: Path, configuration: Configuration, definition: str, **changes: Any) -> EmailMessage:
    (found, *_) = (one for one in composed(configuration, folder, **changes) if one.definition == definition)
    mail = message_from_bytes(found.written.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n").strip()


def markup(mail: EmailMessage) -> html.HtmlElement:
    part = mail.get_body(("html",))
    assert isinstance(part, EmailMessage)
    return html.document_fromstring(part.get_content().encode())


@pytest.mark.requirement("NOTE-2")
def test_a_customer_is_written_to_in_the_language_of_the_method_they_came_by(tmp_path: Path) -> None:
    mail = sent(tmp_path, an_organisation("nl-BE"), "opened")
    assert mail["Content-Language"] == "nl"
    assert mail["Subject"] == "Wij hebben uw bericht, [C-2026-000123]"
    assert text(mail) == "Beste Ann,\n\nzaak over Lekkage van di 3 nov 2026, 09:12."
    assert markup(mail).get("lang") == "nl"
    assert "zaak over Lekkage" in " ".join(markup(mail).text_content().split())


@pytest.mark.requirement("NOTE-2")
def test_a_customer_without_a_name_is_called_one_in_their_language(tmp_path: Path) -> None:
    mail = sent(tmp_path, an_organisation("nl"), "opened", customer={"contact_id": None, "email": "a@mail.example"})
    assert text(mail).startswith("Beste klant,")


@pytest.mark.requirement("NOTE-1")
def test_staff_are_written_to_in_their_own_language(tmp_path: Path) -> None:
    mail = sent(tmp_path, an_organisation("de", "nl"), "overdue")
    assert (mail["Content-Language"], mail["Subject"]) == ("nl", "[C-2026-000123] te laat")
    assert text(mail) == "Inspect the leak at once (afhandeling) moest af zijn op do 5 nov 2026, 16:12."


def test_what_is_not_translated_is_in_the_organisations_language(tmp_path: Path) -> None:
    for configuration in (an_organisation(), an_organisation("fr", "fr")):
        mail = sent(tmp_path, configuration, "opened")
        assert (mail["Content-Language"], text(mail)) == ("en", "Dear Ann,\n\nthank you.")
        assert "Thu 5 Nov 2026, 16:12" in text(sent(tmp_path, configuration, "overdue"))
    dutch = an_organisation(language="nl")
    assert sent(tmp_path, dutch, "opened")["Content-Language"] == "nl"
    assert "do 5 nov 2026, 16:12" in text(sent(tmp_path, dutch, "overdue"))


def test_a_translation_brings_its_own_html_or_none(tmp_path: Path) -> None:
    german = markup(sent(tmp_path, an_organisation("de"), "opened"))
    assert [bold.text for bold in german.xpath("//td[contains(@class, 'cs-card')]/b")] == ["Guten Tag"]
    assert markup(sent(tmp_path, an_organisation("nl"), "opened")).xpath("//b") == []
