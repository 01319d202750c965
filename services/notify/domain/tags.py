"""Values of the `#tags` of a template for one message.

The list of tags is the configuration's, which refuses unknown ones; this module only says what each is replaced with.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def tag_values(
    facts: Mapping[str, str],
    names: Names,
    people: Mapping[str, str],
    recipient: str,
    is_person: bool = True,
    links: Mapping[str, str] = _NO_LINKS,
) -> dict[str, str]:
    """The value of every tag.

    `facts` are what the delivery was queued with (see `domain.occasions`), `people` the names of staff by user, `recipient` the name of
    whom the message is for, who may be a whole unit. Times in `facts` are ISO text. `links` are those of the recipient, by their tag.
    """

    def fact(name: str) -> str:
        return facts.get(name, "")

    words, written = names.words, moments(names.language, names.zone)

    def word(text: str) -> str:
        return words.get(text, text)

    def of(table: Mapping[str, str], name: str) -> str:
        code = fact(name)
        return table.get(code) or word(code)

    def person(name: str) -> str:
        user = fact(name)
        return people.get(user, user)

    def moment(name: str) -> str:
        text = fact(name)
        return written(text) if text else ""

    owners = {"user": people, "role": names.roles, "unit": names.units}
    customer = fact("customer")
    return {
        "acceptance_link": links.get("acceptance_link", ""),
        "alert": word(fact("alert")),
        "approval": fact("approval"),
        "approval_link": links.get("approval_link", ""),
        "approver": person("approver"),
        "asked_by": person("asked_by"),
        "asked_since": moment("asked_since"),
        "assignee": person("assignee"),
        "case_number": fact("number"),
        "case_title": fact("title"),
        "changed_by": person("changed_by"),
        "clock": word(fact("clock").replace("_", " ")),
        "customer_email": fact("customer_email"),
        "description": fact("description"),
        "desk_link": links.get("desk_link", ""),
        "due": moment("due_at"),
        "feedback_link": links.get("feedback_link", ""),
        "first_name": first_name(customer) or word(UNKNOWN_CUSTOMER),
        "full_name": customer or word(UNKNOWN_CUSTOMER),
        "item": word(fact("item")),
        "last_name": last_name(customer),
        "message": fact("message"),
        "opened": moment("opened_at"),
        "organisation": names.organisation,
        "owner": of(owners.get(fact("owner_kind"), people), "owner"),
        "priority": of(names.priorities, "priority"),
        "reason": fact("reason"),
        "recipient": recipient,
        "recipient_first_name": first_name(recipient) if is_person else recipient,
        "status": of(names.statuses, "status"),
        "subject": of(names.lead_types if fact("item") == "lead" else names.subjects, "subject"),
        "task": fact("task"),
        "unit": of(names.units, "unit"),
    }
