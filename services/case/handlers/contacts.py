"""What staff ask of contacts and accounts: make and change them, put a contact into an account, say whose a handle is (CON-1, CON-2).

Each command locks the record, decides, writes it with its history, and emits one event, all in the caller's transaction. Whoever changes
whose a handle is, holds `contacts.alone` first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain import contacts as rules_of_contacts
from services.case.domain.case import Change
from services.case.domain.contacts import MOST_HANDLES, Account, Contact, HandleRow, edited, in_account, require_unmerged
from services.case.domain.notes import RecordKind, record_entries
from services.case.domain.refusals import ContactRefused
from services.case.domain.undeliverable import Undeliverable
from services.case.handlers.rules import CustomerTerms
from services.case.storage import accounts, contacts, notes, undeliverable
from services.case.storage.contacts import HandleKey
from shared.ids import derive
from shared.schemas.events import AccountChanged, AccountRepublished, ContactChanged
from shared.schemas.parts import Handle
from shared.storage import Transaction


class UnknownContact(LookupError):
    """There is no contact with this id."""


class UnknownAccount(LookupError):
    """There is no account with this id."""


class Origin(NamedTuple):
    """Who asks, by which command, when."""

    user: str
    cause: UUID
    now: datetime
    traceparent: str = ""


Permit = Callable[[int], None]
"""Checks the revision of the locked record before anything is decided; raises."""


def create(tx: Transaction, asked: Origin, terms: CustomerTerms, values: Contact, handles: Collection[HandleKey]) -> Contact:
    """A new contact with these handles, and its email address as one; `values.id` and its times are set here. Raises `ContactRefused`."""
    _check_area(terms, values.area)
    wanted = {rules_of_contacts.checked_handle(*handle) for handle in handles}
    email = rules_of_contacts.checked_handle("email", values.email)[1] if values.email else ""
    if email:
        wanted.add(("email", email))
    contacts.alone(tx)
    contact = values._replace(id=derive("contact by hand", asked.cause), revision=1, email=email, created_at=asked.now)
    contacts.add(tx, [contact], [HandleRow(*handle, contact.id) for handle in wanted])
    keep(tx, asked, contact, (Change("contact", None, contact.name or None), *_given(sorted(wanted))))
    return contact


def edit(
    tx: Transaction,
    asked: Origin,
    terms: CustomerTerms,
    contact_id: UUID,
    permit: Permit,
    name: str | None,
    email: str | None,
    area: str | None,
) -> Contact:
    """Change what is given. Raises `UnknownContact`, `ContactRefused`, and what `permit` raises."""
    _check_area(terms, area or "")
    contact = locked(tx, contact_id, permit, "change of the contact")
    changed, changes = edited(contact, name, email, area)
    return _changed(tx, asked, changed, changes)


def add_handle(tx: Transaction, asked: Origin, contact_id: UUID, permit: Permit, kind: str, value: str) -> Contact:
    """Give the contact a handle; others may have it too. Raises `UnknownContact`, `ContactRefused`, and what `permit` raises."""
    handle = rules_of_contacts.checked_handle(kind, value)
    contacts.alone(tx)
    contact = locked(tx, contact_id, permit, "adding a handle")
    before = contacts.handles_of(tx, contact_id)
    if handle in before:
        return contact
    if len(before) >= MOST_HANDLES:
        raise ContactRefused("adding a handle", f"the contact has {len(before)} handles, and more are not taken")
    contacts.add(tx, [], [HandleRow(*handle, contact_id)])
    return _changed(tx, asked, contact._replace(revision=contact.revision + 1), _given([handle]))


def remove_handle(tx: Transaction, asked: Origin, contact_id: UUID, permit: Permit, kind: str, value: str) -> Contact:
    """Take a handle from the contact: what comes by it later is not theirs. Raises as `add_handle` does."""
    handle = rules_of_contacts.checked_handle(kind, value)
    contacts.alone(tx)
    contact = locked(tx, contact_id, permit, "removing a handle")
    if handle not in contacts.handles_of(tx, contact_id):
        raise ContactRefused("removing a handle", "the contact does not have it")
    contacts.remove_handles(tx, contact_id, [handle])
    undeliverable.forget_unheld(tx, handle)
    change = Change("handle", " ".join(handle), None)
    return _changed(tx, asked, contact._replace(revision=contact.revision + 1), (change,))


def put_into_account(tx: Transaction, asked: Origin, contact_id: UUID, permit: Permit, account_id: UUID | None) -> Contact:
    """Put the contact into an account, which makes it financial (CON-2); None: take it out. Cases keep the account that they began with.

    Raises `UnknownContact`, `ContactRefused`, and what `permit` raises.
    """
    if account_id is not None and accounts.get(tx, account_id) is None:
        raise ContactRefused("putting the contact into an account", f"there is no account {account_id}")
    contact = locked(tx, contact_id, permit, "putting the contact into an account")
    changed, changes = in_account(contact, account_id)
    return _changed(tx, asked, changed, changes)


def make_financial(
    tx: Transaction, contact_id: UUID, account_id: UUID, by: str, now: datetime, cause: UUID, traceparent: str = ""
) -> Contact:
    """Put the contact into an account, as `put_into_account` does, whatever its revision. Raises `UnknownContact` and `ContactRefused`."""
    return put_into_account(tx, Origin(by, cause, now, traceparent), contact_id, lambda _revision: None, account_id)


def create_account(tx: Transaction, asked: Origin, terms: CustomerTerms, values: Account) -> Account:
    """A new account; `values.id`, its number and times are set here. Raises `ContactRefused`."""
    _check_account(terms, values)
    (number,) = accounts.next_numbers(tx, 1)
    account = values._replace(id=derive("account by hand", asked.cause), revision=1, number=number, created_at=asked.now)
    add_account(tx, asked, account, (Change("account", None, account.number),))
    return account


def add_account(tx: Transaction, asked: Origin, account: Account, told: tuple[Change, ...]) -> None:
    """Keep a new account, and tell of it; `told` begins its history."""
    accounts.add(tx, [account])
    _keep_account(tx, asked, account, told)


def edit_account(
    tx: Transaction, asked: Origin, terms: CustomerTerms, account_id: UUID, permit: Permit, values: dict[str, str | None]
) -> Account:
    """Change what is given. Raises `UnknownAccount`, `ContactRefused`, and what `permit` raises."""
    account = accounts.lock(tx, account_id)
    if account is None:
        raise UnknownAccount(str(account_id))
    permit(account.revision)
    changed, changes = rules_of_contacts.edited_account(account, **values)
    if changes:
        _check_account(terms, changed, {change.field for change in changes})
        accounts.change(tx, [changed])
        _keep_account(tx, asked, changed, changes)
    return changed


def locked(tx: Transaction, contact_id: UUID, permit: Permit, what: str) -> Contact:
    """The contact, locked, which is no other by now. Raises `UnknownContact`, `ContactRefused`, and what `permit` raises."""
    contact = contacts.lock(tx, [contact_id]).get(contact_id)
    if contact is None:
        raise UnknownContact(str(contact_id))
    permit(contact.revision)
    require_unmerged(contact, what)
    return contact


def _changed(tx: Transaction, asked: Origin, contact: Contact, changes: tuple[Change, ...]) -> Contact:
    if changes:
        contacts.change(tx, [contact])
        keep(tx, asked, contact, changes)
    return contact


def keep(tx: Transaction, asked: Origin, contact: Contact, changes: tuple[Change, ...], restored: Sequence[Undeliverable] = ()) -> None:
    """Write the history of a contact that changed, and tell of it. Its row is written. `restored`: handles that work again by it."""
    notes.add_history(tx, record_entries(RecordKind.CONTACT, contact.id, contact.revision, changes, asked.user, asked.now))
    tx.emit(
        ContactChanged.model_validate(
            {
                "contact_id": contact.id,
                "name": contact.name,
                "email": contact.email,
                "area": contact.area,
                "state": contact.state,
                "account_id": contact.account_id,
                "handles": tuple(Handle.model_validate({"kind": k, "value": v}) for k, v in contacts.handles_of(tx, contact.id)),
                "merged_into": contact.merged_into,
                "changed_by": asked.user,
                "undeliverable": undeliverable.of_contact(tx, contact.id),
                "restored": tuple({"kind": one.kind, "value": one.value, "at": one.restored_at} for one in restored),
            }
        ),
        aggregate_id=contact.id,
        key=contact.id,
        revision=contact.revision,
        cause=asked.cause,
        time=asked.now,
        traceparent=asked.traceparent,
    )


def _keep_account(tx: Transaction, asked: Origin, account: Account, changes: tuple[Change, ...]) -> None:
    notes.add_history(tx, record_entries(RecordKind.ACCOUNT, account.id, account.revision, changes, asked.user, asked.now))
    _emit_account(tx, AccountChanged, asked, account)


def republish_accounts(tx: Transaction, asked: Origin, after: UUID | None, limit: int) -> list[UUID]:
    """Emit the present state of the next accounts after this one (None: the first); their ids. Revisions stay as they are."""
    found = accounts.lock_after(tx, after, limit)
    for account in found:
        _emit_account(tx, AccountRepublished, asked, account)
    return [account.id for account in found]


def _emit_account(tx: Transaction, kind: type[AccountChanged], asked: Origin, account: Account) -> None:
    tx.emit(
        kind(
            account_id=account.id,
            number=account.number,
            name=account.name,
            kind=account.kind,
            area=account.area,
            classification=account.classification,
            credit_rating=account.credit_rating,
            changed_by=asked.user,
        ),
        aggregate_id=account.id,
        key=account.id,
        revision=account.revision,
        cause=asked.cause,
        time=asked.now,
        traceparent=asked.traceparent,
    )


def _given(handles: Sequence[HandleKey]) -> tuple[Change, ...]:
    return tuple(Change("handle", None, " ".join(handle)) for handle in handles)


def _check_area(terms: CustomerTerms, area: str) -> None:
    _check_term("area", area, terms.areas)


def _check_account(terms: CustomerTerms, account: Account, fields: Collection[str] | None = None) -> None:
    known = {"kind": terms.kinds, "area": terms.areas, "classification": terms.classifications, "credit_rating": terms.credit_ratings}
    for field in sorted(known if fields is None else known.keys() & set(fields)):
        _check_term(field, getattr(account, field), known[field])


def _check_term(field: str, value: str, known: frozenset[str]) -> None:
    if value and value not in known:
        told = ", ".join(sorted(known)) or "none at all"
        raise ContactRefused(field.replace("_", " "), f"the configuration has no {value}; it has {told}")
