"""How far a call has got, whatever order its gateway reports in (COM-5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.case.domain.calls import CallState, Report, Stage, told

pytestmark = pytest.mark.requirement("COM-5", "EDGE-3")
RINGING, ANSWERED, ENDED = Stage.RINGING, Stage.ANSWERED, Stage.ENDED
BEGAN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def report(stage: Stage, second: int = 0, **more: object) -> Report:
    return Report(stage, BEGAN + timedelta(seconds=second), **more)  # type: ignore[arg-type]


def after(*reports: Report) -> CallState:
    state = CallState()
    for one in reports:
        state = told(state, one)
    return state


def test_a_call_rings_is_answered_and_ends() -> None:
    ringing, answered = report(RINGING), report(ANSWERED, 7, answered_by="client:dora")
    ended = report(ENDED, 60, outcome="completed", seconds=53)

    assert [after(*[ringing, answered, ended][:count]).stage for count in (1, 2, 3)] == [RINGING, ANSWERED, ENDED]
    state = after(ringing, answered, ended)
    assert (state.rang_at, state.answered_at, state.ended_at) == (ringing.at, answered.at, ended.at)
    assert (state.answered_by, state.outcome, state.seconds) == ("client:dora", "completed", 53)


@pytest.mark.parametrize("outcome", ["busy", "no_answer", "cancelled", "failed"])
def test_a_call_ends_when_its_only_leg_does_and_goes_on_when_another_is_answered(outcome: str) -> None:
    missed = report(ENDED, 20, outcome=outcome, is_leg=True)
    elsewhere = report(ANSWERED, 21, is_leg=True)

    assert after(report(RINGING), missed).stage is ENDED
    assert after(missed, elsewhere).stage is ANSWERED
    assert after(missed, elsewhere, report(ENDED, 60, outcome="completed", is_leg=True)).outcome == "completed"
    assert after(elsewhere, report(ENDED, 20, outcome=outcome)).stage is ENDED, "the call itself ended"


def test_the_last_leg_that_gave_up_and_the_end_of_the_call_itself_count() -> None:
    legs = [report(ENDED, second, outcome="no_answer", is_leg=True) for second in (20, 40, 30)]

    assert after(*legs).ended_at == legs[1].at
    whole = report(ENDED, 90, outcome="completed", seconds=88)
    talked = report(ENDED, 89, outcome="completed", seconds=60, is_leg=True)
    assert (after(talked, whole).ended_at, after(whole, talked).seconds) == (whole.at, 88)


def test_of_an_end_that_is_told_twice_the_first_word_counts() -> None:
    first, again = report(ENDED, 60, outcome="completed", seconds=53), report(ENDED, 90, outcome="completed", seconds=83)

    for ends in ((first, again), (again, first)):
        assert after(*ends)[3:] == (first.at, 3, "completed", 53)
    for seconds in ((None, 53), (53, None)):
        assert after(*[report(ENDED, 60, outcome="completed", seconds=one) for one in seconds]).seconds == 53


def test_a_machine_that_passes_the_call_on_has_not_answered_it_once_somebody_did() -> None:
    machine, somebody = report(ANSWERED, 1), report(ANSWERED, 9, answered_by="+441632960555", is_leg=True)

    assert after(machine).answered_at == machine.at
    assert after(machine, somebody)[1:3] == (somebody.at, "+441632960555")


REPORTS = st.builds(
    report,
    st.sampled_from(Stage),
    st.integers(0, 3),
    outcome=st.sampled_from(["", "completed", "busy", "no_answer", "cancelled", "failed"]),
    seconds=st.none() | st.integers(0, 2),
    answered_by=st.sampled_from(["", "a", "b"]),
    is_leg=st.booleans(),
)


@settings(max_examples=400)
@given(st.lists(REPORTS, min_size=1, max_size=7).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some + some[:3]))))
def test_order_and_repeats_make_no_difference(reports: tuple[list[Report], list[Report]]) -> None:
    once, shuffled = reports
    assert after(*shuffled) == after(*once)


@given(st.lists(REPORTS, max_size=7))
def test_a_call_never_goes_back(reports: list[Report]) -> None:
    def progress(state: CallState) -> tuple[bool, bool, bool, int]:
        # One that a leg did not answer may still be answered; one that ended otherwise stays ended.
        over = state.stage is ENDED and state.ending > 1
        return over, state.answered_at is not None, state.rang_at is not None, state.ending

    state = CallState()
    for one in reports:
        further = told(state, one)
        assert all(new >= old for new, old in zip(progress(further), progress(state), strict=True))
        assert told(further, one) == further
        state = further
