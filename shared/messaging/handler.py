"""What a service gives the consumer loop: how to load, decide and save for the events of one topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.schemas.envelope import Event, Payload
from shared.storage import Transaction

S = TypeVar("S")


class Refused(Exception):
    """The domain refuses this message: it becomes a dead letter with this reason. Raised before the state was changed."""


class NotYet(Exception):
    """What this message depends on is not known yet: its partition waits and tries again. Raised before the state was changed."""


@dataclass(frozen=True, slots=True)
class Handler(Generic[S]):
    """The three steps for a batch of one topic's events.

    - `load` reads, set-based, everything the batch needs, and locks the rows it will change in sorted order.
    - `apply` has a pure decision for each type of event; they run in the order of the topic, the second seeing what the first did.
      Types that are not listed are passed over without being decoded.
    - `save` writes, set-based, and emits events on the transaction.

    `load` and `save` may run again with another subset of the batch: they keep nothing outside the state and the transaction.
    """

    load: Callable[[Transaction, Sequence[Event]], S]
    apply: Mapping[type[Payload], Callable[[S, Event], None]]
    save: Callable[[Transaction, S], None]


Handlers = Mapping[str, Handler[Any]]
"""Topic (without prefix) -> handler."""
