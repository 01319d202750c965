"""Sealing the histories batch by batch, and verifying the chain (EDGE-17). The rules are `services.case.domain.audit`'s."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from services.case import metrics
from services.case.domain.audit import NOTHING, SALT_BYTES, Entry, Verdict, Verifier, seal, sealed
from services.case.storage import audit
from shared.clock import Clock, utc_now
from shared.observability import get_logger
from shared.storage import Database

log = get_logger(__name__)

BATCH = 2000
"""Entries under one seal."""
_SEALS = 50
"""Read in one transaction when the chain is verified."""
_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Sealer:
    """Seals what the histories have gained. Any number of processes may; one at a time does."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def step(self) -> bool:
        """Seal up to a batch. False: there was nothing to seal, or another process seals just now. Raises `CONNECTION_LOST`."""
        with self._database.transaction() as tx:
            if not audit.take_turn(tx):
                return False
            entries: list[Entry] = []
            for source in audit.SOURCES:
                found = audit.unsealed(tx, source, BATCH - len(entries)) if len(entries) < BATCH else []
                entries += found
            if entries:
                last = audit.last_seal(tx)
                kept = [sealed(entry, os.urandom(SALT_BYTES)) for entry in entries]
                number, previous = (last.number + 1, last.digest) if last else (1, NOTHING)
                new = seal(number, previous, self._clock(), [one.digest for one in kept])
                audit.add(tx, new, kept)
            if len(entries) < BATCH:
                for source in audit.SOURCES:
                    audit.advance(tx, source)
        if entries:
            metrics.SEALED.inc(len(entries))
            # The log leaves this host: whoever keeps it can show later that the chain was not made anew (`audit verify --kept`).
            log.info("audit log sealed", entries=len(entries), seal=f"{new.number}:{new.digest.hex()}")
        return bool(entries)


def anchors_of(texts: Sequence[str]) -> list[tuple[int, str]]:
    """Seals as the log names them, `number:hex`. Raises ValueError with what is wrong."""
    found = []
    for text in texts:
        match = _ANCHOR.fullmatch(text.strip().lower())
        if match is None:
            raise ValueError(f"{text[:100]!r} is no seal: a number, a colon and 64 hexadecimal digits are expected, as the log has it")
        found.append((int(match[1]), match[2]))
    return found


def verify(database: Database, anchors: Sequence[str] = (), progress: Callable[[int], None] = lambda _: None) -> Verdict:
    """Go through the whole chain. `anchors`: as `anchors_of` takes them. `progress` is told how many entries were checked.

    What is sealed meanwhile is checked as far as it is seen; nothing waits for this.
    """
    verifier = Verifier(anchors_of(anchors))
    number = 0
    while True:
        before = number
        with database.read() as tx:
            for found, entries in audit.chain(tx, number, _SEALS):
                verifier.check(found, entries)
                number = found.number
        progress(verifier.verdict.entries)
        if number == before:
            break
    with database.read() as tx:
        return verifier.finish(audit.count_unsealed(tx))
