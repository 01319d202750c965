"""Polling channels (role `poll`): fetch, make durable, acknowledge, save the cursor; every account by one process at a time.

The main thread keeps the leases; each account that is ours has a thread of its own. A process that dies is followed by another once its
leases have run out; what it had fetched and not acknowledged is fetched again, and recognised by its id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from random import SystemRandom
from typing import Any

from services.ingest import metrics
from services.ingest.domain.accounts import NoAccounts, UnknownAccount
from services.ingest.domain.polling import pause_after
from services.ingest.gateways.source import Batch, GatewayError, Source
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.posts import PostIntake
from services.ingest.settings import PollSettings
from services.ingest.storage import sources
from services.ingest.storage.sources import Claimed
from services.ingest.worker.plans import Plan, Planner
from shared.clock import utc_now
from shared.messaging import Reference, ReferenceData
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, get_logger, serve_health
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.storage.objects import StoreUnavailable, open_store

log = get_logger(__name__)

MOST_ITEMS = 200
"""Most items of one fetch: what is repeated when a process is killed."""
_chance = SystemRandom().random
LAST_SECONDS = 20.0
"""How long a stopping process waits for its threads to finish what they have begun."""


class Lease:
    """How long a source is ours, as far as we know. Set by the main thread, asked by the source's."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self.renew(time.monotonic())

    def renew(self, asked_at: float) -> None:
        """It was granted by an answer to what was asked at `asked_at` (monotonic)."""
        self._until = asked_at + self._seconds

    def end(self) -> None:
        """It is ours no longer."""
        self._until = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether nobody else can have it yet."""
        return time.monotonic() < self._until


class Polled:
    """One account, polled in a thread of its own until `stop` is called or the lease is over."""

    def __init__(
        self, plan: Plan, claimed: Claimed, lease: Lease, save: Callable[[str, Mapping[str, Any], bool], bool], poll: float
    ) -> None:
        self.plan = plan
        self.lease = lease
        kept = claimed.cursor if claimed.cursor.get("place") == plan.place else {}
        self._cursor: Mapping[str, Any] = kept.get("at", {})
        self._save = save
        self._poll_seconds = poll
        self._stop = threading.Event()
        self._source: Source[Any] | None = None
        self._failures = 0
        self._is_saved = True
        if claimed.read_at is not None:
            metrics.SOURCE_READ_TIMESTAMP.labels(plan.name).set(claimed.read_at.timestamp())
        self._thread = threading.Thread(target=self._run, name=plan.name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread still works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Have it end after what it has begun; does not wait."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.close()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        while not self._stop.is_set() and self.lease.is_ours:
            reason, asked, text = "", None, ""
            try:
                self._turn()
                self._failures = 0
                continue
            except GatewayError as error:
                reason, asked, text = error.reason, error.retry_after, str(error)
            except (StoreUnavailable, NotAcknowledged, NoAccounts, UnknownAccount, *CONNECTION_LOST) as error:
                reason, text = "intake", type(error).__name__
            except Exception as error:
                log.exception("channel failed", source=self.plan.name)
                reason, text = "failed", type(error).__name__
                self._close()
            if self._stop.is_set():
                break
            self._failures += 1
            pause = pause_after(reason, self._failures, _chance(), asked).total_seconds()
            metrics.SOURCE_FAILURES.labels(self.plan.name, reason).inc()
            log.warning("channel not read", source=self.plan.name, reason=reason, error=text, failures=self._failures, pause_seconds=pause)
            self._stop.wait(pause)
        self._close()

    def _turn(self) -> None:
        """Fetch once, and see it through; with nothing there, wait for something."""
        source = self._opened()
        if not self._is_saved:
            self._keep(is_at_end=False)
        batch: Batch[Any] = source.fetch(self._cursor, MOST_ITEMS)
        if not self.lease.is_ours or self._stop.is_set():
            return
        if batch.items:
            self.plan.take(batch.items)
            metrics.SOURCE_ITEMS.labels(self.plan.name).inc(len(batch.items))
        if batch.marks or batch.items:
            source.acknowledge(batch)
        is_at_end = not batch.is_more
        if batch.cursor != self._cursor or is_at_end:
            self._cursor, self._is_saved = batch.cursor, False
            self._keep(is_at_end)
        if is_at_end:
            metrics.SOURCE_READ_TIMESTAMP.labels(self.plan.name).set(time.time())
        self._tell(source)
        if is_at_end and not self._stop.is_set():
            source.wait(self._poll_seconds)

    def _keep(self, is_at_end: bool) -> None:
        if self._save(self.plan.name, {"place": self.plan.place, "at": self._cursor}, is_at_end):
            self._is_saved = True
        else:
            log.warning("lease lost", source=self.plan.name)
            self.lease.end()

    def _opened(self) -> Source[Any]:
        if self._source is None:
            self._source = self.plan.open()
            if self._stop.is_set():
                self._source.close()
        return self._source

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _tell(self, source: Source[Any]) -> None:
        ends = getattr(source, "credential_ends", None)
        if ends is not None and (at := ends()) is not None:
            metrics.SOURCE_CREDENTIAL_TIMESTAMP.labels(self.plan.name).set(at.timestamp())
        reads_left = getattr(source, "reads_left", None)
        if reads_left is not None:
            metrics.SOURCE_READS_LEFT.labels(self.plan.name).set(reads_left)


class Poller:
    """Holds its share of the sources, and has each polled."""

    def __init__(
        self, database: Database, reference: ReferenceData, planner: Planner, settings: PollSettings, me: str, stop: threading.Event
    ) -> None:
        self._database = database
        self._reference = reference
        self._planner = planner
        self._me = me
        self._stop = stop
        self._lease_seconds = settings.poll_lease_seconds
        self._lease = timedelta(seconds=settings.poll_lease_seconds)
        self._poll_seconds = settings.poll_seconds
        self._polled: dict[str, Polled] = {}
        self._ending: list[Polled] = []
        self._plans: dict[str, Plan] = {}
        self._version = -1
        self._problem = "starting"

    @property
    def held(self) -> list[str]:
        """The names of what is polled here."""
        return sorted(self._polled)

    def problems(self) -> list[str]:
        """Why nothing new is polled; empty: all is well. A channel that cannot be read is no such reason: metrics tell of it."""
        return [self._problem] if self._problem else []

    def run(self) -> None:
        """Poll until the stop is set; then finish what has begun, and let others have the sources."""
        try:
            while not self._stop.is_set():
                try:
                    self.turn()
                    self._problem = ""
                except CONNECTION_LOST as error:
                    self._problem = "the database is away"
                    log.warning("leases not renewed: database away", error=type(error).__name__)
                self._stop.wait(self._lease_seconds / 4)
        finally:
            self._leave()

    def turn(self) -> None:
        """Renew what is ours, let go what is not wanted or too much, take what is free."""
        if self._version != self._reference.version:
            self._version = self._reference.version
            self._plans = self._planner.plans(self._reference.configuration(self._version))
        self._ending = [polled for polled in self._ending if polled.is_alive]
        asked_at = time.monotonic()
        with self._database.transaction() as tx:
            fair = sources.share(tx, self._me, len(self._plans), self._lease)
            ours = sources.renew(tx, self._me, self._polled.keys() | {polled.plan.name for polled in self._ending}, self._lease)
        for name, polled in list(self._polled.items()):
            if name in ours:
                polled.lease.renew(asked_at)
            plan = self._plans.get(name)
            if name not in ours or plan is None or plan.section != polled.plan.section or not polled.is_alive or len(self._polled) > fair:
                self._end(name)
        self._release()
        ending = {polled.plan.name for polled in self._ending}
        wanted = self._plans.keys() - self._polled.keys() - ending
        asked_at = time.monotonic()
        with self._database.transaction() as tx:
            claimed = sources.claim(tx, self._me, wanted, fair - len(self._polled), self._lease)
        for one in claimed:
            lease = Lease(self._lease_seconds)
            lease.renew(asked_at)
            self._polled[one.name] = Polled(self._plans[one.name], one, lease, self._save, self._poll_seconds)
            log.info("channel polled here", source=one.name)
        metrics.SOURCES_HELD.set(len(self._polled))

    def _end(self, name: str) -> None:
        polled = self._polled.pop(name)
        polled.stop()
        self._ending.append(polled)
        log.info("channel let go", source=name)

    def _release(self) -> None:
        """Others may have what has ended; what has not is kept until then."""
        done = [polled for polled in self._ending if not polled.is_alive]
        if done:
            with self._database.transaction() as tx:
                sources.release(tx, self._me, [polled.plan.name for polled in done])
            self._ending = [polled for polled in self._ending if polled.is_alive]

    def _save(self, name: str, cursor: Mapping[str, Any], is_at_end: bool) -> bool:
        with self._database.transaction() as tx:
            return sources.save(tx, self._me, name, cursor, is_at_end)

    def _leave(self) -> None:
        for name in list(self._polled):
            self._end(name)
        until = time.monotonic() + LAST_SECONDS
        for polled in self._ending:
            polled.join(until - time.monotonic())
        if any(polled.is_alive for polled in self._ending):
            log.warning("a channel did not end in time; its lease runs out by itself")
            return
        try:
            with self._database.transaction() as tx:
                sources.leave(tx, self._me)
        except CONNECTION_LOST as error:
            log.warning("leases run out by themselves: database away", error=type(error).__name__)


def run(settings: PollSettings) -> None:
    """Run the role `poll` until it is told to stop."""
    configure_logging("ingest", "poll", settings.log_level)
    stop = stop_on_signals()
    objects = open_store(settings)
    database = Database(settings.database, pool_size=4, service="ingest")
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = DirectPublisher(settings.kafka, settings.topic_prefix, settings.acknowledge_seconds)
    mails, posts = MailIntake(reference, objects, publisher), PostIntake(reference, objects, publisher)
    planner = Planner(settings, mails, posts, utc_now)
    poller = Poller(database, reference, planner, settings, f"poll-{settings.instance}", stop)

    def problems() -> list[str]:
        return reference.problems() + poller.problems() + objects.problems()

    def facts() -> dict[str, object]:
        return {"config_version": reference.version, "sources": poller.held}

    with closing(serve_health(settings.host, settings.port, problems, facts)):
        try:
            reference.start(stop)
            if not stop.is_set():
                poller.run()
        finally:
            publisher.close()
            reference.close()
            database.close()
