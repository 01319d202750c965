"""Answers, their acceptance, categories, key dates, reasons of cancellation, deletion: each rule by itself."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from services.case.domain.acceptance import record
from services.case.domain.answering import answer
from services.case.domain.answers import NO_ANSWERS, Chosen
from services.case.domain.case import Actor, Case, Change
from services.case.domain.deletion import Surroundings, delete
from services.case.domain.history import Step
from services.case.domain.key_dates import CompletionRule, key_dates
from services.case.domain.life_cycle import AnswerCategories, LifeCycle, LifeCycleRules, Stage, TransitionRule
from services.case.domain.progress import Gate, set_status
from services.case.domain.refusals import (
    AcceptanceRefused,
    AnswerRefused,
    CancellationRefused,
    CategoryRefused,
    DeletionRefused,
    TransitionRefused,
)
from services.case.handlers.rules import rules_of
from shared.calendars import parse_duration
from tests.support.case import NOW, a_case, a_case_configuration

CONFIGURED = rules_of(a_case_configuration())
RITA = Actor("rita", "repairs")
CUSTOMER = Actor("customer", "")
DONE = Gate(is_planned=True, open_tasks=0)
LATER = NOW + timedelta(hours=1)
RULES: LifeCycleRules = dataclasses.replace(
    CONFIGURED.subjects["leak"].life_cycle,
    answers={
        Stage.RESPONSE: AnswerCategories({"answered": False, "offer": True}, "answered"),
        Stage.FINAL_RESOLUTION: AnswerCategories({"repaired": False, "decided": True}),
    },
)
COMPLAINT = dataclasses.replace(CONFIGURED.subjects["complaint"].life_cycle, answers=RULES.answers)


def _answered(category: str = "offer", text: str = "Tuesday?", case: Case | None = None) -> Step:
    return answer(case or a_case(owner="rita"), NO_ANSWERS, Stage.RESPONSE, Chosen(category, text), None, RULES, RITA, NOW)


def _next(step: Step, category: str = "repaired", rules: LifeCycleRules = RULES) -> Step:
    return answer(step.case, step.answers, Stage.FINAL_RESOLUTION, Chosen(category, ""), None, rules, RITA, LATER)


@pytest.mark.requirement("CASE-4")
def test_choosing_a_category_makes_the_step() -> None:
    step = _answered("answered")

    assert (step.case.state, step.case.status, step.case.response_category) == (LifeCycle.RESPONDED, "answered", "answered")
    assert [(change.field, change.new) for change in step.changes] == [
        ("status", "answered"),
        ("state", "responded"),
        ("response_category", "answered"),
        ("response_text", "Tuesday?"),
    ]
    waiting = answer(a_case(owner="rita"), NO_ANSWERS, Stage.RESPONSE, Chosen("", ""), "waiting", RULES, RITA, NOW)
    assert (waiting.case.status, waiting.case.response_category) == ("waiting", "answered")
    with pytest.raises(AnswerRefused, match="stands for finally_resolved"):
        answer(a_case(owner="rita"), NO_ANSWERS, Stage.RESPONSE, Chosen("", ""), "resolved", RULES, RITA, NOW)


@pytest.mark.requirement("CASE-4")
def test_a_status_takes_the_default_category_and_is_refused_where_there_is_none() -> None:
    step = set_status(a_case(owner="rita"), "answered", RULES, RITA, DONE, NOW)
    assert (step.case.response_category, step.answers[Stage.RESPONSE].given_by) == ("answered", "rita")

    with pytest.raises(CategoryRefused, match="choose a final resolution category; it is one of decided, repaired"):
        set_status(step.case, "resolved", RULES, RITA, DONE, NOW, answers=step.answers)


def test_an_answer_that_says_nothing_is_none() -> None:
    plain = dataclasses.replace(RULES, answers={})
    step = set_status(a_case(owner="rita"), "answered", plain, RITA, DONE, NOW)

    again = answer(step.case, step.answers, Stage.RESPONSE, Chosen("", ""), None, plain, RITA, LATER)

    assert (again.case, again.changes, dict(again.answers)) == (step.case, (), {})
    said = answer(step.case, step.answers, Stage.RESPONSE, Chosen("", "On Tuesday."), None, plain, RITA, LATER)
    assert said.changes == (Change("response_text", None, "On Tuesday."),)
    with pytest.raises(CategoryRefused, match="so it takes none"):
        answer(step.case, step.answers, Stage.RESPONSE, Chosen("offer", ""), None, plain, RITA, LATER)


@pytest.mark.requirement("CASE-4", "CASE-10")
def test_an_answer_is_amended_until_the_next_state_with_old_and_new_in_the_history() -> None:
    step = _answered("answered")

    amended = answer(step.case, step.answers, Stage.RESPONSE, Chosen("answered", "Wednesday."), None, RULES, RITA, LATER)

    assert amended.changes == (Change("response_text", "Tuesday?", "Wednesday."),)
    assert (amended.case.revision, amended.case.responded_at) == (step.case.revision + 1, NOW)
    same = answer(amended.case, amended.answers, Stage.RESPONSE, Chosen("answered", "Wednesday."), None, RULES, RITA, LATER)
    assert (same.case, same.changes) == (amended.case, ())
    gone_on = _next(amended)
    with pytest.raises(AnswerRefused, match="amended until then, and stands"):
        answer(gone_on.case, gone_on.answers, Stage.RESPONSE, Chosen("answered", "Thursday."), None, RULES, RITA, LATER)
    with pytest.raises(AnswerRefused, match="belong to a user"):
        answer(amended.case._replace(owner=None), amended.answers, Stage.RESPONSE, Chosen("answered", "x"), None, RULES, RITA, LATER)


@pytest.mark.requirement("CASE-4", "CASE-12")
def test_the_case_goes_no_further_until_the_customer_has_accepted() -> None:
    asked = _answered()
    assert asked.case.awaiting_acceptance == "response"
    with pytest.raises(TransitionRefused, match="has to accept the response first"):
        _next(asked)

    accepted = record(asked.case, asked.answers, Stage.RESPONSE, True, "Fine.", CUSTOMER, LATER)

    assert (accepted.case.awaiting_acceptance, accepted.case.changed_by) == ("", "customer")
    assert accepted.changes == (
        Change("awaiting_acceptance", "response", None),
        Change("response_accepted", None, "yes"),
        Change("response_comment", None, "Fine."),
    )
    assert _next(accepted).case.state is LifeCycle.FINALLY_RESOLVED
    assert record(accepted.case, accepted.answers, Stage.RESPONSE, True, "Fine.", CUSTOMER, LATER).changes == ()


@pytest.mark.requirement("CASE-12")
def test_a_declined_answer_is_amended_and_the_customer_asked_anew() -> None:
    asked = _answered()
    declined = record(asked.case, asked.answers, Stage.RESPONSE, False, "", CUSTOMER, LATER)
    assert (declined.case.state, declined.case.awaiting_acceptance) == (LifeCycle.RESPONDED, "")
    with pytest.raises(TransitionRefused, match="declined the response: amend it first"):
        _next(declined)

    anew = answer(declined.case, declined.answers, Stage.RESPONSE, Chosen("offer", "Friday?"), None, RULES, RITA, LATER)

    assert (anew.case.awaiting_acceptance, anew.answers[Stage.RESPONSE].accepted) == ("response", None)
    assert Change("response_accepted", "no", None) in anew.changes


@pytest.mark.requirement("CASE-12")
def test_only_what_waits_for_acceptance_can_be_accepted() -> None:
    step = _answered("answered")
    for stage, why in ((Stage.RESPONSE, "requires no acceptance"), (Stage.FINAL_RESOLUTION, "has been given")):
        with pytest.raises(AcceptanceRefused, match=why):
            record(step.case, step.answers, stage, True, "", CUSTOMER, LATER)
    gone_on = _next(step)
    with pytest.raises(AcceptanceRefused, match="gone on"):
        record(gone_on.case, gone_on.answers, Stage.RESPONSE, True, "", CUSTOMER, LATER)


def test_going_back_withdraws_the_answers_of_the_states_that_are_left() -> None:
    step = answer(
        a_case(owner="rita", subject="complaint", status="answered", state=LifeCycle.RESPONDED, response_category="answered"),
        _answered("answered").answers,
        Stage.FINAL_RESOLUTION,
        Chosen("decided", "No."),
        None,
        COMPLAINT,
        Actor("max", "contact-centre"),
        NOW,
    )

    back = set_status(step.case, "answered", COMPLAINT, RITA, DONE, LATER, answers=step.answers)

    assert (set(back.answers), back.case.final_category, back.case.awaiting_acceptance) == ({Stage.RESPONSE}, "", "")
    assert {Change("final_category", "decided", None), Change("final_text", "No.", None)} <= set(back.changes)


@pytest.mark.requirement("CASE-3")
def test_no_rule_reopens_a_case_as_temporarily_resolved_where_the_subject_has_no_such_thing() -> None:
    rules = dataclasses.replace(COMPLAINT, transitions=(TransitionRule("closed", "made-safe", reopens=True),))
    closed = a_case(owner="rita", subject="complaint", status="closed", state=LifeCycle.COMPLETED)

    with pytest.raises(TransitionRefused, match="does not use temporary resolution"):
        set_status(closed, "made-safe", rules, RITA, DONE, NOW)


@pytest.mark.requirement("CASE-6")
def test_a_cancellation_has_a_configured_reason_the_default_one_if_none_is_given() -> None:
    cancelled = set_status(a_case(), "cancelled", RULES, RITA, DONE, NOW)
    assert (cancelled.case.reason, Change("reason", None, "by-request") in cancelled.changes) == ("by-request", True)
    assert set_status(a_case(), "cancelled", RULES, RITA, DONE, NOW, "duplicate").case.reason == "duplicate"
    with pytest.raises(CancellationRefused, match="'boredom'; it is one of by-request, duplicate, expired"):
        set_status(a_case(), "cancelled", RULES, RITA, DONE, NOW, "boredom")


@pytest.mark.requirement("CASE-9")
def test_the_expected_completion_is_recalculated_on_responding_where_the_subject_says_so() -> None:
    within = parse_duration("1 working day")
    for recalculates, expected in ((False, NOW + timedelta(days=1)), (True, LATER + timedelta(days=1))):
        rules = dataclasses.replace(RULES, completion=CompletionRule(within, CONFIGURED.calendar, recalculates))
        case = a_case(owner="rita", expected_completion_at=rules.completion.expected(NOW))
        assert set_status(case, "answered", rules, RITA, DONE, LATER).case.expected_completion_at == expected


@pytest.mark.requirement("CASE-9")
def test_key_dates_count_working_time() -> None:
    calendar, friday = CONFIGURED.calendar, NOW + timedelta(days=4)  # Monday 2 March, 10:00; open 9 to 17 on working days
    running = key_dates(NOW, friday, None, None, False, calendar, NOW + timedelta(days=1))
    assert (running.time_left, running.time_overdue, running.time_to_completion) == (3 * 8 * 3600, 0, None)
    late = key_dates(NOW, friday, None, None, False, calendar, friday + timedelta(days=3))  # the weekend does not count
    assert (late.time_left, late.time_overdue) == (0, 8 * 3600)
    done = key_dates(NOW, friday, friday, friday + timedelta(hours=2), True, calendar, friday + timedelta(days=9))
    assert (done.completed_at, done.time_to_completion, done.time_overdue) == (friday + timedelta(hours=2), (4 * 8 + 2) * 3600, 2 * 3600)
    cancelled = key_dates(NOW, friday, None, NOW, False, calendar, friday + timedelta(days=9))
    assert (cancelled.completed_at, cancelled.time_to_completion, cancelled.time_left, cancelled.time_overdue) == (None, None, None, 0)
    assert key_dates(NOW, None, None, None, False, calendar, NOW)[-3:] == (None, None, None)


@pytest.mark.requirement("CASE-8")
@pytest.mark.parametrize(
    ("case", "around", "why"),
    [
        ({"state": LifeCycle.RESPONDED}, {}, "only while pending, and this one is responded"),
        ({"state": LifeCycle.CANCELLED}, {}, "only while pending"),
        ({}, {"is_held": True}, "legal hold"),
        ({}, {"opened_by": "system"}, "opened it by itself: cancel it instead"),
        ({}, {"communications": 2}, "2 communications belong to it"),
        ({}, {"referring": ["2 notes", "1 answers"]}, "it has 2 notes, 1 answers"),
    ],
)
def test_a_case_is_deleted_only_while_nothing_refers_to_it(case: dict[str, object], around: dict[str, object], why: str) -> None:
    surroundings = Surroundings("rita", is_held=False, communications=1)
    with pytest.raises(DeletionRefused, match=why):
        delete(a_case(**case), dataclasses.replace(surroundings, **around), RITA, NOW)  # type: ignore[arg-type]

    last, changes = delete(a_case(), surroundings, RITA, NOW, "by mistake")
    assert (last.revision, last.changed_by, changes) == (2, "rita", (Change("deleted", last.number, "by mistake"),))
