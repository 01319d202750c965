"""What must hold of automation rules beyond shape and references (AUTO-1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.schemas.configuration.automation import TAKES, Fact, facts_on
from shared.schemas.configuration.conditions import check_fields
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import codes, find, unknown

_NOT_OF_LEADS = ("set_urgency", "set_impact", "assign")
_DEEPEST = 20


def check_automation(document: Document) -> None:
    """Conditions ask for fields that their event has, and for codes that there are; actions have what they need, and suit the event.

    Task rules on events are looked at as well: they fire as automation rules do, and so may share no code with one.
    """
    known: dict[str, dict[str, Path]] = {}
    for item in find(document.data, "automation[]"):
        rule = item.value
        if not isinstance(rule, dict) or not _check_condition(document, item.path, rule, known):
            continue
        actions = rule.get("then")
        for position, action in enumerate(actions if isinstance(actions, list) else []):
            if isinstance(action, dict) and action.get("do") in TAKES:
                _check_action(document, (*item.path, "then", position), action, rule["on"].partition(".")[0])
    taken = codes(document, "automation rule")
    for item in find(document.data, "task_rules[]"):
        rule = item.value
        if not isinstance(rule, dict) or not _check_condition(document, item.path, rule, known):
            continue
        if isinstance(rule.get("code"), str) and rule["code"] in taken:
            line = document.place(taken[rule["code"]])[0]
            document.problem((*item.path, "code"), f"the automation rule in line {line} has this code; give the task rule another")


def _check_condition(document: Document, path: Path, rule: dict[str, Any], known: dict[str, dict[str, Path]]) -> bool:
    """Whether the rule is on an event that there is; then its condition is checked. `known`: codes by kind, looked up once."""
    facts = facts_on(rule["on"]) if isinstance(rule.get("on"), str) else {}
    if not facts:
        return False  # the models report it
    check_condition(document, (*path, "if"), rule.get("if"), facts, known)
    return True


def check_condition(document: Document, path: Path, condition: Any, facts: dict[str, Fact], known: dict[str, dict[str, Path]]) -> None:
    """Report where a raw condition asks for what is none of these facts, or compares one with a code that there is not.

    `known`: codes by kind, filled in as they are looked up.
    """
    check_fields(document, path, condition, {name: fact.path for name, fact in facts.items()})
    for where, kind, value in _codes(path, condition, facts):
        there = known.setdefault(kind, codes(document, kind))
        if value not in there:
            document.problem(where, unknown(kind, value, there))


def _codes(path: Path, condition: Any, facts: dict[str, Fact], depth: int = 0) -> Iterator[tuple[Path, str, str]]:
    """The codes that a condition compares fields with: where, of what kind."""
    if not isinstance(condition, dict) or depth > _DEEPEST:
        return
    for group in ("all", "any"):
        members = condition.get(group)
        for position, member in enumerate(members if isinstance(members, list) else []):
            yield from _codes((*path, group, position), member, facts, depth + 1)
    yield from _codes((*path, "not"), condition.get("not"), facts, depth + 1)
    fact = facts.get(str(condition.get("field")))
    if fact is None or not fact.kind:
        return
    if isinstance(condition.get("equals"), str):
        yield (*path, "equals"), fact.kind, condition["equals"].casefold()
    several = condition.get("one_of")
    for position, value in enumerate(several if isinstance(several, list) else []):
        if isinstance(value, str):
            yield (*path, "one_of", position), fact.kind, value.casefold()


def _check_action(document: Document, path: Path, action: dict[str, Any], about: str) -> None:
    do = action["do"]
    takes = TAKES[do]
    given = {name for name, value in action.items() if name != "do" and value not in (None, [])}
    for name in sorted(takes.needs - given):
        document.problem(path, f"{do} needs `{name}`; add it")
    for name in sorted(given - takes.needs - takes.may):
        takings = ", ".join(sorted(takes.needs | takes.may))
        document.problem((*path, name), f"{do} does not take `{name}`, only {takings}; remove it")
    if about == "lead" and do in _NOT_OF_LEADS:
        document.problem((*path, "do"), f"{do} is for cases and tasks, and this event is about a lead")
    if do == "assign":
        _check_assignment(document, path, action, about)
    if do == "alert" and not given & {"to", "user"}:
        document.problem(path, "it alerts nobody: say `to` whom, or name a `user`")


def _check_assignment(document: Document, path: Path, action: dict[str, Any], about: str) -> None:
    named = [kind for kind in ("user", "role", "unit") if action.get(kind) is not None]
    if len(named) != 1:
        document.problem(path, f"name exactly one of user, role and unit, not {' and '.join(named) or 'none'}")
    item = action.get("item") or ("task" if about == "task" else "case")
    if item == "task" and about == "case":
        document.problem((*path, "item"), "this event is about a case: there is no one task that could be meant")
    if item == "case" and "role" in named:
        document.problem((*path, "role"), "a case is given to a unit or a user; roles have tasks only")
