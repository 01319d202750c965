"""A product replaced under warranty becomes one task, however often that is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.task.domain.case import Case, Customer
from services.task.handlers.compile import compile_configuration
from services.task.handlers.replacements import on_replacement_approved
from services.task.handlers.work import Work
from shared.ids import derive
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import ReplacementApproved
from tests.support.configuration import SUBJECTS
from tests.support.products import a_product_configuration

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CASE = derive("case", "replacement")
COMPILED = compile_configuration(a_product_configuration())


def approved(number: int = 1, definition: str = "replace-boiler") -> Event:
    data = ReplacementApproved(
        case_id=CASE,
        item_id=derive("item", number),
        task_id=derive("replacement", number),
        definition=definition,
        product="boiler",
        product_name="Boiler 24 kW",
        serial_number=f"B{number}",
        asked_on=date(2026, 3, 2),
        warranty_until=date(2027, 3, 1),
        approved_by="rita",
    )
    return Event(derive("event", number), data.event_type, "/test", str(data.item_id), NOW, 1, 1, "", str(CASE), data)


@pytest.fixture
def work() -> Work:
    found = Work(lambda _version: COMPILED, NOW)
    found.cases[CASE] = Case(CASE, 3, "C-1", "No heating", "leak", "repairs", None, "pending", Customer(), 1, planned_at=NOW)
    return found


@pytest.mark.requirement("CASE-14")
def test_an_approved_replacement_plans_its_task_once(work: Work) -> None:
    on_replacement_approved(work, approved())
    (first,) = work.tasks_of(CASE)
    on_replacement_approved(work, approved())
    (task,) = work.tasks_of(CASE)
    assert task is first
    assert (task.id, task.definition, task.subject_line) == (derive("replacement", 1), "replace-boiler", "Replace the boiler")
    assert task.description == "Boiler 24 kW, serial number B1: under warranty until 2027-03-01.\n\nTake the old one back to the store."
    assert (str(task.owner.kind), task.owner.code, task.state, task.unit) == ("role", "plumber", "pending", "repairs")
    assert task.due_at == datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
    assert task.revision == 1


@pytest.mark.requirement("CASE-14")
def test_two_boilers_of_one_case_are_both_replaced(work: Work) -> None:
    on_replacement_approved(work, approved(1))
    on_replacement_approved(work, approved(2))
    assert len(work.tasks_of(CASE)) == 2


@pytest.mark.requirement("CASE-14")
def test_a_definition_of_the_cases_own_plan_is_not_taken_for_the_planned_task(work: Work) -> None:
    assert "fix-leak" in SUBJECTS[0]["workflow"]["tasks"]
    on_replacement_approved(work, approved(definition="fix-leak"))
    (task,) = work.tasks_of(CASE)
    assert (task.definition, task.subject_line) == (None, "Fix the leak")
    plan = work.plan_of(work.cases[CASE])
    assert plan is not None
    assert "fix-leak" not in plan.tasks  # as in any plan whose own task was not made


@pytest.mark.requirement("CASE-14")
def test_what_cannot_be_planned_is_refused_and_says_why(work: Work) -> None:
    with pytest.raises(Refused, match="no task definition nothing"):
        on_replacement_approved(work, approved(definition="nothing"))
    work.cases[CASE] = replace(work.cases[CASE], state="cancelled")
    with pytest.raises(Refused, match="is cancelled"):
        on_replacement_approved(work, approved())
    work.cases.clear()
    with pytest.raises(Refused, match="is not known here"):
        on_replacement_approved(work, approved())
