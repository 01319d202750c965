"""When a message is tried again."""

from datetime import timedelta

import pytest

from services.notify.domain.retry import GIVE_UP_AFTER, Outcome, next_attempt
from services.notify.gateways.smtp import outcome_of

NEW = timedelta(0)


def test_pauses_double_up_to_a_limit() -> None:
    pauses = [next_attempt(Outcome.DEFERRED, attempt, NEW, 0.5) for attempt in range(1, 12)]
    assert pauses[:3] == [timedelta(seconds=20), timedelta(seconds=40), timedelta(seconds=80)]
    assert pauses[-1] == timedelta(minutes=30)
    assert next_attempt(Outcome.DEFERRED, 10_000, NEW, 0.5) == timedelta(minutes=30)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.8), (1.0, 1.2)])
def test_jitter_spreads_them(jitter: float, seconds: float) -> None:
    assert next_attempt(Outcome.UNREACHABLE, 1, NEW, jitter) == timedelta(seconds=seconds)


def test_an_absent_server_is_tried_sooner_than_one_that_defers() -> None:
    for attempt in range(1, 20):
        away, deferred = next_attempt(Outcome.UNREACHABLE, attempt, NEW, 0.5), next_attempt(Outcome.DEFERRED, attempt, NEW, 0.5)
        assert away is not None
        assert deferred is not None
        assert away < deferred


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.UNREACHABLE])
def test_it_is_given_up_after_days(outcome: Outcome) -> None:
    assert next_attempt(outcome, 3, GIVE_UP_AFTER - timedelta(seconds=1), 0.5) is not None
    assert next_attempt(outcome, 3, GIVE_UP_AFTER, 0.5) is None


def test_a_refusal_is_final_and_what_was_not_tried_is_due_at_once() -> None:
    assert next_attempt(Outcome.REFUSED, 1, NEW, 0.5) is None
    assert next_attempt(Outcome.RETURNED, 9, GIVE_UP_AFTER * 2, 0.5) == timedelta(0)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (250, Outcome.SENT),
        (421, Outcome.UNREACHABLE),
        (450, Outcome.DEFERRED),
        (451, Outcome.DEFERRED),
        (452, Outcome.DEFERRED),
        (530, Outcome.UNREACHABLE),
        (550, Outcome.REFUSED),
        (554, Outcome.REFUSED),
        (-1, Outcome.UNREACHABLE),
    ],
)
def test_what_a_reply_means(code: int, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome
