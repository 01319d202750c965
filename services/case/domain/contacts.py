"""Contacts, their handles, and accounts (CON-1, CON-2)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.case import Case, Change
from services.case.domain.refusals import ContactRefused
from shared.handles import BadHandle, normal_handle
from shared.ids import contact_id, derive

MOST_HANDLES = 100
"""The most handles that a contact is given by hand."""


class ContactState(StrEnum):
    """What somebody is to us: financial once they have had an account."""

    PROSPECT = "prospect"
    FINANCIAL = "financial"


class Contact(NamedTuple):
    """A person who contacts us. Field names are those of the table `contacts`."""

    id: UUID
    revision: int
    account_id: UUID | None
    name: str
    email: str
    created_at: datetime
    state: str = ContactState.PROSPECT.value
    area: str = ""
    merged_into: UUID | None = None
    """The contact that this one turned out to be."""


class HandleRow(NamedTuple):
    """A handle by which a contact is recognised."""

    kind: str
    value: str
    contact_id: UUID


class Account(NamedTuple):
    """A tenancy, a household, a company. Field names are those of the table `accounts`."""

    id: UUID
    revision: int
    number: str
    name: str
    kind: str
    area: str
    classification: str
    credit_rating: str
    created_at: datetime


def account_number(count: int) -> str:
    """What people call the account that is this one of all."""
    return f"A-{count:06d}"


def person_of(kind: str, value: str, count: int = 0) -> UUID:
    """The contact first known by this handle; `count`: how many contacts first known by it do not have it any more."""
    return contact_id(kind, value) if count == 0 else derive("contact", kind, value, count)


def checked_handle(kind: str, value: str) -> tuple[str, str]:
    """A handle as staff give it, in its normal form. Raises `ContactRefused`."""
    what = f"handle of kind {kind}"
    if any(not letter.isprintable() for letter in value):
        raise ContactRefused(what, "it has characters that no handle has")
    try:
        normal = normal_handle(kind, value)
    except BadHandle as error:
        hint = "; write it with + and the country's code" if kind == "phone" else ""
        raise ContactRefused(what, f"{error}{hint}") from error
    if not normal:
        raise ContactRefused(what, "it is empty")
    return kind, normal


def edited(contact: Contact, name: str | None, email: str | None, area: str | None) -> tuple[Contact, tuple[Change, ...]]:
    """The contact with what is given, and what changed. Raises `ContactRefused`."""
    if email:
        email = checked_handle("email", email)[1]
    return _changed(contact, {"name": name, "email": email, "area": area})


def in_account(contact: Contact, account_id: UUID | None) -> tuple[Contact, tuple[Change, ...]]:
    """The contact in this account (None: in none any more), and what changed. Whoever once had one stays financial."""
    state = ContactState.FINANCIAL.value if account_id is not None else contact.state
    changed = contact._replace(account_id=account_id, state=state)
    return _stepped(contact, changed, ("account_id", "state"))


def edited_account(account: Account, **values: str | None) -> tuple[Account, tuple[Change, ...]]:
    """The account with what is given, and what changed."""
    given: dict[str, Any] = {field: value for field, value in values.items() if value is not None}
    changed = account._replace(**given)
    changes = _differences(account, changed, tuple(values))
    return (changed._replace(revision=account.revision + 1), changes) if changes else (account, ())


def of_customer(case: Case, contact: Contact, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case, which had no contact, with this one: the first setting, never a change (CASE-8)."""
    changed = case._replace(
        revision=case.revision + 1,
        contact_id=contact.id,
        account_id=contact.account_id,
        customer_name=contact.name or case.customer_name,
        customer_email=case.customer_email or contact.email,
        changed_at=now,
        changed_by=by,
    )
    return changed, _differences(case, changed, ("contact_id", "account_id"))


def require_unmerged(contact: Contact, what: str) -> None:
    """Raises `ContactRefused` where the contact is another one by now."""
    if contact.merged_into is not None:
        raise ContactRefused(what, f"the contact was merged into {contact.merged_into}")


def _changed(contact: Contact, values: dict[str, str | None]) -> tuple[Contact, tuple[Change, ...]]:
    given: dict[str, Any] = {field: value for field, value in values.items() if value is not None}
    return _stepped(contact, contact._replace(**given), tuple(given))


def _stepped(contact: Contact, changed: Contact, fields: tuple[str, ...]) -> tuple[Contact, tuple[Change, ...]]:
    changes = _differences(contact, changed, fields)
    return (changed._replace(revision=contact.revision + 1), changes) if changes else (contact, ())


def _differences(old: NamedTuple, new: NamedTuple, fields: tuple[str, ...]) -> tuple[Change, ...]:
    pairs = [(field, getattr(old, field), getattr(new, field)) for field in fields]
    return tuple(Change(field, _text(before), _text(after)) for field, before, after in pairs if before != after)


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)
