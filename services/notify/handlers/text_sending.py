"""Sending text messages: claim, hand over to the gateway, record. Part of the role `send`, in threads of its own.

As with mail a claim is a lease, and nothing of the network happens inside a transaction. A process that dies while the gateway has a
message leaves it to be handed over again: gateways that know the reference take it once, the others send it twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from services.notify import metrics
from services.notify.domain.limits import Limits
from services.notify.domain.retry import Outcome, next_attempt
from services.notify.domain.sms import TooLong, checked
from services.notify.domain.templates import UnknownTag
from services.notify.gateways.sms import Handed, SmsGateway, connector
from services.notify.handlers.composing import Composer, NotComposable
from services.notify.handlers.outcomes import emit_outcome
from services.notify.settings import SmsSettings
from services.notify.storage import bounces, deliveries
from services.notify.storage.deliveries import Claimed, Result
from services.notify.storage.limits import claim_within
from services.notify.storage.wakeup import Wakeup
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import use_traceparent
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)

LEASE = timedelta(seconds=60)
MARGIN_SECONDS = 45.0
"""A message is not begun this close to the end of its lease: the gateway may take its time."""
CLAIMED_AT_ONCE = 4
POLL_SECONDS = 0.5
LONGEST_WISH = timedelta(hours=6)
"""The longest that a gateway's wish to wait is followed without asking again."""
REST = (0.25, 30.0)
"""Pauses of all connections while the gateway is unreachable, in seconds: the first, and the longest."""


class Texter:
    """Sends text messages until stopped, to the gateway that the settings name; where they name none, messages wait.

    `me` names this process: stable over restarts, and nobody else's at the same time.
    """

    def __init__(
        self,
        publisher: EventPublisher,
        composer: Composer,
        settings: SmsSettings,
        me: str,
        stop: threading.Event,
        jitter: Callable[[], float] = random.random,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        self._publisher = publisher
        self._composer = composer
        self._connect = connector(settings)
        self._settings = settings
        self._me = me
        self.stop = stop
        self._jitter = jitter
        self._limits = limits
        self._resting_until = 0.0
        self._rest = 0.0
        self._threads: list[threading.Thread] = []
        self._failure: Exception | None = None

    def problems(self) -> list[str]:
        """Why nothing is sent just now; empty: all is well."""
        return ["the gateway of text messages is unreachable"] if self._rest else []

    def start(self) -> None:
        """Begin, after ending what an earlier process of this name left open."""
        connect = self._connect
        if connect is None:
            return
        with self._publisher.transaction() as tx:
            deliveries.release_own(tx, self._me)
        self._threads = [
            threading.Thread(target=self._work, args=(connect(),), name=f"sms-{n}", daemon=True)
            for n in range(self._settings.sms_connections)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and wait for what is on the wire."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Raise what a connection broke with, if one did."""
        if self._failure is not None:
            raise self._failure

    def _work(self, gateway: SmsGateway) -> None:
        """One connection."""
        wakeup = Wakeup(self._publisher.database.url)
        try:
            while not self.stop.is_set():
                try:
                    if not self._turn(gateway):
                        wakeup.wait(POLL_SECONDS)
                except CONNECTION_LOST as error:
                    log.warning("database away; trying again", error=type(error).__name__)
                    wakeup.close()
                    self.stop.wait(0.5)
        except Exception as error:
            # Ends the process, in its main thread: half a sender would look like a whole one.
            self._failure = error
            self.stop.set()
            raise
        finally:
            gateway.close()
            wakeup.close()

    def _turn(self, gateway: SmsGateway) -> bool:
        """Send some; whether there may be more."""
        pause = self._resting_until - time.monotonic()
        if pause > 0:
            self.stop.wait(min(pause, POLL_SECONDS))
            return True
        wanted = 1 if self._rest else CLAIMED_AT_ONCE
        with self._publisher.transaction() as tx:
            claimed, more = claim_within(tx, self._me, wanted, LEASE, self._limits(), "sms")
        until = time.monotonic() + LEASE.total_seconds() - MARGIN_SECONDS
        for delivery in claimed:
            if delivery.taken_over:
                metrics.TAKEOVERS.inc()
                log.warning("claimed from a holder that fell silent", delivery_id=str(delivery.id), attempt=delivery.attempt)
            may_begin = time.monotonic() < until and self._resting_until <= time.monotonic() and not self.stop.is_set()
            handed = self._attempt(gateway, delivery) if may_begin else Handed(Outcome.RETURNED)
            self._weather(handed)
            self._record(delivery, handed)
        return more

    def _attempt(self, gateway: SmsGateway, claimed: Claimed) -> Handed:
        if not self._composer.knows(claimed):
            return Handed(Outcome.RETURNED)
        try:
            text = checked(self._composer.text(claimed), self._settings.sms_most_segments)
        except (NotComposable, UnknownTag, TooLong) as error:
            return Handed(Outcome.REFUSED, error=str(error))
        except Exception as error:
            # Recorded on the delivery and logged: one message that we cannot make must not hold up the others.
            log.exception("text message cannot be made", delivery_id=str(claimed.id))
            return Handed(Outcome.REFUSED, error=f"the message cannot be made: {type(error).__name__}")
        if not text:
            return Handed(Outcome.REFUSED, error="the text is empty")
        with metrics.SMS_SECONDS.time():
            return gateway.send(str(claimed.id), claimed.recipient, text)

    def _weather(self, handed: Handed) -> None:
        if handed.outcome is Outcome.UNREACHABLE:
            self._rest = min(self._rest * 2, REST[1]) if self._rest else REST[0]
            self._resting_until = time.monotonic() + self._rest
            log.warning("gateway of text messages unreachable", error=handed.error, pause_seconds=self._rest)
        elif handed.code:
            self._rest = self._resting_until = 0.0

    def _record(self, claimed: Claimed, handed: Handed) -> None:
        again_in = None
        if handed.outcome not in (Outcome.SENT, Outcome.REFUSED):
            faster = self._settings.sms_retry_speed
            again_in = next_attempt(handed.outcome, claimed.attempt, claimed.age, self._jitter(), faster)
            if again_in is not None and handed.retry_after is not None:
                again_in = max(again_in, min(timedelta(seconds=handed.retry_after), LONGEST_WISH) / faster)
        result = Result(claimed.id, claimed.attempt, handed.outcome, handed.error, again_in, handed.dead_status)
        with self._publisher.transaction() as tx:
            finished = deliveries.record(tx, [result])
            bounces.suppress(tx, finished)
            for delivery in finished:
                emit_outcome(tx, delivery, text=self._composer.told(claimed) if handed.outcome is Outcome.SENT else "")
        metrics.ATTEMPTS.labels(handed.outcome.value).inc()
        for delivery in finished:
            metrics.WAITED_SECONDS.observe(delivery.waited.total_seconds())
            with use_traceparent(delivery.traceparent):
                log.info("text message ended", delivery_id=str(delivery.id), state=delivery.state, gateway_id=handed.gateway_id)
