"""Leads in the configuration: types with codes of their own making, and what is checked of them, each with its line."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.leads import code_from
from tests.support.configuration import a_document
from tests.support.leads import LEADS


def problems_of(change: Any) -> dict[str, str]:
    """Messages by key, of the tests' lead types as `change` leaves them."""
    leads = deepcopy(LEADS)
    change(leads)
    found = check_configuration(yaml.safe_dump(a_document(leads=leads), sort_keys=False))
    assert (found.configuration is None) == bool(found.problems)
    assert all(problem.line > 1 for problem in found.problems)
    return {problem.path: problem.message for problem in found.problems}


@pytest.mark.requirement("LEAD-1")
def test_a_code_is_made_from_the_name_where_none_is_given() -> None:
    checked = check_configuration(yaml.safe_dump(a_document(leads=LEADS), sort_keys=False))
    assert checked.problems == ()
    assert checked.configuration is not None
    assert [kind.code for kind in checked.configuration.leads.types] == ["shared-ownership", "garage", "rent"]
    assert [code_from(name) for name in ("Éire: flats & more", "---", "a" * 80)] == ["eire-flats-more", "", "a" * 64]


def _at(index: int, **values: Any) -> Any:
    return lambda leads: leads["types"][index].update(values)


@pytest.mark.requirement("LEAD-1")
@pytest.mark.parametrize(
    ("change", "path", "why"),
    [
        (_at(1, name="shared OWNERSHIP"), "leads.types[1].name", "the name 'shared OWNERSHIP' is there twice"),
        (_at(1, code="shared-ownership"), "leads.types[1].code", "the code 'shared-ownership' is there twice"),
        (_at(0, name="???"), "leads.types[0].name", "no code can be made"),
        (_at(0, priority=11), "leads.types[0].priority", "less than or equal to 10"),
        (_at(0, unit="moon"), "leads.types[0].unit", "there is no unit 'moon'"),
        (_at(0, creating_units=["repairs", "repairs"]), "leads.types[0].creating_units[1]", "listed twice"),
        (_at(0, activity_types=["call-bak"]), "leads.types[0].activity_types[0]", "did you mean 'call-back'"),
        (_at(0, default_category="garages"), "leads.types[0].default_category", "nor below one of them"),
        (_at(0, sources=["website"]), "leads.types[0].sources", "'other' is not among the type's sources"),
        (_at(0, sources=["television"]), "leads.types[0].sources[0]", "'television' is none of"),
        (_at(0, lost_reasons=["price"]), "leads.types[0].default_lost_reason", "is not among the type's lost_reasons"),
        (_at(0, default_lost_reason="weather"), "leads.types[0].default_lost_reason", "there is no lost reason 'weather'"),
        (_at(0, statuses=["new"]), "leads.types[0].statuses", "is not among them"),
        (_at(0, default_statuses={"won": "lost"}), "leads.types[0].default_statuses.won", "stands for lost, not for won"),
        (_at(0, complete_within="soon"), "leads.types[0].complete_within", "duration 'soon'"),
        (
            _at(0, competitors={"known": [{"name": "A"}, {"name": "A"}]}),
            "leads.types[0].competitors",
            "the competitor 'A' is there twice",
        ),
        (lambda leads: leads["statuses"].pop(), "leads.statuses", "none of them stands for cancelled"),
        (lambda leads: leads["categories"][0].update(parent="flats"), "leads.categories", "lead in a circle"),
        (lambda leads: leads.update(source_labels={"telly": "TV"}), "leads.source_labels.telly", "'telly' is none of"),
        (
            lambda leads: leads.update(priority_labels=[{"level": 1, "label": "a"}, {"level": 1, "label": "b"}]),
            "leads.priority_labels[1].level",
            "has a label before",
        ),
    ],
)
def test_what_is_wrong_with_leads_is_told_with_its_place(change: Any, path: str, why: str) -> None:
    found = problems_of(change)
    assert why in found.get(path, ""), found
