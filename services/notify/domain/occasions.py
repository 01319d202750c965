"""What may be worth a message, and the messages it makes: the same shape for cases, tasks and clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

# Made by the thousand a second: named tuples, which are immutable and yet made in a quarter of a frozen dataclass's time.


class Recipient(NamedTuple):
    """Whom a message goes to. `audience` decides how it is addressed: a customer's message joins their conversation."""

    address: str
    name: str
    audience: str
    """`staff`, `unit` (its shared address) or `customer`."""
    user: str = ""
    """The member of staff who it is; empty: none, or not known."""


class Occasion(NamedTuple):
    """Something that happened to an item, with all that a message about it needs.

    `on` is the name that communication definitions use (`task.assigned`). `conversation_id` is the one with the customer,
    where the event knows it. `assignee` is the one user who has the item, `owner_kind` and `owner_code` whom it is for.
    `facts` are the values that its tags are made from: text and times. `tell` is whom a step of an escalation chain tells, `told` who had
    the alert that is taken back.
    """

    on: str
    cause: UUID
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    facts: Mapping[str, str | datetime]
    conversation_id: UUID | None = None
    assignee: str = ""
    owner_kind: str = ""
    owner_code: str = ""
    unit: str = ""
    customer_email: str = ""
    customer_name: str = ""
    config_version: int = 0
    traceparent: str = ""
    tell: tuple[str, ...] = ()
    told: tuple[Recipient, ...] = ()
    at: datetime | None = None
    """When it happened, where that is known."""


PRESSING = frozenset({"clock.escalated"})
"""Occasions that a higher limit for the recipient is for."""


EXPIRED = "expired: it was of no use any more"
"""The error of a message that waited for too long."""


class Definition(NamedTuple):
    """A communication definition: on which event, to whom, which template, by which channel. No `items`: on any kind of item.

    No `statuses`: whatever status the item is in.
    """

    code: str
    on: str
    to: tuple[str, ...]
    channel: str
    template: str
    items: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    holds: Callable[[Mapping[str, object]], bool] | None = None
    """Its condition, asked with the facts of the event; None: it always holds."""
    useless_after: timedelta | None = None
    """How long after the occasion its messages are of use; None: always."""

    def expiry(self, occasion: Occasion) -> datetime | None:
        """From when on a message about this occasion is of no use; None: never."""
        return None if self.useless_after is None or occasion.at is None else occasion.at + self.useless_after


class Delivery(NamedTuple):
    """A message to one recipient, not yet rendered: what is queued."""

    id: UUID
    definition: str
    channel: str
    template: str
    recipient: Recipient
    thread_id: UUID
    """What its Message-ID begins with, and its replies belong to: the conversation for the customer, the item for staff."""
    message_id: str
    occasion: Occasion
    expires_at: datetime | None = None
    """From when on it is of no use; None: never."""
