"""Imports leads from files that were handed in (LEAD-3), in a thread of the role `sweep`.

Whoever works on an import holds it for a while and says so again with every step; when they die, another goes on where they were.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import IO

from services.case import metrics
from services.case.gateways.lead_files import BadFile, Row, Table
from services.case.handlers.leads.importing import ROWS, take_rows
from services.case.handlers.leads.rows import RowReader, columns_of
from services.case.handlers.leads.rules import lead_rules_of
from services.case.storage import lead_imports
from services.case.storage.lead_imports import Job, ProblemRow
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData, VersionCache
from shared.observability import get_logger
from shared.storage import Transaction
from shared.storage.database import CONFLICT, CONNECTION_LOST
from shared.storage.objects import DamagedObject, ObjectStore, StoreUnavailable

log = get_logger(__name__)

HOLD_SECONDS = 120.0
"""How long after whoever works on an import has died another goes on; longer than a step may take."""
PAUSE_SECONDS = 1.0
"""Between looks whether there is something to do, and after a failure."""
IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a file; of a longer one the rest is on the disk."""


class Lost(Exception):
    """The import is no longer ours: another has it, or it was cancelled."""


class Importer:
    """Works on imports. `me` names this process; `transaction` gives transactions whose events are published."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Transaction]],
        objects: ObjectStore,
        reference: ReferenceData,
        me: str,
        clock: Clock = utc_now,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._transaction = transaction
        self._objects = objects
        self._reference = reference
        self._rules = VersionCache(reference, lead_rules_of)
        self._me = me
        self._clock = clock
        self._hold_seconds = hold_seconds

    def step(self, stop: threading.Event | None = None) -> bool:
        """Work on one import until it is done. False: there is nothing to do. Raises `StoreUnavailable` and `CONNECTION_LOST`."""
        with self._transaction() as tx:
            job = lead_imports.take(tx, self._me, self._hold_seconds)
        if job is None:
            return False
        log.info("import of leads begun", lead_import=str(job.id), after_row=job.position, dry_run=job.dry_run)
        try:
            problem = self._work(job, stop or threading.Event())
        except BadFile as error:
            problem = str(error)
        except Lost:
            log.info("import of leads given up: another has it, or it was cancelled", lead_import=str(job.id))
            return True
        except (FileNotFoundError, DamagedObject):
            problem = "the file is not in the object store any more, or damaged there; hand it in again"
        if problem is not None:
            with self._transaction() as tx:
                lead_imports.finish(tx, job.id, self._me, problem)
            metrics.LEAD_IMPORTS.labels("failed" if problem else "done").inc()
            log.info("import of leads ended", lead_import=str(job.id), failed=bool(problem))
        return True

    def leave(self) -> None:
        """Let another go on at once."""
        with self._transaction() as tx:
            lead_imports.leave(tx, self._me)

    def _work(self, job: Job, stop: threading.Event) -> str | None:
        """Import what is not done yet. What it failed for, empty when it did not; None: it was stopped in between."""
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            self._fetch(job, file)
            with closing(Table(file, "xlsx" if job.format == "xlsx" else "csv", lambda: self._hold(job))) as table:
                columns, wrong = columns_of(table.header.cells, bool(job.default_type))
                if wrong:
                    rows = [ProblemRow(job.id, table.header.number, place, *problem) for place, problem in enumerate(wrong)]
                    with self._transaction() as tx:
                        lead_imports.add_problems(tx, rows)
                    return f"its columns are not those of the template: {wrong[0].column}: {wrong[0].problem}"
                self._hold(job, table.count)
                rest = table.rows(job.position)
                while batch := list(itertools.islice(rest, ROWS)):
                    if stop.is_set():
                        return None
                    self._take(job, columns, batch)
        return ""

    def _take(self, job: Job, columns: list[str], batch: list[Row]) -> None:
        version = self._reference.version
        rules = self._rules.get(version)
        reader = RowReader(columns, job.default_type, job.unit, rules, self._reference)
        while True:
            try:
                with self._transaction() as tx:
                    step = take_rows(tx, job, reader, rules, version, batch, self._clock())
                    if not lead_imports.advance(tx, job.id, self._me, step, self._hold_seconds):
                        raise Lost
                break
            except CONFLICT:
                log.info("import of leads: another was in the way, once more", lead_import=str(job.id))
        metrics.LEAD_ROWS.labels("created").inc(0 if job.dry_run else step.created)
        metrics.LEAD_ROWS.labels("refused").inc(step.refused)

    def _hold(self, job: Job, total: int | None = None) -> None:
        with self._transaction() as tx:
            if not lead_imports.hold(tx, job.id, self._me, self._hold_seconds, total):
                raise Lost

    def _fetch(self, job: Job, file: IO[bytes]) -> None:
        with closing(self._objects.open(job.sha256).pieces) as pieces:
            for piece in pieces:
                file.write(piece)
        file.seek(0)


def import_until(importer: Importer, stop: threading.Event) -> None:
    """Work on imports until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            if not importer.step(stop):
                stop.wait(PAUSE_SECONDS)
        except (StoreUnavailable, *CONNECTION_LOST) as error:
            log.warning("import of leads put off", error=str(error) if isinstance(error, StoreUnavailable) else type(error).__name__)
            stop.wait(PAUSE_SECONDS)
    try:
        importer.leave()
    except CONNECTION_LOST:
        log.warning("an import of leads is let go by itself: database away")
