"""The service away, and its host's clock set back and forth: what fell due is told once, at its moment or late, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.sla.domain.records import ItemKind, key_of
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas import topics
from shared.schemas.events import CaseLifeCycle, CaseState, CaseStatusChanged, TaskDueChanged
from tests.service.sla.harness import Running, SlaStreams
from tests.service.sla.hosts import HostClock, completed, told
from tests.support import eventually
from tests.support.configuration import a_configuration
from tests.support.sla import a_case, a_task

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ONE_CASE = derive("a case, so that all are in one partition")


@pytest.fixture
def clock() -> HostClock:
    return HostClock()


def running(sla: SlaStreams, clock: HostClock) -> Running:
    started = sla.start(clock=clock)
    eventually(lambda: not started.stream.problems() or started.error, 60)
    assert started.error is None, repr(started.error)
    return started


def known(sla: SlaStreams, *items: bytes) -> bool:
    """Whether the changelog has a record of each of these."""
    return set(items) <= {message[1] for message in sla.messages(topics.SLA_TIMERS)}


@pytest.mark.requirement("SLA-3", "EDGE-9")
def test_what_fell_due_while_the_service_was_away_is_told_once_late_and_not_for_what_was_done_meanwhile(
    sla: SlaStreams, clock: HostClock
) -> None:
    ladder = {"due_soon_share": 0.8, "repeat_overdue_every": "2 minutes", "repeat_overdue_times": 2}
    targets = [{"clock": "completion", "within": "5 minutes"}]
    sla.reference = StaticReference(a_configuration(sla={"targets": targets, "ladder": ladder}))
    first = running(sla, clock)
    began = clock()
    open_, done, moved, done_late = (
        a_task(name, subject_line=name, case_id=ONE_CASE, triggered_at=began, due_at=began + 5 * MINUTE)
        for name in ("open", "done", "moved", "done late")
    )
    waiting = a_case("waiting", subject="noise", title="waiting", opened_at=began)
    for item in (open_, done, moved, done_late, waiting):
        sla.send(item, at=began)
    everything = [key_of(ItemKind.TASK, str(task.task_id)) for task in (open_, done, moved, done_late)]
    eventually(lambda: known(sla, *everything, key_of(ItemKind.CASE, str(waiting.case_id))))
    first.close()

    clock.set_by(10 * MINUTE)
    back = clock()
    sla.send(completed(done, began + 3 * MINUTE), 2, began + 3 * MINUTE)
    sla.send(TaskDueChanged(**moved.model_dump() | {"due_at": back + HOUR}), 2, began + 3 * MINUTE)
    sla.send(completed(done_late, began + 7 * MINUTE), 2, began + 7 * MINUTE)
    sla.send(_waits(waiting, True), 2, began + 3 * MINUTE)
    second = running(sla, clock)
    expected = [("due-soon", "open", 0), ("overdue", "open", 0), ("overdue", "open", 1), ("overdue", "open", 2)]
    eventually(lambda: len(told(sla)) >= 6)
    alerts = sla.alerts()
    assert [entry for entry in told(sla) if entry[0] != "closed"] == expected
    assert {(event.data.title, event.data.outcome) for event in alerts if event.type.endswith("closed.v1")} == {
        ("done", "met"),
        ("done late", "missed"),
    }
    assert all(event.data.late and event.data.fired_at >= back for event in alerts if event.data.title == "open")
    second.close()

    third = running(sla, clock)
    sla.send(_waits(waiting, False), 3, clock())
    eventually(lambda: sla.messages(topics.SLA_TIMERS)[-1][1] == key_of(ItemKind.CASE, str(waiting.case_id)))
    clock.set_by(2 * MINUTE)  # 5 minutes of its time had 2 left
    eventually(lambda: ("overdue", "waiting", 0) in told(sla))
    assert len(told(sla)) == 8
    assert third.error is None


def _waits(case: CaseState, waits: bool) -> CaseStatusChanged:
    status = "waiting" if waits else "answered"
    changes = {"state": CaseLifeCycle.RESPONDED, "status": status, "waiting_for_customer": waits, "responded_at": case.opened_at}
    return CaseStatusChanged(**case.model_dump() | changes)


@pytest.mark.requirement("SLA-3")
def test_a_clock_set_back_an_hour_repeats_and_loses_nothing(sla: SlaStreams, clock: HostClock) -> None:
    reference = StaticReference(a_configuration())
    sla.reference = reference
    stream = running(sla, clock)
    at_first = clock()
    sla.send(a_task("fired", subject_line="fired", case_id=ONE_CASE, triggered_at=at_first - MINUTE, due_at=at_first))
    sla.send(a_task("later", subject_line="later", case_id=ONE_CASE, triggered_at=at_first, due_at=at_first + HOUR))
    eventually(lambda: told(sla) == [("due-soon", "fired", 0), ("overdue", "fired", 0)])

    clock.set_by(-HOUR)
    again = clock()
    soon = a_task("soon", subject_line="soon", case_id=ONE_CASE, triggered_at=again, due_at=again + timedelta(seconds=1))
    middle = a_task("middle", subject_line="middle", case_id=ONE_CASE, triggered_at=again, due_at=again + 30 * MINUTE)
    done = a_task("done", subject_line="done", case_id=ONE_CASE, triggered_at=again, due_at=again + 30 * MINUTE)
    for task in (soon, middle, done):
        sla.send(task, at=again)
    eventually(lambda: ("overdue", "soon", 0) in told(sla))
    assert not any(event.data.late for event in sla.alerts() if event.data.title == "soon")

    # The completion lies behind an event that has to wait: with ends sampled before the clock was set, `done` would fire.
    sla.send(a_task("other", case_id=ONE_CASE, due_at=None), config_version=2)
    sla.send(completed(done, clock()), 2, clock())
    clock.set_by(again + 30 * MINUTE - clock())
    mark = a_task("mark", subject_line="mark", case_id=derive("a case in another partition"), triggered_at=clock() - MINUTE, due_at=clock())
    sla.send(mark)
    eventually(lambda: ("overdue", "mark", 0) in told(sla) or stream.error)
    assert not [entry for entry in told(sla) if entry[1] in ("middle", "done")]
    reference.version = 2
    eventually(lambda: ("overdue", "middle", 0) in told(sla) and ("closed", "done", 0) in told(sla))

    clock.set_by(2 * HOUR)
    eventually(lambda: ("overdue", "later", 0) in told(sla))
    clock.set_by(-30 * MINUTE)
    sla.send(completed(mark, clock()), 2, clock())
    eventually(lambda: ("closed", "mark", 0) in told(sla))
    rungs = sorted(entry for entry in told(sla) if entry[0] != "closed")
    assert rungs == sorted((rung, name, 0) for name in ("fired", "soon", "middle", "mark", "later") for rung in ("due-soon", "overdue"))
    assert stream.error is None
