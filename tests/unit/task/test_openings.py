"""What cases begin with, told and written at once: the same as task by task."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import orjson
import pytest

from services.task.handlers import openings
from services.task.handlers.cases import on_case_changed, on_case_opened, on_case_status_changed
from services.task.handlers.compile import compile_configuration
from services.task.handlers.openings import Openings
from services.task.handlers.work import Work
from services.task.storage import repository
from shared.ids import derive, task_id
from shared.schemas.envelope import Event
from shared.schemas.events import CaseAmended, CaseLifeCycle, CaseOpened, CaseState, CaseStatusChanged
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction, arrays
from tests.support.configuration import a_configuration

pytestmark = pytest.mark.requirement("TASK-2")

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Cursorless:
    """A connection that is only emitted on."""

    def cursor(self, *, binary: bool) -> None: ...


def a_work() -> Work:
    """Three cases open, one of them in another unit; of one the title is mended in the same batch."""
    work = Work(lru_cache(lambda _version: compile_configuration(a_configuration())), NOW)
    for case in (1, 2, 3):
        on_case_opened(work, an_event(case, CaseOpened, unit="neighbourhood" if case == 3 else "repairs"))
    on_case_changed(work, an_event(2, CaseAmended, revision=2, title="Mended"))
    return work


def an_event(case: int, kind: type[CaseState], *, revision: int = 1, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "case_id": derive("test case", case),
        "number": f"C-{case}",
        "subject": "leak",
        "title": 'Water, "everywhere"',
        "communication_id": derive("communication", case),
        "conversation_id": derive("conversation", case),
        "method": "email",
        "customer": CustomerRef(contact_id=derive("contact", case), name="Çarla", email="carla@customer.example"),
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": NOW,
    }
    data = kind(**(fields | changes))
    return Event(derive("event", case, kind), data.event_type, "/test", str(data.case_id), NOW, revision, 1, f"trace-{case}", "", data)


def told(work: Work) -> dict[UUID, tuple[Event, object, object, object, object, object]]:
    """The events by id, with what goes to Kafka and to the outbox, JSON read."""
    tx = Transaction(cast("Any", Cursorless()), "/casestream/task")
    tx.emitted += work.openings.told(tx.source)()
    work.emit(tx)
    return {
        one.event.id: (
            one.event,
            one.topic,
            one.key,
            sorted(one.headers()),
            orjson.loads(one.value),
            orjson.loads(orjson.dumps(one.in_parcel())),
        )
        for one in tx.emitted
    }


@pytest.mark.parametrize("many", [1, 50], ids=["beside", "in place"])
def test_what_is_told_at_once_is_what_is_told_task_by_task(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "MANY", many)
    folded, unfolded = a_work(), a_work()
    unfolded.unfold_all()
    assert not unfolded.openings
    found = told(folded)
    assert found == told(unfolded)
    assert len(found) == 3 * (len(unfolded.tasks) // 3 + 1)
    assert {getattr(event.data, "case_title", None) for event, *_ in found.values()} == {'Water, "everywhere"', None}


def test_each_plan_is_told_of_after_its_tasks() -> None:
    tx = Transaction(cast("Any", Cursorless()), "/casestream/task")
    tx.emitted += a_work().openings.told(tx.source)()
    types = [one.event.type.removeprefix("casestream.").removesuffix(".v1") for one in tx.emitted]
    of_a_case = len(types) // 3
    assert types[of_a_case - 1 :: of_a_case] == ["plan.made"] * 3
    assert "plan.made" not in types[: of_a_case - 1]


def test_rows_written_at_once_are_those_written_task_by_task() -> None:
    folded, unfolded = a_work(), a_work()
    columns = repository.task_columns(list(unfolded.tasks.values()))
    assert sorted(folded.openings.rows()) == sorted(arrays.fields(columns.values()))


def test_tasks_that_somebody_asks_for_are_there_and_others_stay_folded() -> None:
    work = a_work()
    first = derive("test case", 1)
    assert {task.id for task in work.tasks_of(first)} == {
        task_id(cast("Any", first), code) for code in ("inspect-leak", "fix-leak", "call-back")
    }
    assert {each.case_id for each in work.openings} == {derive("test case", 2), derive("test case", 3)}


def test_nothing_is_open_of_a_work_in_which_no_case_began() -> None:
    assert not Openings()
    assert Openings().rows() == []


def test_a_case_that_is_cancelled_in_the_batch_that_opens_it_is_told_of_in_order_and_others_stay_folded() -> None:
    work = a_work()
    cancelled = derive("test case", 1)
    on_case_status_changed(work, an_event(1, CaseStatusChanged, revision=2, state=CaseLifeCycle.CANCELLED))
    assert {each.case_id for each in work.openings} == {derive("test case", 2), derive("test case", 3)}
    revisions: dict[UUID, list[int]] = {}
    for emission in work.recorded():
        assert emission.key == cancelled
        revisions.setdefault(emission.aggregate_id, []).append(emission.revision)
    assert sorted(revisions.values()) == [[1], [1, 2], [1, 2], [1, 2]]  # the plan, and its three tasks
    assert not any(task.state.is_open for task in work.tasks_of(cancelled))
