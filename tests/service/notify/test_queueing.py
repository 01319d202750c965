"""Events become queued deliveries."""

from typing import Any
from uuid import UUID

import pytest

from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.envelope import Event
from shared.schemas.events import (
    ApprovalAsked,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalReminded,
    CaseBroadcast,
    CaseChased,
    CaseLifeCycle,
    CaseMerged,
    CaseMergeUndone,
    CaseStatusChanged,
    ClockDueSoon,
    ClockEscalated,
    ClockKind,
    ClockStartLate,
    ClockWithdrawn,
    ItemKind,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskPlanned,
    TaskStatusChanged,
)
from shared.schemas.parts import OwnerRef
from tests.service.notify.harness import ANN, NOW, NotifyService, a_case, a_communication, a_task, an_alert, an_event
from tests.support.configuration import COMMUNICATIONS, a_configuration


def queued(notify: NotifyService) -> list[tuple[str, str]]:
    return notify.rows("select definition, recipient from deliveries order by definition, recipient")  # type: ignore[return-value]


@pytest.mark.requirement("NOTE-1", "NOTE-2")
def test_each_event_reaches_those_its_definitions_name(notify: NotifyService) -> None:
    notify.take(a_case(), a_task(), a_task(2, TaskAssigned), an_alert(), an_alert(2, ClockDueSoon))
    assert queued(notify) == [
        ("due-soon", "rita@housing.example"),
        ("opened", "ann@mail.example"),
        ("overdue", "lena@housing.example"),
        ("overdue", "rita@housing.example"),
        ("task-assigned", "rita@housing.example"),
        ("task-triggered", "rita@housing.example"),
    ]


def test_an_event_taken_in_twice_queues_once(notify: NotifyService) -> None:
    notify.take(a_task(), a_task())
    notify.take(a_task())
    assert len(queued(notify)) == 1


def test_no_recipient_or_no_definition_queues_nothing(notify: NotifyService) -> None:
    nobody = OwnerRef(kind="role", code="unheard-of")
    notify.take(a_task(1, TaskPlanned), a_task(2, assignee=None, owner=nobody), a_task(3, TaskDueChanged))
    notify.take(a_case(4, customer=ANN.model_copy(update={"email": ""})))
    assert queued(notify) == []


@pytest.mark.requirement("NOTE-1")
def test_of_changes_of_state_only_completion_is_told(notify: NotifyService) -> None:
    told = {"code": "done", "name": "Done", "on": "task.completed", "to": ["leader"], "template": "alert"}
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, told]))  # type: ignore[call-arg]
    notify.take(a_task(1, TaskStatusChanged, state=TaskLifeCycle.IN_PROGRESS), a_task(2, TaskStatusChanged, state=TaskLifeCycle.COMPLETED))
    assert queued(notify) == [("done", "lena@housing.example")]


@pytest.mark.requirement("NOTE-1")
def test_an_alert_repeated_is_escalated(notify: NotifyService) -> None:
    told = {"code": "escalated", "name": "Escalated", "on": "clock.escalated", "to": ["leader", "manager"], "template": "alert"}
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, told]))  # type: ignore[call-arg]
    notify.take(an_alert(repetition=1))
    assert queued(notify) == [
        ("escalated", "max@housing.example"),
        ("overdue", "lena@housing.example"),
        ("overdue", "rita@housing.example"),
    ]


CHAIN = {"code": "chain", "name": "Chain", "on": "clock.escalated", "to": ["escalation"], "template": "alert"}
NEVER_MIND = {"code": "never-mind", "name": "Never mind", "on": "clock.withdrawn", "to": ["told"], "template": "alert"}


def telling(notify: NotifyService, *communications: dict[str, Any]) -> None:
    """Tell by these definitions as well."""
    notify.reference = StaticReference(a_configuration(communications=[*COMMUNICATIONS, *communications]))


@pytest.mark.requirement("EDGE-9", "SLA-2")
def test_a_step_of_the_chain_tells_whom_it_names_each_once(notify: NotifyService) -> None:
    telling(notify, CHAIN)
    step = an_alert(kind=ClockEscalated, rung="escalated", repetition=2, tell=("leader", "owner", "leader"), assignee="lena")
    notify.take(step, step)
    notify.take(step)
    assert queued(notify) == [("chain", "lena@housing.example")]
    assert notify.rows("select facts::json->>'alert', facts::json->>'clock' from deliveries") == [("escalated", "due")]


@pytest.mark.requirement("EDGE-9", "SLA-2")
def test_who_was_told_of_an_overdue_is_not_told_again_by_a_step_for_others(notify: NotifyService) -> None:
    telling(notify, CHAIN)
    notify.take(an_alert(), an_alert(kind=ClockEscalated, rung="escalated", repetition=1, tell=("manager",)))
    assert queued(notify) == [("chain", "max@housing.example"), ("overdue", "lena@housing.example"), ("overdue", "rita@housing.example")]


@pytest.mark.requirement("EDGE-9", "SLA-2")
def test_an_overdue_that_repeats_is_no_step_of_the_chain(notify: NotifyService) -> None:
    telling(notify, CHAIN)
    notify.take(an_alert(repetition=1))
    assert queued(notify) == [("overdue", "lena@housing.example"), ("overdue", "rita@housing.example")]


@pytest.mark.requirement("SLA-2")
def test_an_alert_about_something_unheard_of_is_passed_over(notify: NotifyService) -> None:
    telling(notify, CHAIN)
    for alert in (an_alert(), an_alert(repetition=1), an_alert(kind=ClockEscalated, tell=("leader",)), an_alert(kind=ClockDueSoon)):
        notify.take(of_a_newer_release(alert, item_kind=ItemKind("order")))
    assert queued(notify) == []
    # A clock on what is known is told of by its name, whatever it measures.
    notify.take(of_a_newer_release(an_alert(2), kind=ClockKind("first_visit")))
    assert notify.rows("select distinct facts::json->>'clock' from deliveries") == [("first_visit",)]


def of_a_newer_release(event: Event, **changes: object) -> Event:
    return event._replace(data=event.data.model_copy(update=changes))


@pytest.mark.requirement("SLA-2")
def test_a_leads_clock_alerts_as_any_other(notify: NotifyService) -> None:
    notify.take(an_alert(kind=ClockDueSoon, item_kind=ItemKind.LEAD, case_id=None, item_id=derive("lead")), an_alert(2))
    assert notify.rows("select item_kind, item_id, case_id from deliveries where definition = 'due-soon'") == []
    everything = {"code": "any", "name": "Any", "on": "clock.due-soon", "to": ["assignee"], "template": "alert"}
    telling(notify, everything)
    notify.take(an_alert(3, kind=ClockDueSoon, item_kind=ItemKind.LEAD, case_id=None, item_id=derive("lead")))
    assert notify.rows("select item_kind, item_id, case_id from deliveries where definition = 'any'") == [("lead", derive("lead"), None)]


def a_withdrawal_of(alert: Event) -> Event:
    return an_alert(kind=ClockWithdrawn, rung="overdue", alert_id=alert.id)


@pytest.mark.requirement("SLA-2", "SLA-3")
@pytest.mark.parametrize("together", [True, False])
def test_an_alert_that_proves_wrong_before_it_is_sent_is_not_sent(notify: NotifyService, together: bool) -> None:
    telling(notify, NEVER_MIND)
    alert, other = an_alert(), an_alert(2)
    if together:
        notify.take(alert, other, a_withdrawal_of(alert))
    else:
        notify.take(alert, other)
        notify.take(a_withdrawal_of(alert))
    found = notify.rows("select item_id, definition, state, error from deliveries order by state, recipient")
    failed = [(derive("task", 1), "overdue", "failed", "not sent: the alert was withdrawn")] * 2
    assert found == [*failed, *[(derive("task", 2), "overdue", "queued", "")] * 2]


@pytest.mark.requirement("SLA-2", "SLA-3")
def test_who_had_an_alert_that_proved_wrong_is_told_so_and_nobody_else(notify: NotifyService) -> None:
    telling(notify, NEVER_MIND)
    alert = an_alert()
    notify.take(alert)
    with notify.database.transaction() as tx:
        tx.execute("update deliveries set state = 'sent' where recipient = 'lena@housing.example'")
    notify.take(a_withdrawal_of(alert))
    found = notify.rows("select definition, recipient, recipient_name, audience, state from deliveries order by recipient, definition")
    assert found == [
        ("never-mind", "lena@housing.example", "Lena Leader", "staff", "queued"),
        ("overdue", "lena@housing.example", "Lena Leader", "staff", "sent"),
        ("overdue", "rita@housing.example", "Rita Repairs", "staff", "failed"),
    ]


@pytest.mark.requirement("SLA-2")
def test_without_a_definition_for_it_nobody_is_told_that_an_alert_proved_wrong(notify: NotifyService) -> None:
    alert = an_alert()
    notify.take(alert)
    with notify.database.transaction() as tx:
        tx.execute("update deliveries set state = 'sent'")
    notify.take(a_withdrawal_of(alert), an_alert(2, ClockWithdrawn))
    assert notify.rows("select distinct definition, state from deliveries") == [("overdue", "sent")]


@pytest.mark.requirement("SLA-2")
def test_each_alert_of_a_deadline_reaches_the_assignee_and_management(notify: NotifyService) -> None:
    both = {"name": "Both", "to": ["assignee", "leader", "manager"], "template": "alert"}
    happenings = ("clock.due-soon", "clock.overdue", "task.due-changed", "task.completed", "case.due-changed")
    definitions = [both | {"code": on, "on": on} for on in happenings]
    closed = both | {"code": "case-completed", "on": "case.status-changed", "statuses": ["closed"]}
    notify.reference = StaticReference(a_configuration(communications=[*definitions, closed, CHAIN]))
    notify.take(
        an_alert(1, ClockDueSoon),
        an_alert(2),
        a_task(3, TaskDueChanged),
        a_task(4, TaskStatusChanged, state=TaskLifeCycle.COMPLETED),
        a_case(5, CaseStatusChanged, owner="rita", status="closed", state=CaseLifeCycle.COMPLETED),
        a_case(6, CaseStatusChanged, owner="rita", status="answered", state=CaseLifeCycle.RESPONDED, completion_was_expected_at=NOW),
        an_alert(7, repetition=1),
        an_alert(8, ClockEscalated, tell=("owner",)),
        an_alert(9, ClockEscalated, tell=("leader", "manager")),
    )
    by_item: dict[UUID, list[str]] = {}
    for item, recipient in notify.rows("select item_id, recipient from deliveries order by recipient"):
        by_item.setdefault(item, []).append(recipient.partition("@")[0])
    everyone = ["lena", "max", "rita"]
    kinds = ["task", "task", "task", "task", "case", "case", "task", "task", "task"]
    expected = [*[everyone] * 7, ["rita"], ["lena", "max"]]
    assert by_item == {derive(kind, number): who for number, (kind, who) in enumerate(zip(kinds, expected, strict=True), start=1)}


@pytest.mark.requirement("EDGE-5", "NOTE-1")
def test_a_late_start_is_told_by_its_own_definition_and_is_nothing_overdue(notify: NotifyService) -> None:
    told = {"code": "not-begun", "name": "Not begun", "on": "clock.start-late", "to": ["assignee", "leader"], "template": "alert"}
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, told]))  # type: ignore[call-arg]
    late = an_alert(kind=ClockStartLate, rung="start-late")
    notify.take(late, late)
    assert queued(notify) == [("not-begun", "lena@housing.example"), ("not-begun", "rita@housing.example")]


@pytest.mark.requirement("EDGE-15")
def test_what_is_told_to_a_major_cases_customers_reaches_each_by_the_definition_for_it(notify: NotifyService) -> None:
    told = {"code": "news", "name": "News", "on": "case.broadcast", "to": ["customer"], "template": "alert"}
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, told]))  # type: ignore[call-arg]
    news = a_case(4, CaseBroadcast, parent_id=derive("major case"), text="The water is back.")
    notify.take(news, news)
    assert queued(notify) == [("news", "ann@mail.example")]
    assert notify.rows("select facts::json->>'message' from deliveries") == [("The water is back.",)]


@pytest.mark.requirement("NOTE-1")
def test_who_has_a_case_or_lead_is_told_once_that_its_customer_wrote(notify: NotifyService) -> None:
    told = {"name": "They wrote", "to": ["owner"], "template": "alert"}
    lead = told | {"code": "about-leads", "on": "lead.customer-wrote", "when": {"field": "lead.unit", "equals": "repairs"}}
    telling(notify, told | {"code": "about-cases", "on": "case.customer-wrote"}, lead)
    mine, shared, of_lead = a_communication(), a_communication(2, owner=None), a_communication(3, "lead")
    notify.take(mine, shared, of_lead, a_communication(4, "lead", unit="neighbourhood"), mine)
    notify.take(mine)
    unit = next(unit.email for unit in a_configuration().units if unit.code == "repairs")
    assert queued(notify) == [("about-cases", unit), ("about-cases", "rita@housing.example"), ("about-leads", "rita@housing.example")]
    assert notify.rows("select item_kind, case_id, facts::json->>'number' from deliveries where definition = 'about-leads'") == [
        ("lead", None, "C-2026-000003")
    ]


@pytest.mark.requirement("NOTE-1")
def test_a_mail_about_two_cases_is_told_of_each(notify: NotifyService) -> None:
    telling(notify, {"code": "wrote", "name": "They wrote", "on": "case.customer-wrote", "to": ["owner"], "template": "alert"})
    first, second = (a_communication(number).data.concerns for number in (1, 2))
    event = a_communication(1)
    both = an_event(event.data.model_copy(update={"concerns": first + second}), event.data.communication_id, first[0].item_id)
    notify.take(both, both)
    assert queued(notify) == [("wrote", "rita@housing.example")] * 2
    assert notify.rows("select count(distinct item_id) from deliveries") == [(2,)]


@pytest.mark.requirement("EDGE-10")
def test_a_silent_customer_is_reminded_once_by_the_definition_for_what_the_case_waits_for(notify: NotifyService) -> None:
    told = {"name": "Reminder", "on": "case.chased", "to": ["customer"], "template": "alert"}
    both = [told | {"code": "answer-us", "statuses": ["waiting"]}, told | {"code": "accept-it", "statuses": ["resolved"]}]
    notify.reference = type(notify.reference)(a_configuration(communications=[*COMMUNICATIONS, *both]))  # type: ignore[call-arg]
    reminder = a_case(4, CaseChased, status="waiting", waiting_for_customer=True, reminder=1)
    notify.take(reminder, reminder)
    notify.take(reminder)
    assert queued(notify) == [("answer-us", "ann@mail.example")]


@pytest.mark.requirement("EDGE-11", "NOTE-1")
def test_nobody_is_told_of_a_merge_or_its_undoing(notify: NotifyService) -> None:
    into = derive("survivor")
    notify.take(
        a_case(5, CaseMerged, merged_into=into, merged_into_number="C-2026-000001"), a_case(5, CaseMergeUndone, was_merged_into=into)
    )
    assert queued(notify) == []


def test_what_a_delivery_is_queued_with(notify: NotifyService) -> None:
    notify.take(a_case(7))
    ((identity, message_id, thread, version, facts),) = notify.rows(
        "select id, message_id, thread_id, config_version, facts::json from deliveries"
    )
    conversation = derive("conversation", 7)
    assert thread == conversation
    assert message_id == f"<{conversation}.{identity}@housing.example>"
    assert isinstance(identity, UUID)
    assert version == 1
    assert facts["customer"] == "Ann Bell"
    assert facts["opened_at"] == "2026-03-02T09:00:00+00:00"


def test_a_text_with_a_nul_is_queued_without_it(notify: NotifyService) -> None:
    notify.take(a_task(subject_line="a\x00b"))
    assert notify.rows("select facts::json->>'task' from deliveries") == [("ab",)]


def test_a_text_that_only_looks_like_a_nul_is_kept(notify: NotifyService) -> None:
    notify.take(a_task(subject_line="a\\u0000b"))
    assert notify.rows("select facts::json->>'task' from deliveries") == [("a\\u0000b",)]


@pytest.mark.requirement("AUTO-1", "NOTE-1")
def test_the_approver_hears_that_they_are_asked_and_the_asker_what_was_decided_once_each(notify: NotifyService) -> None:
    told = {"template": "alert", "name": "Approval"}
    asking = [told | {"code": code, "on": f"approval.{code}", "to": ["approver"]} for code in ("asked", "reminded")]
    told_of = [*COMMUNICATIONS, *asking, told | {"code": "decided", "on": "approval.decided", "to": ["asker"]}]
    notify.reference = type(notify.reference)(a_configuration(communications=told_of))  # type: ignore[call-arg]
    approval, case = derive("approval"), derive("case", 1)
    fields = {"approval_id": approval, "case_id": case, "what": "Pay the hotel", "approver": "lena", "asked_by": "rita"}
    fields |= {"asked_at": NOW, "held_since": NOW, "state": "asked"}
    decided = {"state": "approved", "decided_by": "noor", "decided_at": NOW}
    events = [
        an_event(kind.model_validate(fields | changes), approval, case, number)
        for number, (kind, changes) in enumerate(
            (
                (ApprovalAsked, {}),
                (ApprovalReminded, {"reminders": 1}),
                (ApprovalDelegated, {"approver": "noor", "delegated_from": "lena"}),
                (ApprovalDecided, {"approver": "noor", **decided}),
            ),
            start=1,
        )
    ]
    notify.take(*events, *events)
    notify.take(*events)
    assert sorted(queued(notify)) == [
        ("asked", "lena@housing.example"),
        ("asked", "noor@housing.example"),
        ("decided", "rita@housing.example"),
        ("reminded", "lena@housing.example"),
    ]
