"""Trees of categories in the configuration: the cases' own, and those of responses and resolutions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from services.case.domain.life_cycle import Stage
from services.case.handlers.rules import rules_of
from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import SUBJECTS, a_configuration, a_document
from tests.unit.configuration.test_check import a_subject, problems_of


def tree(*categories: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": category["code"].title()} | category for category in categories]


@pytest.mark.requirement("CASE-4")
@pytest.mark.parametrize(
    ("changes", "path", "word"),
    [
        ({"response_categories": tree({"code": "a", "parent": "a"})}, "response_categories", "circle"),
        (
            {"final_resolution_categories": tree({"code": "a", "parent": "b"}, {"code": "b", "parent": "a"})},
            "final_resolution_categories",
            "->",
        ),
        (
            {"response_categories": tree({"code": "a", "parent": "repairs"})},
            "response_categories[0].parent",
            "no response category 'repairs'",
        ),
        ({"response_categories": tree({"code": "a"}, {"code": "a"})}, "response_categories[1].code", "twice"),
        ({"response_categories": tree({"code": "a", "subjects": ["leek"]})}, "response_categories[0].subjects[0]", "did you mean 'leak'"),
        (
            {"response_categories": tree({"code": "a", "default": True}, {"code": "b", "default": True})},
            "response_categories[1].default",
            "'a' is the default for all subjects already",
        ),
        (
            {
                "final_resolution_categories": tree(
                    {"code": "a", "default": True, "subjects": ["leak", "noise"]}, {"code": "b", "default": True, "subjects": ["noise"]}
                )
            },
            "final_resolution_categories[1].default",
            "for subject 'noise' already",
        ),
        (
            {"temporary_resolution_categories": tree({"code": "a", "subjects": ["leak", "noise"]})},
            "temporary_resolution_categories[0].subjects[1]",
            "uses no temporary resolution",
        ),
        ({"subjects": a_subject(opened_by=["plumbers"])}, "subjects[0].opened_by[0]", "no unit 'plumbers'"),
        ({"subjects": a_subject(activity_types=["dance"])}, "subjects[0].activity_types[0]", "no task definition 'dance'"),
        ({"subjects": a_subject(activity_types=["inspect-leak"])}, "subjects[0].activity_types", "'fix-leak' is not among them"),
        ({"subjects": a_subject(products=["boiler", "boiler"])}, "subjects[0].products[0]", "there is no product 'boiler'"),
    ],
)
def test_a_tree_that_cannot_be_is_refused_where_it_stands(changes: dict[str, Any], path: str, word: str) -> None:
    assert word in problems_of(**changes)[path]


def test_the_same_code_in_two_trees_and_a_default_for_all_beside_one_for_a_subject_are_sound() -> None:
    assert not problems_of(
        response_categories=tree({"code": "a", "default": True}, {"code": "b", "default": True, "subjects": ["leak"], "parent": "a"}),
        final_resolution_categories=tree({"code": "a"}),
    )


@pytest.mark.requirement("CASE-2")
def test_a_default_category_may_stand_below_one_that_the_subject_lists() -> None:
    assert not problems_of(subjects=a_subject(categories=["repairs"], default_category="plumbing"))


@pytest.mark.requirement("CASE-2", "CASE-4")
def test_a_subject_gets_its_own_categories_and_those_of_all() -> None:
    leak, *others = SUBJECTS
    rules = rules_of(
        a_configuration(
            subjects=[leak | {"categories": ["repairs"], "opened_by": ["repairs"]}, *others],
            response_categories=tree(
                {"code": "seen", "default": True},
                {"code": "visit", "subjects": ["leak"], "default": True, "requires_acceptance": True},
                {"code": "diary", "subjects": ["noise"]},
            ),
        )
    ).subjects

    categories = {code: rules[code].life_cycle.answers[Stage.RESPONSE] for code in ("leak", "noise", "enquiry")}
    assert {code: (dict(found.requires_acceptance), found.default) for code, found in categories.items()} == {
        "leak": ({"seen": False, "visit": True}, "visit"),
        "noise": ({"seen": False, "diary": False}, "seen"),
        "enquiry": ({"seen": False}, "seen"),
    }
    assert (rules["leak"].categories, rules["leak"].opened_by) == ({"repairs", "plumbing"}, {"repairs"})
    assert (rules["enquiry"].categories, rules["enquiry"].opened_by) == ({"repairs", "plumbing"}, frozenset())


@pytest.mark.requirement("CASE-2")
def test_a_subject_without_a_code_gets_one_from_its_name_that_no_other_has() -> None:
    names = ("Burst pipe", "Burst  pipe!", "B\u00fcro \u2013 allgemein", "\u6c34", "x" * 200, "Leak")
    nameless = [{"name": name} | ({"code": " "} if name == "Leak" else {}) for name in names]
    checked = check_configuration(yaml.safe_dump(a_document(subjects=[*SUBJECTS, *nameless]), sort_keys=False))

    assert checked.problems == ()
    assert checked.configuration is not None
    codes = [subject.code for subject in checked.configuration.subjects][len(SUBJECTS) :]
    assert codes[:4] + codes[5:] == ["burst-pipe", "burst-pipe-2", "buro-allgemein", "subject", "leak-2"]
    assert set(codes[4]) == {"x"}
    assert "subjects[0].name" in problems_of(subjects=[{"code": ""}, *SUBJECTS])
