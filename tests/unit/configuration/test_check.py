"""A configuration is checked as a whole: every problem at once, each with its place and what to do."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.schemas.configuration.check import Problem, check_configuration
from tests.support.configuration import METHODS, SUBJECTS, TASK_DEFINITIONS, a_configuration, a_document


def problems_of(**changes: Any) -> dict[str, str]:
    """Messages by key, of the tests' organisation with changed sections."""
    found = check_configuration(yaml.safe_dump(a_document(**changes), sort_keys=False))
    assert (found.configuration is None) == bool(found.problems)
    return {problem.path: problem.message for problem in found.problems}


def a_subject(**changes: Any) -> list[dict[str, Any]]:
    return [SUBJECTS[0] | changes, *SUBJECTS[1:]]


def a_workflow(tasks: list[Any], *links: dict[str, str]) -> list[dict[str, Any]]:
    return a_subject(workflow={"tasks": tasks, "dependencies": list(links)})


@pytest.mark.requirement("FACE-2")
def test_a_good_configuration_has_no_problems() -> None:
    checked = check_configuration(yaml.safe_dump(a_document()))
    assert checked.problems == ()
    assert checked.configuration == a_configuration()


@pytest.mark.requirement("FACE-2")
def test_every_problem_is_found_at_once_with_line_column_and_key() -> None:
    text = yaml.safe_dump(a_document(), sort_keys=False)
    lines = text.splitlines()
    zone = next(i for i, line in enumerate(lines) if "time_zone" in line)
    lines[zone] = "  time_zone: Europe/Lundon"
    unit = next(i for i, line in enumerate(lines) if "default_unit" in line)
    lines[unit] = "  default_unit: contact-center"
    lines.append("colour: blue")
    found = check_configuration("\n".join(lines))
    assert found.configuration is None
    assert found.problems == (
        Problem(zone + 1, 3, "organisation.time_zone", "there is no time zone 'Europe/Lundon'; write one such as Europe/London"),
        Problem(unit + 1, 3, "organisation.default_unit", "there is no unit 'contact-center'; did you mean 'contact-centre'?"),
        *[p for p in found.problems if p.path == "colour"],
    )
    assert found.problems[-1].line == len(lines)


@pytest.mark.requirement("TASK-2")
def test_a_circle_in_a_workflow_is_refused_with_its_path() -> None:
    subjects = a_workflow(
        ["inspect-leak", "fix-leak", "call-back"],
        {"task": "fix-leak", "after": "inspect-leak"},
        {"task": "call-back", "after": "fix-leak"},
        {"task": "inspect-leak", "after": "call-back"},
    )
    message = problems_of(subjects=subjects)["subjects[0].workflow.dependencies"]
    circle = message.rpartition(": ")[2].split(" -> ")
    assert circle[0] == circle[-1]
    assert set(circle) == {"inspect-leak", "fix-leak", "call-back"}
    # Each comes before the next.
    assert ("inspect-leak", "fix-leak") in pairwise(circle)


@pytest.mark.requirement("TASK-2", "EDGE-5")
def test_two_tasks_are_tied_once_by_each_kind_and_circles_are_found_over_all_kinds() -> None:
    link = {"task": "fix-leak", "after": "inspect-leak"}
    tasks = ["inspect-leak", "fix-leak"]
    assert not problems_of(subjects=a_workflow(tasks, link | {"kind": "start_to_start"}, link | {"kind": "finish_to_finish"}))
    twice = problems_of(subjects=a_workflow(tasks, link, link | {"kind": "finish_to_start"}))
    assert twice == {"subjects[0].workflow.dependencies[1]": "that 'fix-leak' comes after 'inspect-leak' is said twice; remove one"}
    back = {"task": "inspect-leak", "after": "fix-leak", "kind": "finish_to_finish"}
    circle = problems_of(subjects=a_workflow(tasks, link | {"kind": "start_to_start"}, back))["subjects[0].workflow.dependencies"]
    assert circle.endswith(("inspect-leak -> fix-leak -> inspect-leak", "fix-leak -> inspect-leak -> fix-leak"))
    odd = problems_of(subjects=a_workflow(tasks, link | {"kind": "start_to_finish"}))
    assert "finish_to_start" in odd["subjects[0].workflow.dependencies[0].kind"]


@pytest.mark.requirement("TASK-1")
def test_a_definition_is_linked_to_a_subject_only_once() -> None:
    found = problems_of(subjects=a_workflow(["inspect-leak", "inspect-leak"]))
    assert "twice" in found["subjects[0].workflow.tasks[1]"]


def definitions(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [*TASK_DEFINITIONS, *more]


@pytest.mark.requirement("TASK-1")
def test_a_clone_has_everything_from_the_other_but_what_it_says_itself() -> None:
    second = {"code": "inspect-again", "clone_of": "inspect-leak", "name": "Inspect again", "messages": {"contact": "Ring first."}}
    third = {"code": "inspect-later", "clone_of": "inspect-again", "complete_within": "2 days", "owner": None}
    tasks = ["inspect-leak", "inspect-again", "inspect-later"]
    # Listed before what it clones: that makes no difference.
    text = yaml.safe_dump(a_document(task_definitions=[third, *definitions(second)], subjects=a_workflow(tasks)))
    checked = check_configuration(text)
    assert checked.problems == ()
    assert checked.configuration is not None
    found = {definition.code: definition for definition in checked.configuration.task_definitions}
    first = found["inspect-leak"]
    own: dict[str, Any] = {
        "code": "inspect-again",
        "name": "Inspect again",
        "messages": {"contact": "Ring first."},
        "clone_of": "inspect-leak",
    }
    assert found["inspect-again"] == first.model_copy(update=own)
    later: dict[str, Any] = {"code": "inspect-later", "clone_of": "inspect-again", "complete_within": "2 days", "owner": None}
    assert found["inspect-later"] == found["inspect-again"].model_copy(update=later)
    # As it is exported: what a clone takes away is not given back.
    exported = checked.configuration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    again = check_configuration(yaml.safe_dump(exported)).configuration
    assert again is not None
    assert again.model_dump() == checked.configuration.model_dump()


@pytest.mark.requirement("TASK-1")
@pytest.mark.parametrize(
    ("clones", "path", "word"),
    [
        ([{"code": "again", "clone_of": "inspect-leek"}], "task_definitions[6].clone_of", "did you mean 'inspect-leak'?"),
        ([{"code": "again", "clone_of": "again"}], "task_definitions", "again -> again"),
        ([{"code": "one", "clone_of": "two"}, {"code": "two", "clone_of": "one"}], "task_definitions", "circle"),
        ([{"clone_of": "inspect-leak"}], "task_definitions[6].code", "missing"),
        ([{"code": "inspect-leak", "clone_of": "answer"}], "task_definitions[6].code", "twice"),
        ([{"code": "again", "clone_of": 5}], "task_definitions[6].clone_of", "must be text"),
    ],
)
def test_a_clone_that_cannot_be_is_refused_with_nothing_but_that(clones: list[dict[str, Any]], path: str, word: str) -> None:
    found = problems_of(task_definitions=definitions(*clones))
    assert word in found[path]
    assert len(found) == 1 or clones[0]["clone_of"] == 5, found


@pytest.mark.requirement("TASK-1")
def test_clones_cannot_blow_a_text_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.schemas.configuration.clones.MAX_CHARACTERS", 4000)
    large = {"code": "large", "name": "Large", "complete_within": "1 day", "instructions": "x" * 1000}
    found = problems_of(task_definitions=definitions(large, *({"code": f"c{n}", "clone_of": "large"} for n in range(5))))
    assert found == {"task_definitions": "what clones have from others comes to more than 4000 characters"}


@pytest.mark.requirement("TASK-2")
def test_a_task_of_a_workflow_may_have_a_condition_on_the_case_that_opens() -> None:
    urgent = {"task": "fix-leak", "if": {"field": "case.urgency", "equals": "high"}}
    tasks: list[Any] = ["inspect-leak", urgent]
    found = check_configuration(yaml.safe_dump(a_document(subjects=a_workflow(tasks, {"task": "fix-leak", "after": "inspect-leak"}))))
    assert found.problems == ()
    assert found.configuration is not None
    workflow = found.configuration.subjects[0].workflow
    assert workflow.codes == ("inspect-leak", "fix-leak")
    assert workflow.tasks[0] == "inspect-leak"


@pytest.mark.requirement("TASK-1", "TASK-2")
@pytest.mark.parametrize(
    ("entry", "key", "word"),
    [
        ({"task": "fix-leek", "if": {"field": "case.urgency", "equals": "high"}}, ".task", "did you mean 'fix-leak'?"),
        ({"task": "fix-leak"}, ".if", "missing"),
        ({"task": "fix-leak", "fi": {"field": "case.urgency", "equals": "high"}}, ".fi", "there are task, if"),
        ({"task": "fix-leak", "if": {"field": "case.urgencies", "equals": "high"}}, ".if.field", "did you mean case.urgency?"),
        ({"task": "fix-leak", "if": {"field": "case.urgency", "equals": "hihg"}}, ".if.equals", "there is no urgency 'hihg'"),
        ({"task": "fix-leak", "if": {"field": "case.urgency"}}, ".if", "exactly one of"),
        ({"task": "inspect-leak", "if": {"field": "case.urgency", "equals": "high"}}, "", "in the workflow twice"),
        ("Fix leak", "", "did you mean 'fix-leak'?"),
        (7, "", "a mapping"),
    ],
)
def test_an_entry_of_a_workflow_that_cannot_be_is_refused(entry: Any, key: str, word: str) -> None:
    found = problems_of(subjects=a_workflow(["inspect-leak", entry]))
    assert word in found[f"subjects[0].workflow.tasks[1]{key}"], found


@pytest.mark.parametrize(
    ("link", "key", "word"),
    [
        ({"task": "fix-leak", "after": "answer"}, "after", "not among this workflow's tasks"),
        ({"task": "fix-leak", "after": "fix-leak"}, "", "cannot wait for itself"),
        ({"task": "fix-leak", "after": "inspect-leak", "lag": "2 days", "max_lag": "1 day"}, ".max_lag", "shorter"),
        ({"task": "fix-leak", "after": "inspect-leak", "lag": "soon"}, "lag", "duration"),
        ({"task": "fix-leak", "after": "inspect-leak", "lag": "2 working weeks"}, "lag", "working time"),
    ],
)
def test_a_dependency_that_cannot_be_is_refused(link: dict[str, str], key: str, word: str) -> None:
    found = problems_of(subjects=a_workflow(["inspect-leak", "fix-leak"], link))
    path = "subjects[0].workflow.dependencies[0]" + (f".{key.removeprefix('.')}" if key else "")
    assert word in found[path]


@pytest.mark.parametrize(
    ("changes", "path", "word"),
    [
        ({"routing": {"rules": [{"subject": "leak", "pattern": "(?=a)b"}], "default_subject": "leak"}}, "routing.rules[0].pattern", "RE2"),
        ({"routing": {"rules": [{"subject": "leak", "pattern": "a*"}], "default_subject": "leak"}}, "routing.rules[0].pattern", "empty"),
        ({"routing": {"rules": [{"subject": "leak"}], "default_subject": "leak"}}, "routing.rules[0]", "no condition"),
        ({"robots": {"trusted": ["alarms.example"]}}, "robots.trusted[0]", "an address, or `@`"),
        ({"routing": {"rules": [], "default_subject": "leek"}}, "routing.default_subject", "did you mean 'leak'"),
        (
            {"templates": [{"code": "new-task", "name": "n", "subject_line": "#frist_name", "text": "x"}]},
            "templates[0].subject_line",
            "#first_name",
        ),
        ({"roles": [{"code": "agent", "name": "n", "permissions": ["case:eat"]}]}, "roles[0].permissions[0]", "no permission"),
        ({"roles": [{"code": "leader", "name": "n"}]}, "roles[0]", "permits nothing"),
        (
            {"calendars": [{"code": "office", "name": "n", "time_zone": "Europe/London", "windows": []}]},
            "calendars[0]",
            "never open",
        ),
        (
            {
                "calendars": [
                    {
                        "code": "office",
                        "name": "n",
                        "time_zone": "Europe/London",
                        "holidays": {"country": "GB", "region": "XX"},
                        "windows": [{"days": ["mon"], "opens": "09:00", "closes": "17:00"}],
                    }
                ]
            },
            "calendars[0]",
            "holidays",
        ),
        ({"default_cancellation_reason": None}, "cancellation_reasons", "default_cancellation_reason"),
        ({"default_statuses": {"pending": "closed"}}, "default_statuses.pending", "stands for completed"),
        ({"default_statuses": {"pending": "new"}}, "default_statuses", "no default status for"),
        ({"subjects": a_subject(default_category="repairs")}, "subjects[0].default_category", "not among"),
        (
            {"categories": [{"code": "plumbing", "name": "a", "parent": "b"}, {"code": "b", "name": "b", "parent": "plumbing"}]},
            "categories",
            "circle",
        ),
        ({"units": [{"code": "repairs", "name": "x"}, {"code": "repairs", "name": "y"}]}, "units[1].code", "twice"),
        (
            {"task_definitions": [{"code": "answer", "name": "n", "complete_within": "1 day", "owner": {"user": "rita", "role": "agent"}}]},
            "task_definitions[0].owner",
            "exactly one",
        ),
        (
            {"task_definitions": [{"code": "answer", "name": "n", "complete_within": "1 day", "owner": {}}]},
            "task_definitions[0].owner",
            "none",
        ),
        ({"methods": [METHODS[0] | {"directions": []}, METHODS[1]]}, "methods[0].directions", "no direction"),
        ({"methods": [METHODS[0] | {"locations": ["Desk", "Desk"]}, METHODS[1]]}, "methods[0].locations[1]", "twice"),
        ({"methods": [METHODS[0] | {"locations": [" "]}, METHODS[1]]}, "methods[0].locations[0]", "up to 200"),
        ({"methods": [METHODS[0] | {"pre_script": ["?" * 1001]}, METHODS[1]]}, "methods[0].pre_script[0]", "up to 1000"),
        (
            {"methods": [METHODS[0] | {"pre_script": ["Who?", "Why?"], "security_script": ["Why?"]}, METHODS[1]]},
            "methods[0].security_script[0]",
            "in the pre-script already",
        ),
        ({"methods": [METHODS[0] | {"default_subject_line": "a\nb"}, METHODS[1]]}, "methods[0].default_subject_line", "one line"),
        ({"methods": [METHODS[0] | {"directions": ["outbound"]}, METHODS[1]]}, "mail_accounts[0].method", "not for inbound"),
        (
            {"sla": {"targets": [{"clock": "response", "within": f"{hours} hours"} for hours in (1, 2)]}},
            "sla.targets[1]",
            "response and priority any before it",
        ),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(changes: dict[str, Any], path: str, word: str) -> None:
    assert word in problems_of(**changes)[path]


@pytest.mark.requirement("CASE-5")
def test_the_prioritisation_table_must_be_complete() -> None:
    model = a_document()["prioritisation"]
    found = problems_of(prioritisation=model | {"table": model["table"][1:]})
    assert "urgency 'low' with impact 'low'" in found["prioritisation.table"]


def test_a_key_given_twice_is_an_error() -> None:
    found = check_configuration("organisation: {}\nunits: []\norganisation: {}\n")
    assert any("twice" in p.message and p.line == 3 for p in found.problems)


def test_yaml_is_read_as_people_mean_it() -> None:
    """YAML 1.1 takes `on` for true and 17:00 for 1020."""
    text = yaml.safe_dump(a_document()).replace("'on':", "on:").replace("'17:00'", "17:00")
    assert "\n  on: " in text or "- on:" in text or " on: " in text
    assert check_configuration(text).problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b",
        "a: [1, 2",
        "a: !!python/object/apply:os.system [true]",
        "a: &x [*x]",
        "\ta: 1",
        "a: \x00",
        "[" * 100,
        "{a: " * 100,
        "? [a, b]\n: c",
        "a: *nowhere",
        "---\na: 1\n---\nb: 2",
        "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        + "".join(f"{c}: &{c} [{','.join('*' + p for _ in range(9))}]\n" for p, c in zip("bcdefgh", "cdefghi", strict=True)),
    ],
)
def test_what_is_no_configuration_is_refused_and_runs_nothing(text: str) -> None:
    found = check_configuration(text)
    assert found.configuration is None
    assert found.problems
    assert all(problem.message for problem in found.problems)


@settings(deadline=None, max_examples=15)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda x: st.lists(x, max_size=3), max_leaves=5))
def test_a_section_of_any_shape_is_refused_not_fallen_over(value: object) -> None:
    for section in ("organisation", "subjects", "calendars", "routing", "prioritisation", "default_statuses", "users", "templates"):
        checked = check_configuration(yaml.safe_dump(a_document() | {section: value}))
        assert checked.problems or section in ("templates",)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_an_answer(text: str) -> None:
    assert check_configuration(text).configuration is None
