"""Cases open, change and end: what becomes of their tasks."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from shared.ids import derive, task_id
from shared.messaging import StaticReference
from shared.schemas.events import CaseAssigned, CaseDeleted, CaseLifeCycle, CaseOpened, CaseRepublished, CaseState, CaseStatusChanged
from tests.service.task.conftest import NOW, MakeService, TaskService, a_case_event, a_lag_over, assert_gapless, batches
from tests.support.configuration import a_configuration

CASE = derive("test case", 1)


@pytest.mark.requirement("TASK-2", "TASK-8")
def test_opened_case_starts_what_waits_for_nothing_and_plans_the_rest(service: TaskService) -> None:
    service.feed(a_case_event())
    assert service.heard() == [("triggered", "inspect-leak"), ("planned", "fix-leak"), ("planned", "call-back"), ("plan.made", "")]
    triggered, _, call_back, plan = (event.data for event in service.events)
    assert (triggered.case_number, triggered.case_title, triggered.subject) == ("C-1", "Water everywhere", "leak")
    assert (triggered.subject_line, triggered.priority, triggered.state) == ("Inspect the leak at once", "high", "pending")
    assert (triggered.owner.kind, triggered.owner.code, triggered.assignee) == ("role", "plumber", None)
    assert triggered.customer.name == "Carla Customer"
    assert triggered.due_at == NOW + timedelta(hours=4)
    assert (call_back.owner.kind, call_back.owner.code, call_back.due_at) == ("unit", "repairs", None)
    assert plan.task_ids == tuple(task_id(CASE, code) for code in ("inspect-leak", "fix-leak", "call-back"))  # type: ignore[arg-type]
    assert {event.key for event in service.events} == {str(CASE)}
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-2", "TASK-7")
def test_tasks_without_dependencies_start_together_and_a_user_has_theirs_at_once(service: TaskService) -> None:
    service.feed(a_case_event(subject="noise", unit="neighbourhood"))
    assert service.heard()[:2] == [("triggered", "log-diary"), ("triggered", "warn-neighbour")]
    diary, warning = (event.data for event in service.events[:2])
    assert (diary.owner.code, diary.assignee) == ("neighbourhood", None)
    assert (warning.owner.kind, warning.assignee) == ("user", "nils")


@pytest.mark.requirement("TASK-2", "SLA-1")
def test_due_time_is_on_the_business_calendar(service: TaskService) -> None:
    friday_evening = NOW.replace(day=6, hour=18)
    service.clock.now = friday_evening  # type: ignore[attr-defined]
    service.feed(a_case_event(subject="enquiry", time=friday_evening))
    # Five working days after a Friday whose work is over: the Friday after, at its end.
    assert service.events[0].data.due_at == NOW.replace(day=13, hour=17)


@pytest.mark.requirement("EDGE-3")
def test_thousand_cases_give_exactly_their_tasks_and_a_repeat_changes_nothing(service: TaskService) -> None:
    subjects = ["leak", "noise", "enquiry"]
    opened = [a_case_event(n, subject=subjects[n % 3]) for n in range(1000)]
    for batch in batches(opened, 250):
        service.feed(*batch)
    expected = Counter({"triggered": 334 + 2 * 333 + 333, "planned": 2 * 334, "plan.made": 1000})
    assert Counter(kind for kind, _ in service.heard()) == expected
    assert service.rows("select count(*) from tasks") == [{"count": 3 * 334 + 2 * 333 + 333}]
    assert_gapless(service.events)
    before = service.rows("select * from tasks order by id")
    # Again: as the producer's repeats (same ids), and as other events of the same revision.
    for batch in batches(opened, 250):
        service.feed(*batch)
    republished = [a_case_event(n, CaseRepublished, subject=subjects[n % 3]) for n in range(1000)]
    for batch in batches(republished, 250):
        service.feed(*batch)
    assert len(service.events) == sum(expected.values())
    assert service.rows("select * from tasks order by id") == before
    assert service.rows("select * from dead_letters") == []


@pytest.mark.requirement("TASK-6", "CASE-8")
@pytest.mark.parametrize("kind", [CaseStatusChanged, CaseDeleted])
def test_cancelled_or_deleted_case_takes_its_open_tasks_with_it(service: TaskService, kind: type[CaseState]) -> None:
    service.feed(a_case_event(), a_case_event(2))
    service.feed(a_case_event(1, kind, revision=2, state=CaseLifeCycle.CANCELLED, status="cancelled"))
    cancelled = [event.data for event in service.events if event.revision == 2]
    assert {(data.definition, data.state) for data in cancelled} == {
        (code, "cancelled") for code in ("inspect-leak", "fix-leak", "call-back")
    }
    assert {data.reason for data in cancelled} == {"case-cancelled"}
    assert {row["state"] for row in service.rows("select state from tasks where case_id = %s", CASE)} == {"cancelled"}
    assert {row["state"] for row in service.rows("select state from tasks where case_id <> %s", CASE)} == {"pending", "planned"}
    assert_gapless(service.events)


def test_opening_and_cancelling_in_one_batch_ends_cancelled(service: TaskService) -> None:
    service.feed(
        a_case_event(),
        a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.CANCELLED, status="cancelled"),
    )
    assert [kind for kind, _ in service.heard()].count("status-changed") == 3
    assert_gapless(service.events)


@pytest.mark.requirement("TASK-7")
def test_tasks_for_the_cases_unit_move_with_it(service: TaskService) -> None:
    service.feed(a_case_event())
    service.feed(a_case_event(1, CaseAssigned, revision=2, unit="neighbourhood"))
    assert sorted(service.heard()[4:]) == [("assigned", "call-back"), ("assigned", "fix-leak"), ("assigned", "inspect-leak")]
    assert service.task(CASE, "call-back")["owner_code"] == "neighbourhood"
    assert service.task(CASE, "inspect-leak")["owner_code"] == "plumber"
    assert {row["unit"] for row in service.rows("select unit from tasks")} == {"neighbourhood"}
    # An older event that comes late is passed over.
    service.feed(a_case_event(1, CaseStatusChanged, revision=2, unit="contact-centre"))
    assert service.task(CASE, "call-back")["unit"] == "neighbourhood"


def test_case_of_an_unknown_subject_is_refused_and_later_events_go_on(service: TaskService) -> None:
    taken = service.feed(a_case_event(1, subject="unheard-of"), a_case_event(2))
    assert [(letter.kind, letter.error) for letter in taken.letters] == [("refused", "the configuration has no subject unheard-of")]
    assert service.heard(derive("test case", 2))[-1] == ("plan.made", "")
    # What else comes of the refused case is kept, so that it is planned as it is by then, once its opening is mended and replayed.
    service.feed(a_case_event(1, CaseAssigned, revision=2, subject="unheard-of", unit="neighbourhood"))
    service.feed(a_case_event(1, CaseOpened, subject="noise"))
    assert service.heard(CASE) == [("triggered", "log-diary"), ("triggered", "warn-neighbour"), ("plan.made", "")]
    assert {row["unit"] for row in service.rows("select unit from tasks where case_id = %s", CASE)} == {"neighbourhood"}


@pytest.mark.requirement("FACE-2")
def test_live_case_keeps_the_configuration_that_it_began_with(make_service: MakeService) -> None:
    class Two(StaticReference):
        def configuration(self, version: int = 0):  # type: ignore[no-untyped-def]
            return old if version == 1 else new

    old = a_configuration()
    new = a_configuration(
        subjects=[
            subject if subject.code != "leak" else subject.model_copy(update={"workflow": old.subjects[2].workflow})
            for subject in old.subjects
        ]
    )
    service = make_service(Two(new, version=2))
    service.feed(a_case_event(1), a_case_event(2, config_version=2))
    assert [code for _, code in service.heard(CASE)] == ["inspect-leak", "fix-leak", "call-back", ""]
    assert [code for _, code in service.heard(derive("test case", 2))] == ["answer", ""]
    assert [event.config_version for event in service.events] == [1, 1, 1, 1, 2, 2]


@pytest.mark.requirement("EDGE-5")
def test_end_of_a_lag_for_a_task_that_waits_for_none_changes_nothing(service: TaskService) -> None:
    service.feed(a_case_event())
    service.feed(a_lag_over(service.task(CASE, "call-back"), NOW))
    assert len(service.events) == 4


@pytest.mark.requirement("TASK-2", "EDGE-5")
@pytest.mark.parametrize("in_one_batch", [False, True])
def test_a_case_open_again_starts_what_came_due_meanwhile_or_is_planned_if_it_never_was(service: TaskService, in_one_batch: bool) -> None:
    starts_at, again = NOW + timedelta(days=1), NOW + timedelta(days=2)
    service.feed(a_case_event())
    with service.database.transaction() as tx:
        tx.execute("update tasks set starts_at = %s where definition = 'fix-leak'", (starts_at,))
    closed = a_case_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.COMPLETED, status="done")
    reopened = a_case_event(1, CaseStatusChanged, revision=3, state=CaseLifeCycle.RESPONDED, time=again)
    lag_over = a_lag_over(service.task(CASE, "fix-leak"), starts_at)
    first_seen_closed = a_case_event(2, state=CaseLifeCycle.COMPLETED, status="done")
    then_open = a_case_event(2, CaseStatusChanged, revision=2, state=CaseLifeCycle.RESPONDED, time=again)
    service.clock.now = again  # type: ignore[attr-defined]
    if in_one_batch:
        service.feed(closed, first_seen_closed, reopened, then_open)
    else:
        service.feed(closed, first_seen_closed)
        service.feed(lag_over)
        assert service.task(CASE, "fix-leak")["state"] == "planned"
        service.feed(reopened, then_open)
    row = service.task(CASE, "fix-leak")
    assert (row["state"], row["triggered_at"], row["starts_at"]) == ("pending", again, None)
    assert service.heard(derive("test case", 2)) == [
        ("triggered", "inspect-leak"),
        *[("planned", c) for c in ("fix-leak", "call-back")],
        ("plan.made", ""),
    ]
    told = len(service.events)
    service.feed(lag_over, closed, reopened, then_open)  # again: nothing more
    assert len(service.events) == told
    assert_gapless(service.events)
