from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain import late_replies, major, merging, splitting
from services.case.domain.case import Actor, Case
from services.case.domain.life_cycle import LifeCycle, LifeCycleRules, Status, TransitionRule
from services.case.domain.merging import Merge, Standing
from services.case.domain.progress import Gate
from services.case.domain.refusals import CaseRefusal, LinkRefused, MergeRefused, SplitRefused
from services.case.domain.splitting import Split, Traces
from tests.support.case import NOW, a_case

LATER = NOW + timedelta(hours=1)
STATUSES = {state.value: Status(state.value, state) for state in LifeCycle}
RULES = LifeCycleRules(STATUSES, {state: state.value for state in LifeCycle}, has_temporary_resolution=True)
CANCELLED = STATUSES["cancelled"]
OPEN = [state for state in LifeCycle if not state.is_closed]
MAX = Actor("max", "repairs")


def kept(case: Case, survivor: Case) -> Merge:
    return Merge(uuid4(), case.id, survivor.id, "", Standing.of(case), (), (), "max", NOW)


def of_one_contact(**changes: object) -> tuple[Case, Case]:
    case = a_case(**changes)
    return case, a_case(contact_id=case.contact_id)


def why(refused: pytest.ExceptionInfo[CaseRefusal]) -> str:
    return refused.value.why


@pytest.mark.requirement("EDGE-11", "CASE-8")
@given(
    state=st.sampled_from(OPEN),
    status=st.text("abc", min_size=1),
    before=st.none() | st.text("abc", min_size=1),
    waiting=st.booleans(),
    review=st.booleans(),
    reason=st.text(),
)
def test_an_undone_merge_gives_the_case_back(
    state: LifeCycle, status: str, before: str | None, waiting: bool, review: bool, reason: str
) -> None:
    case, survivor = of_one_contact(
        state=state, status=status, status_before=before, waiting_for_customer=waiting, needs_review=review, reason=reason, resolved_at=NOW
    )
    merged, _ = merging.merge(case, survivor, CANCELLED, has_children=False, by="max", now=LATER)
    assert (merged.state, merged.merged_into, merged.completed_at) == (LifeCycle.CANCELLED, survivor.id, LATER)
    # What happened to it meanwhile stays.
    merged = merged._replace(title="erased")
    undone, _ = merging.undo(merged, kept(case, survivor), survivor, is_split_since=False, is_held=False, by="max", now=LATER)
    assert undone == case._replace(revision=case.revision + 2, changed_at=LATER, changed_by="max", title="erased")


@pytest.mark.requirement("EDGE-11")
def test_contacts_decide_which_cases_may_be_merged() -> None:
    with_contact, same = of_one_contact()
    without = a_case(contact_id=None)

    def merge(one: Case, other: Case) -> Case:
        return merging.merge(one, other, CANCELLED, has_children=False, by="max", now=LATER)[0]

    assert merge(with_contact, same).merged_into == same.id
    assert merge(without, same).merged_into == same.id
    assert merge(without, a_case(contact_id=None)).merged_into is not None
    with pytest.raises(MergeRefused) as refused:
        merge(same, without)
    assert "the other way round" in why(refused)
    with pytest.raises(MergeRefused) as refused:
        merge(same, a_case())
    assert "merge the contacts first" in why(refused)


@pytest.mark.requirement("EDGE-11", "CASE-8")
@pytest.mark.parametrize("state", [LifeCycle.COMPLETED, LifeCycle.CANCELLED])
def test_closed_cases_are_neither_merged_nor_merged_into_nor_split(state: LifeCycle) -> None:
    case, other = of_one_contact(state=state)
    for one, another in ((case, other), (other, case)):
        with pytest.raises(MergeRefused):
            merging.merge(one, another, CANCELLED, has_children=False, by="max", now=LATER)
    with pytest.raises(SplitRefused):
        splitting.check_split(case, {case.communication_id, UUID(int=1)}, [UUID(int=1)], is_held=False)


@pytest.mark.requirement("EDGE-11", "EDGE-17")
@pytest.mark.parametrize(
    ("survivor", "is_split", "is_held", "told"),
    [
        ({"merged_into": UUID(int=9)}, False, False, "undo that first"),
        ({}, True, False, "undo that split first"),
        ({}, False, True, "legal hold"),
    ],
)
def test_a_merge_that_others_build_on_is_not_undone(survivor: dict[str, object], is_split: bool, is_held: bool, told: str) -> None:
    case, other = of_one_contact()
    merged, _ = merging.merge(case, other, CANCELLED, has_children=False, by="max", now=LATER)
    with pytest.raises(MergeRefused) as refused:
        merging.undo(merged, kept(case, other), other._replace(**survivor), is_split_since=is_split, is_held=is_held, by="max", now=LATER)
    assert told in why(refused)


@pytest.mark.requirement("EDGE-11")
@given(
    joined=st.sets(st.integers(0, 8)),
    staying=st.sets(st.integers(0, 8)),
    moved=st.sets(st.integers(0, 8), min_size=1),
    own=st.integers(0, 8),
)
def test_a_conversation_leaves_the_old_case_only_if_nothing_of_it_stays(
    joined: set[int], staying: set[int], moved: set[int], own: int
) -> None:
    case = a_case(conversation_id=UUID(int=own))

    def ids(numbers: set[int]) -> set[UUID]:
        return {UUID(int=number) for number in numbers}

    left = {id.int for id in splitting.conversations_left(case, ids(staying), ids(moved), ids(joined))}
    assert left == {n for n in moved if n in joined and n not in staying and n != own}


@pytest.mark.requirement("EDGE-11")
@pytest.mark.parametrize(
    ("new", "traces", "told"),
    [
        ({"state": LifeCycle.RESPONDED}, Traces(), "no longer pending"),
        ({"owner": "max"}, Traces(), "has been worked on"),
        ({"revision": 2}, Traces(), "has been worked on"),
        ({}, Traces(tasks=1), "has been worked on"),
        ({"merged_into": UUID(int=3)}, Traces(), "merged itself since"),
        ({"parent_id": UUID(int=3)}, Traces(), "major case"),
        ({}, Traces(is_held=True), "legal hold"),
        ({}, Traces(notes=2, splits=1), "2 notes, 1 splits"),
    ],
)
def test_a_split_is_undone_only_while_nothing_came_of_it(new: dict[str, object], traces: Traces, told: str) -> None:
    old, opened = of_one_contact()
    split = Split(uuid4(), old.id, opened.id, "", (), "max", NOW)
    splitting.check_undo(opened, old, split, Traces())
    splitting.check_undo(opened._replace(revision=3), old, split, Traces(undone_merges=1))
    with pytest.raises(SplitRefused) as refused:
        splitting.check_undo(opened._replace(**new), old, split, traces)
    assert told in why(refused)


@pytest.mark.requirement("CASE-8")
def test_a_reply_reopens_by_the_first_rule_that_does_whoever_it_lists() -> None:
    rules = LifeCycleRules(
        STATUSES,
        RULES.defaults,
        (
            TransitionRule("completed", "finally_resolved"),
            TransitionRule("completed", "responded", users=frozenset({"lena"}), reopens=True),
            TransitionRule("completed", "pending", reopens=True),
        ),
    )
    case = a_case(state=LifeCycle.COMPLETED, status="completed", owner="max", completed_at=NOW, resolved_at=NOW)
    done = late_replies.reopened(case, rules, LATER)
    assert done is not None
    assert (done[0].state, done[0].completed_at, done[0].reason) == (LifeCycle.RESPONDED, None, "late reply")
    assert late_replies.reopened(case._replace(owner=None), rules, LATER) is None
    assert late_replies.reopened(case, RULES, LATER) is None
    assert late_replies.reopened(case._replace(state=LifeCycle.CANCELLED, status="cancelled"), rules, LATER) is None


@pytest.mark.requirement("CASE-8")
def test_of_several_closed_cases_the_one_closed_last_decides() -> None:
    first, last = a_case(completed_at=NOW), a_case(completed_at=LATER)
    assert late_replies.deciding([last, first]) is last


@pytest.mark.requirement("EDGE-15", "CASE-8")
@given(
    state=st.sampled_from(OPEN),
    to=st.sampled_from(sorted(major.CLOSING)),
    owner=st.none() | st.just("sam"),
    is_planned=st.booleans(),
    open_tasks=st.integers(0, 2),
    overrides=st.booleans(),
)
def test_a_child_is_led_to_its_parents_state_as_far_as_its_gate_lets_it(
    state: LifeCycle, to: LifeCycle, owner: str | None, is_planned: bool, open_tasks: int, overrides: bool
) -> None:
    child = a_case(state=state, status=state.value, owner=owner)
    actor, gate = Actor("max", "repairs", may_override=overrides), Gate(is_planned, open_tasks)
    done = major.close(child, to, RULES, actor, gate, LATER, "major case C-1")
    is_shut = to is LifeCycle.COMPLETED and not overrides and (not is_planned or open_tasks > 0)
    is_there = list(LifeCycle).index(state) >= list(LifeCycle).index(to)
    if is_there:
        assert (done.case, done.changes, done.stays) == (child, (), "")
        return
    assert done.case.state is (LifeCycle.FINALLY_RESOLVED if is_shut else to)
    assert bool(done.stays) is is_shut
    if done.changes:
        assert (done.case.owner, done.case.responded_at) == (owner or "max", LATER)
        assert done.case.revision > child.revision
    else:
        assert done.case == child


@pytest.mark.requirement("EDGE-15")
def test_a_child_whose_rules_do_not_lead_there_stays_untouched() -> None:
    rules = LifeCycleRules(STATUSES, RULES.defaults, (TransitionRule("pending", "responded", users=frozenset({"lena"})),))
    child = a_case(status="pending")
    done = major.close(child, LifeCycle.COMPLETED, rules, MAX, Gate(True, 0), LATER, "")
    assert (done.case, done.changes) == (child, ())
    assert "lena" in done.stays


@pytest.mark.requirement("EDGE-15")
def test_families_have_two_generations() -> None:
    parent, child, other = a_case(), a_case(), a_case()
    attached, changes = major.attach(child, parent, has_children=False)
    assert (attached, [change.new for change in changes]) == (child._replace(parent_id=parent.id), [parent.number])
    assert major.attach(attached, parent, has_children=False) == (attached, ())
    assert major.detach(attached, parent)[0] == child
    for one, above, has_children in ((attached, other, False), (other, attached, False), (other, parent, True), (parent, parent, False)):
        with pytest.raises(LinkRefused):
            major.attach(one, above, has_children=has_children)
    with pytest.raises(LinkRefused):
        major.detach(child, parent)
