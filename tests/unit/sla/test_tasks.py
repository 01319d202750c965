from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sla.domain.records import RETENTION
from services.sla.domain.tasks import TaskFact
from services.sla.handlers.alerts import alert_id
from tests.unit.sla.rules import CASE, Life, a_task_fact, at, hours


@pytest.mark.requirement("SLA-2", "EDGE-9")
def test_rungs_fire_by_share_and_in_working_hours_each_exactly_once() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-03 13:00")))  # 12 working hours from Monday 09:00
    life.until(at("2027-01-01 00:00"))
    assert life.rungs() == [("due-soon", 0), ("overdue", 0), ("overdue", 1), ("overdue", 2), ("overdue", 3)]
    assert [alert.fired_at for alert in life.told] == [
        at("2026-03-03 10:00"),  # 9 of the 12 hours: 8 on Monday, the ninth on Tuesday
        at("2026-03-03 13:00"),
        at("2026-03-03 14:00"),
        at("2026-03-03 15:00"),
        at("2026-03-03 16:00"),
    ]
    assert [alert.revision for alert in life.told] == [1, 2, 3, 4, 5]


def test_repetitions_pass_over_the_weekend_and_a_bank_holiday() -> None:
    life = Life()
    life.event(a_task_fact(triggered_at=at("2026-04-02 08:00"), due_at=at("2026-04-02 15:30"), at=at("2026-04-02 08:00")))
    life.until(at("2026-05-01 00:00"))
    # Thursday before Easter; Good Friday and Easter Monday are closed, London is on summer time.
    assert [alert.fired_at for alert in life.told][1:] == [
        at(t) for t in ("2026-04-02 15:30", "2026-04-07 08:30", "2026-04-07 09:30", "2026-04-07 10:30")
    ]


def test_a_task_for_the_night_has_its_share_of_plain_time() -> None:
    life = Life()
    life.event(a_task_fact(triggered_at=at("2026-03-01 22:00"), due_at=at("2026-03-01 22:04"), at=at("2026-03-01 22:00")))
    life.until(at("2026-03-01 22:04"))
    assert [alert.fired_at for alert in life.told] == [at("2026-03-01 22:03"), at("2026-03-01 22:04")]


def test_a_task_due_before_it_began_is_overdue_at_once_and_not_due_soon() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 08:00")))
    life.until(at("2026-03-02 09:00"))
    assert life.rungs()[0] == ("overdue", 0)


@pytest.mark.requirement("SLA-2")
def test_completion_in_time_closes_the_clock_and_nothing_fires_after() -> None:
    life = Life()
    life.event(a_task_fact())
    life.event(a_task_fact(2, state="completed", at=at("2026-03-02 12:00"), completed_at=at("2026-03-02 12:00")))
    life.until(at("2026-03-15 00:00"))
    assert [(alert.type, alert.outcome) for alert in life.told] == [("closed", "met")]


@pytest.mark.requirement("SLA-2")
def test_a_moved_due_time_alerts_for_the_new_one_and_no_more_for_the_old_one() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    life.until(at("2026-03-02 16:00"))
    life.event(a_task_fact(2, at=at("2026-03-02 16:30"), due_at=at("2026-03-04 17:00")))
    life.until(at("2026-03-04 17:00"))
    assert life.rungs() == [("due-soon", 0), ("due-soon", 0), ("overdue", 0)]
    assert [alert.due_at for alert in life.told] == [at("2026-03-02 17:00")] + 2 * [at("2026-03-04 17:00")]
    assert len({alert_id(str(CASE), alert) for alert in life.told}) == 3


def test_a_completion_read_after_the_alert_withdraws_it() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    life.until(at("2026-03-02 17:00"))
    life.event(
        a_task_fact(2, state="completed", at=at("2026-03-02 16:59"), completed_at=at("2026-03-02 16:59")), now=at("2026-03-02 17:01")
    )
    assert [(alert.type, alert.rung) for alert in life.told][2:] == [("withdrawn", "overdue"), ("closed", "none")]
    assert life.told[-1].outcome == "met"
    assert [alert.revision for alert in life.told] == [1, 2, 3, 4]


def test_a_completion_by_a_host_whose_clock_is_ahead_counts_as_now() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    ahead = at("2026-03-02 18:00")
    life.event(a_task_fact(2, state="completed", at=ahead, completed_at=ahead), now=at("2026-03-02 12:00"))
    assert life.told[-1].outcome == "met"


def test_a_finished_task_is_remembered_for_the_retention_and_then_forgotten() -> None:
    life = Life()
    life.event(a_task_fact())
    done = at("2026-03-02 12:00")
    life.event(a_task_fact(3, state="completed", at=done, completed_at=done))
    marker = life.record
    life.event(a_task_fact(2), now=done + 5)
    assert life.record is not None
    assert marker is not None
    assert (life.record.clocks, life.record.facts, life.record.next_at) == (marker.clocks, marker.facts, marker.next_at)
    assert marker.facts.title == ""  # nothing about a person is kept longer than needed
    life.until(done + RETENTION - 1)
    assert life.record is not None
    life.until(done + RETENTION)
    assert life.record is None


def test_a_late_older_event_does_not_revive_a_task_never_seen_before() -> None:
    life = Life()
    life.event(a_task_fact(4, state="cancelled"))
    life.event(a_task_fact(3))
    life.until(at("2026-03-10 00:00"))
    assert [(alert.type, alert.outcome) for alert in life.told] == [("closed", "cancelled")]


def test_a_lag_fires_when_the_task_may_start_and_then_its_due_time_counts() -> None:
    life = Life()
    life.event(a_task_fact(1, state="planned", triggered_at=None, due_at=None))
    assert life.record is None
    life.event(a_task_fact(2, state="planned", triggered_at=None, due_at=None, starts_at=at("2026-03-03 09:00")))
    life.until(at("2026-03-03 09:00"))
    assert life.rungs() == [("lag-over", 0)]
    life.until(at("2026-03-04 09:00"))
    assert life.rungs() == [("lag-over", 0)]
    life.event(a_task_fact(3, triggered_at=at("2026-03-03 09:00"), due_at=at("2026-03-03 17:00"), at=at("2026-03-03 09:00")))
    life.until(at("2026-03-03 17:00"))
    assert life.rungs()[1:] == [("due-soon", 0), ("overdue", 0)]


def waiting(revision: int, **changes: Any) -> TaskFact:
    """The task before it starts: it is to begin by Tuesday noon."""
    given: dict[str, Any] = {"state": "planned", "triggered_at": None, "due_at": None, "start_by": at("2026-03-03 12:00")}
    return a_task_fact(revision, **given | changes)


@pytest.mark.requirement("EDGE-5", "SLA-2")
def test_a_start_that_is_late_is_told_once_while_the_task_waits_or_nobody_begins_it() -> None:
    for state in ("planned", "pending"):
        life = Life()
        life.event(waiting(1))
        life.event(waiting(2, state=state, at=at("2026-03-03 08:00")))
        life.until(at("2026-03-03 12:00") - 1)
        assert life.rungs() == []
        life.until(at("2026-03-20 09:00"))
        assert life.rungs() == [("start-late", 0)]
        (told,) = life.told
        assert (told.due_at, told.fired_at, told.late, told.revision) == (at("2026-03-03 12:00"), at("2026-03-03 12:00"), False, 1)
        # Told again of the same task: that changes nothing. Neither does the work that begins at last.
        life.event(waiting(3, state=state))
        life.event(waiting(4, state="in_progress", in_progress_at=at("2026-03-20 09:00")))
        life.until(at("2026-04-20 09:00"))
        assert life.rungs() == [("start-late", 0)]


@pytest.mark.requirement("EDGE-5")
@pytest.mark.parametrize("state", ["in_progress", "completed", "cancelled"])
def test_a_task_that_was_begun_or_ended_in_time_has_no_late_start(state: str) -> None:
    life = Life()
    life.event(waiting(1))
    begun = at("2026-03-03 11:00")
    life.event(waiting(2, state=state, at=begun, in_progress_at=None if state == "cancelled" else begun))
    life.event(waiting(3, state=state, at=begun, in_progress_at=None if state == "cancelled" else begun))
    life.until(at("2026-03-10 09:00"))
    assert life.told == []


def test_a_task_set_back_to_pending_was_begun_all_the_same() -> None:
    life = Life()
    life.event(waiting(1))
    begun = at("2026-03-03 11:00")
    life.event(waiting(2, state="in_progress", in_progress_at=begun, at=begun))
    life.event(waiting(3, state="pending", in_progress_at=begun, at=begun + 1))
    life.until(at("2026-03-10 09:00"))
    assert life.told == []


@pytest.mark.requirement("EDGE-5")
def test_a_start_by_that_moves_is_told_of_at_the_new_moment_only() -> None:
    life = Life()
    life.event(waiting(1))
    life.event(waiting(2, start_by=at("2026-03-03 10:00")))
    life.until(at("2026-03-03 10:00"))
    life.event(waiting(3, start_by=at("2026-03-05 10:00"), at=at("2026-03-03 10:30")))
    life.until(at("2026-03-10 09:00"))
    assert [(alert.type, alert.due_at, alert.revision) for alert in life.told] == [
        ("start-late", at("2026-03-03 10:00"), 1),
        ("start-late", at("2026-03-05 10:00"), 2),
    ]
    assert len({alert_id(str(CASE), alert) for alert in life.told}) == 2


def test_a_start_by_that_is_gone_is_not_told_of() -> None:
    life = Life()
    life.event(waiting(1))
    life.event(waiting(2, start_by=None))
    life.until(at("2026-03-10 09:00"))
    assert life.told == []


@pytest.mark.requirement("EDGE-5")
@pytest.mark.parametrize("told_before", [False, True])
def test_a_task_restored_after_its_cancellation_has_its_start_by_again_and_is_told_of_once(told_before: bool) -> None:
    life = Life()
    life.event(waiting(1))
    moment = at("2026-03-03 13:00") if told_before else at("2026-03-03 09:00")
    life.until(moment)
    life.event(waiting(2, state="cancelled", at=moment))
    life.until(at("2026-03-04 09:00"))
    assert life.rungs() == [("start-late", 0)] * told_before
    life.event(waiting(3, at=at("2026-03-04 09:00")))
    life.until(at("2026-03-10 09:00"))
    assert life.rungs() == [("start-late", 0)]


@pytest.mark.requirement("EDGE-5", "SLA-3")
def test_a_lag_a_late_start_and_the_due_time_of_one_task_fire_beside_each_other() -> None:
    life = Life()
    life.event(waiting(1, starts_at=at("2026-03-03 09:00")))
    life.until(at("2026-03-03 09:00"))
    times: dict[str, Any] = {"triggered_at": at("2026-03-03 09:00"), "due_at": at("2026-03-03 17:00"), "at": at("2026-03-03 09:00")}
    life.event(waiting(2, state="pending", **times))
    life.until(at("2026-03-03 17:00"))
    assert life.rungs() == [("lag-over", 0), ("start-late", 0), ("due-soon", 0), ("overdue", 0)]
    assert life.record is not None
    assert [clock.kind.name for clock in life.record.clocks] == ["DUE", "LAG", "START"]


@pytest.mark.requirement("EDGE-5", "TASK-2")
def test_a_lag_of_a_task_restored_after_its_cancellation_runs_again() -> None:
    starts_at = at("2026-03-04 09:00")
    life = Life()
    life.event(waiting(1, starts_at=starts_at, start_by=None))
    life.event(waiting(2, state="cancelled", start_by=None, at=at("2026-03-03 09:00")))
    life.until(at("2026-03-03 12:00"))
    assert life.told == []
    life.event(waiting(3, starts_at=starts_at, start_by=None, at=at("2026-03-03 12:00")))
    life.until(at("2026-03-10 09:00"))
    assert [(alert.type, alert.fired_at) for alert in life.told] == [("lag-over", starts_at)]


@pytest.mark.requirement("EDGE-5", "TASK-2")
def test_a_task_that_waits_again_has_no_due_time_until_it_starts_anew_and_its_clocks_count_on() -> None:
    life = Life()
    life.event(waiting(1, starts_at=at("2026-03-03 09:00"), start_by=None))
    life.until(at("2026-03-03 09:00"))
    started: dict[str, Any] = {"state": "pending", "start_by": None, "at": at("2026-03-03 09:00"), "triggered_at": at("2026-03-03 09:00")}
    life.event(waiting(2, due_at=at("2026-03-03 17:00"), **started))
    life.until(at("2026-03-03 16:00"))
    # Its predecessor is open again, and ends anew a day later.
    life.event(waiting(3, start_by=None, at=at("2026-03-03 16:00")))
    life.until(at("2026-03-04 16:00"))
    assert life.rungs() == [("lag-over", 0), ("due-soon", 0)]
    life.event(waiting(4, starts_at=at("2026-03-05 09:00"), start_by=None, at=at("2026-03-04 16:00")))
    life.until(at("2026-03-05 09:00"))
    life.event(waiting(5, due_at=at("2026-03-05 17:00"), **started | {"triggered_at": at("2026-03-05 09:00")}))
    life.until(at("2026-03-05 17:00"))
    assert [(alert.type, alert.due_at, alert.revision) for alert in life.told] == [
        ("lag-over", at("2026-03-03 09:00"), 1),
        ("due-soon", at("2026-03-03 17:00"), 1),
        ("lag-over", at("2026-03-05 09:00"), 2),
        ("due-soon", at("2026-03-05 17:00"), 2),
        ("overdue", at("2026-03-05 17:00"), 3),
    ]


def test_a_task_that_waits_again_by_an_event_read_late_takes_back_what_was_told_after() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    life.until(at("2026-03-02 17:00"))
    life.event(waiting(2, start_by=None, at=at("2026-03-02 16:00")), now=at("2026-03-02 17:30"))
    assert [(alert.type, alert.rung) for alert in life.told][2:] == [("withdrawn", "overdue")]
    life.until(at("2026-04-02 17:00"))
    assert len(life.told) == 3


@pytest.mark.requirement("SLA-3")
def test_what_fell_due_while_nobody_was_there_fires_in_order_and_late() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    back = at("2026-03-03 09:30")
    life.until(back, step=False, late_before=back)
    assert life.rungs() == [("due-soon", 0), ("overdue", 0)]
    assert all(alert.late and alert.fired_at == back for alert in life.told)


def test_working_time_is_not_counted_over_centuries() -> None:
    life = Life()
    life.event(a_task_fact(due_at=at("2190-01-01 00:00")))
    assert life.record is not None
    assert life.record.clocks[0].calendar == ""


@pytest.mark.requirement("SLA-3")
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["moved", "assigned", "completed", "reopened", "late repeat"]), st.integers(1, 30)), max_size=12),
    st.booleans(),
)
def test_no_alert_is_told_twice_for_the_same_instant_whatever_happens(steps: list[tuple[str, int]], is_watched: bool) -> None:
    life, now, revision = Life(), at("2026-03-02 09:00"), 1
    due = now + hours(10)
    life.event(a_task_fact(due_at=due), now)
    for what, passed in steps:
        now += hours(passed)
        life.until(now, step=is_watched)
        if what == "late repeat":
            life.event(a_task_fact(max(1, revision - 1), due_at=due, at=now), now)
            continue
        revision += 1
        due = due + hours(passed) if what == "moved" else due
        state = "completed" if what == "completed" else "in_progress"
        life.event(a_task_fact(revision, state=state, due_at=due, at=now, completed_at=now if state == "completed" else None), now)
    life.until(now + hours(24 * 365), step=is_watched)
    alerts = [alert_id(str(CASE), alert) for alert in life.told if alert.type in ("due-soon", "overdue")]
    assert len(alerts) == len(set(alerts))
    assert [alert.revision for alert in life.told] == list(range(1, len(life.told) + 1))
