"""What a template would say, before anybody gets it: filled from a real case, or from a made-up one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from services.notify.domain.message import numbered
from services.notify.domain.tags import tag_values
from services.notify.handlers.composing import PeopleNames, Worded
from shared.messaging import ReferenceData
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.tags import LINK_TAGS

NOWHERE = "https://answer.example/"
"""Links of a preview lead here: nobody can answer by them."""


class Preview(NamedTuple):
    """A message as it would be sent. `empty`: tags of the template that stand for nothing here; their lines are left out."""

    subject_line: str
    text: str
    html: str
    language: str
    empty: tuple[str, ...]


def preview(
    worded: Worded, facts: Mapping[str, str], given: Mapping[str, str], reference: ReferenceData, recipient: str, is_for_customer: bool
) -> Preview:
    """The template filled from `facts`, as deliveries keep them; `given` are values of tags that go before those."""
    template, letter, names = worded
    to = facts.get("customer", "") if is_for_customer else recipient
    links = {tag: f"{NOWHERE}{tag}" for tag in LINK_TAGS}
    values = tag_values(facts, names, PeopleNames(reference.staff), to, links=links) | dict(given)
    subject_line = numbered(template.subject_line.header(values), values["case_number"])
    empty = tuple(sorted(tag for tag in template.tags if not values[tag]))
    return Preview(subject_line, template.text.plain(values), letter.html(subject_line, values), names.language, empty)


def merged(kept: list[Mapping[str, str]]) -> dict[str, str]:
    """The facts of a case's deliveries, the newest first, as one: where the newest knows nothing, an older one may."""
    facts: dict[str, str] = {}
    for older in kept:
        facts |= {name: fact for name, fact in older.items() if fact and not facts.get(name)}
    return facts


def made_up(configuration: Configuration) -> dict[str, str]:
    """The facts of a case that could be, with the first of all that the configuration lists."""
    user = next((user for user in configuration.users if user.active), None)
    return {
        "item": "case",
        "number": "C-2026-000123",
        "title": "Water comes through the kitchen ceiling",
        "subject": configuration.subjects[0].code if configuration.subjects else "",
        "status": configuration.statuses[0].code if configuration.statuses else "",
        "priority": configuration.prioritisation.priorities[-1].code,
        "unit": configuration.organisation.default_unit,
        "assignee": user.user if user else "",
        "owner_kind": "unit",
        "owner": configuration.organisation.default_unit,
        "changed_by": user.user if user else "",
        "customer": "Ann Bell",
        "customer_email": "ann.bell@mail.example",
        "opened_at": "2026-11-03T09:12:00+00:00",
        "due_at": "2026-11-05T16:30:00+00:00",
        "task": "Inspect the leak",
        "description": "Look for where the water comes from, and make it safe.",
        "message": "Call the customer before you go.",
        "reason": "Two quotes are needed.",
        "clock": "due",
        "alert": "due soon",
        "approval": "A hotel for two nights",
        "approver": user.user if user else "",
        "asked_by": user.user if user else "",
        "asked_since": "2026-11-03T10:00:00+00:00",
    }
