"""Contacts and accounts as they are answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.cases import ListedCase
from services.case.api.shapes.communications import ListedCommunication
from services.case.api.shapes.declaring import Shape
from services.case.api.shapes.records import Note


class Undeliverable(Shape):
    """That messages to a handle came back for good."""

    since: datetime
    status: str = Field(description="What was reported: as RFC 3463 has it, or by the gateway of text messages.", examples=["5.1.1"])


class Handle(Shape):
    """By which a contact is known."""

    kind: str = Field(examples=["email"])
    value: str = Field(examples=["ann@customer.example"])
    undeliverable: Undeliverable | None = Field(description="Null: as far as is known, messages arrive there.")


class ListedContact(Shape):
    """A contact with their handles."""

    id: UUID
    revision: int
    account_id: UUID | None
    name: str = Field(examples=["Ann Customer"])
    email: str = Field(examples=["ann@customer.example"])
    state: str = Field(description="A prospect, or financial: has an account.", examples=["prospect"])
    area: str
    merged_into: UUID | None
    created_at: datetime
    handles: list[Handle]


class ListedAccount(Shape):
    """An account."""

    id: UUID
    revision: int
    number: str = Field(examples=["A-000001"])
    name: str = Field(examples=["12 Harbour Street"])
    kind: str = Field(examples=["tenancy"])
    area: str
    classification: str
    credit_rating: str
    created_at: datetime


class Member(Shape):
    """A contact of an account."""

    id: UUID
    name: str
    email: str
    state: str


class AccountOfContact(ListedAccount):
    """The account of a contact, with its other contacts."""

    contacts: list[Member]


class ShownAccount(AccountOfContact):
    """An account with its contacts and its newest notes."""

    notes: list[Note]


class CustomerPage(ListedContact):
    """All that is to be seen before speaking with a customer; with communications for those who may read them."""

    account: AccountOfContact | None
    merged: list[UUID] = Field(description="The contacts that were merged into this one.")
    open_cases: list[ListedCase] = Field(description="The highest priority first; at most 100.")
    open_case_count: int
    closed_case_count: int
    notes: list[Note]
    communications: list[ListedCommunication] = Field(default_factory=list)


class ContactMerge(Shape):
    """A merge of contacts."""

    id: UUID
    source: UUID = Field(description="The contact that was merged.")
    target: UUID = Field(description="The one that it turned out to be.")
    merged_by: str
    merged_at: datetime
    undone_by: str | None
    undone_at: datetime | None


class ListedContactMerge(ContactMerge):
    """A merge of contacts, with their names."""

    source_name: str
    target_name: str


class ErasedContact(Shape):
    """A person who was erased, and of how many communications and cases."""

    id: UUID
    communications: int
    cases: int


class AccountsRepublished(Shape):
    """How many accounts were published, and where to go on."""

    republished: int
    next: UUID | None = Field(description="Goes into `after` of the next request; null: there are no more.")
