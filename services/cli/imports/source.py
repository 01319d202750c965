"""What every old mailbox has in common: its mails one after another, from where an earlier import ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from services.cli.stack.errors import StackError

LARGEST_BYTES = 64 * 1024 * 1024
"""As ingest takes mails, unless it is set otherwise."""
TOO_LARGE = f"larger than {LARGEST_BYTES // 1024 // 1024} MiB"


class SourceError(StackError):
    """A mailbox cannot be read."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One mail. `place`: where it is, for people. `raw`: None where it cannot be read, with the reason in `problem`.

    `mark`: what the journal keeps once the mail is done, as JSON; None: nothing, so that the mail is tried again. `done`: how much of the
    source's `total` is read with it.
    """

    place: str
    raw: bytes | None = field(repr=False)
    mark: Any
    done: int
    problem: str = ""


class Source(Protocol):
    """A mailbox. Reading never changes it."""

    path: Path
    is_ordered: bool
    """Whether a mark stands for all mails before it as well."""
    total: int
    """In bytes or files; with `Item.done` it tells how far reading is."""

    def read(self, marks: list[Any]) -> Iterator[Item]:
        """The mails that come after `marks`, which the journal has, in order. Raises `SourceError`."""
