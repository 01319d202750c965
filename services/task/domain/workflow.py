"""The workflow of a subject: which tasks a case has, and which waits for which."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.calendars import Duration


class DependencyKind(StrEnum):
    """What of the predecessor the successor waits for, and what of the successor waits.

    A task has started, for what waits for that, once somebody began to work on it; one that ended without that, when it ended.
    """

    FINISH_TO_START = "finish_to_start"
    START_TO_START = "start_to_start"
    FINISH_TO_FINISH = "finish_to_finish"

    @property
    def holds_start(self) -> bool:
        """Whether the successor's start waits; else its completion does."""
        return self is not DependencyKind.FINISH_TO_FINISH


@dataclass(frozen=True, slots=True)
class Node:
    """A task of the workflow, by the code of its definition. `calendar` None: the workflow's."""

    code: str
    within: Duration
    """To be completed within this, from its start."""
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """`task` starts, or is completed, after `after` has ended or was begun, as `kind` says.

    That is at least `lag` later and, as a deadline, at most `max_lag` later. Lags run on the calendar of `task`.
    """

    task: str
    after: str
    lag: Duration | None = None
    max_lag: Duration | None = None
    kind: DependencyKind = DependencyKind.FINISH_TO_START


@dataclass(frozen=True, slots=True)
class Workflow:
    """The tasks of a subject's cases and what depends on what. Only one that passed `check_workflow` may be planned."""

    nodes: tuple[Node, ...]
    dependencies: tuple[Dependency, ...] = ()
    calendar: str = ""
    """The calendar of tasks that name none."""
    by_code: Mapping[str, Node] = field(init=False, repr=False, compare=False)
    incoming: Mapping[str, tuple[Dependency, ...]] = field(init=False, repr=False, compare=False)
    """What each task waits for; tasks that wait for nothing are absent."""
    holding_start: Mapping[str, tuple[Dependency, ...]] = field(init=False, repr=False, compare=False)
    """What each task's start waits for; tasks that start with the case are absent."""
    holding_finish: Mapping[str, tuple[Dependency, ...]] = field(init=False, repr=False, compare=False)
    """What each task's completion waits for, beside its own work."""
    outgoing: Mapping[str, tuple[Dependency, ...]] = field(init=False, repr=False, compare=False)
    """What waits for each task."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_code", MappingProxyType({node.code: node for node in self.nodes}))
        object.__setattr__(self, "incoming", _grouped(self.dependencies, lambda dependency: dependency.task))
        starts = [dependency for dependency in self.dependencies if dependency.kind.holds_start]
        finishes = [dependency for dependency in self.dependencies if not dependency.kind.holds_start]
        object.__setattr__(self, "holding_start", _grouped(starts, lambda dependency: dependency.task))
        object.__setattr__(self, "holding_finish", _grouped(finishes, lambda dependency: dependency.task))
        object.__setattr__(self, "outgoing", _grouped(self.dependencies, lambda dependency: dependency.after))

    def calendar_of(self, code: str) -> str:
        """The code of the calendar that this task's time runs on."""
        return self.by_code[code].calendar or self.calendar


def _grouped(dependencies: Iterable[Dependency], key: Callable[[Dependency], str]) -> Mapping[str, tuple[Dependency, ...]]:
    groups: dict[str, list[Dependency]] = {}
    for dependency in dependencies:
        groups.setdefault(key(dependency), []).append(dependency)
    return MappingProxyType({code: tuple(group) for code, group in groups.items()})


class ProblemKind(StrEnum):
    """What can be wrong with a workflow."""

    UNKNOWN_DEFINITION = "unknown_definition"
    UNKNOWN_CALENDAR = "unknown_calendar"
    DUPLICATE_TASK = "duplicate_task"
    UNKNOWN_TASK = "unknown_task"
    SELF_LINK = "self_link"
    DUPLICATE_DEPENDENCY = "duplicate_dependency"
    LAG_ORDER = "lag_order"
    CYCLE = "cycle"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a workflow, in words, and where."""

    kind: ProblemKind
    message: str
    codes: tuple[str, ...]
    """The tasks concerned; of a cycle its path, ending where it began."""
    node: int | None = None
    """Position in `nodes`, where that is the place to look."""
    dependency: int | None = None
    """Position in `dependencies`, where that is the place to look."""


class WorkflowRefused(ValueError):
    """The workflow cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


def require_sound(workflow: Workflow, definitions: Collection[str] | None = None, calendars: Collection[str] | None = None) -> None:
    """Raise `WorkflowRefused` where `check_workflow` finds anything."""
    if problems := check_workflow(workflow, definitions, calendars):
        raise WorkflowRefused(problems)


def check_workflow(
    workflow: Workflow, definitions: Collection[str] | None = None, calendars: Collection[str] | None = None
) -> tuple[Problem, ...]:
    """All that is wrong with the workflow; nothing when it can be planned.

    `definitions` and `calendars` are the codes that exist; None leaves references to them unchecked.
    """
    problems = [*_check_nodes(workflow, definitions, calendars), *_check_dependencies(workflow)]
    if path := find_cycle(workflow):
        problems.append(Problem(ProblemKind.CYCLE, f"tasks wait for each other in a circle: {' -> '.join(path)}", path))
    return tuple(problems)


def _check_nodes(workflow: Workflow, definitions: Collection[str] | None, calendars: Collection[str] | None) -> Iterable[Problem]:
    seen: set[str] = set()
    for position, node in enumerate(workflow.nodes):
        if node.code in seen:
            yield Problem(
                ProblemKind.DUPLICATE_TASK,
                f"task {node.code} is in the workflow twice; clone its definition to repeat it",
                (node.code,),
                node=position,
            )
        seen.add(node.code)
        if definitions is not None and node.code not in definitions:
            message = f"there is no task definition {node.code}"
            yield Problem(ProblemKind.UNKNOWN_DEFINITION, message, (node.code,), node=position)
        calendar = node.calendar or workflow.calendar
        if calendars is not None and calendar not in calendars:
            message = f"task {node.code}: there is no calendar {calendar or '(none given)'}"
            yield Problem(ProblemKind.UNKNOWN_CALENDAR, message, (node.code,), node=position)


def _check_dependencies(workflow: Workflow) -> Iterable[Problem]:
    seen: set[tuple[str, str, DependencyKind]] = set()
    for position, link in enumerate(workflow.dependencies):
        pair = (link.after, link.task)
        for code in dict.fromkeys(pair):
            if code not in workflow.by_code:
                message = f"a dependency names task {code}, which is not in the workflow"
                yield Problem(ProblemKind.UNKNOWN_TASK, message, (code,), dependency=position)
        if link.task == link.after:
            message = f"task {link.task} waits for itself"
            yield Problem(ProblemKind.SELF_LINK, message, (link.task,), dependency=position)
        if (*pair, link.kind) in seen:
            message = f"task {link.task} waits for {link.after} twice"
            yield Problem(ProblemKind.DUPLICATE_DEPENDENCY, message, pair, dependency=position)
        seen.add((*pair, link.kind))
        if link.lag and link.max_lag and link.lag.is_surely_longer_than(link.max_lag):
            what = "start" if link.kind.holds_start else "be completed"
            message = f"task {link.task} may {what} {link.lag} after {link.after} but must {what} within {link.max_lag}"
            yield Problem(ProblemKind.LAG_ORDER, message, pair, dependency=position)


def in_order(workflow: Workflow) -> list[str]:
    """The tasks, each after all that it waits for; fewer than all when there is a cycle. Linear."""
    waiting_for = dict.fromkeys(workflow.by_code, 0)
    for link in _links(workflow):
        waiting_for[link.task] += 1
    order = [code for code, count in waiting_for.items() if count == 0]
    for code in order:  # grows while it is read
        for link in workflow.outgoing.get(code, ()):
            if link.task in waiting_for and link.task != code:
                waiting_for[link.task] -= 1
                if waiting_for[link.task] == 0:
                    order.append(link.task)
    return order


_BRIDGES: Final = {
    (DependencyKind.FINISH_TO_START, DependencyKind.FINISH_TO_START): DependencyKind.FINISH_TO_START,
    (DependencyKind.FINISH_TO_START, DependencyKind.START_TO_START): DependencyKind.FINISH_TO_START,
    (DependencyKind.FINISH_TO_START, DependencyKind.FINISH_TO_FINISH): DependencyKind.FINISH_TO_FINISH,
    (DependencyKind.START_TO_START, DependencyKind.FINISH_TO_START): DependencyKind.START_TO_START,
    (DependencyKind.START_TO_START, DependencyKind.START_TO_START): DependencyKind.START_TO_START,
    (DependencyKind.FINISH_TO_FINISH, DependencyKind.FINISH_TO_START): DependencyKind.FINISH_TO_START,
    (DependencyKind.FINISH_TO_FINISH, DependencyKind.FINISH_TO_FINISH): DependencyKind.FINISH_TO_FINISH,
}
"""What two dependencies in a row come to when the task between them takes no time; nothing is left of those that are not here."""


def without(workflow: Workflow, left_out: Collection[str]) -> Workflow:
    """The workflow without these tasks: what would wait for one of them waits for what that one would have waited for.

    Lags are the successor's: how long it would have waited after the task that is left out. How long that one would have, is forgotten.
    """
    incoming: dict[str, list[Dependency]] = {code: list(links) for code, links in workflow.incoming.items()}
    for code in in_order(workflow):
        bridged: dict[Dependency, None] = {}  # in order, each once
        for link in incoming.get(code, ()):
            if link.after not in left_out:
                bridged[link] = None
                continue
            for earlier in incoming.get(link.after, ()):
                if (kind := _BRIDGES.get((earlier.kind, link.kind))) is not None:
                    bridged[Dependency(code, earlier.after, link.lag, link.max_lag, kind)] = None
        incoming[code] = list(bridged)
    return Workflow(
        tuple(node for node in workflow.nodes if node.code not in left_out),
        tuple(link for node in workflow.nodes if node.code not in left_out for link in incoming[node.code]),
        workflow.calendar,
    )


def find_cycle(workflow: Workflow) -> tuple[str, ...]:
    """The path of a cycle, in the order in which the tasks would run, ending where it began; empty when there is none.

    Links of a task to itself are told apart from cycles, and left out here.
    """
    stuck = set(workflow.by_code) - set(in_order(workflow))
    if not stuck:
        return ()
    # Each stuck task has a stuck predecessor, so walking backwards must come round to where it has been.
    before = {link.task: link.after for link in _links(workflow) if link.task in stuck and link.after in stuck}
    at = next(node.code for node in workflow.nodes if node.code in stuck)
    position: dict[str, int] = {}
    path: list[str] = []
    while at not in position:
        position[at] = len(path)
        path.append(at)
        at = before[at]
    cycle = [*path[position[at] :], at]
    cycle.reverse()
    return tuple(cycle)


def _links(workflow: Workflow) -> Iterable[Dependency]:
    known = workflow.by_code
    return (k for k in workflow.dependencies if k.task in known and k.after in known and k.task != k.after)
