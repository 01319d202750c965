"""The calls of the last hours in memory, as Kafka tells of them, and who waits for the next change (COM-5)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from uuid import UUID

from services.desk import metrics
from services.desk.domain.calls import Call, Shown, outdated, shown
from shared.clock import Clock, utc_now
from shared.messaging.follow import Followed
from shared.schemas.envelope import Event
from shared.schemas.events import CallChanged
from shared.web.streams import Listeners

TIDY_EVERY = 500
"""After so many events the old calls are dropped."""


class LiveCalls:
    """The calls. One per process; safe for use by many threads."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[UUID, Call] = {}
        self.listeners = Listeners(metrics.CALL_LISTENERS, metrics.CALL_LISTENERS_REFUSED)
        self._taken = 0
        self.sequence = 0
        """Counts the changes."""
        self.stopped = False

    def take_all(self, followed: Iterable[Followed]) -> None:
        """Take in what the topic tells."""
        for one in followed:
            self.take(one.event)

    def take(self, event: Event) -> None:
        """Take in how a call is now. One that comes again, or late, changes nothing."""
        call = _call(event)
        with self._lock:
            known = self._calls.get(call.id)
            if known is not None and known.revision >= call.revision:
                return
            self._calls[call.id] = call
            self._taken += 1
            if self._taken % TIDY_EVERY == 0:
                for id in outdated(self._calls.values(), self._clock()):
                    del self._calls[id]
            self.sequence += 1
        metrics.CALLS.labels(call.stage).inc()
        metrics.CALL_SECONDS.observe(max(0.0, (self._clock() - event.time).total_seconds()))
        self.listeners.wake()

    def one(self, id: UUID) -> Call | None:
        """A call, if it is one of the last hours'."""
        return self._calls.get(id)

    def shown(self) -> Shown:
        """What a page shows now."""
        with self._lock:
            calls = list(self._calls.values())
        return shown(calls, self._clock())

    def stop(self) -> None:
        """End what follows the calls: the process is about to. Safe within a signal's handler."""
        self.stopped = True
        self.listeners.wake()


def _call(event: Event) -> Call:
    data: CallChanged = event.data
    return Call(
        id=data.communication_id,
        revision=event.revision,
        direction=data.direction,
        method=data.method,
        line=data.line,
        unit=data.unit or "",
        number=data.other_party.value,
        caller_name=data.other_party.name,
        contact=data.customer.contact_id,
        contact_name=data.customer.name,
        candidates=tuple((one.contact_id, one.name) for one in data.candidates),
        stage=data.stage.value,
        began_at=data.began_at,
        answered_at=data.answered_at,
        answered_by=data.answered_by,
        ended_at=data.ended_at,
        outcome=data.outcome,
        seconds=data.duration_seconds,
    )
