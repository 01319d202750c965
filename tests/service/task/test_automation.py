"""Automation rules: what fires, what follows, and what keeps them from going round for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.task.domain.assignment.absences import Absence, HandOver
from services.task.handlers.compile_rules import span
from services.task.storage import absences
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseAssigned,
    CaseLifeCycle,
    CaseOpened,
    CasePriorityChanged,
    CaseStatusChanged,
    ClockEscalated,
    ClockKind,
    ClockOverdue,
    ClockStartLate,
    ClockState,
    ItemKind,
    RuleCut,
    RuleFired,
)
from tests.service.task.conftest import NOW, MakeService, TaskService, a_case_event, a_lag_over, assert_gapless
from tests.support.configuration import a_configuration

CASE = derive("test case", 1)


def a_rule(code: str, on: str, *then: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "name": code.title(), "on": on, "then": list(then)} | more


def serving(make: MakeService, *rules: dict[str, Any]) -> TaskService:
    """The service under a configuration with these rules, its seventh version."""
    return make(StaticReference(a_configuration(automation=rules), version=7))


def fired(service: TaskService) -> list[RuleFired]:
    return [event.data for event in service.events if isinstance(event.data, RuleFired)]


def cut(service: TaskService) -> list[RuleCut]:
    return [event.data for event in service.events if isinstance(event.data, RuleCut)]


def by_rule(rule: str, firing: UUID, number: int, **changes: Any) -> Event:
    """case's word that it changed the case as the firing asked."""
    return a_case_event(1, CasePriorityChanged, revision=number, changed_by=f"rule:{rule}", firing_id=firing, **changes)


SURVEY = {"do": "schedule_task", "definition": "answer"}
URGENT = {"do": "set_urgency", "urgency": "high"}


@pytest.mark.requirement("AUTO-1")
def test_a_rule_fires_once_when_its_condition_holds_and_says_what_others_do(make_service: MakeService) -> None:
    rule = a_rule(
        "gas",
        "case.opened",
        SURVEY,
        URGENT,
        {"do": "assign", "unit": "repairs"},
        {"do": "alert", "to": ["leader"], "user": "max", "template": "alert"},
        {"do": "send", "template": "acknowledge", "channel": "sms"},
        **{"if": {"field": "case.title", "contains": "GAS"}},
    )
    service = serving(make_service, rule)
    opened = a_case_event(1, title="Smell of gas")
    service.feed(opened, a_case_event(2))
    service.feed(opened)
    (told,) = fired(service)
    assert (told.rule, told.name, told.on, told.cause_id, told.case_id, told.depth) == ("gas", "Gas", "case.opened", opened.id, CASE, 1)
    assert (told.item.kind, told.item.id, told.item.title, told.item.priority) == ("case", CASE, "Smell of gas", "high")
    assert told.item.customer is not None
    assert told.item.customer.email == "carla@customer.example"
    assert [(action.do, action.outcome) for action in told.actions] == [
        ("schedule_task", "done"),
        ("set_urgency", "asked"),
        ("assign", "asked"),
        ("alert", "asked"),
        ("send", "asked"),
    ]
    (survey,) = service.rows("select * from tasks where definition = 'answer'")
    assert (survey["id"], survey["case_id"], survey["changed_by"]) == (told.actions[0].task_id, CASE, "rule:gas")
    assert (survey["state"], survey["config_version"], survey["firing_id"]) == ("pending", 7, told.firing_id)
    (row,) = service.rows("select * from firings")
    assert (row["rule"], row["item_id"], row["cause_id"], row["outcome"], row["at"]) == ("gas", CASE, opened.id, "done", NOW)
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1")
def test_another_event_of_the_same_id_or_a_replay_fires_nothing_again(make_service: MakeService) -> None:
    service = serving(make_service, a_rule("survey", "case.assigned", SURVEY))
    assigned = a_case_event(1, CaseAssigned, revision=2, owner="rita")
    service.feed(a_case_event())
    service.feed(assigned, assigned)
    with service.database.transaction() as tx:
        tx.execute("delete from inbox")
    service.feed(assigned)
    assert len(fired(service)) == len(service.rows("select from tasks where definition = 'answer'")) == 1


@pytest.mark.requirement("AUTO-1")
def test_a_rule_on_a_task_gives_it_to_somebody_and_another_follows_from_that(make_service: MakeService) -> None:
    service = serving(
        make_service,
        a_rule(
            "to-paul", "task.triggered", {"do": "assign", "user": "paul"}, **{"if": {"field": "task.definition", "equals": "inspect-leak"}}
        ),
        a_rule("pauls", "task.assigned", SURVEY, **{"if": {"field": "task.assignee", "equals": "paul"}}),
        a_rule("surveys", "task.triggered", URGENT, **{"if": {"field": "task.definition", "equals": "answer"}}),
    )
    service.feed(a_case_event())
    assert [(told.rule, told.depth) for told in fired(service)] == [("to-paul", 1), ("pauls", 2), ("surveys", 3)]
    task = service.task(CASE, "inspect-leak")
    assert (task["assignee"], task["changed_by"], task["unit"]) == ("paul", "rule:to-paul", "repairs")
    (entry,) = service.rows("select * from history where task_id = %s", task["id"])
    assert (entry["changed_by"], entry["changes"]["assignee"]) == ("rule:to-paul", [None, "paul"])
    causes = {told.rule: told.cause_id for told in fired(service)}
    ids = {event.id: event.type for event in service.events}
    assert (ids[causes["to-paul"]], ids[causes["pauls"]]) == ("casestream.task.triggered.v1", "casestream.task.assigned.v1")
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1")
def test_two_rules_that_feed_each_other_are_cut_and_that_is_told_once(make_service: MakeService) -> None:
    ping = {"field": "task.definition", "equals": "answer"}
    pong = {"field": "task.definition", "equals": "call-back"}
    service = serving(
        make_service,
        a_rule("ping", "task.triggered", {"do": "schedule_task", "definition": "call-back"}, **{"if": ping}),
        a_rule("pong", "task.triggered", SURVEY, **{"if": pong}),
    )
    service.feed(a_case_event(1, subject="enquiry"))
    assert [(told.rule, told.depth) for told in fired(service)] == [("ping", 1), ("pong", 2), ("ping", 3), ("pong", 4), ("ping", 5)]
    assert [(told.rule, told.depth, told.reason) for told in cut(service)] == [("pong", 6, "too-deep")]
    # The planned task is another one than those that rules made of its definition: the plan is not moved by these.
    assert len(service.rows("select from tasks where definition = 'answer'")) == 3
    service.feed(a_case_event(1, CaseAssigned, revision=2, owner="rita"))
    assert len(cut(service)) == 1


@pytest.mark.requirement("AUTO-1")
def test_a_chain_through_the_case_is_followed_and_cut_at_the_same_depth(make_service: MakeService) -> None:
    service = serving(
        make_service,
        a_rule("up", "case.priority-changed", URGENT, **{"if": {"field": "case.urgency", "equals": "low"}}),
        a_rule("down", "case.priority-changed", URGENT | {"urgency": "low"}, **{"if": {"field": "case.urgency", "equals": "high"}}),
    )
    service.feed(a_case_event(), a_case_event(1, CasePriorityChanged, revision=2, urgency="low", changed_by="rita"))
    for number in range(3, 12):
        told = fired(service)[-1]
        service.feed(by_rule(told.rule, told.firing_id, number, urgency="high" if told.rule == "up" else "low"))
    assert [(told.rule, told.depth) for told in fired(service)] == [("up", 1), ("down", 2), ("up", 3), ("down", 4), ("up", 5)]
    assert [told.reason for told in cut(service)] == ["too-deep"]
    assert {row["depth"] for row in service.rows("select depth from cuts")} == {6}


@pytest.mark.requirement("AUTO-1")
def test_a_rule_does_not_fire_on_its_own_change(make_service: MakeService) -> None:
    service = serving(make_service, a_rule("up", "case.priority-changed", URGENT))
    service.feed(a_case_event(), a_case_event(1, CasePriorityChanged, revision=2, changed_by="rita"))
    (told,) = fired(service)
    service.feed(by_rule("up", told.firing_id, 3))
    assert (len(fired(service)), cut(service)) == (1, [])


@pytest.mark.requirement("AUTO-1")
def test_a_rule_fires_so_often_for_an_item_within_a_time_and_no_oftener(make_service: MakeService) -> None:
    service = serving(make_service, a_rule("survey", "case.status-changed", SURVEY, at_most={"times": 2, "within": "1 hour"}))
    service.feed(a_case_event(), a_case_event(2))
    moves = [a_case_event(1, CaseStatusChanged, revision=number, time=NOW + timedelta(minutes=number)) for number in range(2, 7)]
    service.clock.forward(minutes=10)  # type: ignore[attr-defined]
    service.feed(*moves[:3])
    service.feed(*moves[3:], a_case_event(2, CaseStatusChanged, revision=2))
    assert [told.case_id for told in fired(service)] == [CASE, CASE, derive("test case", 2)]
    assert [(told.rule, told.reason) for told in cut(service)] == [("survey", "too-often")]
    service.clock.forward(hours=2)  # type: ignore[attr-defined]
    service.feed(a_case_event(1, CaseStatusChanged, revision=7, time=NOW + timedelta(hours=2)))
    assert len(fired(service)) == 4
    assert span("1 hour") == timedelta(hours=1)


@pytest.mark.requirement("AUTO-1")
def test_a_task_scheduled_for_later_waits_and_starts_by_itself(make_service: MakeService) -> None:
    service = serving(
        make_service,
        a_rule("later", "case.opened", SURVEY | {"after": "2 days"}),
        a_rule("at-last", "task.triggered", URGENT, **{"if": {"field": "task.definition", "equals": "answer"}}),
    )
    service.feed(a_case_event())
    (waiting,) = service.rows("select * from tasks where definition = 'answer'")
    assert (waiting["state"], waiting["starts_at"], waiting["due_at"]) == ("planned", NOW + timedelta(days=2), None)
    assert ("scheduled", "answer") in service.heard(CASE)
    service.clock.forward(days=2)  # type: ignore[attr-defined]
    service.feed(a_lag_over(waiting, waiting["starts_at"]), a_lag_over(waiting, waiting["starts_at"], 2))
    (started,) = service.rows("select * from tasks where definition = 'answer'")
    assert (started["state"], started["triggered_at"], started["starts_at"]) == ("pending", NOW + timedelta(days=2), None)
    assert started["due_at"] > started["triggered_at"]
    # What it starts with goes back to the firing.
    assert [(told.rule, told.depth) for told in fired(service)] == [("later", 1), ("at-last", 2)]
    assert_gapless(service.events)


@pytest.mark.requirement("AUTO-1")
def test_a_clock_that_runs_out_fires_rules_on_its_item(make_service: MakeService) -> None:
    chase = {"all": [{"field": "clock.item", "equals": "task"}, {"field": "clock.kind", "equals": "due"}]}
    service = serving(
        make_service,
        a_rule("late", "clock.overdue", {"do": "assign", "item": "task", "user": "lena"}, URGENT, **{"if": chase}),
        a_rule("later", "clock.escalated", {"do": "alert", "to": ["manager"], "template": "alert"}),
        a_rule("not-begun", "clock.start-late", {"do": "alert", "to": ["leader"], "template": "alert"}),
    )
    service.feed(a_case_event())
    task = service.task(CASE, "inspect-leak")
    with service.database.transaction() as tx:
        away = Absence(derive("absence"), "lena", NOW, NOW + timedelta(days=1), "rita", HandOver.ALL, True, "", "lena")
        absences.insert(tx, away, NOW)
    for repetition, told_of in enumerate((ClockOverdue, ClockOverdue, ClockStartLate)):
        kind = ClockKind.START if told_of is ClockStartLate else ClockKind.DUE
        data = told_of(
            clock_id=derive("clock", task["id"], kind),
            kind=kind,
            item_kind=ItemKind.TASK,
            item_id=task["id"],
            case_id=CASE,
            started_at=NOW,
            due_at=NOW,
            fired_at=NOW,
            repetition=repetition,
        )
        event = derive("overdue", repetition)
        service.feed(Event(event, data.event_type, "/test/sla", str(data.clock_id), NOW, repetition + 1, 1, "", str(CASE), data))
    assert [(told.rule, told.task_id) for told in fired(service)] == [(rule, task["id"]) for rule in ("late", "later", "not-begun")]
    # She is away: who stands in has what a rule gives her.
    task = service.task(CASE, "inspect-leak")
    assert (task["owner_code"], task["assignee"], len(service.rows("select 1 from loans"))) == ("lena", "rita", 1)
    assert_gapless(service.events)
    assert fired(service)[0].item.customer is not None


@pytest.mark.requirement("AUTO-1", "EDGE-9")
def test_a_step_of_the_escalation_chain_fires_rules_as_an_overdue_that_repeats_does(make_service: MakeService) -> None:
    second = {"all": [{"field": "clock.rung", "equals": "escalated"}, {"field": "clock.repetition", "at_least": 2}]}
    service = serving(
        make_service,
        a_rule("any", "clock.escalated", {"do": "alert", "to": ["manager"], "template": "alert"}),
        a_rule("second", "clock.escalated", {"do": "assign", "item": "task", "user": "lena"}, **{"if": second}),
    )
    service.feed(a_case_event())
    task = service.task(CASE, "inspect-leak")

    def alert(number: int, payload: type[ClockState], **more: object) -> Event:
        values = {"kind": ClockKind.DUE, "item_kind": ItemKind.TASK, "item_id": task["id"], "case_id": CASE} | more
        data = payload.model_validate({"clock_id": derive("clock"), "started_at": NOW, "due_at": NOW, "fired_at": NOW} | values)
        return Event(derive("alert", number), data.event_type, "/test/sla", str(data.clock_id), NOW, number, 1, "", str(CASE), data)

    service.feed(
        alert(1, ClockOverdue, rung="overdue"),
        alert(2, ClockOverdue, rung="overdue", repetition=1),
        alert(3, ClockEscalated, rung="escalated", repetition=1, tell=["owner"]),
        alert(4, ClockEscalated, rung="escalated", repetition=2, tell=["manager"]),
        alert(5, ClockEscalated, rung="escalated", repetition=2, tell=["manager"], item_kind="order"),
        alert(6, ClockEscalated, rung="escalated", repetition=2, tell=["manager"], item_kind="lead", case_id=None, item_id=derive("lead")),
    )
    told = [(one.rule, one.item.kind, one.case_id) for one in fired(service)]
    of_task, of_lead = ("any", "task", CASE), ("any", "lead", derive("lead"))
    assert told == [of_task, of_task, of_task, ("second", "task", CASE), of_lead, ("second", "lead", derive("lead"))]
    assert service.task(CASE, "inspect-leak")["assignee"] == "lena"
    (refused,) = fired(service)[-1].actions
    assert (refused.outcome, refused.why) == ("refused", "it is about no task that is known")


@pytest.mark.requirement("AUTO-1")
def test_what_cannot_be_done_is_refused_with_the_reason_and_the_rest_is_done(make_service: MakeService) -> None:
    service = serving(make_service, a_rule("survey", "case.status-changed", SURVEY, {"do": "alert", "to": ["owner"], "template": "alert"}))
    service.feed(a_case_event(), a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.COMPLETED, status="closed"))
    (told,) = fired(service)
    assert [(action.outcome, action.why) for action in told.actions] == [
        ("refused", "the case is completed: nothing is added to it"),
        ("asked", ""),
    ]
    assert [row["outcome"] for row in service.rows("select outcome from firings")] == ["partly"]


def test_rules_of_the_newest_configuration_are_for_cases_that_began_before_them_and_inactive_ones_for_none(
    make_service: MakeService,
) -> None:
    service = serving(make_service, a_rule("off", "case.opened", SURVEY, active=False), a_rule("on", "case.opened", SURVEY))
    service.feed(a_case_event(1, CaseOpened, config_version=3))
    assert [told.rule for told in fired(service)] == ["on"]
    assert {event.config_version for event in service.events if isinstance(event.data, RuleFired)} == {7}
