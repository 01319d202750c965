"""Links by which customers answer (EDGE-14): looking changes nothing, an answer uses the link up in the same transaction.

Staff can revoke what links of a case were sent until now; those that are made later are good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.case.domain.case import Case, HistoryEntry
from services.case.handlers.commands import Asked, UnknownCase
from services.case.storage import cases
from services.case.storage import customer_links as used_links
from services.case.storage.customer_links import UsedLink
from shared.ids import derive
from shared.links import Link, Read
from shared.links.pages import NO_LONGER_VALID, Given, LinkEnded, Page
from shared.links.words import Said
from shared.storage import Transaction

EXPIRED = Said("This link is too old to be used.")
NOT_HERE = Said("Nothing can be answered by this link any more.")
REVOKED = "revoked"
"""On a case's history, where nobody said why."""


@dataclass(frozen=True, slots=True)
class Step:
    """When a customer answers; `cause` is the same for every repeat."""

    cause: UUID
    now: datetime
    traceparent: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer: for our records, and for the customer."""

    used_for: str
    thanks: Said


class Purpose(Protocol):
    """What links of one purpose are for. Both raise `LinkEnded` when there is nothing to be answered (any more)."""

    def page(self, tx: Transaction, link: Link) -> Page:
        """What is asked; reads only."""

    def take(self, tx: Transaction, link: Link, given: Given, step: Step) -> Taken:
        """Take the answer. Raises `NotFilled` when it is none."""


class CustomerLinks:
    """Links of every purpose that there is, by the purpose's name. `languages`: of customers, by the method that they make contact by."""

    def __init__(self, purposes: Mapping[str, Purpose], languages: Callable[[], Mapping[str, str]] = dict) -> None:
        self._purposes = purposes
        self._languages = languages

    def language(self, tx: Transaction, read: Read) -> str | None:
        """The customer's; empty: the organisation's; None: there is no such case."""
        case = cases.get(tx, read.link.record)
        return None if case is None else self._languages().get(case.method, "")

    def page(self, tx: Transaction, read: Read, now: datetime) -> Page:
        """What the link asks; any number of times. Raises `LinkEnded`."""
        purpose = self._purpose(read.link, now)
        _check_revoked(tx, read.link)
        if (at := used_links.used_at(tx, read.id)) is not None:
            raise _used(at)
        return purpose.page(tx, read.link)

    def take(self, tx: Transaction, read: Read, given: Given, now: datetime, traceparent: str) -> Taken:
        """Take an answer, once. Raises `LinkEnded` and `NotFilled`, after which the transaction is to be rolled back."""
        link, purpose = read.link, self._purpose(read.link, now)
        # Locked first: what is revoked meanwhile is seen, and whoever revokes waits for an answer that came before.
        cases.lock(tx, [link.record])
        _check_revoked(tx, link)
        if not used_links.use(tx, UsedLink(read.id, link.purpose, link.record, link.issued_at, link.expires_at, now, "")):
            raise _used(used_links.used_at(tx, read.id) or now)
        taken = purpose.take(tx, link, given, Step(derive("customer link", read.id.hex()), now, traceparent))
        used_links.tell(tx, read.id, taken.used_for)
        return taken

    def _purpose(self, link: Link, now: datetime) -> Purpose:
        if now >= link.expires_at:
            raise LinkEnded(EXPIRED)
        purpose = self._purposes.get(link.purpose)
        if purpose is None:
            raise LinkEnded(NOT_HERE)
        return purpose


def revoke_links(tx: Transaction, asked: Asked, reason: str) -> Case:
    """Make void what links of the case were sent until now; the case stays as it is. Raises `UnknownCase` and what `permit` raises."""
    case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
    if case is None:
        raise UnknownCase(str(asked.case_id))
    asked.permit(case)
    revoke_links_of(tx, [case], asked.actor.user, asked.now, reason)
    return case


def revoke_links_of(tx: Transaction, of: Iterable[Case], by: str, now: datetime, reason: str) -> None:
    """The same of several locked cases."""
    found = list(of)
    used_links.revoke(tx, [case.id for case in found], now)
    cases.add_history(tx, [HistoryEntry(case.id, None, "customer_links", None, reason or REVOKED, by, now) for case in found])


def _check_revoked(tx: Transaction, link: Link) -> None:
    revoked_at = used_links.revoked_at(tx, link.record)
    if revoked_at is not None and link.issued_at <= revoked_at:
        raise LinkEnded(NO_LONGER_VALID)


def _used(at: datetime) -> LinkEnded:
    return LinkEnded(Said("This link was used on {day}, and works once. We have your answer; there is nothing more to do.", day=at))
