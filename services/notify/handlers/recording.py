"""Recording how attempts ended, and telling of it a moment later (docs/decisions/0018).

A message that was sent is safe once the database knows, or the journal. With a journal a thread records for all connections, many
messages together; without one the connections record themselves, of those who do at once one for all.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from services.notify import metrics
from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.handlers.outcomes import emit_outcome, is_told_with_text
from services.notify.storage import bounces, deliveries, digests
from services.notify.storage.deliveries import Claimed, Finished, Result
from services.notify.storage.journal import Journal
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import use_traceparent
from shared.storage.database import CONNECTION_LOST
from shared.storage.outbox import Parcel

log = get_logger(__name__)

LAST_TELLING_SECONDS = 15.0
RECORD_SECONDS = 0.02
TELL_SECONDS = 0.05
"""So long is gathered from one recording, or telling, to the next: disk, Kafka and outbox cost much the same for one and for fifty."""
MOST_AT_ONCE = 500
MARGIN_SECONDS = 2.0
"""A message is not begun this close to the end of its lease."""


@dataclass(slots=True, eq=False)
class Job:
    """A claimed delivery on its way to a connection; `until` (monotonic) is the end of its lease as far as we know."""

    claimed: Claimed
    until: float
    written: Written | None = None
    """The message, once it is made."""

    @property
    def key(self) -> tuple[UUID, int]:
        """What the claim is known by."""
        return self.claimed.id, self.claimed.attempt

    @property
    def is_held(self) -> bool:
        """Whether its lease lasts for a while yet."""
        return time.monotonic() <= self.until - MARGIN_SECONDS


@dataclass(slots=True, eq=False)
class Ended:
    """An attempt that has ended. `written`: the message, if it came to that. `is_safe`: whatever becomes of this process, nobody will send
    again what was sent.
    """

    result: Result
    written: Written | None = None
    is_safe: bool = False


class Recorder:
    """Records what has ended. Any thread may add and record."""

    def __init__(self, publisher: EventPublisher, recorded: Callable[[list[Ended]], None], journal: Journal | None = None) -> None:
        """`recorded`: called once the database knows, by whoever recorded; must be quick."""
        self._publisher = publisher
        self._recorded = recorded
        self._journal = journal
        self._waiting: deque[Ended] = deque()
        self._lock = threading.Lock()
        self._teller = Teller(publisher)
        self._something = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._record_by_and_by, name="recorder", daemon=True)
        self.failure: Exception | None = None
        """What ended the thread that records."""

    def take_over(self, written: Callable[[Claimed], Written | None]) -> int:
        """Record what an earlier process of this name noted, and emptied no more. Returns how many it had sent. `written`: the message that
        it made of a delivery; None: it cannot be made again.
        """
        if self._journal is None:
            return 0
        left = self._journal.left()
        for start in range(0, len(left), MOST_AT_ONCE):
            ids = left[start : start + MOST_AT_ONCE]
            with self._publisher.transaction() as tx:
                messages = {one.id: written(one) for one in deliveries.as_claimed(tx, ids) if is_told_with_text(one)}
                finished = deliveries.record(tx, [Result(id, 0, Outcome.SENT) for id in ids])
                finished += digests.told(tx, finished)
                for delivery in finished:
                    emit_outcome(tx, delivery, messages.get(delivery.id))
        self._journal.clear()
        return len(left)

    def start(self) -> None:
        """Start the threads."""
        self._teller.start()
        if self._journal is not None:
            self._thread.start()

    def add(self, ended: Ended) -> None:
        """Keep what has ended for the next `record`."""
        # In this order: what was noted in a file before it is left for the other is then among what is recorded next.
        self._waiting.append(ended)
        if self._journal is not None:
            try:
                if ended.result.outcome is Outcome.SENT:
                    self._journal.note(ended.result.id)
                ended.is_safe = True
            except OSError as error:
                log.warning("journal cannot be written; recording each message", error=type(error).__name__)
        self._something.set()

    @property
    def is_by_and_by(self) -> bool:
        """Whether nobody needs to record by themselves."""
        return self._journal is not None

    def record(self) -> bool:
        """Record all that was added. False: the database is away, and it is kept. Blocks for a commit, its own or another's."""
        with self._lock:
            if self._journal is not None:
                self._journal.turn()
            ended = list(self._waiting)
            if not ended:
                return True
            finished: list[Finished] = []

            def committed(parcel: Parcel) -> None:
                for one in ended:
                    self._waiting.popleft()
                    one.is_safe = True
                self._teller.tell(parcel, finished)

            try:
                with self._publisher.quick_transaction(committed) as tx:
                    finished += deliveries.record(tx, [one.result for one in ended])
                    bounces.suppress(tx, finished)
                    finished += digests.told(tx, finished)
                    written = {one.result.id: one.written for one in ended}
                    for delivery in finished:
                        emit_outcome(tx, delivery, written.get(delivery.id))
            except CONNECTION_LOST as error:
                log.warning("database away; trying again", error=type(error).__name__)
                return False
            if self._journal is not None:
                self._journal.recorded()
        self._recorded(ended)
        for outcome, count in Counter(one.result.outcome.value for one in ended).items():
            metrics.ATTEMPTS.labels(outcome).inc(count)
        return True

    def close(self, seconds: float) -> None:
        """Record and tell the last, for at most this long each."""
        self._closing.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        give_up_at = time.monotonic() + seconds
        while not self.record() and time.monotonic() < give_up_at:
            time.sleep(0.2)
        self._teller.close()
        if self._journal is not None:
            self._journal.close()

    def _record_by_and_by(self) -> None:
        try:
            while not self._closing.is_set():
                self._something.wait()
                self._something.clear()
                if not self.record():
                    self._something.set()
                    self._closing.wait(0.2)
                self._closing.wait(RECORD_SECONDS)
        except Exception as error:
            self.failure = error
            raise


class Teller:
    """Publishes and logs what became of deliveries, in a thread of its own, as much at once as has come together."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._queue: queue.SimpleQueue[tuple[Parcel, list[Finished]] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell(self, parcel: Parcel, finished: list[Finished]) -> None:
        """Publish this soon. What a process that dies here leaves behind, the outbox has."""
        self._queue.put((parcel, finished))

    def close(self) -> None:
        """Tell what has come, and end."""
        self._closing.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(LAST_TELLING_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            first = self._queue.get()
            self._tell(([first] if first else []) + self._drained())
            self._closing.wait(TELL_SECONDS)
        self._tell(self._drained())

    def _drained(self) -> list[tuple[Parcel, list[Finished]]]:
        found = []
        while not self._queue.empty():
            found.append(self._queue.get())
        return [one for one in found if one is not None]

    def _tell(self, told: list[tuple[Parcel, list[Finished]]]) -> None:
        if not told:
            return
        try:
            self._publisher.publish([parcel for parcel, _ in told])
        except CONNECTION_LOST as error:
            log.warning("database away; events wait in the outbox", error=type(error).__name__)
        for _, finished in told:
            for delivery in finished:
                metrics.WAITED_SECONDS.observe(delivery.waited.total_seconds())
                with use_traceparent(delivery.traceparent):
                    log.info("delivery ended", delivery_id=str(delivery.id), state=delivery.state, definition=delivery.definition)
