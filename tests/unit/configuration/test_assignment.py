"""What a configuration may say about skills, capacities, and giving tasks out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import TASK_DEFINITIONS, USERS, a_document

pytestmark = pytest.mark.requirement("TASK-7", "EDGE-13", "FACE-2")

GAS = {"code": "gas", "name": "Gas appliances"}


def problems(definition: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, str]:
    """Those of an organisation with the skill `gas`, whose first task definition and whose plumber have these members."""
    users = [member | (user or {}) if member["user"] == "paul" else member for member in USERS]
    definitions = [TASK_DEFINITIONS[0] | definition, *TASK_DEFINITIONS[1:]]
    document = a_document(skills=[GAS], users=users, task_definitions=definitions)
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(document)).problems}


@pytest.mark.parametrize("assign", ["accept", "round_robin", "least_loaded"])
def test_a_sound_way_of_giving_out_is_taken(assign: str) -> None:
    assert problems({"assign": assign, "skills": ["gas"]}, {"skills": ["gas"], "capacity": 5}) == {}
    assert problems({"assign": assign}, {"capacity": 0}) == problems({"assign": assign, "owner": None, "skills": ["gas"]}) == {}


@pytest.mark.parametrize(
    ("definition", "user", "path", "word"),
    [
        ({"assign": "dice"}, {}, "task_definitions[0].assign", "none of"),
        ({"assign": "round_robin", "owner": {"user": "rita"}}, {}, "task_definitions[0].assign", "for the user 'rita' alone"),
        ({"assign": "round_robin", "skills": ["gas"]}, {}, "task_definitions[0].skills", "nobody of those"),
        ({"assign": "round_robin", "skills": ["gas"]}, {"skills": ["gas"], "active": False}, "task_definitions[0].skills", "nobody"),
        ({"skills": ["gaz"]}, {}, "task_definitions[0].skills[0]", "did you mean 'gas'"),
        ({}, {"skills": ["gas", "gas"]}, "users[1].skills[1]", "once is enough"),
        ({}, {"skills": ["water"]}, "users[1].skills[0]", "there is no skill 'water'"),
        ({}, {"capacity": -1}, "users[1].capacity", "0"),
    ],
)
def test_an_unsound_one_is_refused_where_it_stands(definition: dict[str, Any], user: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(definition, user)[path]
