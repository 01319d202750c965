"""The role `sweep`: empties communications whose files are no longer kept, clears the object store of what nothing refers to, and seals
the audit log.

A round goes through three phases in small steps, and keeps its place: whoever comes next, after a restart or a death, goes on there. One
process sweeps at a time; that two do for a moment, because one stalled, is harmless (`services.case.handlers.sweeping`).
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.case import metrics
from services.case.handlers.forgetting import forget_due
from services.case.handlers.keeping import keeping_of
from services.case.handlers.sweeping import Sweep, Swept
from services.case.storage import forgetting, retention
from services.case.storage.retention import Round
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST
from shared.storage.objects import ObjectStore, StoreUnavailable

log = get_logger(__name__)

COMMUNICATIONS = 200
"""Emptied in one transaction."""
CASES = 100
"""Forgotten in one transaction."""
HOLD_SECONDS = 900.0
"""How long after a sweeper has died another goes on; longer than a step may take."""
PAUSE_SECONDS = 5.0
"""Between looks whether a round is due, and after a failure."""


@dataclass(slots=True)
class Amounts:
    """What a round did, or would do."""

    forgotten: dict[str, int] = field(default_factory=dict)
    """Cases whose texts go, by subject."""
    emptied: dict[str, int] = field(default_factory=dict)
    """Communications whose files go, by method."""
    contents: int = 0
    condemned: int = 0
    condemned_bytes: int = 0
    restored: int = 0
    deleted: int = 0
    deleted_bytes: int = 0

    def add(self, phase: str, swept: Swept) -> None:
        """Count a page."""
        if phase == "condemn":
            self.contents += swept.contents
            self.condemned += swept.condemned
            self.condemned_bytes += swept.size
        else:
            self.restored += swept.restored
            self.deleted += swept.deleted
            self.deleted_bytes += swept.size


class Sweeper:
    """Does rounds. `me` names this process; nobody else's at the same time."""

    def __init__(
        self,
        publisher: EventPublisher,
        objects: ObjectStore,
        reference: ReferenceData,
        grace: timedelta,
        every: timedelta,
        me: str,
        clock: Clock = utc_now,
    ) -> None:
        self._publisher = publisher
        self._database = publisher.database
        self._keeping = VersionCache(reference, keeping_of)
        self._every = every
        self._me = me
        self._clock = clock
        self._dry = False
        self._sweep = Sweep(objects, self._referred, self._oldest_dead_letter, grace, clock)

    def step(self) -> bool:
        """One step of the round. False: there is nothing to do just now. Raises `StoreUnavailable` and `CONNECTION_LOST`."""
        with self._database.transaction() as tx:
            at = retention.take_round(tx, self._me, HOLD_SECONDS, self._every.total_seconds())
        if at is None:
            return False
        following = self._do(at)
        with self._database.transaction() as tx:
            if not retention.save_round(tx, self._me, following):
                log.warning("another sweeper has taken the round over")
        if following is None:
            metrics.SWEEPS.inc()
            log.info("round of sweeping done")
        return True

    def leave(self) -> None:
        """Let another go on at once."""
        with self._database.transaction() as tx:
            retention.leave_round(tx, self._me)

    def dry_run(self) -> Amounts:
        """What a round would do now, changing nothing."""
        amounts = Amounts()
        self._dry = True
        with self._database.read() as tx:
            amounts.forgotten = forgetting.count_due(tx, self._keeping.get().case_befores(self._clock()))
            amounts.emptied = retention.count_due(tx, self._keeping.get().befores(self._clock()))
        for phase, sweep in (("condemn", self._sweep.condemn), ("settle", self._sweep.settle)):
            after: str | None = ""
            while after is not None:
                swept = sweep(after, dry=True)
                amounts.add(phase, swept)
                after = swept.after
        return amounts

    def _do(self, at: Round) -> Round | None:
        if at.phase == "empty":
            return self._empty()
        swept = self._sweep.condemn(at.position) if at.phase == "condemn" else self._sweep.settle(at.position)
        amounts = Amounts()
        amounts.add(at.phase, swept)
        metrics.CONTENTS.labels("condemned").inc(amounts.condemned)
        metrics.CONTENTS.labels("restored").inc(amounts.restored)
        metrics.CONTENTS.labels("deleted").inc(amounts.deleted)
        metrics.DELETED_BYTES.inc(amounts.deleted_bytes)
        # Digests are spread evenly, so the first two digits say how much is done.
        metrics.SWEEP_PROGRESS.labels(at.phase).set(1.0 if swept.after is None else int(swept.after[:2], 16) / 256)
        if swept.after is not None:
            return Round(at.phase, swept.after)
        return Round("settle", "") if at.phase == "condemn" else None

    def _empty(self) -> Round:
        now = self._clock()
        with self._publisher.transaction() as tx:
            forgotten = forget_due(tx, self._keeping.get(), now, CASES)
        if forgotten:
            metrics.FORGOTTEN.inc(forgotten)
            log.info("texts of cases are no longer kept", cases=forgotten)
            return Round("empty", "")
        with self._database.transaction() as tx:
            done = retention.empty_due(tx, self._keeping.get().befores(now), now, COMMUNICATIONS)
        if done:
            metrics.EMPTIED.inc(len(done))
            log.info("files of communications are no longer kept", communications=len(done))
        return Round("empty", "") if done else Round("condemn", "")

    def _referred(self, digests: Collection[str]) -> set[str]:
        if not digests:
            return set()
        without = self._keeping.get().befores(self._clock()) if self._dry else {}
        with self._database.read() as tx:
            return retention.referred(tx, digests, without)

    def _oldest_dead_letter(self) -> datetime | None:
        with self._database.read() as tx:
            return retention.oldest_dead_letter(tx)


def sweep_until(sweeper: Sweeper, stop: threading.Event) -> None:
    """Step until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            if not sweeper.step():
                stop.wait(PAUSE_SECONDS)
        except (StoreUnavailable, *CONNECTION_LOST) as error:
            log.warning("sweeping put off", error=str(error) if isinstance(error, StoreUnavailable) else type(error).__name__)
            stop.wait(PAUSE_SECONDS)
    try:
        sweeper.leave()
    except CONNECTION_LOST:
        log.warning("the round is let go by itself: database away")
