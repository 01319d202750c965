"""What a bounce means."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.notify.domain.bounces import judge
from services.notify.domain.recipients import message_id
from shared.ids import derive

pytestmark = pytest.mark.requirement("EDGE-2")

DELIVERY = derive("delivery")
OURS = message_id(UUID(int=1), DELIVERY, "housing.example")


@pytest.mark.parametrize(
    ("status", "is_dead"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.0.0", True),
        ("5.2.1", True),
        ("5.4.4", True),
        ("5.2.2", False),
        ("5.7.1", False),
        ("5.1.4", False),
        ("5.3.4", False),
    ],
)
def test_what_failed_for_good_has_bounced_and_only_an_address_that_is_none_is_dead(status: str, is_dead: bool) -> None:
    verdict = judge(OURS, [("delayed", "4.4.1"), ("failed", status)])
    assert verdict is not None
    assert (verdict.delivery_id, verdict.status, verdict.is_dead) == (DELIVERY, status, is_dead)


@pytest.mark.parametrize("reported", [[], [("delayed", "4.4.7")], [("failed", "4.4.7")], [("delivered", "2.1.5")], [("delayed", "5.1.1")]])
def test_what_may_still_arrive_has_not_bounced(reported: list[tuple[str, str]]) -> None:
    assert judge(OURS, reported) is None


@pytest.mark.parametrize("other", ["", "<1@mail.example>", f"<{DELIVERY}@housing.example>", OURS[:-1]])
def test_other_peoples_messages_do_not_matter(other: str) -> None:
    assert judge(other, [("failed", "5.1.1")]) is None
