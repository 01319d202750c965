"""How long a channel that failed is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from services.ingest.domain.polling import LONGEST_WAIT, PAUSES, pause_after
from services.ingest.gateways.source import Reason


def test_every_reason_has_its_pauses() -> None:
    assert PAUSES.keys() == {*get_args(Reason), "intake", "failed"}


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [pause_after("unreachable", failures, 0).total_seconds() for failures in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_after("unreachable", 10_000, 0) == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(None, 5.0), (0.5, 0.5), (90.0, 90.0), (-3.0, 0.0), (1e9, LONGEST_WAIT.total_seconds())],
)
def test_a_channel_that_asks_for_a_pause_gets_it(asked: float | None, pause: float) -> None:
    assert pause_after("throttled", 1, 0, asked).total_seconds() == pause


def test_what_is_asked_for_never_shortens_another_pause() -> None:
    assert pause_after("credentials", 1, 0, 1.0) == timedelta(seconds=30)
    assert pause_after("unreachable", 1, 0, 20.0) == timedelta(seconds=20)


def test_chance_lengthens_by_a_quarter_at_most() -> None:
    assert pause_after("unreachable", 1, 1.0) == timedelta(seconds=1.25)
