"""When a handle is marked as undeliverable, and when the mark goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.case.domain.undeliverable import Undeliverable, handle_written_to, is_news, is_over
from shared.ids import derive

pytestmark = pytest.mark.requirement("EDGE-2")
AT = datetime(2026, 3, 3, 10, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def back(at: datetime = AT, restored_at: datetime | None = None) -> Undeliverable:
    return Undeliverable("email", "ann@customer.example", at, "5.1.1", derive("message", at), restored_at)


@pytest.mark.parametrize(
    ("known", "heard_at", "expected"),
    [
        pytest.param(None, None, True, id="nothing was known"),
        pytest.param(None, AT - timedelta(hours=1), True, id="they wrote, and then it came back"),
        pytest.param(None, LATER, False, id="they wrote since: told too late"),
        pytest.param(back(AT - timedelta(days=9)), None, False, id="marked already: it keeps its first day"),
        pytest.param(back(restored_at=LATER), None, False, id="taken back since: told too late, or twice"),
        pytest.param(back(AT - timedelta(days=9), AT - timedelta(days=1)), None, True, id="taken back, and it came back again"),
    ],
)
def test_a_handle_is_marked_by_what_is_news(known: Undeliverable | None, heard_at: datetime | None, expected: bool) -> None:
    assert is_news(known, back(), heard_at) is expected


def test_the_mark_goes_by_what_is_known_since_then_once() -> None:
    assert is_over(back(), LATER)
    assert not is_over(back(), AT - timedelta(hours=1))
    assert not is_over(back(restored_at=AT), LATER)


def test_the_handle_written_to_is_in_its_normal_form() -> None:
    assert handle_written_to("email", "Ann@Customer.example") == ("email", "ann@customer.example")
    assert handle_written_to("sms", "+44 1632 960001") == ("phone", "+441632960001")
    assert handle_written_to("email", "") is None
    assert handle_written_to("sms", "nobody") is None
    assert handle_written_to("email", "a\x00@customer.example") is None
