"""A template's text filled for a case, for somebody to look over, change and send (NOTE-2).

Offered are the templates that a case alone can fill. Others are about an event: what a clock tells, a task, an approval, a customer's link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.case.domain.case import Case
from services.case.domain.leads.lead import Lead
from shared.languages import moments
from shared.schemas.configuration.tags import tokens

UNKNOWN_CUSTOMER = "customer"
"""What a customer without a known name is called, as in the messages that go out by themselves."""
_TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "rev"} | {"dhr", "mevr", "mw", "drs", "ir", "herr", "frau", "mme", "mlle"}
)
FILLED = frozenset(
    {"assignee", "case_number", "case_title", "customer_email", "due", "first_name", "full_name", "item", "last_name", "opened"}
    | {"organisation", "owner", "priority", "recipient", "recipient_first_name", "status", "subject", "unit", "changed_by"}
)
"""The tags that have a value here."""
FILLED_BY_CONTACTS = frozenset(
    {"changed_by", "customer_email", "first_name", "full_name", "last_name", "organisation", "recipient", "recipient_first_name"}
)
"""Those that have a value where nothing is known but whom it is for and who writes."""
FILLED_BY_LEADS = FILLED_BY_CONTACTS | {"assignee", "due", "item", "opened", "owner", "unit"}


_TAG = re.compile(r"(?<![&#\w])#(\w+)")


class Draft(NamedTuple):
    """What a message begins with."""

    subject_line: str
    text: str


class DraftTemplate(NamedTuple):
    """A template for messages by hand."""

    code: str
    name: str
    subject_line: str
    text: str
    translations: Mapping[str, Draft] = MappingProxyType({})
    """By language, with their tags."""

    @property
    def is_for_cases(self) -> bool:
        """Whether every tag that it has can be filled from a case."""
        return self.is_filled_by(FILLED)

    def is_filled_by(self, known: frozenset[str]) -> bool:
        """Whether every tag that it has is among these."""
        texts = [self.subject_line, self.text, *(text for one in self.translations.values() for text in one)]
        return all(not tag or tag in known for text in texts for _, tag in tokens(text))


@dataclass(frozen=True, slots=True)
class Naming:
    """What codes are called in a version of the configuration in a language, and the zone of its times.

    A code that is missing stands for itself. `words`: the product's own in that language.
    """

    organisation: str
    zone: ZoneInfo
    subjects: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    words: Mapping[str, str] = field(default_factory=dict)

    def moment(self, at: datetime | None) -> str:
        """A time as people of the organisation read it."""
        if at is None:
            return ""
        return moments(self.language, self.zone)(at.isoformat())


def filled_with(template: Draft, values: Mapping[str, str]) -> Draft:
    """A template's texts with these values of its tags. A line whose tags all stand for nothing is left out."""
    lines = [filled for line in template.text.split("\n") if (filled := _line(line, values)) is not None]
    return Draft(" ".join(_filled(template.subject_line, values).split()), "\n".join(lines))


def _line(line: str, values: Mapping[str, str]) -> str | None:
    tags = [tag for _, tag in tokens(line) if tag]
    return None if tags and not any(values[tag] for tag in tags) else _filled(line, values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    # A value is never searched for tags itself.
    return "".join([literal + (values[tag] if tag else "") for literal, tag in tokens(text)])


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """What somebody wrote, its tags filled. They may write anything else with a `#`: what is no tag stays as it is."""
    return _TAG.sub(lambda found: values.get(found[1], found[0]), text)


def tag_values(case: Case, naming: Naming, people: Mapping[str, str], writer: str) -> dict[str, str]:
    """What each tag stands for in a message about this case that `writer` writes."""
    unit = naming.units.get(case.unit, case.unit)
    assignee = people.get(case.owner, case.owner) if case.owner else ""
    return {
        "assignee": assignee,
        "case_number": case.number,
        "case_title": case.title,
        "due": naming.moment(case.expected_completion_at),
        "item": naming.words.get("case", "case"),
        "opened": naming.moment(case.opened_at),
        "owner": assignee or unit,
        "priority": naming.priorities.get(case.priority, case.priority),
        "status": naming.statuses.get(case.status, case.status),
        "subject": naming.subjects.get(case.subject, case.subject),
        "unit": unit,
    } | contact_tag_values(case.customer_name, case.customer_email, naming, people, writer)


def lead_tag_values(lead: Lead, naming: Naming, people: Mapping[str, str], writer: str) -> dict[str, str]:
    """What each tag stands for in a message about this lead."""
    unit = naming.units.get(lead.unit, lead.unit)
    assignee = people.get(lead.owner, lead.owner) if lead.owner else ""
    about = {
        "assignee": assignee,
        "due": naming.moment(lead.expected_completion_at),
        "item": naming.words.get("lead", "lead"),
        "opened": naming.moment(lead.opened_at),
        "owner": assignee or unit,
        "unit": unit,
    }
    return about | contact_tag_values(lead.customer_name, lead.customer_email, naming, people, writer)


def contact_tag_values(name: str, email: str, naming: Naming, people: Mapping[str, str], writer: str) -> dict[str, str]:
    """What each tag stands for in a message to somebody of whom nothing else is known."""
    first, last = _names_of(name)
    unknown = naming.words.get(UNKNOWN_CUSTOMER, UNKNOWN_CUSTOMER)
    return {
        "changed_by": people.get(writer, writer),
        "customer_email": email,
        "first_name": first or unknown,
        "full_name": name or unknown,
        "last_name": last,
        "organisation": naming.organisation,
        "recipient": name,
        "recipient_first_name": first or unknown,
    }


def _names_of(name: str) -> tuple[str, str]:
    """First and last name in `name`, which may have a title or be written `Last, First`; each empty where there is none."""
    before, comma, after = name.partition(",")
    words = (after if comma else name).split()
    while len(words) > 1 and words[0].rstrip(".").lower() in _TITLES:
        words.pop(0)
    first = words[0] if words else ""
    return first, before.strip() if comma else words[-1] if len(words) > 1 else ""
