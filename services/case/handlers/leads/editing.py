"""Changing what an open lead says (LEAD-1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.case.domain.case import Actor, Change
from services.case.domain.leads.customer import email_of, phone_of
from services.case.domain.leads.lead import Interest, Opened
from services.case.domain.leads.life_cycle import changes_between, check_open
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.refusals import LeadRefused
from services.case.handlers.leads.rules import LeadRules
from services.case.storage.contacts import Contact


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed; None: stays. `contact_id` only where the lead has no contact yet (CASE-8)."""

    title: str | None = None
    description: str | None = None
    source: str | None = None
    priority: int | None = None
    importance: int | None = None
    category: str | None = None
    estimated_completion_at: datetime | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    contact_id: UUID | None = None
    competitors: tuple[str, ...] | None = None
    interests: tuple[Interest, ...] | None = None


_FIELDS = (
    *("title", "description", "source", "priority", "importance", "category", "estimated_completion_at", "contact_id", "account_id"),
    *("customer_name", "customer_email", "customer_phone"),
)


def edited(
    before: Opened, wanted: Edit, contact: Contact | None, kind: LeadTypeRules, rules: LeadRules, actor: Actor, now: datetime
) -> tuple[Opened, tuple[Change, ...]]:
    """The lead as it is then, and what changed. Raises `CaseLocked` or `LeadRefused`."""
    lead = before.lead
    what = f"change of lead {lead.number}"
    check_open(lead, what)
    if contact is not None and lead.contact_id not in (None, contact.id):
        raise LeadRefused(what, "its contact never changes after creation")
    values: dict[str, Any] = {name: value for name in _FIELDS if (value := getattr(wanted, name, None)) is not None}
    if contact is not None and lead.contact_id is None:
        values["account_id"] = contact.account_id
        values.setdefault("customer_name", lead.customer_name or contact.name)
        values.setdefault("customer_email", lead.customer_email or contact.email)
    if wanted.source is not None:
        kind.check_source(wanted.source)
    if wanted.category is not None:
        kind.check_category(wanted.category)
    for interest in wanted.interests or ():
        kind.check_interest(interest, rules.catalogue)
    if wanted.customer_email is not None:
        values["customer_email"] = email_of(wanted.customer_email)
    if wanted.customer_phone is not None:
        values["customer_phone"] = phone_of(wanted.customer_phone, rules.region)
    competitors, interests = before.competitors, before.interests
    if wanted.competitors is not None:
        known = {one.name: one for one in before.competitors}
        competitors = tuple(dict.fromkeys(known.get(name) or kind.competitor(name) for name in wanted.competitors))
    if wanted.interests is not None:
        interests = tuple(dict.fromkeys(wanted.interests))
    changed = lead._replace(**values)
    changes = changes_between(lead, changed, _FIELDS)
    lists = (
        ("competitors", [one.name for one in before.competitors], [one.name for one in competitors]),
        ("products", list(map(str, before.interests)), list(map(str, interests))),
    )
    changes += tuple(Change(field, ", ".join(old) or None, ", ".join(new) or None) for field, old, new in lists if old != new)
    if not changes:
        return before, ()
    changed = changed._replace(revision=lead.revision + 1, changed_at=now, changed_by=actor.user)
    return Opened(changed, competitors, interests), changes
