"""Marking contacts' handles that nothing arrives at any more, and taking that back (EDGE-2).

Everybody who has the handle is told of by an event, and has it in their history. Contacts are locked last, in the order of their ids;
nobody changes whose a handle is meanwhile (`contacts.recording`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import SYSTEM, Change
from services.case.domain.contacts import Contact, checked_handle
from services.case.domain.refusals import ContactRefused
from services.case.domain.undeliverable import HEARD_BY, Undeliverable, handle_written_to, is_news, is_over
from services.case.handlers.contacts import Origin, Permit, keep, locked
from services.case.handlers.records import customer_handle
from services.case.storage import contacts
from services.case.storage import undeliverable as storage
from services.case.storage.contacts import HandleKey
from shared.schemas.envelope import Event
from shared.schemas.events import AddressRevived, CommunicationReceived, DeliveryState
from shared.storage import Transaction

FIELD = "undeliverable"
"""What histories call it."""


class Told(NamedTuple):
    """What an event tells of a handle."""

    mark: Undeliverable
    event: Event


class Heard(NamedTuple):
    """That a person wrote from a handle."""

    at: datetime
    event: Event


def told_by(event: Event) -> Told | None:
    """What the end of a delivery tells of the handle that it went to; None: nothing, or it was not a customer's."""
    data: DeliveryState = event.data
    if data.undeliverable_since is None or data.audience != "customer":
        return None
    handle = handle_written_to(data.channel, data.recipient)
    if handle is None:
        return None
    return Told(Undeliverable(*handle, data.undeliverable_since, data.status.replace("\x00", ""), data.delivery_id), event)


def mark(tx: Transaction, told: Sequence[Told], now: datetime) -> None:
    """Mark the handles that these events tell of. `contacts.recording` is held."""
    found = storage.holders(tx, {one.mark.handle for one in told})
    if not found:
        return
    locked = contacts.lock(tx, {id for ids in found.values() for id in ids})
    # What is known is read once the contacts are locked: until then somebody else may be changing it.
    known = storage.known(tx, found)
    first = min(one.mark.since for one in told)
    heard = storage.last_heard(tx, locked, {value for kind, value in found if kind == HEARD_BY}, first)
    news: dict[HandleKey, Told] = {}
    for one in sorted(told, key=lambda one: one.mark.since):
        handle = one.mark.handle
        heard_at = heard.get(handle[1]) if handle[0] == HEARD_BY else None
        if handle in found and handle not in news and is_news(known.get(handle), one.mark, heard_at):
            news[handle] = one
    storage.put(tx, [one.mark for one in news.values()])
    changes = {handle: (Change(FIELD, None, one.mark.words), one.event) for handle, one in news.items()}
    _tell(tx, locked, found, changes, now)


def note(alive: dict[HandleKey, Heard], event: Event) -> None:
    """Note that a person wrote from their address. A machine's reply, and what staff enter, do not show that mail is read there."""
    data: CommunicationReceived = event.data
    if data.direction != "inbound" or data.sender.kind != HEARD_BY or data.robot != "none" or data.entered_by or data.old:
        return
    handle = customer_handle(data)
    before = alive.get(handle)
    if handle[1] and (before is None or before.at < data.received_at):
        alive[handle] = Heard(data.received_at, event)


def heard(tx: Transaction, heard: Mapping[HandleKey, Heard], now: datetime) -> None:
    """Whoever has these handles wrote from there: they work. `contacts.recording` is held."""
    marked = storage.marked(tx, HEARD_BY, {value for kind, value in heard if kind == HEARD_BY}) if heard else set()
    if not marked:
        return
    found = storage.holders(tx, marked)
    locked = contacts.lock(tx, {id for ids in found.values() for id in ids})
    known = storage.known(tx, marked)
    over = [one for one in known.values() if is_over(one, heard[one.handle].at)]
    # From when they wrote, not from now: what came back since then counts.
    over = [one._replace(restored_at=heard[one.handle].at, restored_by=SYSTEM) for one in over]
    storage.put(tx, over)
    changes = {one.handle: (Change(FIELD, one.words, None), heard[one.handle].event) for one in over}
    _tell(tx, locked, found, changes, now, {one.handle: one for one in over})


def revived(tx: Transaction, event: Event, now: datetime) -> None:
    """An operator has had notify write to a handle again. `contacts.recording` is held."""
    data: AddressRevived = event.data
    handle, by = (data.kind, data.address.replace("\x00", "")), data.revived_by
    found = storage.holders(tx, [handle])
    locked = contacts.lock(tx, found.get(handle, ()))
    over = [one for one in storage.known(tx, [handle]).values() if is_over(one, event.time)]
    storage.put(tx, [one._replace(restored_at=event.time, restored_by=by) for one in over])
    changes = {one.handle: (Change(FIELD, one.words, None), event) for one in over}
    _tell(tx, locked, found, changes, now, by=by)


def restore(tx: Transaction, asked: Origin, contact_id: UUID, permit: Permit, kind: str, value: str) -> Contact:
    """Take back that a handle of the contact is undeliverable: staff know that it works. One that is not marked stays as it is.

    Raises `UnknownContact`, `ContactRefused`, and what `permit` raises.
    """
    handle = checked_handle(kind, value)
    contacts.recording(tx)
    holders = storage.holders(tx, [handle])
    everybody = contacts.lock(tx, {contact_id, *holders.get(handle, ())})
    contact = locked(tx, contact_id, permit, "taking back that a handle is undeliverable")
    if contact_id not in holders.get(handle, ()):
        raise ContactRefused("taking back that a handle is undeliverable", "the contact does not have it")
    known = storage.known(tx, [handle]).get(handle)
    if known is None or known.restored_at is not None:
        return contact
    # A bounce may have been told by a clock that runs ahead of ours.
    over = known._replace(restored_at=max(asked.now, known.since), restored_by=asked.user)
    storage.put(tx, [over])
    for id in sorted(holders[handle]):
        _change(tx, asked, everybody[id], (Change(FIELD, known.words, None),), [over])
    return contact._replace(revision=contact.revision + 1)


def _tell(
    tx: Transaction,
    locked: Mapping[UUID, Contact],
    holders: Mapping[HandleKey, Sequence[UUID]],
    changes: Mapping[HandleKey, tuple[Change, Event]],
    now: datetime,
    restored: Mapping[HandleKey, Undeliverable] = MappingProxyType({}),
    by: str = SYSTEM,
) -> None:
    """Say of each contact what changed of their handles."""
    of_contact: dict[UUID, list[HandleKey]] = {}
    for handle in sorted(changes):
        for id in holders.get(handle, ()):
            of_contact.setdefault(id, []).append(handle)
    for id, handles in sorted(of_contact.items()):
        event = changes[handles[0]][1]
        asked = Origin(by, event.id, now, event.traceparent)
        _change(tx, asked, locked[id], tuple(changes[one][0] for one in handles), [restored[one] for one in handles if one in restored])


def _change(tx: Transaction, asked: Origin, contact: Contact, changes: tuple[Change, ...], restored: Sequence[Undeliverable]) -> None:
    changed = contact._replace(revision=contact.revision + 1)
    contacts.change(tx, [changed])
    keep(tx, asked, changed, changes, restored)
