"""Chasing silent customers: when they are reminded, how their cases are closed, and by which rules (EDGE-10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain import chasing
from services.case.domain.answers import Answer, Answers
from services.case.domain.case import Case, Change
from services.case.domain.chasing import SILENCE, Chase, ChaseRules, Deed
from services.case.domain.life_cycle import LifeCycle, LifeCycleRules, Stage, TransitionRule
from services.case.domain.progress import OPEN_GATE, Gate
from services.case.handlers.rules import rules_of
from shared.calendars import parse_duration
from shared.calendars.arithmetic import is_open
from tests.support.case import NOW, a_case, a_case_configuration

CHASE = {"after": "3 working days", "reminders": 2, "close_after": "5 working days"}
ACCEPTED = {"final_resolution_categories": [{"code": "done", "name": "Done", "default": True, "requires_acceptance": True}]}
RULES = rules_of(a_case_configuration(chase=CHASE))
SUBJECT = RULES.subjects["leak"]
assert SUBJECT.chase is not None
LEAK, TERMS = SUBJECT.life_cycle, SUBJECT.chase
SHUT = Gate(is_planned=True, open_tasks=2)


def waiting(**changes: Any) -> Case:
    given = {"state": LifeCycle.RESPONDED, "status": "waiting", "waiting_for_customer": True, "owner": "rita", "responded_at": NOW}
    return a_case(**given | changes)


def a_chase(case: Case, since: datetime = NOW, reminded: int = 0, terms: ChaseRules = TERMS, **changes: Any) -> Chase:
    return Chase(case.id, since, reminded, terms.due_at(since, reminded), case.revision)._replace(**changes)


def an_answer(case: Case, stage: Stage, **changes: Any) -> Answers:
    return {stage: Answer(case.id, stage, "", "We fixed it.", True, "rita", NOW)._replace(**changes)}


def closed(case: Case, rules: LifeCycleRules = LEAK, gate: Gate = OPEN_GATE, answers: Answers = {}, status: str = "") -> chasing.Closing:  # noqa: B006
    return chasing.close(case, answers, status, rules, gate, NOW)


@pytest.mark.requirement("EDGE-10")
def test_a_silence_is_reminded_twice_and_then_closed_on_working_days() -> None:
    """From Monday 2 March 10:00: reminders on Thursday and Tuesday, the end on the Tuesday after."""
    case, deeds = waiting(), []
    chase = a_chase(case)
    for day in range(1, 31):
        now = datetime(2026, 3, day, 12, 0, tzinfo=UTC)
        found = chasing.look(chase, case, NOW, TERMS, now)
        if found.deed is not Deed.WAIT:
            deeds.append((found.deed, day))
        chase = found.chase
        if found.deed is Deed.REMIND:
            case, _ = chasing.remind(case, chase.reminded, now)

    assert deeds == [(Deed.REMIND, 5), (Deed.REMIND, 10), (Deed.CLOSE, 17)]
    assert chase.is_over
    assert chase.due_at is None


@pytest.mark.requirement("EDGE-10")
@given(
    after=st.sampled_from(["2 hours", "3 days", "1 week", "2 working hours", "3 working days"]),
    reminders=st.integers(0, 4),
    ends=st.sampled_from([None, "1 day", "5 working days"]),
    looks=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["nothing", "speaks", "leaves"])), max_size=40),
)
def test_whatever_happens_no_silence_has_more_than_its_reminders_nor_an_end_before_its_time(
    after: str, reminders: int, ends: str | None, looks: list[tuple[int, str]]
) -> None:
    terms = ChaseRules(parse_duration(after), reminders, parse_duration(ends) if ends else None, "", RULES.calendar)
    case, now, since = waiting(), NOW, NOW
    chase = Chase(case.id, None, 0, now, 0)
    deeds: list[Deed] = []
    last = NOW
    for hours, what in looks:
        now += timedelta(hours=hours)
        if what == "speaks":
            since, deeds, last = now, [], now
        left = what == "leaves"
        found = chasing.look(chase, case._replace(waiting_for_customer=False) if left else case, since, terms, now)
        if left:
            assert found.deed is Deed.END
            continue
        if found.deed in (Deed.REMIND, Deed.CLOSE):
            due_at = terms.due_at(last, len(deeds))
            assert due_at is not None
            assert due_at <= now
            assert is_open(terms.calendar, due_at) or "working" in f"{after}{ends}"
            deeds.append(found.deed)
            last = now
        if found.deed is Deed.REMIND:
            assert found.chase.reminded == len(deeds)
            case, _ = chasing.remind(case, found.chase.reminded, now)
        chase = found.chase
        assert chase.due_at is None or chase.due_at > now or found.deed is Deed.WAIT
        assert chase.is_over is (chase.due_at is None)
        assert deeds.count(Deed.REMIND) <= reminders
        assert deeds.count(Deed.CLOSE) <= (ends is not None)
        assert Deed.CLOSE not in deeds[:-1]


@pytest.mark.requirement("EDGE-10")
def test_a_word_of_the_customer_begins_the_chase_anew_and_nothing_waiting_ends_it() -> None:
    case, later = waiting(), NOW + timedelta(days=10)
    found = chasing.look(a_chase(case, reminded=2), case, NOW + timedelta(days=1), TERMS, later)
    assert (found.deed, found.chase.since, found.chase.reminded) == (Deed.WAIT, NOW + timedelta(days=1), 0)

    for gone in (case._replace(waiting_for_customer=False), case._replace(state=LifeCycle.COMPLETED)):
        assert chasing.look(a_chase(case), gone, NOW, TERMS, later).deed is Deed.END
    assert chasing.look(a_chase(case), case, NOW, None, later).deed is Deed.END


def test_a_chase_that_is_over_stays_over_until_the_silence_is_another() -> None:
    case = waiting(revision=7)
    over = a_chase(case, reminded=2, due_at=NOW, is_over=True, revision=5)

    rests = chasing.look(over, case, NOW, TERMS, NOW)
    assert (rests.deed, rests.chase) == (Deed.WAIT, over._replace(due_at=None, revision=7))
    assert not chasing.look(over, case, NOW + timedelta(hours=1), TERMS, NOW).chase.is_over


def test_an_answer_that_waits_for_acceptance_is_the_customers_turn() -> None:
    assert chasing.is_waiting(waiting(waiting_for_customer=False, status="resolved", awaiting_acceptance="final_resolution"))


@pytest.mark.requirement("EDGE-10")
def test_a_case_is_closed_step_by_step_with_the_reason() -> None:
    steps = closed(waiting()).steps

    assert [(step.case.status, step.case.reason, step.case.changed_by) for step in steps] == [
        ("resolved", SILENCE, "system"),
        ("closed", SILENCE, "system"),
    ]
    assert [step.case.revision for step in steps] == [2, 3]
    assert closed(waiting(state=LifeCycle.TEMPORARILY_RESOLVED, status="made-safe")).steps[-1].case.state is LifeCycle.COMPLETED


@pytest.mark.requirement("EDGE-10")
def test_a_pending_case_is_cancelled() -> None:
    [step] = closed(waiting(state=LifeCycle.PENDING, owner=None)).steps
    assert (step.case.state, step.case.needs_review) == (LifeCycle.CANCELLED, False)


@pytest.mark.requirement("EDGE-10", "CASE-12")
def test_silence_about_an_answer_counts_as_acceptance_and_history_says_so() -> None:
    case = waiting(state=LifeCycle.FINALLY_RESOLVED, status="resolved", waiting_for_customer=False, awaiting_acceptance="final_resolution")
    accepted, completed = closed(case, answers=an_answer(case, Stage.FINAL_RESOLUTION)).steps

    assert {Change("final_accepted", None, "yes"), Change("final_comment", None, SILENCE)} <= set(accepted.changes)
    assert accepted.answers[Stage.FINAL_RESOLUTION].accepted_by == "system"
    assert completed.case.state is LifeCycle.COMPLETED


def test_a_final_resolution_that_asks_for_acceptance_in_its_turn_is_not_taken_as_accepted() -> None:
    rules = rules_of(a_case_configuration(**ACCEPTED)).subjects["leak"].life_cycle
    [step] = closed(waiting(), rules).steps
    assert (step.case.status, step.case.awaiting_acceptance) == ("resolved", "final_resolution")


@pytest.mark.requirement("EDGE-10")
@pytest.mark.parametrize(
    ("changes", "gate", "status", "why"),
    [
        ({}, SHUT, "", "2 of its tasks are still open"),
        ({"owner": None}, OPEN_GATE, "", "belong to a user first"),
        ({}, OPEN_GATE, "cancelled", "only while pending"),
        ({}, OPEN_GATE, "waiting", "no status of subject leak that closes a case"),
        ({}, OPEN_GATE, "gone", "no status of subject leak"),
    ],
)
def test_a_case_that_cannot_be_closed_stays_whole_and_goes_to_the_review_list(
    changes: dict[str, Any], gate: Gate, status: str, why: str
) -> None:
    case = waiting(**changes)
    closing = closed(case, gate=gate, status=status)
    assert closing.steps == ()
    assert why in closing.why

    left, told = chasing.give_up(case, closing.why, NOW)
    assert (left.needs_review, left.revision, left.status) == (True, case.revision, case.status)
    assert told == (Change("needs_review", "false", "true"), Change("not closed", None, closing.why))
    assert chasing.give_up(left, closing.why, NOW)[1] == (Change("not closed", None, closing.why),)


def test_whom_transitions_list_counts_for_people_and_their_ways_for_everybody() -> None:
    ways = (TransitionRule("waiting", "resolved", users=frozenset({"max"})), TransitionRule("resolved", "closed"))
    assert closed(waiting(), replace(LEAK, transitions=ways)).steps[-1].case.status == "closed"
    assert "no transition rule" in closed(waiting(), replace(LEAK, transitions=ways[:1])).why


def test_a_subject_without_a_chase_of_its_own_has_the_organisations_and_may_have_none() -> None:
    configuration = a_case_configuration(chase=CHASE)
    own = configuration.subjects[0].model_copy(update={"chase": type(configuration.chase)(reminders=0)})
    rules = rules_of(configuration.model_copy(update={"subjects": (own, *configuration.subjects[1:])}))
    assert rules.subjects["leak"].chase is None
    assert rules.subjects["noise"].chase == TERMS
    assert rules_of(a_case_configuration()).subjects["leak"].chase is None
