"""What a digest says."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from services.notify.domain.digest import Item, word_digest
from services.notify.domain.tags import Names

pytestmark = pytest.mark.requirement("NOTE-1")
NAMES = Names("Housing", ZoneInfo("Europe/London"))
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEAK, NOISE = uuid4(), uuid4()


def an_item(about: str, case: UUID = LEAK, on: str = "task.assigned", minutes: int = 0) -> Item:
    number, title = ("C-2026-000001", "Water") if case == LEAK else ("C-2026-000002", "Noise")
    return Item(on, about, number, title, "task", uuid4(), case, AT + timedelta(minutes=minutes))


def test_items_stand_by_case_in_the_order_given() -> None:
    items = [an_item("Third", minutes=3), an_item("Second", NOISE, minutes=2), an_item("First", minutes=1)]
    digest = word_digest(items, 0, "https://desk.example/", NAMES)
    assert digest.subject_line == "Digest (3)"
    order = [digest.text.index(words) for words in ("C-2026-000001 Water", "Third", "First", "C-2026-000002 Noise", "Second")]
    assert order == sorted(order)
    assert f"  https://desk.example/tasks/{items[0].item_id}\n" in digest.text
    assert f'href="https://desk.example/tasks/{items[0].item_id}"' in digest.html("#123456")
    assert digest.text.count("C-2026-000001") == 1


def test_what_does_not_fit_is_counted() -> None:
    digest = word_digest([an_item("One")], 4, "", NAMES)
    assert digest.subject_line == "Digest (5): C-2026-000001"
    assert "Further ones, which the desk lists: 4" in digest.text
    assert "http" not in digest.text + digest.html("#123456")


def test_what_was_written_by_others_is_only_text() -> None:
    item = an_item("<img src=x onerror=alert(1)>")._replace(title='"><script>', number="")
    html = word_digest([item], 0, "https://desk.example", NAMES).html("#123456")
    assert "<img" not in html
    assert "<script" not in html


def test_an_item_says_what_when_and_by_when() -> None:
    item = an_item("Inspect", on="clock.overdue")._replace(due_at="2026-03-02T08:00:00+00:00")
    assert "- Overdue: Inspect (Mon 2 Mar 2026, 09:00; due Mon 2 Mar 2026, 08:00)" in word_digest([item], 0, "", NAMES).text
    case = an_item("Water", on="case.assigned")
    assert "- Case given (Mon 2 Mar 2026, 09:00)" in word_digest([case], 0, "", NAMES).text


def test_its_words_are_in_the_recipients_language_where_there_are_any() -> None:
    dutch = Names("Housing", ZoneInfo("Europe/Amsterdam"), language="nl", words={"Overdue": "Te laat", "Digest": "Overzicht"})
    text = word_digest([an_item("Inspect", on="clock.overdue")], 0, "", dutch)
    assert text.subject_line.startswith("Overzicht (1)")
    assert "- Te laat: Inspect (" in text.text
    assert "10:00" in text.text
