"""What has a code, and what refers to it: the two tables that a configuration's references are checked by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from shared.schemas.configuration.document import Document, Path, path_text

KINDS: dict[str, tuple[str, str]] = {
    "calendar": ("calendars[].code", "calendars"),
    "unit": ("units[].code", "units"),
    "role": ("roles[].code", "roles"),
    "user": ("users[].user", "users"),
    "skill": ("skills[].code", "skills"),
    "method": ("methods[].code", "methods"),
    "mail account": ("mail_accounts[].address", "mail_accounts"),
    "X account": ("x_accounts[].handle", "x_accounts"),
    "phone line": ("phone_lines[].number", "phone_lines"),
    "web form": ("web_forms[].code", "web_forms"),
    "area": ("areas[].code", "areas"),
    "kind of account": ("accounts.kinds[].code", "accounts.kinds"),
    "classification of accounts": ("accounts.classifications[].code", "accounts.classifications"),
    "credit rating": ("accounts.credit_ratings[].code", "accounts.credit_ratings"),
    "classification": ("classifications[].code", "classifications"),
    "category": ("categories[].code", "categories"),
    "response category": ("response_categories[].code", "response_categories"),
    "temporary-resolution category": ("temporary_resolution_categories[].code", "temporary_resolution_categories"),
    "final-resolution category": ("final_resolution_categories[].code", "final_resolution_categories"),
    "urgency": ("prioritisation.urgencies[].code", "prioritisation.urgencies"),
    "impact": ("prioritisation.impacts[].code", "prioritisation.impacts"),
    "priority": ("prioritisation.priorities[].code", "prioritisation.priorities"),
    "status": ("statuses[].code", "statuses"),
    "task status": ("task_statuses[].code", "task_statuses"),
    "cancellation reason": ("cancellation_reasons[].code", "cancellation_reasons"),
    "task definition": ("task_definitions[].code", "task_definitions"),
    "subject": ("subjects[].code", "subjects"),
    "lead status": ("leads.statuses[].code", "leads.statuses"),
    "lead category": ("leads.categories[].code", "leads.categories"),
    "lost reason": ("leads.lost_reasons[].code", "leads.lost_reasons"),
    "template": ("templates[].code", "templates"),
    "communication": ("communications[].code", "communications"),
    "product type": ("products.types[].code", "products.types"),
    "brand": ("products.brands[].code", "products.brands"),
    "product family": ("products.families[].code", "products.families"),
    "return policy": ("products.return_policies[].code", "products.return_policies"),
    "product": ("products.catalogue[].code", "products.catalogue"),
    "feedback form": ("feedback[].code", "feedback"),
    "automation rule": ("automation[].code", "automation"),
    "recurring rule": ("recurring_rules[].code", "recurring_rules"),
    "task rule": ("task_rules[].code", "task_rules"),
    "service": ("services[].code", "services"),
    "resource": ("resources[].code", "resources"),
    "ladder": ("sla.ladders[].code", "sla.ladders"),
    "webhook": ("webhooks[].code", "webhooks"),
}
"""What is known by a code: where the codes stand, unique among their kind, and the section that lists them."""

TARGETS = ("methods[].targets", "subjects[].targets", "sla.targets")
"""The lists of targets."""

REFERENCES: tuple[tuple[str, str], ...] = (
    ("organisation.calendar", "calendar"),
    ("organisation.default_unit", "unit"),
    *((f"{target}[].calendar", "calendar") for target in TARGETS),
    *((f"{target}[].priority", "priority") for target in TARGETS),
    *((f"{target}[].unit", "unit") for target in TARGETS),
    *((f"{target}[].ladder", "ladder") for target in TARGETS),
    ("task_definitions[].ladder", "ladder"),
    ("mail_accounts[].method", "method"),
    ("mail_accounts[].unit", "unit"),
    ("x_accounts[].method", "method"),
    ("x_accounts[].unit", "unit"),
    ("phone_lines[].calls", "method"),
    ("phone_lines[].messages", "method"),
    ("phone_lines[].unit", "unit"),
    ("web_forms[].method", "method"),
    ("web_forms[].subjects[]", "subject"),
    ("areas[].unit", "unit"),
    ("units[].leader", "user"),
    ("units[].manager", "user"),
    ("users[].unit", "unit"),
    ("users[].roles[]", "role"),
    ("users[].skills[]", "skill"),
    ("categories[].parent", "category"),
    ("categories[].classification", "classification"),
    ("response_categories[].parent", "response category"),
    ("temporary_resolution_categories[].parent", "temporary-resolution category"),
    ("final_resolution_categories[].parent", "final-resolution category"),
    ("response_categories[].subjects[]", "subject"),
    ("temporary_resolution_categories[].subjects[]", "subject"),
    ("final_resolution_categories[].subjects[]", "subject"),
    ("prioritisation.default_urgency", "urgency"),
    ("prioritisation.default_impact", "impact"),
    ("prioritisation.table[].urgency", "urgency"),
    ("prioritisation.table[].impact", "impact"),
    ("prioritisation.table[].priority", "priority"),
    ("default_statuses{}", "status"),
    ("default_cancellation_reason", "cancellation reason"),
    ("task_definitions[].calendar", "calendar"),
    ("task_definitions[].clone_of", "task definition"),
    ("task_definitions[].owner.user", "user"),
    ("task_definitions[].owner.role", "role"),
    ("task_definitions[].owner.unit", "unit"),
    ("task_definitions[].skills[]", "skill"),
    ("subjects[].unit", "unit"),
    ("subjects[].default_urgency", "urgency"),
    ("subjects[].default_impact", "impact"),
    ("subjects[].statuses[]", "status"),
    ("subjects[].default_statuses{}", "status"),
    ("subjects[].transitions[].from_status", "status"),
    ("subjects[].transitions[].to_status", "status"),
    ("subjects[].transitions[].units[]", "unit"),
    ("subjects[].transitions[].users[]", "user"),
    ("subjects[].categories[]", "category"),
    ("subjects[].default_category", "category"),
    ("subjects[].opened_by[]", "unit"),
    ("subjects[].activity_types[]", "task definition"),
    ("subjects[].workflow.tasks[]", "task definition"),
    ("subjects[].workflow.tasks[].task", "task definition"),
    ("routing.default_subject", "subject"),
    ("routing.rules[].subject", "subject"),
    ("routing.rules[].methods[]", "method"),
    ("routing.rules[].accounts[]", "mail account"),
    ("routing.rules[].urgency", "urgency"),
    ("routing.rules[].impact", "impact"),
    ("leads.default_statuses{}", "lead status"),
    ("leads.categories[].parent", "lead category"),
    ("leads.types[].unit", "unit"),
    ("leads.types[].creating_units[]", "unit"),
    ("leads.types[].statuses[]", "lead status"),
    ("leads.types[].default_statuses{}", "lead status"),
    ("leads.types[].transitions[].from_status", "lead status"),
    ("leads.types[].transitions[].to_status", "lead status"),
    ("leads.types[].transitions[].units[]", "unit"),
    ("leads.types[].transitions[].users[]", "user"),
    ("leads.types[].categories[]", "lead category"),
    ("leads.types[].default_category", "lead category"),
    ("leads.types[].lost_reasons[]", "lost reason"),
    ("leads.types[].default_lost_reason", "lost reason"),
    ("leads.types[].activity_types[]", "task definition"),
    ("communications[].template", "template"),
    ("notifications.digest_calendar", "calendar"),
    ("webhooks[].units[]", "unit"),
    ("communications[].statuses[]", "status"),
    ("products.catalogue[].type", "product type"),
    ("products.catalogue[].brand", "brand"),
    ("products.catalogue[].family", "product family"),
    ("products.catalogue[].return_policy", "return policy"),
    ("products.catalogue[].replacement_task", "task definition"),
    ("subjects[].products[]", "product"),
    ("feedback[].subjects[]", "subject"),
    ("chase.close_status", "status"),
    ("subjects[].chase.close_status", "status"),
    ("automation[].then[].definition", "task definition"),
    ("automation[].then[].user", "user"),
    ("automation[].then[].role", "role"),
    ("automation[].then[].unit", "unit"),
    ("automation[].then[].urgency", "urgency"),
    ("automation[].then[].impact", "impact"),
    ("automation[].then[].template", "template"),
    ("recurring_rules[].calendar", "calendar"),
    ("task_rules[].definition", "task definition"),
    ("task_rules[].recurring", "recurring rule"),
    ("task_definitions[].approval.by.user", "user"),
    ("task_definitions[].approval.by.role", "role"),
    ("services[].unit", "unit"),
    ("resources[].unit", "unit"),
    ("resources[].calendar", "calendar"),
    ("resources[].user", "user"),
    ("resources[].services[]", "service"),
    ("task_definitions[].services[].service", "service"),
)
"""Every place that refers to a code, and the kind of thing that must have it."""

LISTED_ONCE = (
    "methods[].directions",
    "methods[].locations",
    "methods[].pre_script",
    "methods[].security_script",
    "users[].roles",
    "users[].skills",
    "task_definitions[].skills",
    "subjects[].statuses",
    "subjects[].categories",
    "subjects[].opened_by",
    "subjects[].products",
    "subjects[].activity_types",
    "response_categories[].subjects",
    "temporary_resolution_categories[].subjects",
    "final_resolution_categories[].subjects",
    "routing.rules[].methods",
    "leads.types[].creating_units",
    "leads.types[].statuses",
    "leads.types[].categories",
    "leads.types[].sources",
    "leads.types[].lost_reasons",
    "leads.types[].activity_types",
    "communications[].to",
    "notifications.required",
    "notifications.urgent_priorities",
    "notifications.quiet_hours.days",
    "communications[].statuses",
    "subjects[].products",
    "feedback[].subjects",
    "automation[].then[].to",
    "recurring_rules[].excluded",
    "resources[].services",
    "sla.ladder.escalations[].tell",
    "sla.ladders[].escalations[].tell",
)
"""Lists that may hold each thing only once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it stands."""

    path: Path
    value: Any


def find(data: Any, pattern: str) -> Iterator[Found]:
    """Every value that a pattern such as `subjects[].workflow.tasks[]` leads to; `{}` goes into a mapping's values.

    What is missing, None or of another shape is passed over: the models report it.
    """
    steps = [step for part in pattern.split(".") for step in _steps(part)]
    yield from _find(data, steps, ())


def _steps(part: str) -> list[str]:
    name = part.removesuffix("[]").removesuffix("{}")
    return [name] if name == part else [name, part[len(name) :]]


def _find(value: Any, steps: list[str], path: Path) -> Iterator[Found]:
    if value is None:
        return
    if not steps:
        yield Found(path, value)
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _find(item, rest, (*path, index))
    elif isinstance(value, dict):
        if step == "{}":
            for key, item in value.items():
                yield from _find(item, rest, (*path, key))
        elif step in value:
            yield from _find(value[step], rest, (*path, step))


def codes(document: Document, kind: str) -> dict[str, Path]:
    """The codes of this kind, each with the place that it is first given at."""
    found: dict[str, Path] = {}
    for item in find(document.data, KINDS[kind][0]):
        if isinstance(item.value, str):
            found.setdefault(_folded(kind, item.value), item.path)
    return found


def _folded(kind: str, value: str) -> str:
    return value.lower() if kind == "mail account" else value


def check_references(document: Document) -> None:
    """Report codes that are given twice, and references that lead nowhere."""
    known = {kind: codes(document, kind) for kind in KINDS}
    for kind, (pattern, _) in KINDS.items():
        for item in find(document.data, pattern):
            first = known[kind].get(_folded(kind, item.value)) if isinstance(item.value, str) else None
            if first is not None and first != item.path:
                line = document.place(first)[0]
                document.problem(item.path, f"the {kind} {item.value!r} is there twice; the first is in line {line}")
    for pattern, kind in REFERENCES:
        for item in find(document.data, pattern):
            if isinstance(item.value, str) and _folded(kind, item.value) not in known[kind]:
                document.problem(item.path, unknown(kind, item.value, known[kind]))
    for pattern in LISTED_ONCE:
        for item in find(document.data, pattern):
            _check_once(document, item)


def unknown(kind: str, value: str, known: dict[str, Path]) -> str:
    """What to say of a code that there is not: the nearest one, or where to add it."""
    near = get_close_matches(value, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"add it to {KINDS[kind][1]}, or take one that is there"
    return f"there is no {kind} {value!r}; {hint}"


def _check_once(document: Document, found: Found) -> None:
    if not isinstance(found.value, list):
        return
    seen: set[str] = set()
    for index, value in enumerate(found.value):
        if isinstance(value, str):
            if value in seen:
                document.problem((*found.path, index), f"{value!r} is listed twice in {path_text(found.path)}; once is enough")
            seen.add(value)
