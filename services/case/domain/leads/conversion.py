"""What becomes of the customer when a lead is won (LEAD-2)."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from services.case.domain.leads.lead import Lead, LeadLifeCycle
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.refusals import LeadRefused
from shared.ids import derive


class AccountPlan(NamedTuple):
    """The account that a won lead creates. Its id follows from the lead's: asked for twice, it is one account."""

    id: UUID
    name: str
    classification: str
    credit_rating: str


def account_of(lead: Lead) -> UUID:
    """The id of the account that this lead creates."""
    return derive("account", "lead", lead.id)


def planned_account(lead: Lead, rules: LeadTypeRules, contact_account: UUID | None) -> AccountPlan | None:
    """The account to create for a lead that was just won; None: its type converts none, or its contact has one already.

    `contact_account`: the account of the lead's contact. Raises `LeadRefused` where there is no contact to convert.
    """
    if lead.state is not LeadLifeCycle.WON or rules.conversion is None:
        return None
    if lead.contact_id is None:
        raise LeadRefused(f"winning lead {lead.number}", "its type creates an account, and the lead has no contact; give it one first")
    if contact_account is not None:
        return None
    name = lead.customer_name or lead.customer_email or lead.customer_phone or lead.title
    return AccountPlan(account_of(lead), name, rules.conversion.classification, rules.conversion.credit_rating)
