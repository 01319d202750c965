"""Moments in the languages of people, and which text is for whom."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.languages import TAGS, is_known, is_right_to_left, moments, nearest

AT = "2026-03-02T13:05:00+00:00"
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Mon 2 Mar 2026, 14:05"),
        ("en-GB", "Mon 2 Mar 2026, 14:05"),
        ("en-US", "Mon, Mar 2, 2026, 2:05 PM"),
        ("nl", "ma 2 mrt 2026, 14:05"),
        ("nl-BE", "ma 2 mrt 2026, 14:05"),
        ("de", "Mo., 2. März 2026, 14:05"),
        ("pt-BR", "seg., 2 de mar. de 2026 14:05"),
        ("fi", "ma 2.3.2026 14.05"),
        ("ja", "2026年3月2日(月) 14:05"),
        ("xx", "Mon 2 Mar 2026, 14:05"),
    ],
)
def test_a_moment_is_written_as_its_readers_do(language: str, written: str) -> None:
    assert moments(language, AMSTERDAM)(AT) == written


def test_every_language_writes_every_month_and_day() -> None:
    for language in TAGS:
        assert is_known(language)
        written = {moments(language, UTC)(datetime(2026, month, month, 9 + month % 8, 5, tzinfo=UTC).isoformat()) for month in range(1, 13)}
        assert len(written) == 12, language
        assert all("2026" in text and "05" in text and "{" not in text for text in written), language


def test_what_is_no_time_stays_as_it_is() -> None:
    assert moments("nl", AMSTERDAM)("soon") == "soon"
    assert moments("nl", AMSTERDAM)("0001-01-01T00:00:00+14:00") == "0001-01-01T00:00:00+14:00"


def test_the_nearest_text_is_the_languages_own_or_its_main_ones() -> None:
    assert nearest("nl-BE", ["nl", "nl-BE"]) == "nl-BE"
    assert nearest("nl-BE", ["nl", "de"]) == "nl"
    assert nearest("fr", ["nl", "de"]) == ""
    assert nearest("", ["nl"]) == ""


def test_directions() -> None:
    assert is_right_to_left("ar-EG")
    assert not is_right_to_left("nl")
    assert not is_known("xx")
