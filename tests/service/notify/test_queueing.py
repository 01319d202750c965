"""Events become queued deliveries."""

from uuid import UUID

import pytest

from shared.ids import derive
from shared.schemas.events import ClockDueSoon, TaskAssigned, TaskDueChanged, TaskLifeCycle, TaskPlanned, TaskStatusChanged
from shared.schemas.parts import OwnerRef
from tests.service.notify.harness import ANN, NotifyService, a_case, a_task, an_alert
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
