"""Checking a workflow when it is saved."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.workflow import (
    Dependency,
    Node,
    ProblemKind,
    Workflow,
    WorkflowRefused,
    check_workflow,
    find_cycle,
    in_order,
    require_sound,
)
from shared.calendars import parse_duration

DAY = parse_duration("1 day")


def a_workflow(codes: str, *links: tuple[str, str], calendar: str = "office") -> Workflow:
    """The workflow of these one-letter tasks; a link is (predecessor, successor)."""
    nodes = tuple(Node(code, DAY) for code in codes)
    return Workflow(nodes, tuple(Dependency(task, after) for after, task in links), calendar)


def kinds(workflow: Workflow) -> list[ProblemKind]:
    return [problem.kind for problem in check_workflow(workflow)]


@pytest.mark.requirement("TASK-2", "EDGE-5")
def test_a_cycle_is_refused_with_its_path() -> None:
    workflow = a_workflow("abcde", ("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e"))
    (problem,) = check_workflow(workflow)
    assert problem.kind is ProblemKind.CYCLE
    path = problem.codes
    assert path[0] == path[-1]
    assert set(path) == {"b", "c", "d"}
    assert all((after, task) in {("b", "c"), ("c", "d"), ("d", "b")} for after, task in pairwise(path))
    assert " -> ".join(path) in problem.message
    with pytest.raises(WorkflowRefused, match="in a circle"):
        require_sound(workflow)


@pytest.mark.requirement("EDGE-5")
def test_links_of_a_task_to_itself_and_duplicates_are_refused() -> None:
    problems = check_workflow(a_workflow("ab", ("a", "a"), ("a", "b"), ("a", "b")))
    assert [(p.kind, p.dependency) for p in problems] == [
        (ProblemKind.SELF_LINK, 0),
        (ProblemKind.DUPLICATE_DEPENDENCY, 2),
    ]


def test_one_definition_occurs_only_once_in_a_workflow() -> None:
    (problem,) = check_workflow(a_workflow("aba"))
    assert (problem.kind, problem.codes, problem.node) == (ProblemKind.DUPLICATE_TASK, ("a",), 2)
    assert "clone" in problem.message


@pytest.mark.requirement("EDGE-5")
def test_references_to_what_does_not_exist_are_refused() -> None:
    workflow = a_workflow("ab", ("a", "z"))
    problems = check_workflow(workflow, definitions={"a"}, calendars={"other"})
    assert [(p.kind, p.codes) for p in problems] == [
        (ProblemKind.UNKNOWN_CALENDAR, ("a",)),
        (ProblemKind.UNKNOWN_DEFINITION, ("b",)),
        (ProblemKind.UNKNOWN_CALENDAR, ("b",)),
        (ProblemKind.UNKNOWN_TASK, ("z",)),
    ]


@pytest.mark.requirement("EDGE-5")
def test_a_deadline_for_the_start_before_the_lag_is_over_is_refused() -> None:
    late = Dependency("b", "a", lag=parse_duration("3 days"), max_lag=parse_duration("2 days"))
    workflow = Workflow((Node("a", DAY), Node("b", DAY)), (late,))
    assert kinds(workflow) == [ProblemKind.LAG_ORDER]


@pytest.mark.requirement("EDGE-5")
def test_all_that_is_wrong_is_reported_at_once() -> None:
    workflow = a_workflow("aabcd", ("b", "b"), ("c", "d"), ("d", "c"))
    assert kinds(workflow) == [ProblemKind.DUPLICATE_TASK, ProblemKind.SELF_LINK, ProblemKind.CYCLE]


def test_a_workflow_without_faults_or_without_tasks_is_accepted() -> None:
    assert check_workflow(a_workflow("abcd", ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))) == ()
    assert check_workflow(Workflow(())) == ()


links = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=16, unique=True)


@pytest.mark.requirement("EDGE-5")
@given(links)
def test_cycles_are_found_exactly_where_there_are_any(pairs: list[tuple[str, str]]) -> None:
    pairs = [(after, task) for after, task in pairs if after != task]
    workflow = a_workflow("abcdefgh", *pairs)
    graph = nx.DiGraph(pairs)
    cycle = find_cycle(workflow)
    assert bool(cycle) is not nx.is_directed_acyclic_graph(graph)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(graph.has_edge(*step) for step in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1
    else:
        position = {code: n for n, code in enumerate(in_order(workflow))}
        assert len(position) == 8
        assert all(position[after] < position[task] for after, task in pairs)
