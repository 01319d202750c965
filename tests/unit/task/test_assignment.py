"""Choosing who gets a task, and who stands in for whom."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.assignment.absences import HandOver, Holding, Meanwhile, circle, lent, stand_in_for
from services.task.domain.assignment.choosing import Chooser, Member, Policy, staff_of
from services.task.domain.ownership import Owner, OwnerKind

pytestmark = pytest.mark.requirement("TASK-7", "EDGE-13")

UNIT = Owner(OwnerKind.UNIT, "repairs")
PLUMBERS = Owner(OwnerKind.ROLE, "plumber")
NAMES = ["anna", "bert", "cleo", "dave", "elsa", "fred"]
SKILLS = ["gas", "heights"]
skill_sets = st.frozensets(st.sampled_from(SKILLS))


@st.composite
def crews(draw: st.DrawFn) -> list[Member]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return [
        Member(
            name,
            draw(st.sampled_from(["repairs", "elsewhere"])),
            draw(st.frozensets(st.just("plumber"))),
            draw(skill_sets),
            draw(st.none() | st.integers(0, 5)),
        )
        for name in names
    ]


wanted = st.lists(
    st.tuples(st.sampled_from([UNIT, PLUMBERS]), skill_sets, st.sampled_from([Policy.ROUND_ROBIN, Policy.LEAST_LOADED])), max_size=40
)


@given(crews(), st.frozensets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6)), wanted)
def test_whoever_gets_a_task_is_of_its_group_present_able_and_below_capacity_and_nobody_is_passed_over(
    crew: list[Member], absent: frozenset[str], held: dict[str, int], tasks: list[tuple[Owner, frozenset[str], Policy]]
) -> None:
    members = {member.user: member for member in crew}
    chooser = Chooser(staff_of(crew), absent, held, {})
    loads = Counter(held)
    for group, skills, policy in tasks:
        able = {
            user: loads[user]
            for user, member in members.items()
            if group in member.groups
            and user not in absent
            and skills <= member.skills
            and (member.capacity is None or loads[user] < member.capacity)
        }
        chosen = chooser.choose(group, skills, policy)
        assert (chosen in able) if able else chosen is None
        if chosen is not None:
            if policy is Policy.LEAST_LOADED:
                assert able[chosen] == min(able.values())
            loads[chosen] += 1


@given(crews(), st.lists(st.tuples(skill_sets, st.frozensets(st.sampled_from(NAMES))), max_size=60))
def test_by_turns_those_who_are_always_free_get_equally_many_however_others_come_and_go(
    crew: list[Member], tasks: list[tuple[frozenset[str], frozenset[str]]]
) -> None:
    always = [member.user for member in crew if UNIT in member.groups and member.capacity is None and member.skills == set(SKILLS)]
    counts: Counter[str | None] = Counter()
    turns: dict[Owner, str] = {}
    for skills, absent in tasks:  # each in a transaction of its own: only the turn is kept
        chooser = Chooser(staff_of(crew), absent - set(always), {}, turns)
        counts[chooser.choose(UNIT, skills, Policy.ROUND_ROBIN)] += 1
        turns = dict(chooser.turns)
    shares = [counts[user] for user in always]
    assert not shares or max(shares) - min(shares) <= 1


def test_whoever_has_as_few_as_others_gets_the_next_in_turn() -> None:
    chooser = Chooser(staff_of([Member(name, "repairs") for name in NAMES[:3]]), (), {"bert": 1}, {})
    assert [chooser.choose(UNIT, frozenset(), Policy.LEAST_LOADED) for _ in range(5)] == ["anna", "cleo", "anna", "bert", "cleo"]


def test_what_members_accept_is_given_to_nobody() -> None:
    assert Chooser(staff_of([Member("anna", "repairs")]), (), {}, {}).choose(UNIT, frozenset(), Policy.ACCEPT) is None


def test_groups_are_bound_together_by_a_member_with_a_capacity() -> None:
    free = Member("anna", "repairs", frozenset({"plumber"}))
    assert staff_of([free]).bound_with(UNIT) == {UNIT}
    limited = Member("bert", "repairs", frozenset({"plumber"}), capacity=3)
    assert staff_of([free, limited]).bound_with(UNIT) == staff_of([free, limited]).bound_with(PLUMBERS) == {UNIT, PLUMBERS}


@pytest.mark.parametrize(
    ("absent", "found"),
    [
        ({}, "anna"),
        ({"anna": "bert"}, "bert"),
        ({"anna": "bert", "bert": "cleo"}, "cleo"),
        ({"anna": None}, None),
        ({"anna": "bert", "bert": None}, None),
        ({"anna": "bert", "bert": "anna"}, None),
        ({"anna": "anna"}, None),
        ({"anna": "gone"}, None),
    ],
)
def test_stand_ins_are_followed_to_whoever_is_there(absent: dict[str, str | None], found: str | None) -> None:
    assert stand_in_for("anna", absent, NAMES) == found


@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_nobody_absent_stands_in_and_every_circle_ends(absent: dict[str, str | None], user: str) -> None:
    found = stand_in_for(user, absent, NAMES)
    assert found not in absent
    way = circle(user, absent.get(user), absent.items())
    if way:
        assert way[0] == way[-1] == user
        assert all(absent[step] == following for step, following in pairwise(way))
        assert found is None


def test_a_circle_over_several_absences_is_named() -> None:
    assert circle("anna", "bert", [("bert", "dave"), ("bert", "cleo"), ("cleo", "anna")]) == ("anna", "bert", "cleo", "anna")
    assert circle("anna", "anna", []) == ("anna", "anna")
    assert circle("anna", "bert", [("cleo", "anna"), ("bert", None)]) == circle("anna", None, []) == ()


def test_a_task_is_lent_to_the_stand_in_else_to_its_group_or_the_unit() -> None:
    own, of_role = Holding(Owner(OwnerKind.USER, "anna"), "anna"), Holding(PLUMBERS, "anna")
    assert lent(own, "bert", "repairs") == Holding(own.owner, "bert")
    assert lent(of_role, "bert", "repairs") == Holding(PLUMBERS, "bert")
    assert lent(own, None, "repairs") == Holding(UNIT, None)
    assert lent(of_role, None, "repairs") == Holding(PLUMBERS, None)


@pytest.mark.parametrize(
    ("hand_over", "until", "taken"),
    [
        (HandOver.ALL, 5, [True, True, True]),
        (HandOver.NONE, 5, [False, False, False]),
        (HandOver.DUE_BEFORE_RETURN, 5, [True, False, False]),
        (HandOver.DUE_BEFORE_RETURN, None, [True, True, True]),
    ],
)
def test_who_stands_in_gets_by_hand_what_they_would_have_got_as_the_absence_began(
    hand_over: HandOver, until: int | None, taken: list[bool]
) -> None:
    def day(number: int) -> datetime:
        return datetime(2026, 3, number, tzinfo=UTC)

    there = Meanwhile("anna", UUID(int=1), day(until) if until else None, "bert", hand_over, give_back=True)
    assert [there.takes(due_at) for due_at in (day(4), day(5), None)] == taken
