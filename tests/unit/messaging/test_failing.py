"""When so much of what came last failed that the process is to stop."""

from __future__ import annotations

import pytest

from shared.messaging.failing import RecentFailures

pytestmark = pytest.mark.requirement("EDGE-18")


def after(*batches: tuple[int, int]) -> RecentFailures:
    """What is known after batches of so many failures among so many messages."""
    recent = RecentFailures()
    for failed, messages in batches:
        recent.add(failed, messages)
    return recent


@pytest.mark.parametrize(
    ("before", "failed", "messages", "expected"),
    [
        ([], 500, 999, False),  # too few to say
        ([], 500, 1000, False),  # half of them
        ([], 501, 1000, True),
        ([(450, 900)], 51, 100, True),
        ([(450, 900)], 50, 100, False),
        ([(0, 900)], 100, 100, False),
        ([(1000, 1000)], 0, 100, False),  # nothing of this batch failed
        ([(1000, 1000)], 1, 100, True),
        ([(1000, 1000), (0, 600)], 1, 100, False),  # what lies more than a window back counts no more
        ([(600, 600), (0, 500)], 1, 1, False),
        ([(0, 5000)], 1500, 3000, False),  # a batch larger than the window
        ([(0, 5000)], 1501, 3000, True),
    ],
)
def test_more_than_half_of_the_last_thousand_is_too_many(before: list[tuple[int, int]], failed: int, messages: int, expected: bool) -> None:
    assert after(*before).would_be_too_many(failed, messages) is expected
