"""A template's text as a letter: what becomes of its lines, of values, of colours."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as parser

from services.notify.domain.colours import contrast, on, readable
from services.notify.domain.letters import DARK, LIGHT, Letter, Look
from services.notify.domain.tags import Names, tag_values
from services.notify.domain.templates import compile_template

NAMES = Names("Harbour Homes", ZoneInfo("Europe/London"))
LINK = "https://answer.housing.example/answer/abc_DEF-123"
COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def a_letter(text: str, *, html: str | None = None, look: Look | None = None, language: str = "en", **facts: str) -> str:
    template = compile_template("t", "About #case_number", text, html)
    values = tag_values(facts, NAMES, {}, "Ann Bell", links={"feedback_link": LINK})
    return Letter(template, look or Look("Harbour Homes"), language).html("About C-1", values)


def body_of(document: str) -> parser.HtmlElement:
    """The card with the text."""
    (card,) = parser.document_fromstring(document).xpath("//td[contains(@class, 'cs-card')]")
    return card


def words(element: parser.HtmlElement) -> str:
    return " ".join(element.text_content().split())


@pytest.mark.requirement("NOTE-2")
def test_lines_become_paragraphs_facts_and_buttons() -> None:
    card = body_of(
        a_letter(
            "Dear #first_name,\n\nwe come:\nsoon\nCase: #case_number, #case_title\nDue: #due\n\nHow was it?\n#feedback_link\n",
            customer="Ann Bell",
            number="C-1",
            title="A leak",
            due_at="2026-07-03T13:30:00+00:00",
        )
    )
    assert [words(paragraph) for paragraph in card.xpath("./p")] == ["Dear Ann,", "we come: soon", "How was it?"]
    assert len(card.xpath("./p[2]/br")) == 1
    rows = [[words(cell) for cell in row.xpath("./td")] for row in card.xpath("./table[1]//tr")]
    assert rows == [["Case", "C-1, A leak"], ["Due", "Fri 3 Jul 2026, 14:30"]]
    (button,) = card.xpath(".//a")
    assert (button.get("href"), words(button)) == (LINK, "Give feedback")


@pytest.mark.requirement("NOTE-2")
def test_what_stands_for_nothing_leaves_no_trace() -> None:
    card = body_of(a_letter("Case: #case_number, #case_title\nDue: #due\n\n#message\n\nbye, #task, #case_title.\n", title="A & B"))
    assert [[words(cell) for cell in row.xpath("./td")] for row in card.xpath(".//tr")] == [["Case", "A & B"]]
    assert [words(paragraph) for paragraph in card.xpath("./p")] == ["bye, A & B."]
    assert body_of(a_letter("#acceptance_link")).xpath(".//a") == []


@pytest.mark.parametrize(
    ("line", "label"),
    [("#feedback_link", "Give feedback"), ("Tell us: #feedback_link", "Tell us"), ("  #feedback_link  ", "Give feedback")],
)
def test_a_button_is_named_by_its_line(line: str, label: str) -> None:
    assert words(body_of(a_letter(line)).xpath(".//a[@class='cs-button']")[0]) == label


def test_a_link_within_a_sentence_is_shown_by_its_host() -> None:
    (link,) = body_of(a_letter("Please go to #feedback_link and tell us.")).xpath(".//a")
    assert (link.get("href"), words(link)) == (LINK, "answer.housing.example/…")


def test_what_is_no_web_address_is_no_link() -> None:
    template = compile_template("t", "s", "#feedback_link\n\nor #feedback_link")
    values = tag_values({}, NAMES, {}, "", links={"feedback_link": "javascript:alert(1)"})
    card = body_of(Letter(template, Look("Harbour Homes"), "en").html("s", values))
    assert card.xpath(".//a") == []
    assert words(card) == "javascript:alert(1) or javascript:alert(1)"


def test_addresses_can_be_clicked_where_staff_wrote_them_and_not_where_customers_did() -> None:
    text = "See https://housing.example/a?b=1&c=2, or http://x.example.\n#message\n#case_title\njavascript://x ftp://y.example\n"
    card = body_of(a_letter(text, message="More: https://housing.example/lift.", title="https://evil.example/ for you"))
    assert [link.get("href") for link in card.xpath(".//a")] == [
        "https://housing.example/a?b=1&c=2",
        "http://x.example",
        "https://housing.example/lift",
    ]
    assert "https://evil.example/ for you" in words(card)


@pytest.mark.requirement("NOTE-2")
@given(st.text(), st.text())
def test_no_value_and_no_text_becomes_markup(literal: str, value: str) -> None:
    text = "We say: " + literal.replace("#", "##") + " #case_title #message"
    document = parser.document_fromstring(a_letter(text, title="<b>x</b>" + value, message="<script>alert(1)</script>" + value).encode())
    assert document.xpath("//script | //b | //img | //iframe | //*[@onclick]") == []
    assert all(link.get("href").startswith(("http://", "https://")) for link in document.xpath("//a"))


def test_own_markup_stands_in_the_letter_and_a_whole_document_by_itself() -> None:
    within = a_letter("plain", html="<p>Dear <b>#first_name</b></p>", customer="<Ann> Bell")
    assert words(body_of(within).xpath("./p")[0]) == "Dear <Ann>"
    whole = "<!-- ours -->\n<!DOCTYPE html><html><body>#first_name</body></html>"
    assert a_letter("plain", html=whole, customer="Ann Bell") == whole.replace("#first_name", "Ann")


def test_many_comments_before_markup_are_read_at_once() -> None:
    assert "<p>x</p>" in a_letter("plain", html="<!--a-->" * 5000 + "<p>x</p>")


def test_a_list_of_mails_shows_the_first_words_after_the_greeting() -> None:
    def shown(text: str) -> str:
        return words(parser.document_fromstring(a_letter(text, number="C-1")).xpath("//body/div")[0])

    assert shown("Dear #first_name,\n\nwe come to #case_number, #task.\nSoon.\n\nbye") == "we come to C-1, . Soon."
    assert shown("only this") == "only this"
    assert shown("Hello,\n\n" + "word " * 100) == ("word " * 22).strip() + "…"


def test_the_letter_is_the_organisations() -> None:
    look = Look("Harbour & Homes", "#aa0000", "https://housing.example/logo.png?a=1&b=2", "Quay 1\nhttps://housing.example/privacy")
    document = parser.document_fromstring(a_letter("Hello", look=look))
    (logo,) = document.xpath("//img")
    assert (logo.get("src"), logo.get("alt")) == ("https://housing.example/logo.png?a=1&b=2", "Harbour & Homes")
    assert "Quay 1 https://housing.example/privacy" in words(document)
    assert document.xpath("//a/@href") == ["https://housing.example/privacy"]


def test_nothing_is_loaded_from_outside() -> None:
    document = parser.document_fromstring(a_letter("Hello https://housing.example/\n#feedback_link"))
    assert document.xpath("//img | //link | //script | //*[@background] | //*[@src]") == []
    assert not [loaded for loaded in ("url(", "@import", "@font-face") if loaded in a_letter("Hello")]


@pytest.mark.parametrize(("language", "direction", "side"), [("nl", "ltr", "left"), ("ar", "rtl", "right"), ("he", "rtl", "right")])
def test_the_language_says_which_way_is_read(language: str, direction: str, side: str) -> None:
    document = parser.document_fromstring(a_letter("Case: #case_number", language=language, number="C-1"))
    assert (document.get("lang"), document.get("dir")) == (language, direction)
    assert body_of(a_letter("x", language=language)).get("align") == side


def test_labels_of_buttons_are_translated() -> None:
    look = Look("Haven", words={"Give feedback": "Geef uw mening"})
    assert words(body_of(a_letter("#feedback_link", look=look, language="nl"))) == "Geef uw mening"


@given(COLOURS)
def test_whatever_the_colour_text_can_be_read(colour: str) -> None:
    assert contrast(on(colour), colour) >= 4.5
    for ground in (LIGHT["ground"], LIGHT["card"], DARK["ground"], DARK["card"]):
        assert contrast(readable(colour, ground), ground) >= 4.5


def test_our_own_colours_can_be_read() -> None:
    for palette in (LIGHT, DARK):
        for ground in ("ground", "card"):
            assert contrast(palette["text"], palette[ground]) >= 7
            assert contrast(palette["dim"], palette[ground]) >= 4.5
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert readable("#0b6e75", "#ffffff") == "#0b6e75"
