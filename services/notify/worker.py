"""The sender: claims due deliveries, has them sent over several connections, records how it went (role `send`).

Claim, commit, send, record: nothing of the network happens inside a transaction. One thread, the dispatcher, claims; one thread a
connection speaks with the relay; others record, tell what became of deliveries, and wait for the signal that new ones were committed.

A claim is a lease, prolonged for as long as this process lives. A process that dies leaves it to run out, and whoever claims the delivery
then sends it under the same Message-ID: that is the only way in which a message can be sent twice, and `takeovers` counts it. A connection
ends a message only when the one before is recorded, or noted in the journal (docs/decisions/0018). So a process that dies leaves at most
one message a connection in doubt.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from uuid import UUID

from services.notify import metrics
from services.notify.domain.bounces import dead_status_in
from services.notify.domain.limits import Limits
from services.notify.domain.message import UnusableAddress, Written
from services.notify.domain.retry import Outcome, next_attempt
from services.notify.domain.templates import UnknownTag
from services.notify.gateways.relay import AnyRelay, connector
from services.notify.gateways.smtp import Answer
from services.notify.handlers.composing import Composer, LinkMaker, NotComposable
from services.notify.handlers.definitions import limits_of
from services.notify.handlers.digesting import Gatherer
from services.notify.handlers.ending import end_what_is_in_vain
from services.notify.handlers.mailing import Mailer
from services.notify.handlers.recording import Ended, Job, Recorder
from services.notify.handlers.rounds import Rounds
from services.notify.handlers.text_sending import Texter
from services.notify.settings import SendSettings, SmsSettings
from services.notify.storage import deliveries, digests
from services.notify.storage.deliveries import Claimed, Result
from services.notify.storage.journal import Journal
from services.notify.storage.limits import claim_within, limited
from services.notify.storage.wakeup import Wakeup
from shared.clock import utc_now
from shared.links import LinkKeyFile
from shared.messaging import EventPublisher, Reference, VersionCache
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, get_logger, serve_health
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.storage.objects import StoreUnavailable, open_store

log = get_logger(__name__)

CHANNEL = "email"
CLAIMS_PER_CONNECTION = 48
LEAST_CLAIMS = 256
"""Those that were sent and are not recorded yet are among them."""
POLL_SECONDS = 0.5
"""How often due retries are looked for; new deliveries are signalled."""
GAUGE_SECONDS = 5.0
SWEEP_SECONDS = 1.0
"""How often is looked for what waits in vain."""
LAST_RECORD_SECONDS = 15.0
"""How long a stopping process tries to record what it sent, if the database is away."""
REST = (0.25, 15.0)
"""Pauses of the whole sender while the relay is unreachable, in seconds: the first, and the longest."""


class Sender:
    """Sends deliveries until stopped. `me` names this process: stable over restarts, and nobody else's at the same time."""

    def __init__(
        self,
        publisher: EventPublisher,
        composer: Composer,
        connect: Callable[[], AnyRelay],
        wakeup: Wakeup,
        settings: SendSettings,
        me: str,
        stop: threading.Event,
        jitter: Callable[[], float] = random.random,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        self._publisher = publisher
        self._composer = composer
        self._connect = connect
        self._wakeup = wakeup
        self._settings = settings
        self._me = me
        self._stop = stop
        self._jitter = jitter
        self._limits = limits
        self._capacity = max(settings.smtp_connections * CLAIMS_PER_CONNECTION, LEAST_CLAIMS)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._wake = threading.Event()
        """For the dispatcher: there may be something to do."""
        self._signalled = threading.Event()
        """New deliveries were committed since it last looked."""
        self._held: dict[tuple[UUID, int], Job] = {}
        journal = Journal(settings.send_journal, me) if settings.send_journal is not None else None
        self._recorder = Recorder(publisher, self._let_go, journal)
        self._may_be_due = True
        self._polled_at = self._renewed_at = self._gauged_at = self._swept_at = time.monotonic()
        self._weather_lock = threading.Lock()
        self._resting_until = 0.0
        self._rest = 0.0
        self._problem = "starting"
        self._failure: Exception | None = None

    def problems(self) -> list[str]:
        """Why nothing is sent just now; empty: all is well."""
        return [self._problem] if self._problem else []

    def run(self) -> None:
        """Send until the stop is set; then finish what is on the wire, give back the rest, record all, and return."""
        if sent := self._recorder.take_over(self._written):
            log.warning("messages that an earlier process had sent and not recorded", count=sent)
        with self._publisher.transaction() as tx:
            if left := deliveries.release_own(tx, self._me):
                log.warning("claims left open by an earlier process", count=left)
        threads = [
            threading.Thread(target=self._speak, name=f"smtp-{number}", daemon=True) for number in range(self._settings.smtp_connections)
        ]
        listener = threading.Thread(target=self._listen, name="wakeup", daemon=True)
        self._recorder.start()
        for thread in (*threads, listener):
            thread.start()
        self._problem = ""
        try:
            while not self._stop.is_set():
                self._turn()
            self._give_back()
        finally:
            for _ in threads:
                self._jobs.put(None)
        # A server that keeps silent about its last message is not waited for any longer than about any other step.
        patience = time.monotonic() + self._settings.smtp_timeout_seconds
        for thread in threads:
            thread.join(max(0.0, patience - time.monotonic()))
        self._recorder.close(LAST_RECORD_SECONDS)
        listener.join(2 * POLL_SECONDS)

    def _written(self, claimed: Claimed) -> Written | None:
        """The message that an earlier process made of this, for what is told of it."""
        try:
            return self._composer.compose(claimed) if self._composer.knows(claimed) else None
        except (NotComposable, UnknownTag, UnusableAddress, StoreUnavailable) as error:
            log.warning("it was sent, and cannot be shown", delivery_id=str(claimed.id), reason=str(error))
            return None

    def _turn(self) -> None:
        if (failure := self._failure or self._recorder.failure) is not None:
            raise failure
        now = time.monotonic()
        if self._signalled.is_set() or now - self._polled_at > POLL_SECONDS:
            self._signalled.clear()
            self._may_be_due, self._polled_at = True, now
        try:
            self._claim(now)
            self._upkeep(now)
        except CONNECTION_LOST as error:
            self._database_away(error)
        self._wake.wait(min(POLL_SECONDS, max(self._resting_until - now, 0.01)) if self._resting_until > now else POLL_SECONDS)
        self._wake.clear()
        if not self._recorder.is_by_and_by and not self._recorder.record():
            self._may_be_due = True
            self._stop.wait(0.2)

    def _claim(self, now: float) -> None:
        if not self._may_be_due or not self._is_room() or now < self._resting_until:
            return
        room = self._capacity - len(self._held)
        # While the relay was unreachable just now, one message tries whether it is back.
        wanted = 1 if self._rest else room
        with self._publisher.transaction() as tx:
            claimed, self._may_be_due = claim_within(tx, self._me, wanted, self._settings.lease, self._limits(), CHANNEL)
            claimed = digests.with_items(tx, claimed)
        for delivery in claimed:
            if delivery.taken_over:
                metrics.TAKEOVERS.inc()
                log.warning("claimed from a holder that fell silent", delivery_id=str(delivery.id), attempt=delivery.attempt)
            job = Job(delivery, now + self._settings.send_lease_seconds)
            self._held[job.key] = job
            self._jobs.put(job)

    def _upkeep(self, now: float) -> None:
        if now - self._renewed_at > self._settings.send_lease_seconds / 3:
            self._renewed_at = now
            # A copy: the connections' threads let go of what they have recorded.
            if held := list(self._held.values()):
                with self._publisher.transaction() as tx:
                    still = deliveries.renew(tx, [job.key for job in held], self._settings.lease)
                for job in held:
                    job.until = now + self._settings.send_lease_seconds if job.claimed.id in still else 0.0
        if now - self._swept_at > SWEEP_SECONDS:
            self._swept_at = now
            end_what_is_in_vain(self._publisher)
        if now - self._gauged_at > GAUGE_SECONDS:
            self._gauged_at = now
            with self._publisher.database.read() as tx:
                count, seconds = deliveries.waiting(tx)
                metrics.LIMITED.set(limited(tx))
            metrics.WAITING.set(count)
            metrics.OVERDUE_SECONDS.set(seconds)

    # What the connections ask and tell, in their threads

    @property
    def is_open(self) -> bool:
        """Whether anything is to be sent just now."""
        return not self._stop.is_set() and time.monotonic() >= self._resting_until

    def heard(self, answer: Answer) -> None:
        """Whether the relay is there decides how eagerly we claim."""
        if not self._problem and answer.outcome is not Outcome.UNREACHABLE:
            return
        with self._weather_lock:
            if answer.outcome is Outcome.UNREACHABLE:
                if time.monotonic() >= self._resting_until:
                    self._rest = min(self._rest * 2, REST[1]) if self._rest else REST[0]
                    self._resting_until = time.monotonic() + self._rest
                    log.warning("mail relay unreachable", code=answer.code, pause_seconds=self._rest)
                self._problem = "the mail relay is unreachable"
                self._give_back()
            elif answer.outcome is not Outcome.RETURNED and answer.code:
                self._rest = self._resting_until = 0.0
                self._problem = ""
        self._wake.set()

    def _give_back(self) -> None:
        """Take the jobs that no connection has begun."""
        ends = 0
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                ends += 1
            else:
                self._recorder.add(self.ended(job, Answer(Outcome.RETURNED, 0)))
        for _ in range(ends):
            self._jobs.put(None)

    def _let_go(self, recorded: list[Ended]) -> None:
        """These are recorded. Called by whichever thread did it."""
        for one in recorded:
            self._held.pop((one.result.id, one.result.attempt), None)
        if self._may_be_due and self._is_room():
            self._wake.set()

    def _is_room(self) -> bool:
        return len(self._held) * 2 <= self._capacity

    def ended(self, job: Job, answer: Answer) -> Ended:
        """What is recorded of an attempt."""
        claimed = job.claimed
        again_in = None
        if answer.outcome not in (Outcome.SENT, Outcome.REFUSED):
            faster = self._settings.send_retry_speed
            again_in = next_attempt(answer.outcome, claimed.attempt, claimed.age, self._jitter(), faster)
        error = "" if answer.outcome is Outcome.SENT else f"{answer.code or ''} {answer.text}".strip()
        dead_status = dead_status_in(error) if answer.outcome is Outcome.REFUSED else ""
        return Ended(Result(claimed.id, claimed.attempt, answer.outcome, error, again_in, dead_status), job.written)

    def _database_away(self, error: Exception) -> None:
        log.warning("database away; trying again", error=type(error).__name__)
        self._may_be_due = True
        self._stop.wait(0.2)

    # The other threads

    def _speak(self) -> None:
        """One connection's thread."""
        try:
            Mailer(self._connect(), self._composer, self._recorder, self._jobs, self, self._stop).run()
        except Exception as error:
            # Ends the process, in the dispatcher's thread: half a sender would look like a whole one.
            self._failure = error
            self._wake.set()
            raise

    def _listen(self) -> None:
        """Pass the signal of new deliveries on to the dispatcher."""
        try:
            while not self._stop.is_set():
                try:
                    if self._wakeup.wait(POLL_SECONDS):
                        self._signalled.set()
                        self._wake.set()
                except CONNECTION_LOST as error:
                    log.warning("no signal of new deliveries; polling", error=type(error).__name__)
                    self._wakeup.close()
                    self._stop.wait(1.0)
        finally:
            self._wakeup.close()


def run(settings: SendSettings) -> None:
    """Run the role `send` until it is told to stop."""
    configure_logging("notify", "send", settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=7, service="notify")
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "notify")
    reference = Reference(settings.kafka, settings.topic_prefix)
    objects = open_store(settings) if settings.objects else None
    composer = Composer(reference, settings.mail_from, link_maker(settings), desk_url=settings.desk_url, objects=objects)
    limits = VersionCache(reference, limits_of).get
    texter = Texter(publisher, composer, SmsSettings.load(), f"text-{settings.instance}", stop, limits=limits)
    sender = Sender(
        publisher,
        composer,
        connector(settings),
        Wakeup(settings.database),
        settings,
        f"send-{settings.instance}",
        stop,
        limits=limits,
    )
    rounds = Rounds(publisher, Gatherer(reference, settings.desk_url), timedelta(days=settings.notifications_kept_days), utc_now)

    def problems() -> list[str]:
        return reference.problems() + sender.problems() + rounds.problems() + texter.problems()

    def facts() -> dict[str, object]:
        return {"config_version": reference.version}

    with closing(serve_health(settings.host, settings.port, problems, facts)):
        try:
            reference.start(stop)
            if not stop.is_set():
                publisher.start_sweeper()
                texter.start()
                rounds.start()
                sender.run()
        finally:
            texter.close()
            rounds.close()
            publisher.close()
            reference.close()
            database.close()
    texter.check()


def link_maker(settings: SendSettings) -> LinkMaker | None:
    """What makes links to answer by; None: the settings do not say how. Raises `BadKeys`: without them every such message would fail."""
    if settings.link_keys is None or not (settings.answer_url or settings.decide_url):
        return None
    keys = LinkKeyFile(settings.link_keys)
    keys.keys()
    return LinkMaker(settings.answer_url, settings.decide_url, keys)
