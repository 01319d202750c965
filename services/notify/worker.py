"""The sender: claims due deliveries, has them sent over several connections, records how it went (role `send`).

Claim, commit, send, record: nothing of the network happens inside a transaction. One thread, the dispatcher, speaks with the
database; one thread a connection speaks with the relay; one waits for the signal that new deliveries were committed.

A claim is a lease, prolonged for as long as this process lives. A process that dies leaves it to run out, and whoever claims the delivery
then sends it under the same Message-ID: that is the only way in which a message can be sent twice, and `takeovers` counts it.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from uuid import UUID

from services.notify import metrics
from services.notify.domain.message import UnusableAddress, Written
from services.notify.domain.retry import Outcome, next_attempt
from services.notify.domain.templates import UnknownTag
from services.notify.gateways.relay import AnyRelay, connector
from services.notify.gateways.smtp import Answer
from services.notify.handlers.composing import Composer, LinkMaker, NotComposable
from services.notify.handlers.outcomes import emit_outcome
from services.notify.settings import SendSettings
from services.notify.storage import deliveries
from services.notify.storage.deliveries import Claimed, Result
from services.notify.storage.wakeup import Wakeup
from shared.links import LinkKeyFile
from shared.messaging import EventPublisher, Reference
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, get_logger, serve_health
from shared.observability.tracing import use_traceparent
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.storage.objects import StoreUnavailable, open_store

log = get_logger(__name__)

CLAIMS_PER_CONNECTION = 24
POLL_SECONDS = 0.5
"""How often due retries are looked for; new deliveries are signalled."""
MARGIN_SECONDS = 2.0
"""A message is not begun this close to the end of its lease."""
GAUGE_SECONDS = 5.0
LAST_RECORD_SECONDS = 15.0
"""How long a stopping process tries to record what it sent, if the database is away."""
REST = (0.25, 15.0)
"""Pauses of the whole sender while the relay is unreachable, in seconds: the first, and the longest."""


@dataclass(slots=True)
class Job:
    """A claimed delivery on its way to a connection; `until` (monotonic) is the end of its lease as far as we know."""

    claimed: Claimed
    until: float
    recorded: threading.Event = field(default_factory=threading.Event)
    """Set once the database knows how it ended."""
    written: Written | None = None
    """The message, once it is made."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended."""

    job: Job
    answer: Answer


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
    ) -> None:
        self._publisher = publisher
        self._composer = composer
        self._connect = connect
        self._wakeup = wakeup
        self._settings = settings
        self._me = me
        self._stop = stop
        self._jitter = jitter
        self._capacity = settings.smtp_connections * CLAIMS_PER_CONNECTION
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Ended | None] = queue.SimpleQueue()
        self._held: dict[tuple[UUID, int], Job] = {}
        self._unrecorded: list[Ended] = []
        self._may_be_due = True
        self._polled_at = self._renewed_at = self._gauged_at = time.monotonic()
        self._resting_until = 0.0
        self._rest = 0.0
        self._problem = "starting"

    def problems(self) -> list[str]:
        """Why nothing is sent just now; empty: all is well."""
        return [self._problem] if self._problem else []

    def run(self) -> None:
        """Send until the stop is set; then finish what is on the wire, give back the rest, record all, and return."""
        with self._publisher.transaction() as tx:
            if left := deliveries.release_own(tx, self._me):
                log.warning("claims left open by an earlier process", count=left)
        threads = [
            threading.Thread(target=self._speak, name=f"smtp-{number}", daemon=True) for number in range(self._settings.smtp_connections)
        ]
        listener = threading.Thread(target=self._listen, name="wakeup", daemon=True)
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
        for thread in threads:
            thread.join()
        self._wait(0.0)
        give_up_at = time.monotonic() + LAST_RECORD_SECONDS
        while not self._record() and time.monotonic() < give_up_at:
            time.sleep(0.2)
        listener.join(2 * POLL_SECONDS)

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._polled_at > POLL_SECONDS:
            self._may_be_due, self._polled_at = True, now
        try:
            self._claim(now)
            self._upkeep(now)
        except CONNECTION_LOST as error:
            self._database_away(error)
        self._wait(min(POLL_SECONDS, max(self._resting_until - now, 0.01)) if self._resting_until > now else POLL_SECONDS)
        self._record()

    def _claim(self, now: float) -> None:
        room = self._capacity - len(self._held)
        if not self._may_be_due or room * 2 < self._capacity or now < self._resting_until:
            return
        # While the relay was unreachable just now, one message tries whether it is back.
        wanted = 1 if self._rest else room
        with self._publisher.transaction() as tx:
            claimed = deliveries.claim(tx, self._me, wanted, self._settings.lease)
        self._may_be_due = len(claimed) == wanted
        for delivery in claimed:
            if delivery.taken_over:
                metrics.TAKEOVERS.inc()
                log.warning("claimed from a holder that fell silent", delivery_id=str(delivery.id), attempt=delivery.attempt)
            job = Job(delivery, now + self._settings.send_lease_seconds)
            self._held[(delivery.id, delivery.attempt)] = job
            self._jobs.put(job)

    def _upkeep(self, now: float) -> None:
        if now - self._renewed_at > self._settings.send_lease_seconds / 3:
            self._renewed_at = now
            if self._held:
                with self._publisher.transaction() as tx:
                    claims = [(job.claimed.id, job.claimed.attempt) for job in self._held.values()]
                    still = deliveries.renew(tx, claims, self._settings.lease)
                for job in self._held.values():
                    job.until = now + self._settings.send_lease_seconds if job.claimed.id in still else 0.0
        if now - self._gauged_at > GAUGE_SECONDS:
            self._gauged_at = now
            with self._publisher.database.read() as tx:
                count, seconds = deliveries.waiting(tx)
            metrics.WAITING.set(count)
            metrics.OVERDUE_SECONDS.set(seconds)

    def _wait(self, timeout: float) -> None:
        """Take in what has come from the other threads, waiting for the first of it."""
        try:
            message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            while True:
                if message is None:
                    self._may_be_due = True
                else:
                    self._unrecorded.append(message)
                    self._weather(message.answer)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _weather(self, answer: Answer) -> None:
        """Whether the relay is there decides how eagerly we claim."""
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

    def _give_back(self) -> None:
        """Take the jobs that no connection has begun."""
        ended = False
        while not ended:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                ended = True
            else:
                if job is not None:
                    self._unrecorded.append(Ended(job, Answer(Outcome.RETURNED, 0)))

    def _record(self) -> bool:
        """Record what has ended. False: the database is away, and it is kept for the next time."""
        if not self._unrecorded:
            return True
        ended = list(self._unrecorded)
        try:
            with self._publisher.transaction(lambda: _let_go(ended)) as tx:
                finished = deliveries.record(tx, [self._result(e) for e in ended])
                written = {one.job.claimed.id: one.job.written for one in ended}
                for delivery in finished:
                    emit_outcome(tx, delivery, written[delivery.id])
        except CONNECTION_LOST as error:
            self._database_away(error)
            return False
        del self._unrecorded[: len(ended)]
        for one in ended:
            self._held.pop((one.job.claimed.id, one.job.claimed.attempt), None)
        for outcome, count in Counter(one.answer.outcome.value for one in ended).items():
            metrics.ATTEMPTS.labels(outcome).inc(count)
        for delivery in finished:
            metrics.WAITED_SECONDS.observe(delivery.waited.total_seconds())
            with use_traceparent(delivery.traceparent):
                log.info("delivery ended", delivery_id=str(delivery.id), state=delivery.state, definition=delivery.definition)
        return True

    def _result(self, ended: Ended) -> Result:
        claimed, answer = ended.job.claimed, ended.answer
        again_in = None
        if answer.outcome not in (Outcome.SENT, Outcome.REFUSED):
            faster = self._settings.send_retry_speed
            again_in = next_attempt(answer.outcome, claimed.attempt, claimed.age, self._jitter(), faster)
        error = "" if answer.outcome is Outcome.SENT else f"{answer.code or ''} {answer.text}".strip()
        return Result(claimed.id, claimed.attempt, answer.outcome, error, again_in)

    def _database_away(self, error: Exception) -> None:
        log.warning("database away; trying again", error=type(error).__name__)
        self._may_be_due = True
        self._stop.wait(0.2)

    # The other threads

    def _speak(self) -> None:
        """One connection: take a job, send it, tell, and wait until that is recorded.

        So a process that dies leaves at most one message a connection of which it is not known whether it was sent.
        """
        relay = self._connect()
        try:
            while (job := self._jobs.get()) is not None:
                answer = self._attempt(relay, job)
                self._inbox.put(Ended(job, answer))
                if answer.outcome is not Outcome.RETURNED:
                    while not job.recorded.wait(POLL_SECONDS) and not self._stop.is_set():
                        pass
        finally:
            relay.close()

    def _attempt(self, relay: AnyRelay, job: Job) -> Answer:
        claimed = job.claimed
        if self._stop.is_set() or time.monotonic() > job.until - MARGIN_SECONDS or not self._composer.knows(claimed):
            return Answer(Outcome.RETURNED, 0)
        try:
            message = job.written = self._composer.compose(claimed)
            with metrics.SMTP_SECONDS.time():
                return relay.send(message)
        except (NotComposable, UnknownTag, UnusableAddress) as error:
            return Answer(Outcome.REFUSED, 0, str(error))
        except StoreUnavailable as error:
            return Answer(Outcome.DEFERRED, 0, f"the object store is away: {error}")
        except Exception as error:
            # Recorded on the delivery and logged: one message that we cannot handle must not hold up the others.
            log.exception("message cannot be sent", delivery_id=str(claimed.id))
            relay.close()
            return Answer(Outcome.REFUSED, 0, f"the message cannot be sent: {type(error).__name__}")

    def _listen(self) -> None:
        """Pass the signal of new deliveries on to the dispatcher."""
        try:
            while not self._stop.is_set():
                try:
                    if self._wakeup.wait(POLL_SECONDS):
                        self._inbox.put(None)
                except CONNECTION_LOST as error:
                    log.warning("no signal of new deliveries; polling", error=type(error).__name__)
                    self._wakeup.close()
                    self._stop.wait(1.0)
        finally:
            self._wakeup.close()


def _let_go(ended: list[Ended]) -> None:
    for one in ended:
        one.job.recorded.set()


def run(settings: SendSettings) -> None:
    """Run the role `send` until it is told to stop."""
    configure_logging("notify", "send", settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=3, service="notify")
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "notify")
    reference = Reference(settings.kafka, settings.topic_prefix)
    sender = Sender(
        publisher,
        Composer(reference, settings.mail_from, link_maker(settings), open_store(settings) if settings.objects else None),
        connector(settings),
        Wakeup(settings.database),
        settings,
        f"send-{settings.instance}",
        stop,
    )

    def problems() -> list[str]:
        return reference.problems() + sender.problems()

    def facts() -> dict[str, object]:
        return {"config_version": reference.version}

    with closing(serve_health(settings.host, settings.port, problems, facts)):
        try:
            reference.start(stop)
            if not stop.is_set():
                publisher.start_sweeper()
                sender.run()
        finally:
            publisher.close()
            reference.close()
            database.close()


def link_maker(settings: SendSettings) -> LinkMaker | None:
    """What makes links to answer by; None: the settings do not say how. Raises `BadKeys`: without them every such message would fail."""
    if settings.link_keys is None or not (settings.answer_url or settings.decide_url):
        return None
    keys = LinkKeyFile(settings.link_keys)
    keys.keys()
    return LinkMaker(settings.answer_url, settings.decide_url, keys)
