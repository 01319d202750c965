"""What a configuration may say about targets and ladders, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from services.sla.domain.clocks import ClockKind, Ladder, Step
from services.sla.handlers.policies import build_policy
from shared.calendars import parse_duration
from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.targets import Targets
from tests.support.configuration import METHODS, SUBJECTS, TASK_DEFINITIONS, a_configuration, a_document

CHAIN = [
    {"at": 0.5, "tell": ["owner"]},
    {"before": "2 working hours", "tell": ["owner", "leader"]},
    {"after": "4 working hours", "tell": ["leader"]},
    {"after": "2 working days", "tell": ["leader", "manager"]},
]
STATUTORY = {"code": "statutory", "name": "Statutory", "due_soon_before": "2 working days", "escalations": CHAIN}


def problems(**sla: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(a_document(sla=sla))).problems}


def problems_of_ladder(**ladder: Any) -> dict[str, str]:
    """The same for the organisation's own ladder as for a named one, by the place within it."""
    own = problems(ladder=ladder)
    named = problems(ladders=[{"code": "mild", "name": "Mild"}, {"code": "other", "name": "Other", **ladder}])
    assert own == {path.replace("ladders[1]", "ladder"): message.replace("ladders[1]", "ladder") for path, message in named.items()}
    return {path.removeprefix("sla.ladder"): message for path, message in own.items()}


def problems_of_step(**step: Any) -> dict[str, str]:
    found = problems_of_ladder(escalations=[CHAIN[0], step])
    return {path.removeprefix(".escalations[1]"): message for path, message in found.items()}


@pytest.mark.requirement("EDGE-9", "FACE-2")
def test_a_sound_chain_is_taken() -> None:
    assert problems_of_ladder(escalations=CHAIN) == {}
    assert problems_of_ladder(due_soon_before="2 hours", repeat_overdue_every="1 day", repeat_overdue_times=3) == {}
    assert problems_of_ladder(escalations=[{"after": f"{hour} hours", "tell": ["leader"]} for hour in range(1, 17)]) == {}


@pytest.mark.requirement("EDGE-9", "FACE-2")
@pytest.mark.parametrize(
    ("step", "path", "word"),
    [
        ({"tell": ["leader"]}, "", "exactly one of at, before and after, not none"),
        ({"at": 1.5, "after": "1 day", "tell": ["leader"]}, "", "not at and after"),
        ({"before": "1 day", "after": "1 day", "at": 1, "tell": ["leader"]}, "", "not at and before and after"),
        ({"at": 0.5, "tell": ["leader"]}, "", "step 1 is at 0.5 as well"),
        ({"at": 0, "tell": ["leader"]}, ".at", "greater than 0"),
        ({"at": -1, "tell": ["leader"]}, ".at", "greater than 0"),
        ({"at": float("nan"), "tell": ["leader"]}, ".at", "valid number"),
        ({"at": float("inf"), "tell": ["leader"]}, ".at", "valid number"),
        ({"at": 101, "tell": ["leader"]}, ".at", "less than or equal to 100"),
        ({"at": "half", "tell": ["leader"]}, ".at", "number"),
        ({"after": "0 hours", "tell": ["leader"]}, ".after", "a duration of at least one"),
        ({"before": "soon", "tell": ["leader"]}, ".before", "expected a whole number and a unit"),
        ({"before": "999999999 years", "tell": ["leader"]}, ".before", "999999999"),
        ({"after": "1 day", "tell": []}, ".tell", "at least 1 item"),
        ({"after": "1 day"}, ".tell", "missing"),
        ({"after": "1 day", "tell": ["customer"]}, ".tell[0]", "none of 'owner', 'leader' or 'manager'"),
        ({"after": "1 day", "tell": ["leader", "leader"]}, ".tell[1]", "listed twice"),
        ({"after": "1 day", "tell": ["leader"], "template": "x"}, ".template", "no such key"),
    ],
)
def test_an_unsound_step_is_refused_where_it_stands(step: dict[str, Any], path: str, word: str) -> None:
    assert word in problems_of_step(**step)[path]


@pytest.mark.requirement("SLA-2", "FACE-2")
@pytest.mark.parametrize(
    ("ladder", "path", "word"),
    [
        ({"due_soon_share": 0.5, "due_soon_before": "1 hour"}, ".due_soon_share", "not by both"),
        ({"due_soon_before": "0 working days"}, ".due_soon_before", "a duration of at least one"),
        ({"due_soon_share": 1}, ".due_soon_share", "less than 1"),
        ({"repeat_overdue_every": "0 hours", "repeat_overdue_times": 2}, ".repeat_overdue_every", "a duration of at least one"),
        ({"repeat_overdue_times": 2}, ".repeat_overdue_times", "nothing is repeated without"),
        ({"escalations": [{"after": f"{hour} hours", "tell": ["leader"]} for hour in range(1, 18)]}, ".escalations", "at most 16"),
    ],
)
def test_an_unsound_ladder_is_refused_where_it_stands(ladder: dict[str, Any], path: str, word: str) -> None:
    assert word in problems_of_ladder(**ladder)[path]


@pytest.mark.requirement("SLA-1", "FACE-2")
@pytest.mark.parametrize(
    ("target", "word"),
    [
        ({"ladder": "statutry"}, "there is no ladder 'statutry'; did you mean 'statutory'?"),
        ({"unit": "repair"}, "there is no unit 'repair'; did you mean 'repairs'?"),
        ({"within": "0 days"}, "a duration of at least one"),
        ({"clock": "due"}, "none of"),
    ],
)
def test_a_target_names_what_there_is(target: dict[str, Any], word: str) -> None:
    (key,) = target
    sound = {"clock": "response", "within": "1 hour", **target}
    changes = {
        "sla": {"targets": [sound], "ladders": [STATUTORY]},
        "methods": [METHODS[0] | {"targets": [sound]}, METHODS[1]],
        "subjects": [SUBJECTS[0] | {"targets": [sound]}, *SUBJECTS[1:]],
    }
    found = {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(a_document(**changes))).problems}
    for place in ("sla", "methods[0]", "subjects[0]"):
        assert word in found[f"{place}.targets[0].{key}"]


@pytest.mark.requirement("SLA-1", "FACE-2")
def test_a_target_that_could_never_be_used_is_refused() -> None:
    response = {"clock": "response", "within": "1 hour"}
    for_all = [response, response | {"unit": "repairs"}, response | {"priority": "low"}, response | {"priority": "low", "unit": "repairs"}]
    assert problems(targets=for_all) == {}
    assert "for response and priority low and unit repairs before it" in problems(targets=[*for_all, for_all[3]])["sla.targets[4]"]


@pytest.mark.requirement("EDGE-9", "FACE-2")
def test_a_target_has_more_time_than_its_ladder_looks_ahead() -> None:
    ladders = [{"code": "ahead", "name": "Ahead", "escalations": [CHAIN[0], {"before": "2 working hours", "tell": ["owner"]}]}, STATUTORY]

    def found(within: str, ladder: str) -> str:
        target = {"clock": "response", "within": within, "ladder": ladder}
        return problems(targets=[target], ladders=ladders).get("sla.targets[0].ladder", "")

    assert found("2 working hours", "ahead") == (
        "step 2 of this ladder comes 2 working hours before it is due, and it has only 2 working hours; take another ladder"
    )
    assert "step 2" in found("90 working minutes", "ahead")
    assert "due_soon_before" in found("1 working day", "statutory")
    assert found("3 working hours", "ahead") == found("3 working days", "statutory") == found("1 day", "ahead") == ""
    assert problems(targets=[{"clock": "response", "within": "soon", "ladder": "ahead"}], ladders=ladders).keys() == {
        "sla.targets[0].within"
    }


@pytest.mark.requirement("EDGE-9", "FACE-2")
def test_a_task_definition_names_a_ladder_that_there_is_and_its_clones_have_it() -> None:
    first = TASK_DEFINITIONS[0]
    definitions = [first | {"ladder": "mild"}, *TASK_DEFINITIONS[1:], {"code": "again", "clone_of": first["code"]}]
    ladders = {"ladders": [STATUTORY, {"code": "mild", "name": "Mild"}]}
    checked = check_configuration(yaml.safe_dump(a_document(task_definitions=definitions, sla=ladders)))
    assert checked.problems == ()
    assert checked.configuration is not None
    policy = build_policy(checked.configuration)
    assert {code: ladder.code for code, ladder in policy.task_ladders.items()} == {first["code"]: "mild", "again": "mild"}
    found = check_configuration(yaml.safe_dump(a_document(task_definitions=definitions))).problems
    assert {problem.path for problem in found} == {"task_definitions[0].ladder", f"task_definitions[{len(definitions) - 1}].ladder"}
    assert "there is no ladder 'mild'" in found[0].message


@pytest.mark.requirement("EDGE-9")
def test_the_rules_of_clocks_have_all_that_the_configuration_says() -> None:
    configuration = a_configuration(
        sla={
            "ladder": {
                "due_soon_share": 0.6,
                "repeat_overdue_every": "1 working day",
                "repeat_overdue_times": 2,
                "escalations": [CHAIN[0]],
            },
            "ladders": [STATUTORY],
            "targets": [
                {"clock": "update", "within": "3 working days", "unit": "repairs", "pauses": False, "ladder": "statutory"},
                {"clock": "completion", "within": "1 month"},
            ],
        }
    )
    policy = build_policy(configuration)
    assert policy.ladder == Ladder(0.6, parse_duration("1 working day"), 2, None, (Step(("owner",), 0.5),))
    update, completion = policy.default_targets
    assert (update.kind, update.unit, update.pauses) == (ClockKind.UPDATE, "repairs", False)
    assert update.ladder == Ladder(
        due_soon_before=parse_duration("2 working days"),
        steps=(
            Step(("owner",), 0.5),
            Step(("owner", "leader"), before=parse_duration("2 working hours")),
            Step(("leader",), after=parse_duration("4 working hours")),
            Step(("leader", "manager"), after=parse_duration("2 working days")),
        ),
        code="statutory",
    )
    assert (completion.unit, completion.ladder) == (None, None)


@pytest.mark.requirement("SLA-1")
def test_the_nearest_target_is_that_for_priority_and_unit_then_priority_then_unit() -> None:
    response = {"clock": "response"}
    lists = [
        [
            response | {"within": f"{number} hours"} | which
            for number, which in (
                (first + 4, {}),
                (first + 3, {"unit": "repairs"}),
                (first + 2, {"priority": "high"}),
                (first + 1, {"priority": "high", "unit": "repairs"}),
            )
        ]
        for first in (0, 10, 20)
    ]

    def within(subject: list[Any], method: list[Any], default: list[Any], priority: str, unit: str) -> str:
        leak = {key: value for key, value in SUBJECTS[0].items() if key != "complete_within"} | {"targets": subject}
        telephone = METHODS[1] | {"targets": method}
        configuration = a_configuration(subjects=[leak, *SUBJECTS[1:]], methods=[METHODS[0], telephone], sla={"targets": default})
        (holding,) = Targets(configuration).of("leak", "telephone", priority, unit)
        return holding.within

    cases = [("high", "repairs"), ("high", "income"), ("low", "repairs"), ("low", "income")]
    assert [within(*lists, *case) for case in cases] == ["1 hours", "2 hours", "3 hours", "4 hours"]
    # A subject's target for all comes before a method's for just this priority and unit.
    assert within(lists[0][:1], *lists[1:], "high", "repairs") == "4 hours"
    assert [within([], *lists[1:], *case) for case in cases] == ["11 hours", "12 hours", "13 hours", "14 hours"]
    assert [within([], [], lists[2], *case) for case in cases] == ["21 hours", "22 hours", "23 hours", "24 hours"]
    assert within(lists[0][3:], lists[1][1:2], lists[2], "low", "repairs") == "13 hours"
