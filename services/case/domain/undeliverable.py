"""Handles that nothing arrives at any more (EDGE-2): when one is marked so, and when the mark goes.

The mark is the handle's, whoever has it: a household that shares an address shares its fate, and merging contacts moves it with the handle.

It does not go because another message was sent: that the relay took a message says nothing of its arrival, and a bounce may come hours
later. It goes when its owner writes from there, which no dead mailbox does, or when staff say that it works. Of telephone numbers only
staff can say so: a number that calls us need not take text messages.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.handles import BadHandle, normal_handle

KIND_OF_CHANNEL = {"email": "email", "sms": "phone"}
"""The kind of handle that each channel of messages goes to."""
HEARD_BY = "email"
"""The kind of handle whose mark goes when something comes from there."""


class Undeliverable(NamedTuple):
    """A handle that a message came back from for good. Field names are those of the table `undeliverable_handles`."""

    kind: str
    value: str
    since: datetime
    status: str
    delivery_id: UUID
    restored_at: datetime | None = None
    restored_by: str | None = None

    @property
    def handle(self) -> tuple[str, str]:
        """Kind and value."""
        return self.kind, self.value

    @property
    def words(self) -> str:
        """As histories have it."""
        return f"{self.kind} {self.value}"


def handle_written_to(channel: str, recipient: str) -> tuple[str, str] | None:
    """The handle that a message went to; None: no contact can have it."""
    kind = KIND_OF_CHANNEL[channel]
    try:
        value = normal_handle(kind, recipient)
    except BadHandle:
        return None
    return (kind, value) if value and "\x00" not in value else None


def is_news(known: Undeliverable | None, told: Undeliverable, heard_at: datetime | None) -> bool:
    """Whether the handle is to be marked by what is told of it.

    `known`: what was told before. `heard_at`: when something came from there last. Events come late, and repeat: what came back before
    the handle was heard of, or was taken to work again, says nothing any more; and a mark stays with the day it was first made.
    """
    if heard_at is not None and heard_at > told.since:
        return False
    if known is None:
        return True
    return known.restored_at is not None and known.restored_at < told.since


def is_over(known: Undeliverable, at: datetime) -> bool:
    """Whether the mark goes by what is known of the handle since `at`: that it works."""
    return known.restored_at is None and known.since < at
