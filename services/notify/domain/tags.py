"""Values of the `#tags` of a template for one message.

The list of tags is the configuration's, which refuses unknown ones; this module only says what each is replaced with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from shared.languages import moments
from shared.schemas.configuration.tags import TAGS

__all__ = ["TAGS", "Names", "tag_values"]

UNKNOWN_CUSTOMER = "customer"
"""What a customer without a known name is called: `Dear customer`."""
_TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "rev"} | {"dhr", "mevr", "mw", "drs", "ir", "herr", "frau", "mme", "mlle"}
)
_NO_LINKS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Names:
    """What codes are called, in one version of the configuration. A code that is missing stands for itself."""

    organisation: str
    zone: ZoneInfo
    subjects: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    lead_types: Mapping[str, str] = field(default_factory=dict)
    """What stands where a case has its subject."""
    language: str = "en"
    words: Mapping[str, str] = field(default_factory=dict)
    """The product's own words in that language, such as `customer`, `case`, `due soon`; one that is missing stays English."""


def first_name(name: str) -> str:
    """The given name in `name`, which may have a title or be written `Last, First`; empty when there is none."""
    _, comma, after = name.partition(",")
    words = (after if comma else name).split()
    while len(words) > 1 and words[0].rstrip(".").lower() in _TITLES:
        words.pop(0)
    return words[0] if words else ""


def last_name(name: str) -> str:
    """The family name in `name`; empty for a single word."""
    before, comma, _ = name.partition(",")
    if comma:
        return before.strip()
    words = name.split()
    return words[-1] if len(words) > 1 else ""


@dataclass(frozen=True, slots=True)
class _Source:
    """What the values of one message come from."""

    facts: Mapping[str, str]
    names: Names
    people: Mapping[str, str]
    recipient: str
    is_person: bool
    links: Mapping[str, str]

    def fact(self, name: str) -> str:
        return self.facts.get(name, "")

    def word(self, text: str) -> str:
        return self.names.words.get(text, text)

    def of(self, table: Mapping[str, str], name: str) -> str:
        code = self.fact(name)
        return table.get(code) or self.word(code)

    def person(self, name: str) -> str:
        user = self.fact(name)
        return self.people.get(user, user)

    def moment(self, name: str) -> str:
        text = self.fact(name)
        return moments(self.names.language, self.names.zone)(text) if text else ""

    def link(self, tag: str) -> str:
        return self.links.get(tag, "")

    def owner(self) -> str:
        kinds = {"role": self.names.roles, "unit": self.names.units}
        return self.of(kinds.get(self.fact("owner_kind"), self.people), "owner")

    def subject(self) -> str:
        return self.of(self.names.lead_types if self.fact("item") == "lead" else self.names.subjects, "subject")


_VALUES: Mapping[str, Callable[[_Source], str]] = {
    "acceptance_link": lambda s: s.link("acceptance_link"),
    "alert": lambda s: s.word(s.fact("alert")),
    "approval": lambda s: s.fact("approval"),
    "approval_link": lambda s: s.link("approval_link"),
    "approver": lambda s: s.person("approver"),
    "asked_by": lambda s: s.person("asked_by"),
    "asked_since": lambda s: s.moment("asked_since"),
    "assignee": lambda s: s.person("assignee"),
    "case_number": lambda s: s.fact("number"),
    "case_title": lambda s: s.fact("title"),
    "changed_by": lambda s: s.person("changed_by"),
    "clock": lambda s: s.word(s.fact("clock").replace("_", " ")),
    "customer_email": lambda s: s.fact("customer_email"),
    "description": lambda s: s.fact("description"),
    "desk_link": lambda s: s.link("desk_link"),
    "due": lambda s: s.moment("due_at"),
    "feedback_link": lambda s: s.link("feedback_link"),
    "first_name": lambda s: first_name(s.fact("customer")) or s.word(UNKNOWN_CUSTOMER),
    "full_name": lambda s: s.fact("customer") or s.word(UNKNOWN_CUSTOMER),
    "item": lambda s: s.word(s.fact("item")),
    "last_name": lambda s: last_name(s.fact("customer")),
    "message": lambda s: s.fact("message"),
    "opened": lambda s: s.moment("opened_at"),
    "organisation": lambda s: s.names.organisation,
    "owner": lambda s: s.owner(),
    "priority": lambda s: s.of(s.names.priorities, "priority"),
    "reason": lambda s: s.fact("reason"),
    "recipient": lambda s: s.recipient,
    "recipient_first_name": lambda s: first_name(s.recipient) if s.is_person else s.recipient,
    "status": lambda s: s.of(s.names.statuses, "status"),
    "subject": lambda s: s.subject(),
    "task": lambda s: s.fact("task"),
    "unit": lambda s: s.of(s.names.units, "unit"),
}


def tag_values(
    facts: Mapping[str, str],
    names: Names,
    people: Mapping[str, str],
    recipient: str,
    is_person: bool = True,
    links: Mapping[str, str] = _NO_LINKS,
    *,
    wanted: Iterable[str] = _VALUES,
) -> dict[str, str]:
    """The values of the `wanted` tags, which must be known; of all, if nothing is said.

    `facts` are what the delivery was queued with (see `domain.occasions`), `people` the names of staff by user, `recipient` the name of
    whom the message is for, who may be a whole unit. Times in `facts` are ISO text. `links` are those of the recipient, by their tag.
    """
    source = _Source(facts, names, people, recipient, is_person, links)
    return {tag: _VALUES[tag](source) for tag in wanted}
