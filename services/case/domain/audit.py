"""The audit log: histories sealed in batches as a chain of salted digests (EDGE-17).

Each entry has a digest of its texts under a salt of its own, and one of that and all else in it; each seal is over the digests of its
entries and the seal before it. So nobody changes, removes or slips in an entry below a seal without breaking the chain from there on.
Erasing for privacy takes an entry's texts and its salt, and leaves both digests: the chain holds, who did what when stays proven, and what
was erased cannot be guessed back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from services.case.domain.retention import ERASED

SALT_BYTES = 16
NOTHING = bytes(32)
"""What stands as the digest before the first seal."""

Value = str | int | UUID | datetime | None


class Entry(NamedTuple):
    """An entry of a history. `texts` are its columns that privacy may erase, `values` all others, each in their order."""

    source: str
    id: int
    values: tuple[Value, ...]
    texts: tuple[str | None, ...]


class Sealed(NamedTuple):
    """What is kept of an entry under a seal. Without a salt its texts have been erased."""

    source: str
    entry_id: int
    salt: bytes | None
    text_digest: bytes
    digest: bytes


class Seal(NamedTuple):
    """One link of the chain. `root`: of the digests of its entries; `digest`: of all that, and of the seal before."""

    number: int
    sealed_at: datetime
    entries: int
    previous: bytes
    root: bytes
    digest: bytes


def sealed(entry: Entry, salt: bytes) -> Sealed:
    """What is kept of this entry under this salt."""
    text_digest = _text_digest(entry, salt)
    return Sealed(entry.source, entry.id, salt, text_digest, _digest(entry, text_digest))


def _text_digest(entry: Entry, salt: bytes) -> bytes:
    return hashlib.sha256(salt + orjson.dumps(entry.texts)).digest()


def _digest(entry: Entry, text_digest: bytes) -> bytes:
    return hashlib.sha256(text_digest + orjson.dumps([entry.source, entry.id, *entry.values], option=orjson.OPT_UTC_Z)).digest()


def seal(number: int, previous: bytes, sealed_at: datetime, digests: Sequence[bytes]) -> Seal:
    """The seal over these digests, in this order; `previous`: the digest of the seal before, or `NOTHING`."""
    root = hashlib.sha256(b"".join(digests)).digest()
    content = orjson.dumps([number, sealed_at, len(digests), previous.hex(), root.hex()], option=orjson.OPT_UTC_Z)
    return Seal(number, sealed_at, len(digests), previous, root, hashlib.sha256(content).digest())


@dataclass(slots=True)
class Verdict:
    """What verifying found. `problems`: in words, at most `MOST_PROBLEMS` of them; `faults` counts all."""

    seals: int = 0
    entries: int = 0
    erased: int = 0
    unsealed: int = 0
    """Entries that no seal covers yet."""
    head: str = ""
    """Number and digest of the last seal, as `number:hex`: kept elsewhere, it shows later that the end was not cut off."""
    faults: int = 0
    problems: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Add a problem."""
        self.faults += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)


MOST_PROBLEMS = 100


class Verifier:
    """Verifies the chain seal by seal. `anchors`: digests by number that were kept elsewhere, and must be found."""

    def __init__(self, anchors: Iterable[tuple[int, str]] = ()) -> None:
        self.verdict = Verdict()
        self._previous = NOTHING
        self._number = 0
        self._anchors = dict(anchors)

    def check(self, found: Seal, kept: Sequence[tuple[Sealed, Entry | None]]) -> None:
        """The next seal with its entries in their order, each with what its history has now (None: it is gone)."""
        verdict = self.verdict
        verdict.seals += 1
        if found.number != self._number + 1:
            verdict.fault(f"seal {self._number + 1} is missing")
        elif found.previous != self._previous:
            verdict.fault(f"seal {found.number} does not follow the one before it")
        made = seal(found.number, found.previous, found.sealed_at, [one.digest for one, _ in kept])
        if (made.root, made.entries) != (found.root, found.entries):
            verdict.fault(f"seal {found.number} is not that of its {len(kept)} entries")
        elif made.digest != found.digest:
            verdict.fault(f"seal {found.number} was changed")
        for one, entry in kept:
            self._check_entry(found.number, one, entry)
        self._check_anchor(found)
        self._previous, self._number = found.digest, found.number
        verdict.head = f"{found.number}:{found.digest.hex()}"

    def finish(self, unsealed: int) -> Verdict:
        """The verdict. `unsealed`: entries that no seal covers yet."""
        self.verdict.unsealed = unsealed
        for number in sorted(self._anchors):
            self.verdict.fault(f"seal {number}, which was kept elsewhere, is missing: the chain ends at {self._number}")
        return self.verdict

    def _check_entry(self, number: int, kept: Sealed, entry: Entry | None) -> None:
        self.verdict.entries += 1
        where = f"entry {kept.entry_id} of {kept.source} (seal {number})"
        if entry is None:
            self.verdict.fault(f"{where} is gone")
            return
        if kept.salt is None:
            self.verdict.erased += 1
            has_changed = any(text not in (None, ERASED) for text in entry.texts)
        else:
            has_changed = _text_digest(entry, kept.salt) != kept.text_digest
        if has_changed or _digest(entry, kept.text_digest) != kept.digest:
            self.verdict.fault(f"{where} was changed")

    def _check_anchor(self, found: Seal) -> None:
        kept = self._anchors.pop(found.number, None)
        if kept is not None and kept != found.digest.hex():
            self.verdict.fault(f"seal {found.number} is not the one that was kept elsewhere: the chain was made anew")
