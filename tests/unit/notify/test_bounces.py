"""What a bounce means."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.notify.domain.bounces import dead_status_in, judge
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


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("550 5.1.1 <ann@customer.example>: Recipient address rejected", "5.1.1"),
        ("556 5.1.10 RecipientNotFound", "5.1.10"),
        ("550 5.1.1\n5.1.1 no such user", "5.1.1"),
        ("550 no such user", ""),
        ("550 5.1.0 sender rejected", ""),
        ("550 5.1.8 sender rejected", ""),
        ("554 5.7.1 relay access denied", ""),
        ("552 5.2.2 full", ""),
        ("450 4.1.1 unverified", ""),
        ("554 5.1.15 what is this", ""),
    ],
)
def test_a_servers_refusal_tells_of_the_address_only_where_it_names_it(answer: str, status: str) -> None:
    assert dead_status_in(answer) == status
