"""Required approvals and who is told of them, as the configuration's check sees them; and who is asked."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from services.notify.domain.tags import Names, tag_values
from services.task.handlers.compile import compile_configuration
from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import COMMUNICATIONS, TASK_DEFINITIONS, UNITS, a_configuration, a_document


def problems(approval: dict[str, Any] | None = None, **changes: Any) -> str:
    definitions = [TASK_DEFINITIONS[0] | ({"approval": approval} if approval else {}), *TASK_DEFINITIONS[1:]]
    return str(check_configuration(yaml.safe_dump(a_document(task_definitions=definitions, **changes))).problems)


@pytest.mark.requirement("TASK-4")
def test_an_approval_has_one_approver_whom_there_is() -> None:
    assert problems({"by": {"head": "leader"}, "before": "start", "remind_every": "2 working hours"}) == "()"
    assert "exactly one of" in problems({"by": {"user": "lena", "role": "leader"}})
    assert "exactly one of" in problems({"by": {}})
    assert "did you mean 'lena'" in problems({"by": {"user": "lenna"}})
    assert "no active user has the role 'auditor'" in problems({"by": {"role": "auditor"}})
    units = [*UNITS, {"code": "empty", "name": "Empty"}]
    assert "'empty' has neither leader nor manager" in problems({"by": {"head": "leader"}}, units=units)


@pytest.mark.requirement("NOTE-1")
@pytest.mark.parametrize(("on", "to", "is_fine"), [("approval.asked", "approver", True), ("approval.decided", "leader", True)])
@pytest.mark.parametrize("flip", [False, True])
def test_messages_about_approvals_go_to_those_concerned(on: str, to: str, is_fine: bool, flip: bool) -> None:
    to = "customer" if flip else to
    definition = {"code": "told", "name": "Told", "on": on, "to": [to], "template": COMMUNICATIONS[0]["template"]}
    assert ("has no customer" not in problems(communications=[*COMMUNICATIONS, definition])) is (is_fine and not flip)
    other = definition | {"on": "task.assigned", "to": ["approver"]}
    assert "task.assigned has no approver" in problems(communications=[*COMMUNICATIONS, other])


@pytest.mark.requirement("TASK-4")
def test_who_is_asked_depends_on_the_unit_and_is_rather_somebody_else_than_the_asker() -> None:
    def asked(by: dict[str, str], unit: str, asker: str) -> str:
        definitions = [TASK_DEFINITIONS[0] | {"approval": {"by": by}}]
        compiled = compile_configuration(a_configuration(task_definitions=definitions, subjects=[]))
        approval = compiled.definitions["inspect-leak"].approval
        assert approval is not None
        return approval.approver(unit, asker)

    assert asked({"user": "max"}, "repairs", "max") == "max"
    assert asked({"head": "leader"}, "neighbourhood", "paul") == "noor"
    assert asked({"head": "manager"}, "neighbourhood", "paul") == "max"
    assert asked({"role": "leader"}, "repairs", "paul") == "lena"
    assert asked({"role": "leader"}, "repairs", "lena") == "cora"


def test_tags_say_what_is_asked_of_whom() -> None:
    facts = {"approval": "A pump", "approver": "lena", "asked_by": "paul", "asked_since": "2026-03-02T09:00:00+00:00"}
    configuration = a_configuration()
    names = Names(configuration.organisation.name, ZoneInfo("Europe/London"))
    values = tag_values(facts, names, {"lena": "Lena Leader"}, "Lena Leader")
    found = [values[tag] for tag in ("approval", "approver", "asked_by", "asked_since")]
    assert found == ["A pump", "Lena Leader", "paul", "Mon 2 Mar 2026, 09:00"]
