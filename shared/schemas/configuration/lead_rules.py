"""What must hold of leads in a configuration beyond shape and references."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.leads import code_from
from shared.schemas.configuration.references import find
from shared.schemas.events.lead import LeadLifeCycle


def check_leads(document: Document) -> None:
    """Report everything that breaks a rule."""
    _check_types(document)
    _check_statuses(document)
    _check_choices(document)
    _check_labels(document)


def _dicts(document: Document, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for item in find(document.data, pattern):
        if isinstance(item.value, dict):
            yield item.path, item.value


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _code_of(section: dict[str, Any]) -> str:
    code = section.get("code")
    return code if isinstance(code, str) else code_from(str(section.get("name") or ""))


def _check_types(document: Document) -> None:
    """Names are unique, and so are codes, given or made from the name."""
    names: dict[str, Path] = {}
    codes: dict[str, Path] = {}
    for path, section in _dicts(document, "leads.types[]"):
        name, code = section.get("name"), _code_of(section)
        if isinstance(name, str) and not code:
            document.problem((*path, "name"), f"no code can be made from {name!r}; give it a code")
        for kind, value, known in (("name", name, names), ("code", code, codes)):
            if not isinstance(value, str) or not value:
                continue
            first = known.setdefault(value.casefold(), path)
            if first != path:
                key = kind if kind in section else "name"
                document.problem((*path, key), f"the {kind} {value!r} is there twice; the first is in line {document.place(first)[0]}")


def _check_statuses(document: Document) -> None:
    """Every state has a status, and a default that stands for it and that its type allows."""
    listed = list(_dicts(document, "leads.statuses[]"))
    if not listed:
        return
    states = {status["code"]: str(status.get("state")) for _, status in listed if isinstance(status.get("code"), str)}
    for state in LeadLifeCycle:
        if state.value not in states.values():
            document.problem(("leads", "statuses"), f"none of them stands for {state.value}; add one with `state: {state.value}`")
    top: dict[str, str] = {}
    for code, name in states.items():
        top.setdefault(name, code)
    for pattern in ("leads.default_statuses", "leads.types[].default_statuses"):
        for path, defaults in _dicts(document, pattern):
            for name, code in defaults.items():
                if isinstance(code, str) and states.get(code, name) != name:
                    document.problem((*path, name), f"the status {code!r} stands for {states[code]}, not for {name}")
            if pattern == "leads.default_statuses":
                top |= {name: code for name, code in defaults.items() if isinstance(code, str)}
    for path, section in _dicts(document, "leads.types[]"):
        allowed, own = _texts(section.get("statuses")), section.get("default_statuses")
        for name, code in (top | (own if isinstance(own, dict) else {})).items():
            if allowed and isinstance(code, str) and code not in allowed:
                message = f"the default status for {name}, {code!r}, is not among them; add it, or give this type another default"
                document.problem((*path, "statuses"), message)


def _check_choices(document: Document) -> None:
    """The tree of categories has no circle; what a type has by default is among what it allows."""
    parents = {
        section["code"]: [section["parent"]] if isinstance(section.get("parent"), str) else []
        for _, section in _dicts(document, "leads.categories[]")
        if isinstance(section.get("code"), str)
    }
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        document.problem(("leads", "categories"), f"the parents lead in a circle: {' -> '.join(circle)}")
        return
    for path, section in _dicts(document, "leads.types[]"):
        for name, default in (("sources", "default_source"), ("lost_reasons", "default_lost_reason")):
            allowed, chosen = _texts(section.get(name)), section.get(default)
            if name == "sources" and chosen is None:
                chosen = "other"
            if allowed and isinstance(chosen, str) and chosen not in allowed:
                document.problem((*path, default if default in section else name), f"{chosen!r} is not among the type's {name}")
        roots, chosen = set(_texts(section.get("categories"))), section.get("default_category")
        if roots and isinstance(chosen, str) and chosen in parents and not roots.intersection(_line(chosen, parents)):
            document.problem((*path, "default_category"), f"{chosen!r} is not among the type's categories, nor below one of them")
        names = [item.value for item in find(section, "competitors.known[].name") if isinstance(item.value, str)]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            document.problem((*path, "competitors"), f"the competitor {twice!r} is there twice; remove one")


def _line(category: str, parents: dict[str, list[str]]) -> Iterator[str]:
    """The category and all above it."""
    above: list[str] = [category]
    while above:
        yield above[0]
        above = parents.get(above[0], [])


def _check_labels(document: Document) -> None:
    """A level has one label."""
    for name in ("priority_labels", "importance_labels"):
        seen: set[object] = set()
        for path, section in _dicts(document, f"leads.{name}[]"):
            level = section.get("level")
            if isinstance(level, int) and level in seen:
                document.problem((*path, "level"), f"level {level} has a label before this one; remove one")
            seen.add(level)
