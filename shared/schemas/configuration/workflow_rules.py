"""What must hold of workflows beyond shape and references (TASK-1, TASK-2, EDGE-5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.schemas.configuration.automation import facts_on
from shared.schemas.configuration.automation_rules import check_condition
from shared.schemas.configuration.category_rules import report_circle
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find

OPENING = "case.opened"
"""What conditions on tasks can ask for is what rules can ask for on this event."""


def check_workflows(document: Document) -> None:
    """Tasks are in a workflow once and activity types of its subject; conditions can be asked; dependencies lead in no circle."""
    for item in find(document.data, "subjects[]"):
        workflow = item.value.get("workflow") if isinstance(item.value, dict) else None
        if not isinstance(workflow, dict):
            continue
        path = (*item.path, "workflow")
        tasks = list(_tasks(workflow, path))
        allowed = item.value.get("activity_types")
        for code, _ in tasks:
            if isinstance(allowed, list) and allowed and code not in allowed:
                message = f"the workflow's task {code!r} is not among them; add it, or take it from the workflow"
                document.problem((*item.path, "activity_types"), message)
        _check_once(document, tasks)
        _check_dependencies(document, path, workflow, {code for code, _ in tasks})
    for item in find(document.data, "subjects[].workflow.tasks[]"):
        if isinstance(item.value, dict):
            check_condition(document, (*item.path, "if"), item.value.get("if"), facts_on(OPENING), {})


def _tasks(workflow: dict[str, Any], path: Path) -> Iterator[tuple[str, Path]]:
    """The codes of its tasks, with or without a condition, and where they stand."""
    entries = workflow.get("tasks")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        code = entry.get("task") if isinstance(entry, dict) else entry
        if isinstance(code, str):
            yield code, (*path, "tasks", index)


def _check_once(document: Document, tasks: list[tuple[str, Path]]) -> None:
    seen: set[str] = set()
    for code, path in tasks:
        if code in seen:
            document.problem(path, f"{code!r} is in the workflow twice; clone its definition (`clone_of`) to repeat it")
        seen.add(code)


def _check_dependencies(document: Document, path: Path, workflow: dict[str, Any], tasks: set[str]) -> None:
    after: dict[str, list[str]] = {task: [] for task in tasks}
    links = workflow.get("dependencies")
    seen: set[tuple[str, str, str]] = set()
    for index, link in enumerate(links if isinstance(links, list) else []):
        where = (*path, "dependencies", index)
        if not isinstance(link, dict) or not isinstance(link.get("task"), str) or not isinstance(link.get("after"), str):
            continue
        ends = (link["task"], link["after"])
        missing = [end for end in ends if end not in tasks]
        for name, end in zip(("task", "after"), ends, strict=True):
            if end in missing:
                document.problem((*where, name), f"{end!r} is not among this workflow's tasks; add it there, or remove the dependency")
        if missing:
            continue
        if ends[0] == ends[1]:
            document.problem(where, f"{ends[0]!r} cannot wait for itself")
        elif (said := (*ends, str(link.get("kind", "finish_to_start")))) in seen:
            document.problem(where, f"that {ends[0]!r} comes after {ends[1]!r} is said twice; remove one")
        else:
            seen.add(said)
            after[ends[0]].append(ends[1])
    report_circle(document, (*path, "dependencies"), after, "the dependencies lead in a circle, so these tasks would wait for each other")
