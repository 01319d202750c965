"""Any sequence of commands, under any rules of a subject: a case never gets into a state that it must not, and its history explains it.

The machine below holds a case and asks random things of it. What must hold after each step is said in its invariants and in `_check_step`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.case.domain import acceptance, answering, assignment, categories, estimates, priority, progress
from services.case.domain.answers import NO_ANSWERS, Answers, Chosen
from services.case.domain.cancellation import CancellationReasons
from services.case.domain.case import SYSTEM, Actor, Case, HistoryEntry, entries
from services.case.domain.expiry import Outcome, outcome_of_expiry
from services.case.domain.history import COVERED, Step, covered
from services.case.domain.key_dates import CompletionRule
from services.case.domain.life_cycle import (
    NO_CATEGORIES,
    ORDER,
    STAGE_OF,
    STEPS,
    AnswerCategories,
    LifeCycle,
    LifeCycleRules,
    Stage,
    Status,
    TransitionRule,
)
from services.case.domain.progress import EXPIRED, Gate
from services.case.domain.refusals import CaseRefusal
from services.case.handlers.rules import rules_of
from shared.calendars import parse_duration
from tests.support.case import NOW, a_case, a_case_configuration

CONFIGURED = rules_of(a_case_configuration())
PRIORITIES = CONFIGURED.priorities
STATUSES = {
    "new": Status("new", LifeCycle.PENDING),
    "read": Status("read", LifeCycle.PENDING),
    "answered": Status("answered", LifeCycle.RESPONDED),
    "waiting": Status("waiting", LifeCycle.RESPONDED, waiting_for_customer=True),
    "made-safe": Status("made-safe", LifeCycle.TEMPORARILY_RESOLVED),
    "resolved": Status("resolved", LifeCycle.FINALLY_RESOLVED),
    "closed": Status("closed", LifeCycle.COMPLETED),
    "cancelled": Status("cancelled", LifeCycle.CANCELLED),
}
DEFAULTS = {state: next(status.code for status in STATUSES.values() if status.state is state) for state in LifeCycle}
FORWARD = {
    LifeCycle.PENDING: "answered",
    LifeCycle.RESPONDED: "resolved",
    LifeCycle.TEMPORARILY_RESOLVED: "resolved",
    LifeCycle.FINALLY_RESOLVED: "closed",
}
WAYS_BACK: tuple[tuple[tuple[str, str, bool], ...], ...] = (
    (("closed", "answered", False), ("closed", "resolved", False), ("cancelled", "new", True)),
    (("resolved", "answered", False), ("answered", "new", False), ("closed", "answered", True)),
    (("resolved", "made-safe", False), ("closed", "resolved", True), ("resolved", "new", False), ("closed", "new", True)),
)
"""Old status, new status, and whether the rule reopens."""
ACTORS = (Actor("rita", "repairs"), Actor("nils", "neighbourhood"), Actor("lena", "repairs", may_override=True))
FIXED = (
    "id",
    "number",
    "config_version",
    "subject",
    "communication_id",
    "conversation_id",
    "method",
    "contact_id",
    "account_id",
    "opened_at",
)
ALLOWED = frozenset({"plumbing", "roof"})
HAS_ANSWERED = (LifeCycle.RESPONDED, LifeCycle.TEMPORARILY_RESOLVED, LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED)

codes = st.sampled_from(["a", "b", "c"])
statuses = st.sampled_from(sorted(STATUSES))
words = st.sampled_from(["", "why not", "duplicate"])


@st.composite
def answer_categories(draw: st.DrawFn) -> AnswerCategories:
    """The categories of a stage: often none, often one that requires acceptance."""
    required = draw(st.dictionaries(codes, st.booleans(), max_size=3))
    default = draw(st.sampled_from(["", *sorted(required)]))
    return AnswerCategories(required, default)


@st.composite
def transition_rules(draw: st.DrawFn) -> tuple[TransitionRule, ...]:
    """None, or enough of them to come about; some for few, some that reopen."""
    pairs = draw(st.lists(st.tuples(statuses, statuses), max_size=25, unique=True))
    whom = st.sampled_from([frozenset[str](), frozenset({"repairs"}), frozenset({"neighbourhood"})])
    some = tuple(TransitionRule(old, new, draw(whom), frozenset(), draw(st.booleans())) for old, new in pairs if old != new)
    usual = tuple(TransitionRule(DEFAULTS[state], to) for state, to in FORWARD.items())
    back = tuple(TransitionRule(old, new, reopens=reopens) for old, new, reopens in draw(st.sampled_from(WAYS_BACK)))
    return (*some, *usual, *back)


@st.composite
def subject_rules(draw: st.DrawFn) -> LifeCycleRules:
    within = draw(st.sampled_from([None, "3 working hours", "2 working days", "5 hours"]))
    return LifeCycleRules(
        STATUSES,
        DEFAULTS,
        draw(st.one_of(st.just(()), transition_rules())),
        draw(st.booleans()),
        draw(st.sampled_from([CancellationReasons(), CancellationReasons(("duplicate", "not-ours"), "not-ours")])),
        {stage: draw(answer_categories()) for stage in Stage},
        CompletionRule(parse_duration(within) if within else None, CONFIGURED.calendar, draw(st.booleans())),
    )


class CaseMachine(RuleBasedStateMachine):
    """A case under random rules, its history, and what task has said of its tasks."""

    @initialize(rules=subject_rules(), urgency=st.sampled_from(PRIORITIES.urgencies), owner=st.sampled_from(["rita", "rita", None]))
    def open(self, rules: LifeCycleRules, urgency: str, owner: str | None) -> None:
        self.rules = rules
        self.now: datetime = NOW
        self.case = a_case(
            owner=owner,
            urgency=urgency,
            priority=PRIORITIES.priority(urgency, "normal"),
            expected_completion_at=rules.completion.expected(NOW),
        )
        self.answers: Answers = NO_ANSWERS
        self.gate = Gate(is_planned=False, open_tasks=0)
        self.opening = covered(self.case, self.answers)
        self.past: list[HistoryEntry] = []

    def _do(self, actor: Actor, command: Callable[[], tuple[Case, tuple[object, ...]] | Step], reason: str = "") -> bool:
        """Ask it; whether it was done and changed something."""
        before, given = self.case, self.answers
        try:
            done = command()
        except CaseRefusal:
            return False
        step = done if isinstance(done, Step) else Step(done[0], done[1], given)  # type: ignore[arg-type]
        if not step.changes:
            assert (step.case, dict(step.answers)) == (before, dict(given)), "a step without changes changes nothing"
            return False
        self.case, self.answers = step.case, step.answers
        self.past += entries(step.case, step.changes)
        self._check_step(before, actor, step, reason)
        return True

    def _check_step(self, before: Case, actor: Actor, step: Step, reason: str) -> None:
        """What must hold of every change."""
        after, rules = step.case, self.rules
        assert (after.changed_by, after.changed_at, after.revision) == (actor.user, self.now, before.revision + 1)
        assert [getattr(before, name) for name in FIXED] == [getattr(after, name) for name in FIXED], "some things never change"
        assert before.state is not LifeCycle.CANCELLED, "a cancelled case is locked"
        if before.state is LifeCycle.COMPLETED:
            assert [change.field for change in step.changes].count("reopened") == 1
            assert any(rule.reopens and rule.from_status == before.status and rule.to_status == after.status for rule in rules.transitions)
        if before.status == after.status:
            return
        assert after.status_before == before.status
        if rules.transitions and actor.user != SYSTEM:
            ways = [rule for rule in rules.transitions if (rule.from_status, rule.to_status) == (before.status, after.status)]
            assert any(rule.permits(actor.user, actor.unit) for rule in ways), "with transition rules only those listed lead anywhere"
        if before.state is after.state:
            return
        is_back = ORDER[after.state] < ORDER[before.state]
        assert after.state in STEPS[before.state] or (is_back and rules.transitions), "the way is forward, or a rule leads back"
        if after.state is LifeCycle.CANCELLED:
            assert before.state is LifeCycle.PENDING, "cancelled only while pending"
            allowed = {EXPIRED} if actor.user == SYSTEM else set(rules.cancellation.codes) or {reason.strip() and reason}
            assert after.reason in allowed, "by a configured reason"
        else:
            assert before.owner is not None, "it belongs to a user before it is progressed"
        if after.state is LifeCycle.COMPLETED and (not self.gate.is_planned or self.gate.open_tasks):
            assert (actor.may_override, bool(reason.strip())) == (True, True), "the gate opens for a reason only, and not for everybody"
            assert any(change.field == "completion gate overridden" and change.new == reason for change in step.changes)

    # What is asked

    @rule(to=statuses, actor=st.sampled_from(ACTORS), reason=words)
    def set_status(self, to: str, actor: Actor, reason: str) -> None:
        self._do(
            actor,
            lambda: progress.set_status(self.case, to, self.rules, actor, self.gate, self.now, reason, self.answers),
            reason,
        )

    @precondition(lambda self: self.case.state in FORWARD)
    @rule(actor=st.sampled_from(ACTORS), word=st.sampled_from([True, True, False, None]), temporarily=st.booleans())
    def go_on(self, actor: Actor, word: bool | None, temporarily: bool) -> None:
        """The next step as it is usually made, so that the machine gets far; `word`: what the customer says to the last one."""
        stage = STAGE_OF.get(self.case.state)
        if stage is not None and word is not None:
            self._do(actor, lambda: acceptance.record(self.case, self.answers, stage, word, "", actor, self.now))
        to = "made-safe" if temporarily and stage is Stage.RESPONSE else FORWARD[self.case.state]
        into = STAGE_OF.get(STATUSES[to].state)
        if into is None:
            self.set_status(to, actor, "")
            return
        chosen = Chosen(next(iter(self.rules.answers[into].requires_acceptance), ""), "done")
        self._do(actor, lambda: answering.answer(self.case, self.answers, into, chosen, None, self.rules, actor, self.now))

    @precondition(lambda self: self.case.state in HAS_ANSWERED)
    @rule(to=st.sampled_from(["new", "answered", "made-safe", "resolved"]))
    def go_back(self, to: str) -> None:
        """A step back, where a rule leads there."""
        self.set_status(to, ACTORS[2], "")

    @precondition(lambda self: STAGE_OF.get(self.case.state) in self.answers)
    @rule(actor=st.sampled_from(ACTORS))
    def answer_the_same_again(self, actor: Actor) -> None:
        stage = STAGE_OF[self.case.state]
        same = Chosen(self.answers[stage].category, self.answers[stage].text)
        done = self._do(actor, lambda: answering.answer(self.case, self.answers, stage, same, None, self.rules, actor, self.now))
        assert not done, "the same answer again is no change"

    @rule(
        stage=st.sampled_from(Stage),
        category=st.one_of(st.just(""), codes),
        text=words,
        status=st.one_of(st.none(), statuses),
        actor=st.sampled_from(ACTORS),
    )
    def answer(self, stage: Stage, category: str, text: str, status: str | None, actor: Actor) -> None:
        chosen = Chosen(category, text)
        done = self._do(actor, lambda: answering.answer(self.case, self.answers, stage, chosen, status, self.rules, actor, self.now))
        if done:
            given = self.answers.get(stage)
            assert self.case.state is stage.state
            assert (given.text if given else "", given.category if given else "") == (text, category or self.rules.answers[stage].default)

    @rule(stage=st.sampled_from(Stage), accepted=st.booleans(), comment=words, actor=st.sampled_from([*ACTORS, Actor("customer", "")]))
    def say(self, stage: Stage, accepted: bool, comment: str, actor: Actor) -> None:
        if self._do(actor, lambda: acceptance.record(self.case, self.answers, stage, accepted, comment, actor, self.now)):
            assert self.case.awaiting_acceptance == ""
            assert self.answers[stage][-4:] == (accepted, actor.user, self.now, comment)

    @rule(actor=st.sampled_from(ACTORS), reason=words, data=st.data())
    def change_something_else(self, actor: Actor, reason: str, data: st.DataObject) -> None:
        before, now = self.case, self.now
        draw = data.draw
        match draw(st.sampled_from(["assign", "accept", "accept", "priority", "category", "estimate"])):
            case "assign":
                unit, owner = draw(st.sampled_from([None, "repairs", "neighbourhood"])), draw(st.sampled_from([None, "rita", "nils"]))
                self._do(actor, lambda: assignment.assign(self.case, unit, owner, actor, now, reason))
            case "accept":
                if self._do(actor, lambda: assignment.accept(self.case, actor, now)):
                    assert (before.unit, before.owner, self.case.owner) == (actor.unit, None, actor.user)
            case "priority":
                urgency, impact = draw(st.sampled_from([None, *PRIORITIES.urgencies])), draw(st.sampled_from([None, *PRIORITIES.impacts]))
                self._do(actor, lambda: priority.set_priority(self.case, urgency, impact, PRIORITIES, actor, now))
            case "category":
                category = draw(st.sampled_from(["plumbing", "roof", "rent"]))
                self._do(actor, lambda: categories.set_category(self.case, category, ALLOWED, actor, now))
            case _:
                days = draw(st.sampled_from([None, -1, 3, 40_000]))
                at = None if days is None else self.case.opened_at + timedelta(days=days)
                self._do(actor, lambda: estimates.estimate(self.case, at, actor, now, reason))

    @rule(hours=st.integers(1, 100), open_tasks=st.sampled_from([None, 0, 0, 1]))
    def pass_time(self, hours: int, open_tasks: int | None) -> None:
        self.now += timedelta(hours=hours)
        if open_tasks is not None:
            self.gate = Gate(is_planned=True, open_tasks=open_tasks)

    @rule(cancels=st.booleans())
    def expire(self, cancels: bool) -> None:
        match outcome_of_expiry(self.case, True, PRIORITIES.highest_urgency):
            case Outcome.CANCELLED:
                self._do(Actor(SYSTEM, ""), lambda: progress.expire(self.case, self.rules, self.now))
            case Outcome.FOR_REVIEW:
                self.case, changes = progress.put_up_for_review(self.case, self.now)
                self.past += entries(self.case, changes)
                if cancels:
                    self.set_status("cancelled", ACTORS[2], "")
            case Outcome.STAYS:
                pass

    # What must hold at any time

    @invariant()
    def its_status_stands_for_its_state(self) -> None:
        status = self.rules.statuses[self.case.status]
        assert (status.state, status.waiting_for_customer) == (self.case.state, self.case.waiting_for_customer)
        assert self.case.state is not LifeCycle.TEMPORARILY_RESOLVED or self.rules.has_temporary_resolution

    @invariant()
    def it_has_the_answers_of_the_states_it_came_by_and_no_others(self) -> None:
        case, answers = self.case, self.answers
        assert all(ORDER[stage.state] <= ORDER[case.state] for stage in answers)
        assert not (answers and case.state in (LifeCycle.PENDING, LifeCycle.CANCELLED))
        fields = (case.response_category, case.temporary_category, case.final_category)
        assert fields == tuple(answers[stage].category if stage in answers else "" for stage in Stage)
        for stage, answer in answers.items():
            allowed = self.rules.answers.get(stage, NO_CATEGORIES).requires_acceptance
            assert (answer.category in allowed) if allowed else answer.category == ""
            assert answer.requires_acceptance == allowed.get(answer.category, False)
            assert answer.requires_acceptance or answer.accepted is None
        must_have = [Stage.RESPONSE] if case.state in HAS_ANSWERED else []
        must_have += [Stage.FINAL_RESOLUTION] if case.state in (LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED) else []
        must_have += [Stage.TEMPORARY_RESOLUTION] if case.state is LifeCycle.TEMPORARILY_RESOLVED else []
        assert all(stage in answers for stage in must_have if self.rules.answers[stage].requires_acceptance)

    @invariant()
    def nothing_is_passed_that_the_customer_has_not_accepted(self) -> None:
        behind = [answer for stage, answer in self.answers.items() if stage.state is not self.case.state]
        assert all(answer.is_settled for answer in behind)
        present = self.answers.get(STAGE_OF[self.case.state]) if self.case.state in STAGE_OF else None
        waits = present is not None and present.requires_acceptance and present.accepted is None
        assert self.case.awaiting_acceptance == (present.stage if present and waits else "")

    @invariant()
    def its_key_dates_follow_from_its_states(self) -> None:
        case = self.case
        assert (case.responded_at is not None) == (case.state in HAS_ANSWERED)
        assert (case.resolved_at is not None) == (case.state in (LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED))
        assert (case.completed_at is not None) == case.state.is_closed
        stamps = [at for at in (case.opened_at, case.responded_at, case.resolved_at, case.completed_at) if at is not None]
        assert stamps == sorted(stamps)
        assert case.expected_completion_at == self.rules.completion.expected(case.opened_at, case.responded_at)

    @invariant()
    def its_priority_and_category_are_allowed(self) -> None:
        assert self.case.priority == PRIORITIES.priority(self.case.urgency, self.case.impact)
        assert self.case.category in ALLOWED or self.case.category == ""
        assert not (self.case.needs_review and self.case.state.is_closed)

    @invariant()
    def the_history_explains_the_present(self) -> None:
        replayed = dict(self.opening)
        for entry in self.past:
            if entry.field in replayed:
                assert replayed[entry.field] == entry.old_value, f"{entry.field} was not what the history says"
                replayed[entry.field] = entry.new_value
        assert replayed == covered(self.case, self.answers)
        reasons = [entry.new_value for entry in self.past if entry.field == "reason" and entry.revision == self.case.revision]
        assert reasons == ([self.case.reason] if self.case.reason else [])

    @invariant()
    def its_revisions_have_no_gap(self) -> None:
        told = {entry.revision for entry in self.past if entry.field != "needs_review"}
        assert told | {1} == set(range(1, self.case.revision + 1))


TestCaseMachine = pytest.mark.requirement("CASE-3", "CASE-4", "CASE-6", "CASE-8", "CASE-9", "CASE-10")(CaseMachine.TestCase)
CaseMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)


def test_the_history_covers_every_field_of_a_case_that_can_change() -> None:
    follows = {"revision", "status_before", "waiting_for_customer", "reason", "responded_at", "resolved_at", "completed_at"}
    people = {"title", "customer_name", "customer_email", "changed_at", "changed_by"}
    related = {"merged_into", "parent_id"}  # told by the number of the other case
    heard = {"customer_updated_at", "customer_told_at"}  # told beside the step: `hearing.answered`
    assert set(Case._fields) - set(FIXED) - follows - people - related - heard == set(COVERED)
