"""What every channel that is polled has in common: fetch, and only once all of it is durable elsewhere, acknowledge.

A source is polled by one thread of one process at a time (`services.ingest.worker`). It may be killed between any two calls; then the next
one is made with the last cursor that was saved, on another machine perhaps, and gives again what was not acknowledged. What is given twice
is recognised by its id, so a source need not remember; it must only never skip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from shared.fetching import GatewayError, Reason

__all__ = ["Batch", "Cursor", "GatewayError", "Reason", "Source"]

T = TypeVar("T")
Cursor = Mapping[str, Any]
"""Where to go on, as JSON; its keys are the source's own. Empty: from the beginning."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What one `fetch` gave."""

    items: Sequence[T]
    cursor: Cursor
    """Where to go on once `items` are acknowledged."""
    is_more: bool = False
    """Whether more waits already."""
    marks: Sequence[str] = ()
    """The channel's own names of the items, by which they are acknowledged."""


class Source(Protocol[T]):
    """One account of a channel. Connects when it is first asked; after a `GatewayError` it connects anew."""

    def fetch(self, cursor: Cursor, most: int) -> Batch[T]:
        """The next items, at most `most`, the oldest first; empty when there are none. Raises `GatewayError`."""

    def acknowledge(self, batch: Batch[T]) -> None:
        """All of `batch` is durable: mark it as read, or move it away. Acknowledging again changes nothing. Raises `GatewayError`."""

    def wait(self, seconds: float) -> None:
        """Return when something may have come, or after `seconds`, or when `close` is called. Raises `GatewayError`."""

    def close(self) -> None:
        """Let go of connections; from any thread. Whatever runs then ends soon."""
