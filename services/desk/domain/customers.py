"""A customer as the page shows one before anybody speaks to them (CON-2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.desk.domain.records import Case, Communication
from services.desk.domain.undeliverable import Undeliverable

HANDLE_WORDS = {"email": "Email", "phone": "Telephone", "x": "X", "other": "Other"}
STATE_WORDS = {"prospect": "Prospect", "financial": "Has or had an account"}


@dataclass(frozen=True, slots=True)
class Note:
    """What a colleague noted."""

    text: str
    author: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its contacts, or as a customer's page shows it with the others: id, name and address, which may be empty.
    `notes`: the newest, where they were asked for.
    """

    id: UUID
    number: str
    name: str
    kind: str
    area: str
    others: tuple[tuple[UUID, str, str], ...]
    classification: str = ""
    credit_rating: str = ""
    created_at: datetime | None = None
    notes: tuple[Note, ...] = ()


class Found(NamedTuple):
    """A customer who has a handle that was looked for."""

    id: UUID
    name: str
    handles: tuple[tuple[str, str], ...]

    @property
    def handle_words(self) -> tuple[str, ...]:
        """The handles for people."""
        return tuple(f"@{value}" if kind == "x" else value for kind, value in self.handles)


class Merge(NamedTuple):
    """That one contact was merged into another; `undone_at`: and is no longer."""

    id: UUID
    source: UUID
    source_name: str
    target: UUID
    target_name: str
    by: str
    at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Customer:
    """A contact with what there is about them, as far as the visitor may see it."""

    id: UUID
    name: str
    state: str
    area: str
    merged_into: UUID | None
    merged: tuple[UUID, ...]
    """Contacts who turned out to be this one."""
    handles: tuple[tuple[str, str], ...]
    account: Account | None
    cases: tuple[Case, ...]
    open_cases: int
    closed_cases: int
    communications: tuple[Communication, ...]
    notes: tuple[Note, ...]
    revision: int = 0
    undeliverable: tuple[Undeliverable, ...] = ()
    """Those of the handles that messages came back from for good."""

    @property
    def heading(self) -> str:
        """What people call them."""
        return self.name or next((value for _, value in self.handles), "Customer without a name")

    @property
    def state_words(self) -> str:
        """What they are to us."""
        return STATE_WORDS.get(self.state, self.state)

    @property
    def handle_words(self) -> tuple[tuple[str, str], ...]:
        """Kinds of handle for people, and the handles."""
        return tuple((HANDLE_WORDS.get(kind, kind), f"@{value}" if kind == "x" else value) for kind, value in self.handles)
