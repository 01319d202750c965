"""What a digest says."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from services.notify.domain.digest import Item, word_digest

pytestmark = pytest.mark.requirement("NOTE-1")
LONDON = ZoneInfo("Europe/London")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEAK, NOISE = uuid4(), uuid4()


def an_item(about: str, case: UUID = LEAK, on: str = "task.assigned", minutes: int = 0) -> Item:
    number, title = ("C-2026-000001", "Water") if case == LEAK else ("C-2026-000002", "Noise")
    return Item(on, about, number, title, "task", uuid4(), case, AT + timedelta(minutes=minutes))


def test_items_stand_by_case_in_the_order_given() -> None:
    items = [an_item("Third", minutes=3), an_item("Second", NOISE, minutes=2), an_item("First", minutes=1)]
    worded = word_digest("Rita", items, 0, "https://desk.example/", LONDON)
    assert worded.subject_line == "Digest: 3 notifications on 2 cases"
    order = [worded.text.index(words) for words in ("C-2026-000001 Water", "Third", "First", "C-2026-000002 Noise", "Second")]
    assert order == sorted(order)
    assert f"  https://desk.example/tasks/{items[0].item_id}\n" in worded.text
    assert f'href="https://desk.example/tasks/{items[0].item_id}"' in worded.html
    assert worded.text.count("C-2026-000001") == 1


def test_what_does_not_fit_is_counted() -> None:
    worded = word_digest("", [an_item("One")], 4, "", LONDON)
    assert "5 notifications" in worded.subject_line
    assert "And 4 more" in worded.text
    assert "http" not in worded.text


def test_what_was_written_by_others_is_only_text() -> None:
    item = an_item("<img src=x onerror=alert(1)>")._replace(title='"><script>', number="")
    worded = word_digest("<b>", [item], 0, "https://desk.example", LONDON)
    assert "<img" not in worded.html
    assert "<script" not in worded.html
    assert "<b>" not in worded.html


def test_one_thing_is_one() -> None:
    worded = word_digest("Rita", [an_item("Inspect", on="clock.overdue")._replace(due_at="2026-03-02T08:00:00+00:00")], 0, "", LONDON)
    assert worded.subject_line == "Digest: 1 notification on C-2026-000001"
    assert "Hello Rita, since your last digest there is 1 notification." in worded.text
    assert "- Overdue: Inspect, due Mon 2 Mar 2026, 08:00 (Mon 2 Mar 2026, 09:00)" in worded.text
