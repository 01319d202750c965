"""What follows when a lead is won: the account, and its contact in it (LEAD-2)."""

from __future__ import annotations

from services.case.domain.case import Change
from services.case.domain.contacts import Account
from services.case.domain.leads.conversion import planned_account
from services.case.domain.leads.lead import Lead
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.refusals import LeadRefused
from services.case.handlers.contacts import Origin, add_account, make_financial
from services.case.storage import accounts, contacts
from shared.storage import Transaction


def create_account_for(tx: Transaction, lead: Lead, rules: LeadTypeRules, asked: Origin) -> tuple[Lead, tuple[Change, ...]]:
    """Create the account of a lead that was just won and is locked, make its contact financial, and tell both their histories.

    The lead with its account, and what that changes of it. A contact that has an account keeps it. Raises `LeadRefused` where there is
    no contact.
    """
    contact = contacts.lock(tx, [lead.contact_id]).get(lead.contact_id) if lead.contact_id is not None else None
    if lead.contact_id is not None and contact is None:
        raise LeadRefused(f"winning lead {lead.number}", "its contact is not there any more")
    plan = planned_account(lead, rules, contact.account_id if contact else None)
    if contact is None:
        return lead, ()
    if plan is None:
        account_id = contact.account_id if rules.conversion is not None else lead.account_id
        what = (Change("account", None, str(account_id)),) if account_id is not None and account_id != lead.account_id else ()
        return lead._replace(account_id=account_id), what
    (number,) = accounts.next_numbers(tx, 1)
    account = Account(plan.id, 1, number, plan.name, "", "", plan.classification, plan.credit_rating, asked.now)
    add_account(tx, asked, account, (Change("account", None, number), Change("lead", None, lead.number)))
    make_financial(tx, contact.id, plan.id, asked.user, asked.now, asked.cause, asked.traceparent)
    return lead._replace(account_id=plan.id), (Change("account", None, number),)
