"""What pages behind links say: in whose language, and that every text is in every language."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.languages import accepted, is_right_to_left
from shared.links.translations import TEXTS, TRANSLATIONS
from shared.links.words import Said, Shown, voice_for

pytestmark = pytest.mark.requirement("EDGE-14", "NOTE-2")
ROOT = Path(__file__).parents[3]
LONDON = ZoneInfo("Europe/London")
AT = datetime(2026, 7, 2, 9, 0, tzinfo=UTC)
USED = "This link was used on {day}, and works once. We have your answer; there is nothing more to do."
FINNISH = {text: f"fi {text}" for text in TEXTS}


def places(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("language", sorted(TRANSLATIONS))
def test_every_text_is_in_every_language_with_its_places(language: str) -> None:
    texts = TRANSLATIONS[language]
    assert texts.keys() == TEXTS
    assert {text for text, said in texts.items() if places(text) != places(said) or not said.strip() or said == text} <= {
        "Lead {number}: {title}",
        "Error: {title}",
    }


def test_whatever_the_code_says_is_a_text_that_is_translated() -> None:
    said: set[str] = set()
    for folder in ("services/case", "services/task", "shared/links", "shared/web"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Said":
                    said |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    page = (ROOT / "shared/web/templates/answer.html").read_text()
    said |= set(re.findall(r'Said\("([^"]+)"', page))
    assert said | {"Case {number}: {title}", "Lead {number}: {title}"} == TEXTS


@pytest.mark.parametrize(
    ("wanted", "browser", "own", "language"),
    [
        ("nl", "de", "en", "nl"),
        ("nl-BE", "de", "en", "nl"),
        ("", "de", "fr", "fr"),
        (None, "xx,de-AT;q=0.5", "fr", "de"),
        (None, "", "fr", "fr"),
        ("ja", "es", "fr", "es"),
        ("ja", "ja", "ja", "en"),
        ("fi", "de", "en", "fi"),
        ("sv", "de", "en", "de"),
    ],
    ids=["theirs", "main", "none", "stranger", "stranger-without", "untranslated", "nothing", "ours", "half"],
)
def test_the_language_is_theirs_where_every_text_is_in_it(wanted: str | None, browser: str, own: str, language: str) -> None:
    words = {"fi": FINNISH, "sv": dict(list(FINNISH.items())[1:])}
    assert voice_for(wanted, accepted(browser), own, words, LONDON).language == language


def test_texts_are_said_in_the_organisations_words_before_ours() -> None:
    voice = voice_for("nl", (), "en", {"nl": {"Send": "Stuur op", "After repair": "Na herstel"}}, LONDON)
    assert voice(Said("Send")) == Shown("Stuur op", "nl")
    assert voice(Said("After repair")) == Shown("Na herstel", "nl")
    assert voice(Said("Approve")).text == "Goedkeuren"
    assert voice(Said("How {was} it?")) == Shown("How {was} it?", "en")
    assert voice("A case's {title}") == Shown("A case's {title}", "")
    regional = voice_for("nl-BE", (), "en", {"nl": {"Send": "Stuur"}, "nl-BE": {"Send": "Zend"}}, LONDON)
    assert regional(Said("Send")).text == "Zend"


def test_what_is_filled_in_is_written_as_the_reader_does_and_never_read_as_a_place() -> None:
    said = Said(USED, day=AT)
    assert said.startswith("This link was used on Thu 2 Jul 2026, 09:00,")
    dutch, arabic = (voice_for(language, (), "en", {}, LONDON) for language in ("nl", "ar"))
    assert "gebruikt op do 2 jul 2026, 10:00 en" in dutch(said).text
    assert "(\u2068الخميس، 2 يوليو 2026، 10:00 ص\u2069)" in arabic(said).text
    assert (arabic.direction, dutch.direction, arabic("x").direction) == ("rtl", "ltr", "auto")
    evil = Said("Case {number}: {title}", number="{title}", title="{number.__class__}")
    assert dutch(evil).text == "Zaak {title}: {number.__class__}"
    assert [Said("This is longer than {most} characters.", most=2000), dutch(Said("{n}", n=2000)).text] == [
        "This is longer than 2,000 characters.",
        "2,000",
    ]


@given(header=st.text(max_size=600))
def test_any_header_is_read_without_an_error(header: str) -> None:
    for language in accepted(header):
        is_right_to_left(language)


def test_a_browser_names_its_languages_by_their_weight() -> None:
    assert accepted("nl;q=0.5, AR-eg, *;q=0.1, de;q=0, zh-Hant-TW;q=0.6, fr;q=x,,") == ["ar-EG", "zh", "nl"]
