"""How a task moves, who may move it, and who has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.task.domain.lifecycle import (
    Refusal,
    Standing,
    Statuses,
    StatusRule,
    TaskState,
    TransitionRefused,
    accept,
    begin,
    cancel,
    complete,
    put_back,
    reassign,
    set_status,
    trigger,
)
from services.task.domain.ownership import SYSTEM, Actor, Owner, OwnerKind
from shared.ids import UserId

NOW = datetime(2024, 1, 8, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
PLAIN = Statuses()
AMIRA = Actor(UserId("amira"), roles=frozenset({"surveyor"}), units=frozenset({"repairs"}))
BEN = Actor(UserId("ben"), units=frozenset({"repairs"}))
LEADER = Actor(UserId("lea"), oversees=True)
STRANGER = Actor(UserId("sam"), units=frozenset({"lettings"}))
UNIT = Owner(OwnerKind.UNIT, "repairs")
ROLE = Owner(OwnerKind.ROLE, "surveyor")


def a_user(name: str) -> Owner:
    return Owner(OwnerKind.USER, name)


def a_task(state: TaskState = TaskState.PENDING, owner: Owner | None = None, assignee: str | None = "amira") -> Standing:
    ended = None if state.is_open else NOW
    return Standing(state, state.value, owner or UNIT, UserId(assignee) if assignee else None, ended_at=ended)


def refusal(act: Callable[[], object]) -> Refusal:
    with pytest.raises(TransitionRefused) as caught:
        act()
    return caught.value.why


@pytest.mark.requirement("TASK-6")
def test_a_task_goes_from_pending_over_in_progress_to_completed() -> None:
    begun = begin(a_task(), AMIRA, NOW, PLAIN)
    assert (begun.state, begun.in_progress_at, begun.ended_at) == (TaskState.IN_PROGRESS, NOW, None)
    done = complete(begun, AMIRA, LATER, PLAIN)
    assert (done.state, done.status, done.in_progress_at, done.ended_at) == (
        TaskState.COMPLETED,
        "completed",
        NOW,
        LATER,
    )


@pytest.mark.requirement("TASK-6")
def test_a_task_in_progress_goes_back_to_pending_when_further_action_is_needed() -> None:
    back = put_back(begin(a_task(), AMIRA, NOW, PLAIN), AMIRA, LATER, PLAIN)
    assert back.state is TaskState.PENDING
    again = begin(back, AMIRA, LATER, PLAIN)
    assert again.in_progress_at == NOW


@pytest.mark.requirement("TASK-6")
def test_cancelling_needs_a_reason_and_keeps_it() -> None:
    assert refusal(lambda: cancel(a_task(), AMIRA, NOW, PLAIN, "")) is Refusal.NO_REASON
    cancelled = cancel(a_task(TaskState.IN_PROGRESS), AMIRA, NOW, PLAIN, "duplicate")
    assert (cancelled.state, cancelled.cancellation_reason, cancelled.ended_at) == (
        TaskState.CANCELLED,
        "duplicate",
        NOW,
    )


@pytest.mark.requirement("TASK-6")
@pytest.mark.parametrize(
    ("state", "move", "why"),
    [
        (TaskState.PENDING, complete, Refusal.NO_SUCH_MOVE),
        (TaskState.PENDING, put_back, Refusal.NO_SUCH_MOVE),
        (TaskState.IN_PROGRESS, begin, Refusal.NO_SUCH_MOVE),
        (TaskState.PLANNED, begin, Refusal.NOT_STARTED),
        (TaskState.PLANNED, complete, Refusal.NOT_STARTED),
        (TaskState.PLANNED, put_back, Refusal.NOT_STARTED),
        (TaskState.COMPLETED, begin, Refusal.ENDED),
        (TaskState.CANCELLED, put_back, Refusal.ENDED),
    ],
)
def test_moves_that_the_life_cycle_does_not_know_are_refused(state: TaskState, move: Callable[..., Standing], why: Refusal) -> None:
    assert refusal(lambda: move(a_task(state), AMIRA, NOW, PLAIN)) is why


@pytest.mark.requirement("TASK-6")
@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.CANCELLED])
def test_a_completed_or_cancelled_task_cannot_be_changed_by_anybody(state: TaskState) -> None:
    task = a_task(state)
    acts: list[Callable[[], object]] = [
        lambda: begin(task, LEADER, NOW, PLAIN),
        lambda: complete(task, LEADER, NOW, PLAIN),
        lambda: cancel(task, SYSTEM, NOW, PLAIN, "duplicate"),
        lambda: set_status(task, "pending", LEADER, NOW, PLAIN),
        lambda: accept(task, AMIRA),
        lambda: reassign(task, ROLE, LEADER),
        lambda: trigger(task, PLAIN),
    ]
    assert {refusal(act) for act in acts} == {Refusal.ENDED}


@pytest.mark.requirement("TASK-7")
def test_a_task_starts_only_once_one_user_has_it() -> None:
    unowned = a_task(assignee=None)
    for actor in (AMIRA, LEADER, SYSTEM):
        assert refusal(lambda actor=actor: begin(unowned, actor, NOW, PLAIN)) is Refusal.NO_ASSIGNEE
    assert begin(accept(unowned, AMIRA), AMIRA, NOW, PLAIN).state is TaskState.IN_PROGRESS


@pytest.mark.requirement("TASK-7")
@pytest.mark.parametrize(("owner", "members"), [(UNIT, {"amira", "ben"}), (ROLE, {"amira"}), (a_user("ben"), {"ben"})])
def test_any_member_of_the_owning_role_or_unit_may_accept_and_nobody_else(owner: Owner, members: set[str]) -> None:
    task = a_task(owner=owner, assignee=None)
    for actor in (AMIRA, BEN, STRANGER, LEADER, SYSTEM):
        if actor.user in members:
            assert accept(task, actor).assignee == actor.user
        else:
            assert refusal(lambda actor=actor: accept(task, actor)) is Refusal.NOT_YOURS


@pytest.mark.requirement("TASK-7")
def test_a_task_that_somebody_has_cannot_be_accepted_by_another_member() -> None:
    taken = accept(a_task(assignee=None), AMIRA)
    assert accept(taken, AMIRA) == taken
    assert refusal(lambda: accept(taken, BEN)) is Refusal.NOT_YOURS


@pytest.mark.requirement("TASK-7")
def test_only_the_user_who_has_a_task_or_an_overseer_moves_it_on() -> None:
    for actor in (BEN, STRANGER):
        assert refusal(lambda actor=actor: begin(a_task(), actor, NOW, PLAIN)) is Refusal.NOT_YOURS
    for actor in (AMIRA, LEADER):
        assert begin(a_task(), actor, NOW, PLAIN).state is TaskState.IN_PROGRESS


@pytest.mark.requirement("TASK-7")
@pytest.mark.parametrize("state", [TaskState.PLANNED, TaskState.PENDING, TaskState.IN_PROGRESS])
def test_a_task_is_reassigned_at_any_time_while_open(state: TaskState) -> None:
    to_ben = reassign(a_task(state), a_user("ben"), AMIRA)
    assert (to_ben.owner, to_ben.assignee, to_ben.state) == (a_user("ben"), "ben", state)
    to_unit = reassign(to_ben, UNIT, LEADER)
    assert (to_unit.owner, to_unit.assignee) == (UNIT, None)
    assert accept(to_unit, AMIRA).assignee == "amira"


@pytest.mark.requirement("TASK-7")
def test_who_may_reassign() -> None:
    assert refusal(lambda: reassign(a_task(), a_user("sam"), STRANGER)) is Refusal.NOT_YOURS
    assert refusal(lambda: reassign(a_task(), a_user("ben"), BEN)) is Refusal.NOT_YOURS
    assert reassign(a_task(assignee=None), a_user("amira"), BEN).assignee == "amira"
    assert reassign(a_task(), a_user("ben"), SYSTEM).assignee == "ben"


@pytest.mark.requirement("TASK-2")
def test_a_planned_task_becomes_pending_when_its_plan_reaches_it() -> None:
    triggered = trigger(a_task(TaskState.PLANNED), PLAIN)
    assert (triggered.state, triggered.status) == (TaskState.PENDING, "pending")
    begun = begin(triggered, AMIRA, NOW, PLAIN)
    assert trigger(begun, PLAIN) == begun


def test_a_planned_or_unowned_task_can_be_cancelled() -> None:
    for task in (a_task(TaskState.PLANNED), a_task(TaskState.PENDING, assignee=None)):
        assert cancel(task, LEADER, NOW, PLAIN, "not_needed").state is TaskState.CANCELLED
        assert refusal(lambda task=task: cancel(task, STRANGER, NOW, PLAIN, "not_needed")) is Refusal.NOT_YOURS


OWN = Statuses(
    {
        "new": TaskState.PENDING,
        "parts": TaskState.PENDING,
        "on_site": TaskState.IN_PROGRESS,
        "fixed": TaskState.COMPLETED,
        "void": TaskState.CANCELLED,
    },
    {TaskState.PENDING: "new", TaskState.IN_PROGRESS: "on_site", TaskState.COMPLETED: "fixed"},
)


def test_setting_one_of_the_organisations_statuses_moves_the_state_it_means() -> None:
    task = trigger(a_task(TaskState.PLANNED), OWN)
    assert task.status == "new"
    task = set_status(task, "parts", AMIRA, NOW, OWN)
    assert (task.state, task.status) == (TaskState.PENDING, "parts")
    task = begin(task, AMIRA, NOW, OWN)
    assert (task.state, task.status) == (TaskState.IN_PROGRESS, "on_site")
    task = set_status(task, "parts", AMIRA, NOW, OWN)
    assert task.state is TaskState.PENDING
    assert refusal(lambda: set_status(task, "void", AMIRA, NOW, OWN)) is Refusal.NO_REASON
    void = set_status(task, "void", AMIRA, NOW, OWN, "duplicate")
    assert (void.state, void.status) == (TaskState.CANCELLED, "void")


def test_a_status_that_does_not_exist_or_means_another_state_is_refused() -> None:
    assert refusal(lambda: set_status(a_task(), "lost", AMIRA, NOW, OWN)) is Refusal.UNKNOWN_STATUS
    assert refusal(lambda: begin(a_task(), AMIRA, NOW, OWN, status="fixed")) is Refusal.UNKNOWN_STATUS
    with pytest.raises(TransitionRefused, match="cannot set status lost: there is no such status") as caught:
        set_status(a_task(), "lost", AMIRA, NOW, OWN)
    assert caught.value.what == "set status lost"


def test_transition_rules_say_who_may_set_which_status() -> None:
    ruled = replace(
        OWN,
        rules=(
            StatusRule("new", "on_site", units=frozenset({"repairs"})),
            StatusRule("on_site", "fixed", users=frozenset({"lea"})),
            StatusRule("on_site", "parts"),
        ),
    )
    task = begin(trigger(a_task(TaskState.PLANNED), ruled), AMIRA, NOW, ruled)
    assert refusal(lambda: complete(task, AMIRA, NOW, ruled)) is Refusal.NO_RULE
    assert complete(task, LEADER, NOW, ruled).status == "fixed"
    assert set_status(task, "parts", AMIRA, NOW, ruled).status == "parts"
    assert refusal(lambda: set_status(task, "new", AMIRA, NOW, ruled)) is Refusal.NO_RULE
