"""Recording how attempts ended, at once and for all who wait; and telling of it, a moment later.

What must happen before a connection may end its next message is one short commit. All the rest - the disk, Kafka, the log - happens
beside it, for many deliveries together (docs/decisions/0018).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from services.notify import metrics
from services.notify.domain.message import Written
from services.notify.handlers.outcomes import emit_outcome
from services.notify.storage import deliveries, digests
from services.notify.storage.deliveries import Finished, Result
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import use_traceparent
from shared.storage.database import CONNECTION_LOST
from shared.storage.outbox import Parcel

log = get_logger(__name__)

LAST_TELLING_SECONDS = 15.0
GATHER_SECONDS = 0.05
"""So long, from one telling to the next, events are gathered: the disk, Kafka and the outbox cost much the same for one and for fifty."""


@dataclass(slots=True, eq=False)
class Ended:
    """An attempt that has ended. `written`: the message, if it came to that. `is_recorded`: the database knows, and so does whoever
    claims next.
    """

    result: Result
    written: Written | None = None
    is_recorded: bool = False


class Recorder:
    """Records what has ended. Any thread may add and record; of those who record at once, one does it for all."""

    def __init__(self, publisher: EventPublisher, recorded: Callable[[list[Ended]], None]) -> None:
        """`recorded`: called once the database knows, by whoever recorded; must be quick."""
        self._publisher = publisher
        self._recorded = recorded
        self._waiting: deque[Ended] = deque()
        self._lock = threading.Lock()
        self._teller = Teller(publisher)

    def start(self) -> None:
        """Start the thread that tells."""
        self._teller.start()

    def add(self, ended: Ended) -> None:
        """Keep what has ended for the next `record`."""
        self._waiting.append(ended)

    def record(self) -> bool:
        """Record all that was added. False: the database is away, and it is kept. Blocks for a commit, its own or another's."""
        with self._lock:
            ended = list(self._waiting)
            if not ended:
                return True
            finished: list[Finished] = []

            def committed(parcel: Parcel) -> None:
                for one in ended:
                    self._waiting.popleft()
                    one.is_recorded = True
                self._teller.tell(parcel, finished)

            try:
                with self._publisher.quick_transaction(committed) as tx:
                    finished += deliveries.record(tx, [one.result for one in ended])
                    finished += digests.told(tx, finished)
                    written = {one.result.id: one.written for one in ended}
                    for delivery in finished:
                        message = written.get(delivery.id)
                        emit_outcome(tx, delivery, message.subject_line if message else "", message.text if message else "")
            except CONNECTION_LOST as error:
                log.warning("database away; trying again", error=type(error).__name__)
                return False
        self._recorded(ended)
        for outcome, count in Counter(one.result.outcome.value for one in ended).items():
            metrics.ATTEMPTS.labels(outcome).inc(count)
        return True

    def close(self, seconds: float) -> None:
        """Record and tell the last, for at most this long each."""
        give_up_at = time.monotonic() + seconds
        while not self.record() and time.monotonic() < give_up_at:
            time.sleep(0.2)
        self._teller.close()


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
            self._closing.wait(GATHER_SECONDS)
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
            # Nobody is told of what a crash of the database could still undo.
            with self._publisher.database.transaction() as tx:
                deliveries.settle(tx)
            self._publisher.publish([parcel for parcel, _ in told])
        except CONNECTION_LOST as error:
            log.warning("database away; events wait in the outbox", error=type(error).__name__)
        for _, finished in told:
            for delivery in finished:
                metrics.WAITED_SECONDS.observe(delivery.waited.total_seconds())
                with use_traceparent(delivery.traceparent):
                    log.info("delivery ended", delivery_id=str(delivery.id), state=delivery.state, definition=delivery.definition)
