from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.sla.domain.clocks import ClockKind, working_span
from shared.calendars import ROUND_THE_CLOCK
from tests.unit.sla.rules import FACTS, OFFICE, POLICY, Life, a_case_fact, a_target, at, hours

RESPONDED = ("closed", 0)
"""Of a case that was answered when sla first saw it: its response is met."""


def due_times(life: Life) -> dict[str, int]:
    assert life.record is not None
    return {clock.kind.name: clock.due_at for clock in life.record.clocks}


@pytest.mark.requirement("SLA-1")
def test_targets_are_the_subjects_then_the_methods_then_the_organisations_for_the_priority() -> None:
    policy = dataclasses.replace(
        POLICY,
        default_targets=(a_target(ClockKind.RESPONSE, "8 working hours"), a_target(ClockKind.COMPLETION, "3 working days")),
        method_targets={"email": (a_target(ClockKind.RESPONSE, "4 working hours"), a_target(ClockKind.RESOLUTION, "6 working hours"))},
        subject_targets={"leak": (a_target(ClockKind.RESPONSE, "1 working hour", priority="high"),)},
    )
    life = Life(policy)
    life.event(a_case_fact())
    assert due_times(life) == {
        "RESPONSE": at("2026-03-02 10:00"),
        "RESOLUTION": at("2026-03-02 15:00"),
        "COMPLETION": at("2026-03-05 09:00"),
    }
    low = Life(policy)
    low.event(a_case_fact(facts=replace(FACTS, priority="low")))
    assert due_times(low)["RESPONSE"] == at("2026-03-02 13:00")
    other = Life(policy)
    other.event(a_case_fact(facts=replace(FACTS, priority="low", method="letter", subject="noise")))
    assert due_times(other) == {"RESPONSE": at("2026-03-02 17:00"), "COMPLETION": at("2026-03-05 09:00")}


@pytest.mark.requirement("SLA-1")
def test_a_target_in_plain_hours_runs_round_the_clock_and_one_in_working_hours_on_its_calendar() -> None:
    life = Life(
        dataclasses.replace(
            POLICY, default_targets=(a_target(ClockKind.RESPONSE, "24 hours"), a_target(ClockKind.RESOLUTION, "24 working hours"))
        )
    )
    life.event(a_case_fact(opened_at=at("2026-03-06 16:00")))
    assert due_times(life) == {"RESPONSE": at("2026-03-07 16:00"), "RESOLUTION": at("2026-03-11 16:00")}


@pytest.mark.requirement("SLA-2")
def test_a_clock_pauses_while_waiting_for_the_customer_and_resumes_with_the_time_left() -> None:
    life = Life()
    life.event(a_case_fact(responded_at=at("2026-03-02 09:00")))
    life.event(a_case_fact(2, state="responded", responded_at=at("2026-03-02 09:30"), waiting_for_customer=True, at=at("2026-03-02 11:00")))
    life.until(at("2026-03-09 00:00"))
    assert life.rungs() == [RESPONDED]
    life.event(a_case_fact(3, state="responded", responded_at=at("2026-03-02 09:30"), at=at("2026-03-09 09:00")))
    # 2 of the 10 working hours were used: 8 are left from Monday 09:00.
    assert due_times(life)["RESOLUTION"] == at("2026-03-09 17:00")
    life.until(at("2026-03-09 17:00"))
    assert [alert.fired_at for alert in life.told[1:]] == [at("2026-03-09 14:30"), at("2026-03-09 17:00")]


@pytest.mark.requirement("SLA-2")
def test_a_target_that_forbids_pausing_runs_on() -> None:
    life = Life(dataclasses.replace(POLICY, default_targets=(a_target(ClockKind.RESOLUTION, "10 working hours", pauses=False),)))
    life.event(a_case_fact())
    life.event(a_case_fact(2, waiting_for_customer=True, at=at("2026-03-02 11:00")))
    life.until(at("2026-03-03 11:00"))
    assert life.rungs() == [("due-soon", 0), ("overdue", 0)]


def test_an_alert_told_before_a_pause_is_not_told_again_after_it() -> None:
    life = Life()
    life.event(a_case_fact(responded_at=at("2026-03-02 09:00")))
    life.until(at("2026-03-02 17:00"))
    assert life.rungs() == [RESPONDED, ("due-soon", 0)]
    life.event(a_case_fact(2, responded_at=at("2026-03-02 09:00"), waiting_for_customer=True, at=at("2026-03-02 17:00")))
    life.event(a_case_fact(3, responded_at=at("2026-03-02 09:00"), at=at("2026-03-04 09:00")))
    life.until(at("2026-03-04 11:00"))
    assert life.rungs() == [RESPONDED, ("due-soon", 0), ("overdue", 0)]


def test_repetitions_after_a_long_wait_come_one_by_one() -> None:
    life = Life()
    life.event(a_case_fact(responded_at=at("2026-03-02 09:00")))
    life.until(at("2026-03-03 11:00"))
    life.event(a_case_fact(2, responded_at=at("2026-03-02 09:00"), waiting_for_customer=True, at=at("2026-03-03 11:30")))
    life.event(a_case_fact(3, responded_at=at("2026-03-02 09:00"), at=at("2026-03-13 09:00")))
    life.until(at("2026-03-13 09:00"))
    assert life.rungs() == [RESPONDED, ("due-soon", 0), ("overdue", 0)]
    life.until(at("2026-03-13 10:00"))
    assert life.rungs()[-1] == ("overdue", 1)


def test_a_change_of_priority_moves_the_clock_by_its_ledger() -> None:
    policy = dataclasses.replace(
        POLICY,
        default_targets=(
            a_target(ClockKind.RESOLUTION, "10 working hours"),
            a_target(ClockKind.RESOLUTION, "4 working hours", priority="urgent"),
        ),
    )
    life = Life(policy)
    life.event(a_case_fact())
    life.event(a_case_fact(2, facts=replace(FACTS, priority="urgent"), at=at("2026-03-02 10:00")))
    assert due_times(life)["RESOLUTION"] == at("2026-03-02 13:00")


def test_each_step_closes_its_clock_and_says_whether_it_was_met() -> None:
    life = Life()
    life.event(a_case_fact())
    life.event(a_case_fact(2, state="responded", responded_at=at("2026-03-02 12:00"), at=at("2026-03-02 12:00")))
    life.until(at("2026-03-04 09:00"))
    life.event(
        a_case_fact(
            3, state="completed", responded_at=at("2026-03-02 12:00"), at=at("2026-03-04 09:00"), completed_at=at("2026-03-04 09:00")
        )
    )
    closed = [(alert.clock.kind, alert.outcome) for alert in life.told if alert.type == "closed"]
    assert closed == [(ClockKind.RESPONSE, "met"), (ClockKind.RESOLUTION, "missed")]


def test_a_cancelled_case_closes_its_clocks_as_cancelled() -> None:
    life = Life()
    life.event(a_case_fact())
    life.event(a_case_fact(2, state="cancelled", at=at("2026-03-02 10:00")))
    assert {alert.outcome for alert in life.told} == {"cancelled"}


def test_what_was_resolved_in_time_stays_so_when_the_case_is_cancelled_after_that() -> None:
    life = Life()
    life.event(a_case_fact())
    resolved_at = at("2026-03-02 10:00")
    life.event(a_case_fact(2, state="finally_resolved", at=resolved_at, resolved_at=resolved_at))
    life.event(a_case_fact(3, state="cancelled", at=at("2026-03-02 11:00"), resolved_at=resolved_at))
    closed = [(alert.clock.kind, alert.outcome) for alert in life.told]
    assert closed == [(ClockKind.RESPONSE, "met"), (ClockKind.RESOLUTION, "met")]


@pytest.mark.requirement("EDGE-11", "SLA-2")
def test_a_case_whose_merge_is_undone_goes_on_with_the_time_it_had_left() -> None:
    life = Life()
    life.event(a_case_fact())
    due = due_times(life)["RESOLUTION"]
    life.event(a_case_fact(2, state="cancelled", at=at("2026-03-02 11:00")))
    life.until(at("2026-03-03 11:00"))
    assert {alert.outcome for alert in life.told} == {"cancelled"}
    life.event(a_case_fact(3, at=at("2026-03-03 11:00")))
    assert (due, due_times(life)["RESOLUTION"]) == (at("2026-03-03 11:00"), at("2026-03-04 11:00"))
    life.until(at("2026-03-05 00:00"))
    assert life.rungs().count(("overdue", 0)) == 2  # the response, and the resolution


def test_a_reopened_case_goes_on_with_the_time_it_had_left() -> None:
    life = Life()
    life.event(a_case_fact(responded_at=at("2026-03-02 09:00")))
    done = {"state": "completed", "at": at("2026-03-02 13:00"), "completed_at": at("2026-03-02 13:00")}
    life.event(a_case_fact(2, responded_at=at("2026-03-02 09:00"), **done))
    life.event(a_case_fact(3, state="responded", responded_at=at("2026-03-02 09:00"), at=at("2026-03-05 09:00")))
    assert due_times(life)["RESOLUTION"] == at("2026-03-05 15:00")  # 4 of 10 hours were used


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=10))
def test_the_time_a_clock_has_run_at_its_due_time_is_its_budget_however_often_it_was_paused(steps: list[tuple[int, bool]]) -> None:
    life, now, revision = Life(), at("2026-03-02 09:00"), 1
    life.event(a_case_fact(responded_at=now))
    for passed, waits in [*steps, (1, False)]:
        now, revision = now + hours(passed), revision + 1
        life.until(now)
        life.event(a_case_fact(revision, responded_at=at("2026-03-02 09:00"), waiting_for_customer=waits, at=now), now)
    assert life.record is not None
    clock = life.record.clock(ClockKind.RESOLUTION)
    assert clock is not None
    assert not clock.is_suspended
    suspended = sum(
        working_span(OFFICE, since, min(until or now, clock.due_at)) for since, until, _ in clock.suspensions if since < clock.due_at
    )
    assert working_span(OFFICE, clock.started_at, clock.due_at) - suspended == clock.budget == hours(10)
    assert working_span(ROUND_THE_CLOCK, clock.started_at, clock.due_at) >= clock.budget
