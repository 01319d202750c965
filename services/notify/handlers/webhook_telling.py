"""Telling webhooks of events: each subscriber in order, by one process at a time (role `hooks`).

A subscriber is claimed, as a lease; then its messages go out one after the other, over a connection that stays open. While one fails, those
behind it wait. Nothing of the network happens inside a transaction. A process that dies has at most one message out of which nobody knows
whether it arrived; that one is told again under the same id.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

from services.notify import metrics
from services.notify.domain.webhooks import BadSecret, Ending, Reply, next_try
from services.notify.gateways.webhooks import Receiver, Secrets
from services.notify.settings import HookSettings
from services.notify.storage import webhooks
from services.notify.storage.wakeup import Wakeup
from services.notify.storage.webhooks import Held, Message
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher, ReferenceData
from shared.observability import get_logger
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a claim holds without being prolonged, which each message does."""
POLL_SECONDS = 0.5
"""How often due retries are looked for; new messages are signalled."""
BATCH = 50
TURN_SECONDS = 10.0
"""How long a subscriber is told things before another one may have its connection."""
GAUGE_SECONDS = 5.0
PURGE_SECONDS = 3600.0
PURGE_ROWS = 1000
LAST_RECORD_SECONDS = 15.0
"""How long is tried to record what a subscriber took, if the database is away."""
OURSELVES = "notify"
"""Who pauses a webhook that fails for too long."""


class Teller:
    """Tells webhooks until stopped. `me` names this process: stable over restarts, and nobody else's at the same time."""

    def __init__(
        self,
        database: Database,
        reference: ReferenceData,
        settings: HookSettings,
        me: str,
        stop: threading.Event,
        clock: Clock = utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._reference = reference
        self._settings = settings
        self._me = me
        self._stop = stop
        self._clock = clock
        self._jitter = jitter
        self._secrets = Secrets(settings.webhook_keys)
        self._receivers: dict[str, Receiver] = {}
        self._running: list[Future[None]] = []
        self._due = threading.Event()
        self._gauged_at = self._purged_at = float("-inf")

    def run(self) -> None:
        """Tell until the stop is set; then finish what is on the wire, record it, and return. Raises what a thread of it broke with."""
        with self._database.transaction() as tx:
            if left := webhooks.release_own(tx, self._me):
                log.warning("webhooks left claimed by an earlier process", count=left)
        listener = threading.Thread(target=self._listen, name="webhook-wakeup", daemon=True)
        listener.start()
        try:
            with ThreadPoolExecutor(self._settings.webhook_connections, "webhook") as pool:
                while not self._stop.is_set():
                    self._due.clear()
                    try:
                        self._claim(pool)
                        self._upkeep()
                    except CONNECTION_LOST as error:
                        log.warning("database away; trying again", error=type(error).__name__)
                    self._due.wait(POLL_SECONDS)
            self._collect()
        finally:
            self._stop.set()
            for receiver in self._receivers.values():
                receiver.close()
            listener.join(2 * POLL_SECONDS)

    def _claim(self, pool: ThreadPoolExecutor) -> None:
        self._collect()
        room = self._settings.webhook_connections - len(self._running)
        urls = {section.code: section.url for section in self._reference.configuration().webhooks}
        if not room or not urls:
            return
        with self._database.transaction() as tx:
            claimed = webhooks.claim(tx, self._me, sorted(urls), room, LEASE)
        for held in claimed:
            running = pool.submit(self._tell, held, urls[held.webhook])
            running.add_done_callback(lambda _: self._due.set())
            self._running.append(running)

    def _collect(self) -> None:
        """Forget the turns that are over. What one broke with is raised: it must not be missing unseen."""
        over = [running for running in self._running if running.done()]
        self._running = [running for running in self._running if running not in over]
        for running in over:
            running.result()

    def _upkeep(self) -> None:
        now = time.monotonic()
        if now - self._gauged_at > GAUGE_SECONDS:
            self._gauged_at = now
            with self._database.read() as tx:
                states = webhooks.states(tx)
            for code, state in states.items():
                since = state["waiting_since"]
                metrics.WEBHOOK_WAITING.labels(code).set(state["waiting"])
                metrics.WEBHOOK_OVERDUE_SECONDS.labels(code).set((self._clock() - since).total_seconds() if since else 0)
                metrics.WEBHOOK_PAUSED.labels(code).set(state["paused_at"] is not None)
        if now - self._purged_at > PURGE_SECONDS:
            self._purged_at = now
            gone = PURGE_ROWS
            while gone == PURGE_ROWS and not self._stop.is_set():
                with self._database.transaction() as tx:
                    gone = webhooks.purge(tx, timedelta(days=self._settings.webhook_keep_days), PURGE_ROWS)

    # In a thread of the pool

    def _tell(self, held: Held, url: str) -> None:
        """One subscriber's turn."""
        receiver = self._receivers.get(held.webhook)
        if receiver is None or receiver.url != url:
            if receiver is not None:
                receiver.close()
            settings = self._settings
            receiver = Receiver(url, settings.webhook_timeout_seconds, settings.private_hosts, settings.webhook_ca_file)
            self._receivers[held.webhook] = receiver
        until = time.monotonic() + TURN_SECONDS
        try:
            goes_on = True
            while goes_on:
                with self._database.read() as tx:
                    batch = webhooks.waiting(tx, held.webhook, BATCH)
                goes_on = bool(batch)
                for message in batch:
                    goes_on = not self._stop.is_set() and time.monotonic() < until and self._tell_one(held, receiver, message)
                    if not goes_on:
                        break
            with self._database.transaction() as tx:
                webhooks.release(tx, held)
        except CONNECTION_LOST as error:
            log.warning("database away; the claim runs out", webhook=held.webhook, error=type(error).__name__)

    def _tell_one(self, held: Held, receiver: Receiver, message: Message) -> bool:
        """Whether the next one may follow."""
        with self._database.transaction() as tx:
            if not webhooks.may_send(tx, held, message.event_id, LEASE):
                return False
        try:
            secrets = self._secrets.of(held.webhook)
        except BadSecret as error:
            reply = Reply(Ending.FAILED, 0, str(error))
        else:
            with metrics.WEBHOOK_SECONDS.time():
                reply = receiver.post(str(message.event_id), message.body.encode(), secrets, int(self._clock().timestamp()))
        metrics.WEBHOOK_ATTEMPTS.labels(held.webhook, reply.ending.value).inc()
        if reply.ending is Ending.TAKEN:
            self._record_taken(held, message, reply)
            return True
        self._record_failed(held, message, reply)
        return False

    def _record_taken(self, held: Held, message: Message, reply: Reply) -> None:
        give_up_at = time.monotonic() + LAST_RECORD_SECONDS
        is_recorded = False
        while not is_recorded:
            try:
                with self._database.transaction() as tx:
                    webhooks.taken(tx, held, message.event_id, reply.status)
                is_recorded = True
            except CONNECTION_LOST:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.2)

    def _record_failed(self, held: Held, message: Message, reply: Reply) -> None:
        give_up_after = timedelta(days=self._settings.webhook_give_up_days)
        with self._database.transaction() as tx:
            failures, failing_for = webhooks.failed(tx, held, reply.status, reply.error)
            pause = next_try(failures, failing_for, give_up_after, reply, self._jitter())
            if pause is None:
                why = "it wants no more (HTTP 410)" if reply.ending is Ending.GONE else f"failing for {failing_for}: {reply.error}"
                webhooks.pause(tx, held.webhook, OURSELVES, why)
            else:
                webhooks.try_again(tx, held, pause / self._settings.webhook_retry_speed)
        if pause is None:
            log.error("webhook paused until somebody resumes it", webhook=held.webhook, why=why)
        else:
            log.warning(
                "webhook failed",
                webhook=held.webhook,
                event_id=str(message.event_id),
                error=reply.error,
                pause_seconds=pause.total_seconds(),
            )

    # In a thread of its own

    def _listen(self) -> None:
        """Pass the signal of new messages on."""
        wakeup = Wakeup(self._database.url, webhooks.CHANNEL)
        try:
            while not self._stop.is_set():
                try:
                    if wakeup.wait(POLL_SECONDS):
                        self._due.set()
                except CONNECTION_LOST as error:
                    log.warning("no signal of new messages; polling", error=type(error).__name__)
                    wakeup.close()
                    self._stop.wait(1.0)
        finally:
            wakeup.close()


def tell_webhooks(publisher: EventPublisher, reference: ReferenceData, settings: HookSettings, stop: threading.Event) -> None:
    """The role's work."""
    Teller(publisher.database, reference, settings, f"hooks-{settings.instance}", stop).run()
