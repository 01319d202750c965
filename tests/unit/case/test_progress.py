"""The life cycle, transition rules, gates, assignment and priority of a case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.case.domain.assignment import accept, assign
from services.case.domain.case import Actor, Case, Change, entries
from services.case.domain.life_cycle import LifeCycle, LifeCycleRules
from services.case.domain.priority import set_priority
from services.case.domain.progress import Gate, OpenApproval, expire, set_status
from services.case.domain.refusals import AssignmentRefused, CaseLocked, PriorityRefused, TransitionRefused
from services.case.handlers.rules import rules_of
from tests.support.case import NOW, a_case, a_case_configuration

RULES = rules_of(a_case_configuration())
LEAK, NOISE, COMPLAINT = (RULES.subjects[code].life_cycle for code in ("leak", "noise", "complaint"))
RITA = Actor("rita", "repairs")
CORA = Actor("cora", "contact-centre")
MAX = Actor("max", "contact-centre")
LEADER = Actor("lena", "repairs", may_override=True)
NO_TASKS = Gate(is_planned=True, open_tasks=0)
LATER = NOW + timedelta(hours=1)


def _set(case: Case, to: str, rules: LifeCycleRules = LEAK, actor: Actor = RITA, gate: Gate = NO_TASKS, reason: str = "") -> Case:
    return set_status(case, to, rules, actor, gate, LATER, reason)[0]


def _at(status: str, rules: LifeCycleRules = LEAK, **changes: object) -> Case:
    return a_case(status=status, state=rules.statuses[status].state, owner="rita", **changes)


@pytest.mark.requirement("CASE-3")
def test_setting_a_status_moves_the_state_all_the_way() -> None:
    case = a_case(owner="rita")

    for status in ("answered", "waiting", "made-safe", "resolved", "closed"):
        before, case = case, _set(case, status)
        assert (case.state, case.status_before, case.revision) == (LEAK.statuses[status].state, before.status, before.revision + 1)
        assert case.waiting_for_customer is (status == "waiting")

    assert (case.responded_at, case.resolved_at, case.completed_at) == (LATER, LATER, LATER)
    assert (case.changed_by, case.changed_at) == ("rita", LATER)


@pytest.mark.requirement("CASE-3")
@pytest.mark.parametrize(
    ("status", "to", "why"),
    [
        ("new", "resolved", "does not lead from pending to finally_resolved"),
        ("new", "closed", "does not lead"),
        ("answered", "closed", "does not lead"),
        ("answered", "new", "needs a transition rule"),
        ("resolved", "made-safe", "needs a transition rule"),
        ("new", "new", "has that status already"),
        ("new", "unheard-of", "not among the statuses of subject leak"),
    ],
)
def test_a_status_that_the_life_cycle_does_not_lead_to_is_refused_with_the_reason(status: str, to: str, why: str) -> None:
    case = _at(status)

    with pytest.raises(TransitionRefused, match=why) as refusal:
        _set(case, to)

    assert refusal.value.what == f"status {to} on case {case.number}"
    assert why in refusal.value.why


@pytest.mark.requirement("CASE-3")
def test_temporary_resolution_is_for_subjects_that_use_it() -> None:
    assert _set(_at("answered"), "made-safe").state is LifeCycle.TEMPORARILY_RESOLVED
    with pytest.raises(TransitionRefused, match="temporary resolution"):
        _set(_at("answered", NOISE), "made-safe", NOISE)


@pytest.mark.parametrize("status", ["answered", "waiting", "made-safe", "resolved"])
def test_a_case_is_cancelled_only_while_pending(status: str) -> None:
    assert _set(a_case(), "cancelled", reason="by-request").state is LifeCycle.CANCELLED
    with pytest.raises(TransitionRefused, match="only while pending"):
        _set(_at(status), "cancelled")


@pytest.mark.parametrize("status", ["closed", "cancelled"])
def test_a_closed_case_is_not_modifiable(status: str) -> None:
    case = _at(status)

    for change in (
        lambda: _set(case, "answered"),
        lambda: assign(case, "neighbourhood", None, RITA, NOW),
        lambda: accept(case, RITA, NOW),
        lambda: set_priority(case, "high", None, RULES.priorities, RITA, NOW),
    ):
        with pytest.raises(CaseLocked, match="not modifiable"):
            change()


@pytest.mark.requirement("CASE-7")
def test_a_case_has_to_belong_to_a_user_before_it_progresses() -> None:
    with pytest.raises(TransitionRefused, match="belong to a user"):
        _set(a_case(), "answered")

    taken, _ = accept(a_case(), RITA, NOW)
    assert _set(taken, "answered").state is LifeCycle.RESPONDED


@pytest.mark.requirement("CASE-3")
def test_transition_rules_say_who_may() -> None:
    case = a_case(subject="complaint", owner="rita")

    with pytest.raises(TransitionRefused, match="is for units contact-centre"):
        _set(case, "answered", COMPLAINT, RITA)
    answered = _set(case, "answered", COMPLAINT, CORA)
    with pytest.raises(TransitionRefused, match="is for users max"):
        _set(answered, "resolved", COMPLAINT, CORA)
    assert _set(answered, "resolved", COMPLAINT, MAX).state is LifeCycle.FINALLY_RESOLVED


@pytest.mark.requirement("CASE-3")
def test_with_transition_rules_only_those_listed_lead_anywhere() -> None:
    with pytest.raises(TransitionRefused, match="no transition rule of subject complaint leads there from new"):
        _set(a_case(subject="complaint", owner="rita"), "waiting", COMPLAINT, MAX)


def test_a_rule_may_lead_back_among_open_states() -> None:
    resolved = _at("resolved", COMPLAINT, subject="complaint", responded_at=NOW, resolved_at=NOW)

    back = _set(resolved, "answered", COMPLAINT)

    assert (back.state, back.responded_at, back.resolved_at) == (LifeCycle.RESPONDED, NOW, None)


@pytest.mark.requirement("CASE-3")
def test_reopening_needs_a_rule_and_is_recorded_as_such() -> None:
    closed = _at("closed", COMPLAINT, subject="complaint", completed_at=NOW, resolved_at=NOW)
    with pytest.raises(TransitionRefused, match="is for users max"):
        _set(closed, "answered", COMPLAINT, CORA)

    reopened, changes, _ = set_status(closed, "answered", COMPLAINT, MAX, NO_TASKS, LATER)

    assert (reopened.state, reopened.completed_at) == (LifeCycle.RESPONDED, None)
    assert Change("reopened", "closed", "answered") in changes


def test_a_case_completes_only_once_its_tasks_are_done() -> None:
    case = _at("resolved")

    with pytest.raises(TransitionRefused, match="not planned yet"):
        _set(case, "closed", gate=Gate(is_planned=False, open_tasks=0))
    with pytest.raises(TransitionRefused, match="2 of its tasks are still open"):
        _set(case, "closed", gate=Gate(is_planned=True, open_tasks=2))
    assert _set(case, "closed").state is LifeCycle.COMPLETED


def test_a_permitted_user_overrides_the_gate_with_a_reason_that_is_recorded() -> None:
    case, gate = _at("resolved"), Gate(is_planned=True, open_tasks=2)

    with pytest.raises(TransitionRefused, match="needs a reason"):
        _set(case, "closed", actor=LEADER, gate=gate, reason="  ")
    _, changes, _ = set_status(case, "closed", LEAK, LEADER, gate, LATER, "customer moved out")

    assert Change("completion gate overridden", "2 open tasks", "customer moved out") in changes


@pytest.mark.requirement("EDGE-6", "AUTO-1")
def test_an_approval_that_is_not_given_shuts_the_gate_unless_it_is_overridden() -> None:
    case, asked = _at("resolved"), Gate(True, 0, (OpenApproval("max", NOW),))

    with pytest.raises(TransitionRefused, match="waits for approval by max, who is asked since 2026-"):
        _set(case, "closed", gate=asked)
    with pytest.raises(TransitionRefused, match=r"2 of its tasks are still open; max declined its approval on .* asked again or withdrawn"):
        _set(case, "closed", gate=Gate(True, 2, (OpenApproval("max", NOW, is_declined=True),)))
    with pytest.raises(TransitionRefused, match="needs a reason"):
        _set(case, "closed", actor=LEADER, gate=asked)
    changes = set_status(case, "closed", LEAK, LEADER, asked, LATER, "max is away")[1]
    assert Change("completion gate overridden", "0 open tasks, approval by max", "max is away") in changes


@pytest.mark.requirement("CASE-10")
def test_the_history_tells_who_changed_what_and_when_with_old_and_new_value() -> None:
    case = a_case(owner="rita")

    changed, changes, _ = set_status(case, "answered", LEAK, RITA, NO_TASKS, LATER)

    told = [(e.case_id, e.revision, e.field, e.old_value, e.new_value, e.changed_by, e.changed_at) for e in entries(changed, changes)]
    assert told == [
        (case.id, 2, "status", "new", "answered", "rita", LATER),
        (case.id, 2, "state", "pending", "responded", "rita", LATER),
    ]


@pytest.mark.requirement("COM-8")
def test_expiry_cancels_whatever_the_transition_rules_say() -> None:
    expired, changes = expire(a_case(subject="complaint"), COMPLAINT, LATER)

    assert (expired.state, expired.reason, expired.changed_by) == (LifeCycle.CANCELLED, "expired", "system")
    assert Change("reason", None, "expired") in changes


@pytest.mark.requirement("CASE-7")
def test_any_member_of_the_unit_accepts_and_nobody_else() -> None:
    case = a_case(unit="repairs")

    with pytest.raises(AssignmentRefused, match="lies with unit repairs, and cora is of unit contact-centre"):
        accept(case, CORA, NOW)
    taken, changes = accept(case, RITA, NOW)
    assert (taken.owner, changes) == ("rita", (Change("owner", None, "rita"),))
    with pytest.raises(AssignmentRefused, match="belongs to rita already"):
        accept(taken, Actor("lena", "repairs"), NOW)
    assert accept(taken, RITA, NOW) == (taken, ())


@pytest.mark.requirement("CASE-7")
def test_assignment_to_a_unit_a_user_or_both() -> None:
    case = a_case(unit="repairs", owner="rita")

    assert _to(assign(case, "neighbourhood", None, LEADER, NOW)[0]) == ("neighbourhood", None)
    assert _to(assign(case, None, "lena", LEADER, NOW)[0]) == ("repairs", "lena")
    assert _to(assign(case, "neighbourhood", "nils", LEADER, NOW)[0]) == ("neighbourhood", "nils")
    assert assign(case, "repairs", None, LEADER, NOW) == (case, ())
    with pytest.raises(AssignmentRefused, match="neither"):
        assign(case, None, None, LEADER, NOW)


def _to(case: Case) -> tuple[str, str | None]:
    return case.unit, case.owner


@pytest.mark.requirement("CASE-5")
def test_urgency_and_impact_give_the_priority_by_the_table() -> None:
    table = RULES.priorities

    assert {(u, i): table.priority(u, i) for u in ("low", "high") for i in ("low", "high")} == {
        ("low", "low"): "low",
        ("low", "high"): "normal",
        ("high", "low"): "normal",
        ("high", "high"): "high",
    }
    changed, changes = set_priority(a_case(impact="high"), "high", None, table, RITA, NOW)
    assert (changed.priority, [change.field for change in changes]) == ("high", ["urgency", "priority"])
    same = changed._replace(revision=9)
    assert set_priority(same, "high", "high", table, RITA, NOW) == (same, ())
    with pytest.raises(PriorityRefused, match="urgency extreme"):
        set_priority(a_case(), "extreme", None, table, RITA, NOW)
