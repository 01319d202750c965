"""Expiry of communications, and what completion of a case waits for, on a real database."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.case.domain.progress import Gate, OpenApproval
from services.case.storage import major, plans
from shared.ids import case_id, derive
from shared.messaging import Refused
from shared.schemas import topics
from shared.schemas.events import (
    ApprovalAsked,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalWithdrawn,
    CaseStatusChanged,
    CommunicationExpired,
    CommunicationReceived,
    ItemKind,
    TaskLifeCycle,
)
from shared.storage import Database
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, a_plan, a_task_change, an_approval_change, an_expiry, received

TWEET = {"method": "social", "message_id": ""}


def _case_of(communication: CommunicationReceived, subject: str = "enquiry") -> UUID:
    return case_id(communication.communication_id, subject)


@pytest.mark.requirement("COM-8")
def test_a_case_that_nobody_began_is_cancelled_when_its_communication_expires(service: CaseService) -> None:
    tweet = a_mail(**TWEET)
    service.receive(received(tweet))

    events = service.take(topics.SLA, [an_expiry(tweet.communication_id)])

    cancelled, expired = events
    assert isinstance(cancelled.data, CaseStatusChanged)
    assert (cancelled.data.state, cancelled.data.status, cancelled.data.reason, cancelled.revision) == (
        "cancelled",
        "cancelled",
        "expired",
        2,
    )
    assert isinstance(expired.data, CommunicationExpired)
    assert (expired.data.case_ids, expired.revision, expired.key) == ((_case_of(tweet),), 2, str(_case_of(tweet)))
    assert service.rows("select state, reason from cases") == [("cancelled", "expired")]
    assert ("state", "pending", "cancelled") in service.rows("select field, old_value, new_value from history")


@pytest.mark.requirement("COM-8")
def test_a_case_stays_until_every_communication_that_feeds_it_has_expired(service: CaseService) -> None:
    first = a_mail(**TWEET)
    second = a_mail(text="Hello?", conversation_id=first.conversation_id, **TWEET)
    service.receive(received(first), received(second))

    service.take(topics.SLA, [an_expiry(first.communication_id)])
    assert service.rows("select state from cases") == [("pending",)]
    service.take(topics.SLA, [an_expiry(second.communication_id)])
    assert service.rows("select state from cases") == [("cancelled",)]


@pytest.mark.requirement("COM-7", "COM-8")
def test_a_trusted_robots_case_stays_when_only_a_later_communication_expires(case_database: Database) -> None:
    service = CaseService(case_database, a_case_configuration(robots={"trusted": ["@alarms.example"]}))
    alarm = a_mail(sender="cellar@alarms.example", robot="auto_reply")
    later = a_mail("Re: alarm", "Seen.", reply_to=alarm)
    service.receive(received(alarm), received(later))

    service.take(topics.SLA, [an_expiry(later.communication_id)])
    assert service.rows("select state from cases") == [("pending",)]
    service.take(topics.SLA, [an_expiry(alarm.communication_id)])
    assert service.rows("select state from cases") == [("cancelled",)]


@pytest.mark.requirement("COM-8")
def test_two_expiries_in_one_batch_see_each_other(service: CaseService) -> None:
    first = a_mail(**TWEET)
    second = a_mail(text="Hello?", conversation_id=first.conversation_id, **TWEET)
    service.receive(received(first), received(second))

    events = service.take(topics.SLA, [an_expiry(mail.communication_id) for mail in (first, second)])

    assert [type(event.data) for event in events] == [CaseStatusChanged, CommunicationExpired, CommunicationExpired]


@pytest.mark.requirement("COM-8")
def test_a_case_of_the_highest_urgency_goes_to_the_review_list_instead(service: CaseService) -> None:
    tweet = a_mail("Leak", "A leak!", **TWEET)
    service.receive(received(tweet))

    events = service.take(topics.SLA, [an_expiry(tweet.communication_id)])

    assert [type(event.data) for event in events] == [CommunicationExpired]
    assert service.rows("select state, needs_review, revision from cases") == [("pending", True, 1)]


@pytest.mark.requirement("COM-8")
def test_a_case_that_somebody_has_is_not_cancelled(service: CaseService) -> None:
    tweet = a_mail(**TWEET)
    service.receive(received(tweet))
    with service.database.transaction() as tx:
        tx.execute("update cases set owner = 'cora'")

    service.take(topics.SLA, [an_expiry(tweet.communication_id)])

    assert service.rows("select state, needs_review from cases") == [("pending", False)]


def test_an_expiry_again_changes_nothing_and_one_of_nothing_known_is_refused(service: CaseService) -> None:
    tweet = a_mail(**TWEET)
    service.receive(received(tweet))
    service.take(topics.SLA, [an_expiry(tweet.communication_id)])

    assert service.take(topics.SLA, [an_expiry(tweet.communication_id)]) == []
    with pytest.raises(Refused, match="not known"):
        service.take(topics.SLA, [an_expiry(derive("nothing"))])


@pytest.mark.requirement("COM-8")
def test_the_end_of_something_else_is_passed_over_also_of_what_this_release_does_not_know(service: CaseService) -> None:
    tweet = a_mail(**TWEET)
    service.receive(received(tweet))
    for kind in (ItemKind.LEAD, ItemKind("order")):
        expiry = an_expiry(tweet.communication_id)
        assert service.take(topics.SLA, [expiry._replace(data=expiry.data.model_copy(update={"item_kind": kind}))]) == []
    assert service.rows("select state from cases") == [("pending",)]


def test_the_gate_counts_planned_tasks_that_are_not_done(service: CaseService) -> None:
    case, one, two, by_hand = (derive("gate", n) for n in range(4))

    def gate() -> Gate:
        with service.database.read() as tx:
            return plans.gate(tx, case)

    assert gate() == Gate(is_planned=False, open_tasks=0)
    service.take(topics.TASKS, [a_plan(case, one, two)])
    assert gate() == Gate(is_planned=True, open_tasks=2)
    service.take(
        topics.TASKS,
        [
            a_task_change(case, one, TaskLifeCycle.IN_PROGRESS, 2),
            a_task_change(case, one, TaskLifeCycle.COMPLETED, 3),
            a_task_change(case, two, TaskLifeCycle.CANCELLED, 2),
        ],
    )
    assert gate() == Gate(is_planned=True, open_tasks=0)
    service.take(topics.TASKS, [a_task_change(case, one, TaskLifeCycle.IN_PROGRESS, 2)])
    assert gate().open_tasks == 0, "an older word must not undo a newer one"
    service.take(topics.TASKS, [a_task_change(case, by_hand, TaskLifeCycle.IN_PROGRESS, 2), a_plan(case, by_hand)])
    assert gate().open_tasks == 1
    service.take(topics.TASKS, [a_task_change(case, by_hand, TaskLifeCycle.COMPLETED, 3)])
    assert gate().open_tasks == 0


@pytest.mark.requirement("EDGE-6", "AUTO-1")
def test_the_gate_knows_the_approvals_that_a_case_waits_for(service: CaseService) -> None:
    case, one, of_task = (derive("approval gate", n) for n in range(3))

    def approvals() -> tuple[OpenApproval, ...]:
        with service.database.read() as tx:
            found = plans.gate(tx, case).approvals
            assert major.gates(tx, [case])[case].approvals == found
        return found

    service.take(
        topics.TASKS,
        [
            an_approval_change(ApprovalAsked, case, one, 1),
            an_approval_change(ApprovalAsked, case, of_task, 1, task_id=derive("a task")),
        ],
    )
    assert approvals() == (OpenApproval("max", NOW),)
    service.take(topics.TASKS, [an_approval_change(ApprovalDelegated, case, one, 2, approver="lena")])
    assert approvals() == (OpenApproval("lena", NOW),)
    declined = {"approver": "lena", "state": "declined", "decided_by": "lena", "decided_at": NOW}
    service.take(topics.TASKS, [an_approval_change(ApprovalDecided, case, one, 3, **declined)])
    assert approvals() == (OpenApproval("lena", NOW, is_declined=True),)
    service.take(topics.TASKS, [an_approval_change(ApprovalWithdrawn, case, one, 4, state="withdrawn")])
    assert approvals() == ()
    service.take(topics.TASKS, [an_approval_change(ApprovalAsked, case, one, 1)])
    assert approvals() == (), "an older word must not undo a newer one"
