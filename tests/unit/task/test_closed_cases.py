"""A case is closed while its tasks wait: they start when it is open again, each once; one never planned is planned then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.task.domain.case import Customer
from services.task.handlers import cases, progress
from services.task.handlers.making import make_task
from services.task.handlers.work import Cause
from shared.ids import derive
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseAmended,
    CaseLifeCycle,
    CaseMerged,
    CaseMergeUndone,
    CaseOpened,
    CaseRepublished,
    CaseState,
    CaseStatusChanged,
    ClockKind,
    ClockLagOver,
    ItemKind,
)
from tests.unit.task.test_plan_handling import CASE, HOUR, NOW, Desk, an_opening

pytestmark = pytest.mark.requirement("TASK-2", "EDGE-5")

LAG = {"task": "fix-leak", "after": "inspect-leak", "lag": "1 day", "max_lag": "3 days"}
AFTER = {"task": "fix-leak", "after": "inspect-leak"}
COMPLETED, RESPONDED = CaseLifeCycle.COMPLETED, CaseLifeCycle.RESPONDED


def told(desk: Desk, kind: type[CaseState], revision: int, state: CaseLifeCycle, at: datetime, **more: Any) -> Event:
    """An event of the case, taken in at the moment it tells."""
    opening = an_opening()
    data = kind(**opening.data.model_dump() | {"state": state} | more)
    event_id = derive("case event", revision, kind.__name__)
    desk.work.now = max(desk.work.now, at)
    return Event(event_id, data.event_type, "/test/case", str(CASE), at, revision, 1, "", str(CASE), data)


def close(desk: Desk, revision: int, at: datetime, state: CaseLifeCycle = COMPLETED) -> None:
    cases.on_case_status_changed(desk.work, told(desk, CaseStatusChanged, revision, state, at))


def reopen(desk: Desk, revision: int, at: datetime) -> None:
    cases.on_case_status_changed(desk.work, told(desk, CaseStatusChanged, revision, RESPONDED, at))


def lag_over(desk: Desk, code: str, due_at: datetime, now: datetime | None = None) -> None:
    desk.work.now = max(desk.work.now, due_at if now is None else now)
    data = ClockLagOver(
        clock_id=derive("clock", code),
        kind=ClockKind.LAG,
        item_kind=ItemKind.TASK,
        item_id=desk.task(code).id,
        case_id=CASE,
        started_at=NOW,
        due_at=due_at,
        fired_at=due_at,
    )
    event = Event(derive("lag", code, due_at), data.event_type, "/test/sla", code, due_at, 1, 1, "", str(CASE), data)
    progress.on_lag_over(desk.work, event)


def a_lag_that_runs() -> tuple[Desk, datetime]:
    """A case whose first task is completed: the second is to start a day later."""
    desk = Desk(LAG)
    desk.do("inspect-leak", "complete")
    starts_at = NOW + HOUR + timedelta(days=1)
    assert desk.task("fix-leak").starts_at == starts_at
    return desk, starts_at


def test_a_lag_that_ends_in_a_closed_case_starts_its_task_once_the_case_is_open_again() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    lag_over(desk, "fix-leak", starts_at)
    assert desk.states()["fix-leak"] == "planned"
    again = starts_at + timedelta(days=3)
    reopen(desk, 3, again)
    task = desk.task("fix-leak")
    # The time that it was closed does not count: two working days are left, with a weekend between them.
    assert (task.state, task.triggered_at, task.due_at) == ("pending", again, again + timedelta(days=4))
    lag_over(desk, "fix-leak", starts_at, again + HOUR)
    reopen(desk, 3, again)
    reopen(desk, 4, again + HOUR)
    assert desk.told("triggered").count("fix-leak") == 1


def test_a_case_closed_and_open_again_while_the_lag_runs_changes_nothing() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    reopen(desk, 3, NOW + 3 * HOUR)
    assert desk.states()["fix-leak"] == "planned"
    lag_over(desk, "fix-leak", starts_at)
    assert (desk.states()["fix-leak"], desk.task("fix-leak").triggered_at) == ("pending", starts_at)


def test_a_lag_that_ended_before_the_word_of_it_comes_starts_its_task_at_the_re_opening_and_not_again() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    reopen(desk, 3, starts_at + HOUR)  # sla's word is still on its way
    lag_over(desk, "fix-leak", starts_at)
    assert desk.told("triggered").count("fix-leak") == 1


def test_a_re_opening_read_late_starts_what_came_due_between() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    lag_over(desk, "fix-leak", starts_at)
    desk.work.now = starts_at + HOUR
    reopen(desk, 3, starts_at - HOUR)
    assert (desk.states()["fix-leak"], desk.task("fix-leak").triggered_at) == ("pending", starts_at)


def test_a_lag_that_is_over_by_a_clock_ahead_of_ours_is_over_at_the_re_opening() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    ours = starts_at - timedelta(seconds=2)
    lag_over(desk, "fix-leak", starts_at, ours)
    reopen(desk, 3, ours + timedelta(seconds=1))
    assert desk.states()["fix-leak"] == "pending"


def test_what_a_task_of_a_closed_case_sets_going_waits_for_the_re_opening() -> None:
    desk = Desk(AFTER)
    close(desk, 2, NOW)
    desk.do("inspect-leak", "complete")
    assert desk.states()["fix-leak"] == "planned"
    assert desk.told("scheduled") == ["fix-leak"]
    lag_over(desk, "fix-leak", NOW + HOUR)
    assert desk.states()["fix-leak"] == "planned"
    reopen(desk, 3, NOW + 2 * HOUR)
    assert (desk.states()["fix-leak"], desk.task("fix-leak").triggered_at) == ("pending", NOW + 2 * HOUR)


def test_a_cancelled_cases_task_is_cancelled_and_the_end_of_its_lag_changes_nothing() -> None:
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR, CaseLifeCycle.CANCELLED)
    lag_over(desk, "fix-leak", starts_at)
    assert desk.states()["fix-leak"] == "cancelled"


def test_a_single_task_of_a_closed_case_starts_at_the_re_opening_too() -> None:
    desk = Desk(tasks=["inspect-leak"])
    case = desk.work.cases[CASE]
    at = NOW + timedelta(days=2)
    firings = [derive("firing", n) for n in range(2)]
    made = [
        make_task(
            desk.work,
            definition="call-back",
            case=case,
            customer=Customer(),
            id=derive("single", firing),
            at=at,
            due_at=None,
            config_version=1,
            cause=Cause(firing, NOW, "rule:later"),
            is_waiting=True,
            firing_id=firing,
        )
        for firing in firings
    ]
    close(desk, 2, NOW + HOUR)
    reopen(desk, 3, at + HOUR)
    assert [(task.state, task.triggered_at, task.changed_by) for task in made] == 2 * [("pending", at + HOUR, "rule:later")]
    # Each goes back to its own firing.
    causes = [emission.cause.id for emission in desk.work.emissions[-2:]]
    assert [desk.work.origins[cause] for cause in causes] == firings


def test_a_lag_that_ended_while_its_case_was_merged_starts_its_task_when_that_is_undone() -> None:
    desk, starts_at = a_lag_that_runs()
    into: dict[str, Any] = {"merged_into": derive("survivor"), "merged_into_number": "C-2"}
    cases.on_case_merged(desk.work, told(desk, CaseMerged, 2, CaseLifeCycle.CANCELLED, starts_at, **into))
    lag_over(desk, "fix-leak", starts_at)
    assert desk.states()["fix-leak"] == "cancelled"
    back = starts_at + HOUR
    cases.on_case_merge_undone(desk.work, told(desk, CaseMergeUndone, 3, RESPONDED, back, was_merged_into=derive("survivor")))
    assert (desk.states()["fix-leak"], desk.task("fix-leak").triggered_at) == ("pending", back)
    lag_over(desk, "fix-leak", starts_at)
    assert desk.told("triggered").count("fix-leak") == 1


def a_case_first_seen_closed(kind: type[CaseState] = CaseOpened) -> Desk:
    desk = Desk(AFTER)
    desk.work.cases.clear()
    desk.work.tasks.clear()
    desk.work._by_case.clear()
    desk.work._emissions.clear()
    apply = cases.on_case_opened if kind in (CaseOpened, CaseRepublished) else cases.on_case_changed
    apply(desk.work, told(desk, kind, 5, COMPLETED, NOW))
    assert desk.states() == {}
    return desk


@pytest.mark.parametrize("kind", [CaseOpened, CaseRepublished, CaseAmended])
def test_a_case_first_seen_closed_is_planned_once_when_it_is_open_again(kind: type[CaseState]) -> None:
    desk = a_case_first_seen_closed(kind)
    at = NOW + timedelta(days=1)
    reopen(desk, 6, at)
    assert desk.states() == {"inspect-leak": "pending", "fix-leak": "planned", "call-back": "pending"}
    assert desk.task("inspect-leak").triggered_at == at
    # Told again, opened late, closed and open again: the plan stays the one that was made.
    reopen(desk, 6, at)
    cases.on_case_opened(desk.work, told(desk, CaseOpened, 1, RESPONDED, at))
    cases.on_case_opened(desk.work, told(desk, CaseRepublished, 7, RESPONDED, at))
    close(desk, 8, at)
    reopen(desk, 9, at)
    assert desk.told("triggered") == ["inspect-leak", "call-back"]
    assert [e.payload.event_type for e in desk.work.emissions].count("casestream.plan.made.v1") == 1


def test_a_case_first_seen_closed_that_is_told_of_again_as_open_is_planned_once() -> None:
    desk = a_case_first_seen_closed()
    cases.on_case_opened(desk.work, told(desk, CaseRepublished, 6, RESPONDED, NOW))
    reopen(desk, 7, NOW)
    assert desk.told("triggered") == ["inspect-leak", "call-back"]


def test_a_case_that_is_told_of_as_open_by_whatever_event_goes_on() -> None:
    """The change of status itself may lie among the dead letters."""
    desk, starts_at = a_lag_that_runs()
    close(desk, 2, NOW + 2 * HOUR)
    cases.on_case_changed(desk.work, told(desk, CaseAmended, 4, RESPONDED, starts_at + HOUR))
    assert desk.states()["fix-leak"] == "pending"
    reopen(desk, 3, starts_at + HOUR)
    assert desk.told("triggered").count("fix-leak") == 1


def test_a_case_whose_subject_cannot_be_planned_waits_for_its_opening() -> None:
    desk = Desk()
    stranger = {"case_id": derive("stranger"), "subject": "unheard-of"}
    cases.on_case_changed(desk.work, told(desk, CaseAmended, 2, COMPLETED, NOW, **stranger))
    cases.on_case_changed(desk.work, told(desk, CaseAmended, 3, RESPONDED, NOW, **stranger))
    assert desk.work.tasks_of(derive("stranger")) == []
