"""What firings of automation rules make of cases (AUTO-1)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.ids import derive
from shared.schemas import topics
from shared.schemas.events import CaseOpened, RuleCut, RuleFired
from shared.schemas.parts import OwnerRef
from tests.service.case.conftest import CaseService
from tests.support.case import a_mail, an_event, received


def a_firing(case_id: UUID, *actions: dict[str, Any], number: int = 1) -> Any:
    data = RuleFired.model_validate(
        {
            "rule": "gas",
            "name": "Gas at once",
            "on": "case.opened",
            "cause_id": derive("cause", number),
            "case_id": case_id,
            "depth": 1,
            "firing_id": derive("firing", number),
            "item": {"kind": "case", "id": case_id},
            "actions": [{"outcome": "asked"} | action for action in actions],
        }
    )
    return an_event(data, id=derive("fired", number), subject=data.firing_id)


def opened(service: CaseService) -> UUID:
    return next(event.data.case_id for event in service.receive(received(a_mail())) if isinstance(event.data, CaseOpened))


def notes(service: CaseService) -> list[str]:
    return [str(row[0]) for row in service.rows("select new_value from history where field = 'rule' order by id")]


@pytest.mark.requirement("AUTO-1")
def test_a_firing_changes_the_case_once_and_its_history_says_which_rule(service: CaseService) -> None:
    case_id = opened(service)
    unit = OwnerRef(kind="unit", code="neighbourhood")
    firing = a_firing(case_id, {"do": "assign", "item": "case", "owner": unit}, {"do": "set_urgency", "urgency": "low"})
    told = service.take(topics.TASKS, [firing])
    assert [event.type for event in told] == ["casestream.case.assigned.v1", "casestream.case.priority-changed.v1"]
    assert {(event.data.changed_by, event.data.firing_id) for event in told} == {("rule:gas", firing.data.firing_id)}
    assert service.rows("select unit, urgency from cases") == [("neighbourhood", "low")]
    assert notes(service) == ["Gas at once: assign case to unit neighbourhood; urgency low"]
    assert service.rows("select distinct changed_by from history where field in ('rule', 'unit', 'urgency')") == [("rule:gas",)]
    again = service.take(topics.TASKS, [a_firing(case_id, {"do": "set_urgency", "urgency": "low"}, number=2)])
    assert again == []
    assert notes(service)[1] == "Gas at once: urgency low: it was so already"


@pytest.mark.requirement("AUTO-1")
def test_what_is_refused_and_what_is_cut_is_in_the_history_with_the_reason(service: CaseService) -> None:
    case_id = opened(service)
    service.take(topics.TASKS, [a_firing(case_id, {"do": "assign", "item": "case", "owner": OwnerRef(kind="user", code="nobody")})])
    cut = RuleCut(
        rule="gas",
        name="Gas at once",
        on="case.opened",
        cause_id=derive("c"),
        case_id=case_id,
        depth=6,
        cut_id=derive("cut"),
        reason="too-deep",
    )
    service.take(topics.TASKS, [an_event(cut, subject=cut.cut_id)])
    assert notes(service) == [
        "Gas at once: assign case to user nobody refused: there is no active user nobody",
        "Gas at once: not done, as it follows from too many others",
    ]
