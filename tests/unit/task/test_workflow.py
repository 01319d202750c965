"""Checking a workflow when it is saved."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.workflow import (
    Dependency,
    DependencyKind,
    Node,
    ProblemKind,
    Workflow,
    WorkflowRefused,
    check_workflow,
    find_cycle,
    in_order,
    require_sound,
    without,
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


FS, SS, FF = DependencyKind.FINISH_TO_START, DependencyKind.START_TO_START, DependencyKind.FINISH_TO_FINISH


@pytest.mark.requirement("TASK-2")
@pytest.mark.parametrize(
    ("into", "out_of", "bridge"),
    [(FS, FS, FS), (FS, SS, FS), (FS, FF, FF), (SS, FS, SS), (SS, SS, SS), (SS, FF, None), (FF, FS, FS), (FF, SS, None), (FF, FF, FF)],
)
def test_what_would_wait_for_a_task_that_is_left_out_waits_for_what_that_would_have_waited_for(
    into: DependencyKind, out_of: DependencyKind, bridge: DependencyKind | None
) -> None:
    links = (Dependency("b", "a", DAY, None, into), Dependency("c", "b", parse_duration("2 hours"), DAY, out_of))
    workflow = without(Workflow(tuple(Node(code, DAY) for code in "abc"), links, "office"), {"b"})
    assert [node.code for node in workflow.nodes] == ["a", "c"]
    expected = () if bridge is None else (Dependency("c", "a", parse_duration("2 hours"), DAY, bridge),)
    assert workflow.dependencies == expected
    assert workflow.calendar == "office"


@pytest.mark.requirement("TASK-2")
def test_bridges_lead_over_several_tasks_and_beside_what_is_there() -> None:
    workflow = a_workflow("abcde", ("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("e", "c"))
    left = without(workflow, {"b", "c"})
    assert left == a_workflow("ade", ("a", "d"), ("e", "d"))
    assert without(workflow, set()) == a_workflow("abcde", ("a", "b"), ("b", "c"), ("e", "c"), ("c", "d"), ("a", "d"))
    assert without(workflow, set("abcde")).nodes == ()


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


@pytest.mark.requirement("TASK-2")
@given(links, st.sets(st.sampled_from("abcdefgh")))
def test_what_stays_waits_for_the_same_as_before_directly_or_not(pairs: list[tuple[str, str]], left_out: set[str]) -> None:
    pairs = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    graph = nx.DiGraph(pairs)
    graph.add_nodes_from("abcdefgh")
    rest = without(a_workflow("abcdefgh", *dict.fromkeys(pairs)), left_out)
    found = nx.DiGraph([(link.after, link.task) for link in rest.dependencies])
    found.add_nodes_from(rest.by_code)
    expected = nx.transitive_closure(graph).subgraph(set("abcdefgh") - left_out)
    assert set(nx.transitive_closure(found).edges) == set(expected.edges)
    assert set(found.nodes) == set(expected.nodes)
