"""Leads as pages show them: what they are, what may be done with them, and what became of them (LEAD-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

LEAD_STATE_WORDS = {"pending": "Pending", "in_progress": "In progress", "won": "Won", "lost": "Lost", "cancelled": "Cancelled"}
INTEREST_WORDS = {"product": "product", "type": "all of a type", "brand": "all of a brand", "family": "all of a family"}
HISTORY_WORDS = {
    "account_id": "Account",
    "category": "Category",
    "communication": "Communication",
    "competitors": "Competitors",
    "contact_id": "Customer",
    "customer_email": "Customer’s email",
    "customer_name": "Customer’s name",
    "customer_phone": "Customer’s telephone",
    "description": "Description",
    "estimated_completion_at": "Estimated completion",
    "importance": "Importance",
    "interests": "Interests",
    "lost_reason": "Why it was lost",
    "note": "Note",
    "owner": "With",
    "priority": "Priority",
    "reason": "Reason",
    "reopened": "Reopened",
    "source": "Source",
    "state": "State",
    "status": "Status",
    "title": "Title",
    "unit": "Unit",
}
NAMED = {"lost_reason": "lost reason", "owner": "user", "reopened": "status"}
"""Fields of the history whose values are codes, with the kind of these where that is called otherwise."""
CODED = frozenset({"category", "lost_reason", "owner", "reopened", "source", "state", "status", "unit", "priority", "importance"})
UNREADABLE = frozenset({"account_id", "communication", "contact_id", "note"})
"""Fields of the history whose values are ids, which tell people nothing."""


class Transition(NamedTuple):
    """A step that a type's rules allow; no units and no users: to anybody."""

    before: str
    after: str
    units: tuple[str, ...]
    users: tuple[str, ...]
    reopens: bool


@dataclass(frozen=True, slots=True)
class LeadType:
    """What the leads of a type may choose from; nothing listed: all there is."""

    statuses: tuple[str, ...] = ()
    transitions: tuple[Transition, ...] = ()
    lost_reasons: tuple[str, ...] = ()
    default_lost_reason: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What leads choose from, with names by kind and code."""

    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    """Of statuses, in the configuration's order."""
    lost_reasons: tuple[str, ...] = ()
    types: Mapping[str, LeadType] = field(default_factory=dict)

    def name(self, kind: str, code: str) -> str:
        """What people call it."""
        return self.names.get((kind, code), code)

    def label(self, kind: str, level: int) -> str:
        """What a priority or importance is called; empty for most."""
        return self.names.get((kind, str(level)), "")

    def level(self, kind: str, level: int) -> str:
        """A priority or importance with its label, where it has one."""
        label = self.label(kind, level)
        return f"{level}, {label}" if label else str(level)


class Change(NamedTuple):
    """An entry of a lead's history, in words; `old` and `new` are empty where they tell people nothing."""

    words: str
    old: str
    new: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead. `interests`: kinds and codes; `competitors`: names with websites, which may be empty."""

    id: UUID
    number: str
    revision: int
    type: str
    title: str
    description: str
    source: str
    communication: UUID | None
    contact: UUID | None
    account: UUID | None
    account_number: str
    customer_name: str
    customer_email: str
    customer_phone: str
    state: str
    status: str
    priority: int
    importance: int
    category: str
    unit: str
    owner: str
    lost_reason: str
    reason: str
    opened_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    expected_at: datetime | None
    estimated_at: datetime | None
    interests: tuple[tuple[str, str], ...]
    competitors: tuple[tuple[str, str], ...]
    history: tuple[Mapping[str, Any], ...] = ()

    @property
    def state_word(self) -> str:
        """The life-cycle state for people."""
        return LEAD_STATE_WORDS.get(self.state, self.state)

    @property
    def is_open(self) -> bool:
        """Whether it is neither won, lost nor cancelled."""
        return self.state in ("pending", "in_progress")

    @property
    def customer_words(self) -> str:
        """What people call the customer."""
        return self.customer_name or self.customer_email or self.customer_phone or "somebody without a name"

    def is_overdue(self, now: datetime) -> bool:
        """Whether its time is over and it is still open."""
        return self.is_open and self.expected_at is not None and self.expected_at < now


@dataclass(frozen=True, slots=True)
class Steps:
    """What a visitor may do with a lead, as far as can be said beforehand; case decides.

    `statuses`: those that keep it open or take it up again. `why_not`: in words, why it cannot progress just now; empty: it can.
    """

    accept: bool = False
    statuses: tuple[str, ...] = ()
    win: bool = False
    lose: bool = False
    cancel: bool = False
    lost_reasons: tuple[str, ...] = ()
    default_lost_reason: str = ""
    why_not: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self.accept or bool(self.statuses) or self.win or self.lose or self.cancel or bool(self.why_not)


def steps_of(lead: Lead, terms: Terms, user: str, unit: str) -> Steps:
    """What this user of this unit may do with the lead."""
    kind = terms.types.get(lead.type, LeadType())
    allowed = [code for code in terms.states if not kind.statuses or code in kind.statuses]
    if kind.transitions:
        mine = [one for one in kind.transitions if one.before == lead.status and _permits(one, user, unit)]
        allowed = [code for code in allowed if any(one.after == code and (lead.is_open or one.reopens) for one in mine)]
    elif not lead.is_open:
        allowed = []
    reached = [code for code in allowed if code != lead.status]
    open_ones = tuple([code for code in reached if terms.states[code] in _NEXT.get(lead.state, ())])
    if lead.state == "pending" and not lead.owner:
        # It has to belong to somebody before it leaves its state.
        open_ones = tuple([code for code in open_ones if terms.states[code] == "pending"])
    states = {terms.states[code] for code in reached}
    return Steps(
        accept=lead.is_open and not lead.owner and lead.unit == unit,
        statuses=open_ones,
        win=lead.state == "in_progress" and "won" in states,
        lose=lead.state == "in_progress" and "lost" in states,
        cancel=lead.state == "pending" and "cancelled" in states,
        lost_reasons=kind.lost_reasons or terms.lost_reasons,
        default_lost_reason=kind.default_lost_reason,
        why_not="It has to belong to somebody before it goes on: accept or assign it first." if lead.is_open and not lead.owner else "",
    )


_NEXT = {"pending": ("pending", "in_progress"), "in_progress": ("pending", "in_progress"), "lost": ("in_progress",)}


def _permits(rule: Transition, user: str, unit: str) -> bool:
    return not (rule.units or rule.users) or unit in rule.units or user in rule.users


def terms_of(content: Mapping[str, Any]) -> Terms:
    """From what case's API says of lead types."""
    names: dict[tuple[str, str], str] = {("state", code): words for code, words in LEAD_STATE_WORDS.items()}
    for kind, section in (("type", "types"), ("status", "statuses"), ("category", "categories"), ("lost reason", "lost_reasons")):
        names |= {(kind, item["code"]): item["name"] for item in content[section]}
    names |= {("source", item["code"]): item["label"] for item in content["sources"]}
    for kind in ("priority", "importance"):
        names |= {(kind, str(item["level"])): item["label"] for item in content[f"{kind}_labels"]}
    return Terms(
        names,
        {item["code"]: item["state"] for item in content["statuses"]},
        tuple([item["code"] for item in content["lost_reasons"]]),
        {item["code"]: _type(item) for item in content["types"]},
    )


def _type(item: Mapping[str, Any]) -> LeadType:
    rules = [
        Transition(one["from_status"], one["to_status"], tuple(one["units"]), tuple(one["users"]), one["reopens"])
        for one in item["transitions"]
    ]
    return LeadType(tuple(item["statuses"]), tuple(rules), tuple(item["lost_reasons"]), item["default_lost_reason"] or "")


def changes_of(
    entries: Sequence[Mapping[str, Any]], terms: Terms, around: Mapping[tuple[str, str], str], when: Callable[[datetime], str]
) -> tuple[Change, ...]:
    """A lead's history in words, the newest first. `around`: the organisation's names, by kind and code; `when`: moments as people say
    them.
    """

    def said(name: str, value: str | None) -> str:
        if value is None or name in UNREADABLE:
            return ""
        if name.endswith("_at"):
            return when(datetime.fromisoformat(value))
        kind = NAMED.get(name, name)
        if name in ("priority", "importance") and value.isdigit():
            return terms.level(name, int(value))
        if name in ("owner", "unit"):
            return around.get((kind, value), value)
        return terms.name(kind, value) if name in CODED else value

    return tuple(
        [
            Change(
                HISTORY_WORDS.get(entry["field"], entry["field"].replace("_", " ").capitalize()),
                said(entry["field"], entry["old"]),
                said(entry["field"], entry["new"]),
                entry["by"],
                datetime.fromisoformat(entry["at"]),
            )
            for entry in reversed(entries)
        ]
    )
