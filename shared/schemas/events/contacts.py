"""Contacts and accounts as they change, and cases whose customer changed (CON-1, EDGE-11)."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.case import CaseState
from shared.schemas.parts import Handle, RestoredHandle, UndeliverableHandle


class CaseCustomerChanged(CaseState):
    """The case's contact was merged into another one, or that was undone; or the case had none, and staff said who it is (CASE-8)."""

    event_type: ClassVar[str] = "casestream.case.customer-changed.v1"


class ContactChanged(Payload):
    """Staff made or changed a contact, or one of its handles was found to be undeliverable, or to work again: as it is now. Of contacts
    made for unknown senders the events of their communications tell.
    """

    event_type: ClassVar[str] = "casestream.contact.changed.v1"
    topic: ClassVar[str] = topics.CASES

    contact_id: UUID
    name: str
    email: str
    area: str
    """Code of the configuration; empty: the account's counts."""
    state: Literal["prospect", "financial"]
    account_id: UUID | None = None
    handles: tuple[Handle, ...] = ()
    merged_into: UUID | None = None
    """The contact that it turned out to be; it has no handles then."""
    changed_by: str
    undeliverable: tuple[UndeliverableHandle, ...] = ()
    """Those of the handles that messages came back from for good."""
    restored: tuple[RestoredHandle, ...] = ()
    """Those that were among them, and work again by this change."""


class AccountChanged(Payload):
    """Staff made or changed an account: as it is now."""

    event_type: ClassVar[str] = "casestream.account.changed.v1"
    topic: ClassVar[str] = topics.CASES

    account_id: UUID
    number: str
    name: str
    kind: str = ""
    area: str = ""
    classification: str = ""
    credit_rating: str = ""
    changed_by: str


class AccountRepublished(AccountChanged):
    """The account as it is now, sent again for a consumer that starts anew; nothing happened to it. `changed_by`: who asked for it."""

    event_type: ClassVar[str] = "casestream.account.republished.v1"
