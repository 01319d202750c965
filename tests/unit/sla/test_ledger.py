"""The ledger is the same in whatever order events come, how late and how often; and what was told is right by it in the end."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.sla.domain.cases import CaseFact, apply_case
from services.sla.domain.clocks import Alert, AlertType, Clock, ClockKind, Ladder, Reason, Step, rung_moment, step_moment
from services.sla.domain.firing import fire
from services.sla.domain.journal import TaskTurn, enter, known_to
from services.sla.domain.ledger import case_clocks
from services.sla.domain.packing import pack, unpack
from services.sla.domain.policy import Policy
from services.sla.domain.records import Outcome, Record
from services.sla.domain.tasks import TaskFact, apply_task
from services.sla.handlers.alerts import alert_id
from shared.calendars import parse_duration
from tests.unit.sla.rules import FACTS, POLICY, a_case_fact, a_target, a_task_fact, at, hours

OPENED = at("2026-03-02 09:00")
LONG_AFTER = at("2027-03-02 09:00")
CHAIN = (
    Step(("owner",), share=0.5),
    Step(("leader",), after=parse_duration("2 working hours")),
    Step(("manager",), share=2.0),
    Step(("owner",), before=parse_duration("1 working hour")),
)
RULES = dataclasses.replace(
    POLICY,
    default_targets=(
        a_target(ClockKind.RESPONSE, "4 working hours"),
        a_target(ClockKind.UPDATE, "1 working day"),
        a_target(ClockKind.RESOLUTION, "10 working hours"),
        a_target(ClockKind.RESOLUTION, "4 working hours", priority="urgent"),
        a_target(ClockKind.RESOLUTION, "30 hours", unit="legal", pauses=False),
        a_target(ClockKind.COMPLETION, "3 working days"),
    ),
    subject_targets={"complaint": (a_target(ClockKind.RESPONSE, "2 days", pauses=False),)},
    ladder=Ladder(0.75, parse_duration("1 working hour"), 3, steps=CHAIN),
)
RULES_BEFORE = dataclasses.replace(RULES, ladder=Ladder(due_soon_before=parse_duration("3 working hours"), steps=CHAIN))
"""Due soon a time before, which is longer than all the time of some."""
STATES = ("pending", "responded", "temporarily_resolved", "finally_resolved", "completed", "cancelled")

case_changes = st.fixed_dictionaries(
    {
        "state": st.sampled_from(STATES),
        "waiting_for_customer": st.booleans(),
        "passed": st.integers(0, 40),
        "priority": st.sampled_from(["high", "urgent"]),
        "subject": st.sampled_from(["leak", "complaint"]),
        "unit": st.sampled_from(["repairs", "legal"]),
        "heard": st.booleans(),
    }
)
task_changes = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["planned", "pending", "in_progress", "completed", "cancelled"]),
        "passed": st.integers(0, 40),
        "due_in": st.sampled_from([8, 8, 20]),
    }
)


def a_case_life(changes: list[dict[str, Any]]) -> list[CaseFact]:
    """The events of a case, in order, from what happens to it and when."""
    facts, now, heard_at = [a_case_fact(at=OPENED, opened_at=OPENED)], OPENED, None
    responded_at = None
    for number, change in enumerate(changes, 2):
        now += hours(change["passed"])
        heard_at = now if change["heard"] else heard_at
        state = change["state"]
        responded_at = None if state == "pending" else responded_at or now
        told = replace(FACTS, priority=change["priority"], subject=change["subject"], unit=change["unit"])
        facts.append(
            a_case_fact(
                number,
                at=now,
                opened_at=OPENED,
                state=state,
                waiting_for_customer=change["waiting_for_customer"],
                responded_at=responded_at,
                resolved_at=now if state in ("finally_resolved", "completed") else None,
                completed_at=now if state == "completed" else None,
                facts=told,
                updated_at=heard_at,
            )
        )
    return facts


def a_task_life(changes: list[dict[str, Any]]) -> list[TaskFact]:
    facts, now = [a_task_fact(at=OPENED, due_at=OPENED + hours(8))], OPENED
    for number, change in enumerate(changes, 2):
        now += hours(change["passed"])
        state = change["state"]
        due_at = None if state == "planned" else OPENED + hours(change["due_in"])
        done_at = now if state == "completed" else None
        facts.append(a_task_fact(number, at=now, state=state, due_at=due_at, completed_at=done_at))
    return facts


class Watch:
    """An item watched by the stream's rules: each event read at some moment, timers fired when they are due."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.record: Record | None = None
        self.told: list[Alert] = []
        self.now = OPENED
        self.is_whole = True
        """Whether its journal is: that of a record of the release before is not."""

    def read(self, fact: CaseFact | TaskFact, now: int) -> None:
        self.wait(now)
        if isinstance(fact, CaseFact):
            self._keep(apply_case(self.record, fact, self.policy, now))
            if self.record is not None and self.is_whole:  # what the record's clocks spare of the arithmetic comes out the same
                assert ledger(self.record) == said_by(case_clocks(self.record.case_turns, self.policy))
        else:
            self._keep(apply_task(self.record, fact, self.policy, now))

    def wait(self, until: int) -> None:
        while self.record is not None and (due := self.record.next_at) is not None and due <= until:
            self._keep(fire(self.record, max(due, self.now), 0, self.policy))
        self.now = until

    def _keep(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.told += outcome.alerts
            self.record = None if outcome.record is None else unpack(pack(outcome.record))
            assert self.record == outcome.record


def ledger(record: Record | None) -> list[tuple[Any, ...]]:
    """What the ledger says, without what was told."""
    assert record is not None
    return said_by(record.clocks)


def said_by(clocks: tuple[Clock, ...]) -> list[tuple[Any, ...]]:
    return [
        (c.kind, c.started_at, c.due_at, c.soon_at, c.budget, c.calendar, c.is_pausable, c.closed_at, c.suspensions, c.outcome, c.target)
        for c in clocks
    ]


def standing(told: list[Alert], kind: ClockKind) -> list[tuple[str, int, int]]:
    """What was told of a clock and not withdrawn: rung, repetition, due instant."""
    left: list[tuple[str, int, int]] = []
    for alert in told:
        what = (alert.rung, alert.repetition, alert.due_at)
        if alert.clock.kind != kind or alert.type == AlertType.CLOSED:
            continue
        if alert.type == AlertType.WITHDRAWN:
            left.remove(what)
        else:
            left.append(what)
    return left


def shuffled(data: st.DataObject, facts: list[Any]) -> list[Any]:
    order = data.draw(st.permutations(facts))
    repeats = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    return [*order, *repeats]


@pytest.mark.requirement("EDGE-8", "SLA-2", "SLA-3")
@settings(max_examples=60, deadline=None)
@given(st.lists(case_changes, max_size=7), st.data())
def test_a_case_s_ledger_is_that_of_its_ordered_history_however_its_events_come(changes: list[dict[str, Any]], data: st.DataObject) -> None:
    facts = a_case_life(changes)
    rules = data.draw(st.sampled_from([RULES, RULES_BEFORE]))
    ordered = Watch(rules)
    for fact in facts:
        ordered.read(fact, fact.at)
    other = Watch(rules)
    now = facts[-1].at if data.draw(st.booleans()) else OPENED
    for fact in shuffled(data, facts):
        now = max(now, fact.at) + hours(data.draw(st.integers(0, 10)))
        other.read(fact, now)
    assert ledger(other.record) == ledger(ordered.record)
    assert other.record is not None
    assert ordered.record is not None
    assert other.record.turns == ordered.record.turns


@pytest.mark.requirement("EDGE-8", "SLA-3")
@settings(max_examples=60, deadline=None)
@given(st.lists(task_changes, max_size=7), st.data())
def test_a_task_s_ledger_is_that_of_its_ordered_history_however_its_events_come(changes: list[dict[str, Any]], data: st.DataObject) -> None:
    facts = a_task_life(changes)
    ordered, other = Watch(RULES), Watch(RULES)
    for fact in facts:
        ordered.read(fact, fact.at)
    now = OPENED
    for fact in shuffled(data, facts):
        now = max(now, fact.at) + hours(data.draw(st.integers(0, 10)))
        other.read(fact, now)
    assert ledger(other.record) == ledger(ordered.record)


@pytest.mark.requirement("SLA-2", "SLA-3", "EDGE-9")
@settings(max_examples=60, deadline=None)
@given(st.lists(case_changes, max_size=6), st.data())
def test_what_stands_of_what_was_told_is_what_the_ledger_says_however_late_it_was_known(
    changes: list[dict[str, Any]], data: st.DataObject
) -> None:
    facts = a_case_life(changes)
    watch = Watch(RULES)
    now = OPENED
    for fact in shuffled(data, facts):
        now = max(now, fact.at) + hours(data.draw(st.integers(0, 10)))
        watch.read(fact, now)
    watch.wait(LONG_AFTER)
    assert watch.record is None or watch.record.forget_at is not None or watch.record.next_at is None
    for clock in watch.record.clocks if watch.record is not None else ():
        told = standing(watch.told, clock.kind)
        assert len(told) == len(set(told))
        if clock.closed_at is None and not clock.is_suspended:
            assert {what[:2] for what in told if what[2] == clock.due_at} >= due_rungs(clock, LONG_AFTER)
    ids = [alert_id(str(alert.clock.kind), alert) for alert in watch.told if alert.type not in (AlertType.WITHDRAWN, AlertType.CLOSED)]
    withdrawn = [alert for alert in watch.told if alert.type == AlertType.WITHDRAWN]
    assert len(ids) - len(set(ids)) <= len(withdrawn)  # told again only where it was taken back


@pytest.mark.requirement("SLA-2", "EDGE-8")
def test_a_repetition_at_the_very_moment_of_a_stop_is_not_told_again_when_an_older_stop_becomes_known() -> None:
    def a_fact(revision: int, after: int, state: str) -> CaseFact:
        resolved_at = OPENED + hours(after) if state == "finally_resolved" else None
        return a_case_fact(revision, at=OPENED + hours(after), opened_at=OPENED, state=state, resolved_at=resolved_at)

    facts = [a_fact(1, 0, "pending"), a_fact(3, 19, "pending"), a_fact(4, 25, "finally_resolved"), a_fact(5, 26, "pending")]
    watch = Watch(RULES)
    for fact in facts:
        watch.read(fact, fact.at)
    watch.read(a_fact(2, 9, "finally_resolved"), OPENED + hours(28))
    watch.wait(LONG_AFTER)
    told = standing(watch.told, ClockKind.UPDATE)
    assert ("overdue", 1) in {what[:2] for what in told}  # that which fell on the stop
    assert len(told) == len(set(told))


def due_rungs(clock: Clock, now: int) -> set[tuple[str, int]]:
    """What the ledger says is to be told of an open clock's present due instant."""
    calendar, ladder = RULES.calendar_of(clock.calendar), RULES.ladder
    found = set()
    for rung in range(1, 2 + ladder.repeat_times):
        moment = rung_moment(clock, rung, calendar, ladder)
        if moment is not None and moment <= now:
            found.add(("overdue", rung - 1))
    for number, step in enumerate(ladder.steps):
        moment = step_moment(clock, step, calendar)
        if moment is not None and step.after is not None and moment <= now:
            found.add(("escalated", number + 1))
    return found


@settings(max_examples=150, deadline=None)
@example([(1, "open", 1), (3, "open", 3), (2, "planned", 2)])
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["open", "planned"]), st.integers(1, 9)), max_size=10))
def test_a_journal_is_the_same_whatever_the_order_and_knows_what_is_missing(said: list[tuple[int, str, int]]) -> None:
    by_revision = {revision: (state, moment) for revision, state, moment in reversed(said)}
    turns: tuple[TaskTurn, ...] = ()
    for revision, state, moment in said:
        turns = enter(turns, TaskTurn(revision, revision, moment, state)) or turns
    in_order: tuple[TaskTurn, ...] = ()
    for revision in sorted(by_revision):
        state, moment = by_revision[revision]
        in_order = enter(in_order, TaskTurn(revision, revision, moment, state)) or in_order
    assert turns == in_order
    missing = [revision for revision in range(1, 8) if revision not in by_revision]
    assert known_to(turns) == (missing[0] - 1 if turns else 0)


@pytest.mark.requirement("SLA-2", "EDGE-8")
def test_a_pause_that_is_known_too_late_takes_the_alerts_back_and_they_come_when_they_are_due() -> None:
    policy = dataclasses.replace(RULES, default_targets=(a_target(ClockKind.RESOLUTION, "10 working hours"),), ladder=Ladder(0.75))
    watch = Watch(policy)
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    resumed = at("2026-03-04 09:00")
    watch.read(a_case_fact(3, at=resumed), resumed)
    assert [(alert.type, alert.rung) for alert in watch.told] == [("due-soon", "due-soon"), ("overdue", "overdue")]
    watch.read(a_case_fact(2, at=at("2026-03-02 11:00"), waiting_for_customer=True), resumed + hours(1))
    assert [(alert.type, alert.rung) for alert in watch.told[2:]] == [("withdrawn", "due-soon"), ("withdrawn", "overdue")]
    assert watch.record is not None
    (clock,) = watch.record.clocks
    assert clock.suspensions == ((at("2026-03-02 11:00"), resumed, Reason.WAITING),)
    watch.wait(LONG_AFTER)
    assert [(alert.rung, alert.fired_at) for alert in watch.told[4:]] == [
        ("due-soon", at("2026-03-04 14:30")),
        ("overdue", at("2026-03-04 17:00")),
    ]
    assert [alert.revision for alert in watch.told] == [1, 2, 3, 4, 5, 6]


@pytest.mark.requirement("EDGE-9")
def test_each_step_of_the_chain_fires_once_in_working_time_and_tells_whom_it_names() -> None:
    watch = Watch(dataclasses.replace(RULES, default_targets=(a_target(ClockKind.RESOLUTION, "10 working hours"),)))
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    watch.wait(LONG_AFTER)
    assert [(alert.type, alert.repetition, alert.fired_at, alert.tell) for alert in watch.told] == [
        ("escalated", 1, at("2026-03-02 14:00"), ("owner",)),
        ("due-soon", 0, at("2026-03-02 16:30"), ()),
        ("escalated", 4, at("2026-03-03 10:00"), ("owner",)),
        ("overdue", 0, at("2026-03-03 11:00"), ()),
        ("overdue", 1, at("2026-03-03 12:00"), ()),
        ("overdue", 2, at("2026-03-03 13:00"), ()),
        ("escalated", 2, at("2026-03-03 13:00"), ("leader",)),
        ("overdue", 3, at("2026-03-03 14:00"), ()),
        ("escalated", 3, at("2026-03-04 13:00"), ("manager",)),
    ]


@pytest.mark.requirement("SLA-1", "SLA-2")
def test_the_next_word_to_the_customer_is_due_anew_each_time_that_they_hear() -> None:
    watch = Watch(dataclasses.replace(RULES, default_targets=(a_target(ClockKind.UPDATE, "1 working day"),), ladder=Ladder(0.75)))
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    heard = at("2026-03-02 14:00")
    watch.read(a_case_fact(2, at=heard, updated_at=heard), heard)
    assert watch.record is not None
    assert (watch.record.clocks[0].started_at, watch.record.clocks[0].due_at) == (heard, at("2026-03-03 14:00"))
    watch.read(a_case_fact(3, at=at("2026-03-05 10:00"), updated_at=at("2026-03-05 10:00")), at("2026-03-05 10:00"))
    watch.read(a_case_fact(4, at=at("2026-03-05 12:00"), updated_at=at("2026-03-05 10:00"), state="completed"), at("2026-03-05 12:00"))
    assert [(alert.type, alert.outcome) for alert in watch.told] == [
        ("closed", "met"),
        ("due-soon", ""),
        ("overdue", ""),
        ("closed", "missed"),
        ("closed", "met"),
    ]


def test_a_target_that_forbids_pausing_counts_what_was_waited_before_too() -> None:
    watch = Watch(RULES)
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    watch.read(a_case_fact(2, at=OPENED + hours(1), waiting_for_customer=True), OPENED + hours(1))
    watch.read(a_case_fact(3, at=OPENED + hours(3), facts=replace(FACTS, unit="legal")), OPENED + hours(3))
    assert watch.record is not None
    clock = watch.record.clock(ClockKind.RESOLUTION)
    assert clock is not None
    assert (clock.suspensions, clock.due_at, clock.target) == ((), OPENED + hours(30), "organisation")
