"""From what is wanted of a new lead to the lead: the type's defaults, its rules, what it adds by itself (LEAD-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from services.case.domain.case import Actor, Change
from services.case.domain.leads.customer import Customer
from services.case.domain.leads.lead import Competitor, Interest, Lead, LeadLifeCycle, Opened, lead_number
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.refusals import LeadRefused
from services.case.handlers.leads.rules import LeadRules
from shared.messaging import ReferenceData


@dataclass(frozen=True, slots=True)
class Wanted:
    """A new lead as somebody wants it. None (and no competitors, no interests): as its type says."""

    title: str = ""
    description: str = ""
    source: str | None = None
    priority: int | None = None
    importance: int | None = None
    category: str | None = None
    unit: str | None = None
    owner: str | None = None
    estimated_completion_at: datetime | None = None
    competitors: tuple[str, ...] = ()
    interests: tuple[Interest, ...] = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a lead comes about: its id, who opens it, when, from what."""

    id: UUID
    actor: Actor
    now: datetime
    config_version: int
    communication_id: UUID | None = None
    import_id: UUID | None = None


def problems(wanted: Wanted, kind: LeadTypeRules, rules: LeadRules, reference: ReferenceData) -> list[tuple[str, LeadRefused]]:
    """What forbids a lead as it is wanted: the field, and why."""
    found: list[tuple[str, LeadRefused]] = []

    def refuse(field: str, what: str, why: str) -> None:
        found.append((field, LeadRefused(what, why)))

    def attempt(field: str, check: Callable[[], None]) -> None:
        try:
            check()
        except LeadRefused as error:
            found.append((field, error))

    attempt("source", partial(kind.check_source, wanted.source or kind.default_source))
    attempt("category", partial(kind.check_category, wanted.category or ""))
    for interest in wanted.interests:
        attempt("products", partial(kind.check_interest, interest, rules.catalogue))
    if wanted.unit is not None and wanted.unit not in rules.units:
        refuse("unit", f"unit {wanted.unit}", "there is none with that code")
    member = reference.staff.get(wanted.owner) if wanted.owner is not None else None
    if wanted.owner is not None and (member is None or not member.active):
        refuse("owner", f"owner {wanted.owner}", "there is no active user with that name")
    return found


def open_lead(wanted: Wanted, kind: LeadTypeRules, rules: LeadRules, customer: Customer, how: Circumstances) -> Opened:
    """The lead, all but its number, which the database gives. What is wanted has been checked by `problems`."""
    status = kind.defaults[LeadLifeCycle.PENDING]
    lead = Lead(
        id=how.id,
        number="",
        revision=1,
        config_version=how.config_version,
        type=kind.code,
        title=wanted.title.strip() or kind.name,
        description=wanted.description,
        source=wanted.source or kind.default_source,
        communication_id=how.communication_id,
        contact_id=customer.contact_id,
        account_id=customer.account_id,
        customer_name=customer.name,
        customer_email=customer.email,
        customer_phone=customer.phone,
        state=LeadLifeCycle.PENDING,
        status=status,
        status_before=None,
        priority=wanted.priority or kind.priority,
        importance=wanted.importance or kind.importance,
        category=wanted.category if wanted.category is not None else kind.default_category,
        unit=wanted.unit or kind.unit,
        owner=wanted.owner,
        lost_reason="",
        reason="",
        opened_at=how.now,
        started_at=None,
        closed_at=None,
        expected_completion_at=rules.expected_completion(kind, how.now),
        estimated_completion_at=wanted.estimated_completion_at,
        changed_at=how.now,
        changed_by=how.actor.user,
        import_id=how.import_id,
    )
    given = tuple(dict.fromkeys(kind.competitor(name) for name in wanted.competitors))
    own = tuple(one for one in kind.competitors if one not in given) if kind.adds_competitors else ()
    added = tuple(one for one in kind.interests if one not in wanted.interests) if kind.adds_interests else ()
    competitors: tuple[Competitor, ...] = (*given, *own)
    return Opened(lead, competitors, (*dict.fromkeys(wanted.interests), *added))


def numbered(opened: Opened, count: int) -> Opened:
    """The lead with its number. `count`: which one it is of all."""
    return opened._replace(lead=opened.lead._replace(number=lead_number(opened.lead.opened_at.year, count)))


def first_changes(opened: Opened) -> tuple[Change, ...]:
    """What the history says of a new lead."""
    lead = opened.lead
    found = [Change("state", None, lead.state.value), Change("type", None, lead.type)]
    if lead.communication_id is not None:
        found.append(Change("communication", None, str(lead.communication_id)))
    if lead.import_id is not None:
        found.append(Change("import", None, str(lead.import_id)))
    return tuple(found)
