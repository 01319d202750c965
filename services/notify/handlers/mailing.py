"""What one connection does: take a job, make its message, have the one before recorded, and only then let the server have this one.

So a process that dies leaves at most one message a connection of which it is not known whether it was sent.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from services.notify import metrics
from services.notify.domain.message import UnusableAddress
from services.notify.domain.retry import Outcome
from services.notify.domain.templates import UnknownTag
from services.notify.gateways.relay import AnyRelay
from services.notify.gateways.smtp import Answer
from services.notify.handlers.composing import Composer, NotComposable
from services.notify.handlers.recording import Ended, Job, Recorder
from shared.observability import get_logger
from shared.storage.objects import StoreUnavailable

log = get_logger(__name__)
A = TypeVar("A")

OPEN_SECONDS = 10.0
"""A message that was begun waits so long for the one before to be recorded; then its connection is given up."""


class Office(Protocol):
    """Whom the connections work for. Called by several threads."""

    @property
    def is_open(self) -> bool:
        """Whether anything is to be sent just now."""
        ...

    def ended(self, job: Job, answer: Answer) -> Ended:
        """What is recorded of an attempt."""
        ...

    def heard(self, answer: Answer) -> None:
        """The relay, or the network, said this."""
        ...


class Mailer:
    """One connection's work, in a thread of its own."""

    def __init__(
        self,
        relay: AnyRelay,
        composer: Composer,
        recorder: Recorder,
        jobs: queue.SimpleQueue[Job | None],
        office: Office,
        stop: threading.Event,
    ) -> None:
        """`jobs`: None among them: there will be no more."""
        self._relay = relay
        self._composer = composer
        self._recorder = recorder
        self._jobs = jobs
        self._office = office
        self._stop = stop

    def run(self) -> None:
        """Send until there are no more jobs."""
        try:
            before: Ended | None = None
            job = self._next()
            while job is not None:
                before, following = self._send(job, before)
                job = following or self._next()
        finally:
            self._relay.close()

    def _send(self, job: Job, before: Ended | None) -> tuple[Ended | None, Job | None]:
        """Send one message. Returns what the next has to wait for, and that one, if it was there already."""
        following: Job | None = None
        answer = self._begun(job)
        if answer is None:
            following = self._following()
            answer = self._finished(job, following) if self._may_end(job, before) else self._given_up()
        ended = self._office.ended(job, answer)
        self._recorder.add(ended)
        self._office.heard(answer)
        return (before if answer.outcome is Outcome.RETURNED else ended), following

    def _next(self) -> Job | None:
        """The next job. Nothing that has ended waits for it to be there."""
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            if not self._recorder.is_by_and_by:
                self._recorder.record()
            return self._jobs.get()

    def _following(self) -> Job | None:
        """The next job, its message made, if there is one already: its envelope goes the same way as the message before it."""
        try:
            job = self._jobs.get_nowait()
        except queue.Empty:
            return None
        if job is None:
            self._jobs.put(None)  # somebody has to find it, perhaps we
            return None
        answer = self._made(job)
        if answer is not None:
            self._recorder.add(self._office.ended(job, answer))
            return None
        return job

    def _made(self, job: Job) -> Answer | None:
        """None: the message is made. Otherwise how the attempt ended."""
        if not self._office.is_open or not job.is_held or not self._composer.knows(job.claimed):
            return Answer(Outcome.RETURNED, 0)
        if job.written is not None:
            return None
        made = self._guarded(job, lambda: self._composer.compose(job.claimed))
        if isinstance(made, Answer):
            return made
        job.written = made
        return None

    def _begun(self, job: Job) -> Answer | None:
        """None: the message waits to be handed over. Otherwise how the attempt ended."""
        answer, message = self._made(job), job.written
        if answer is not None or message is None:
            return answer
        return self._guarded(job, lambda: self._relay.begin(message), self._relay.close)

    def _finished(self, job: Job, following: Job | None) -> Answer:
        then = following.written if following is not None else None
        with metrics.SMTP_SECONDS.time():
            return self._guarded(job, lambda: self._relay.finish(then), self._relay.close)

    def _given_up(self) -> Answer:
        self._relay.abandon()
        return Answer(Outcome.RETURNED, 0)

    def _may_end(self, job: Job, before: Ended | None) -> bool:
        """Whether the message before this one is safe, and this one is still ours. Waits for it, but not for long."""
        give_up_at = time.monotonic() + OPEN_SECONDS
        while before is not None and not before.is_safe:
            if not self._recorder.record():
                if self._stop.is_set() or time.monotonic() > give_up_at:
                    return False
                self._stop.wait(0.1)
        return job.is_held

    def _guarded(self, job: Job, step: Callable[[], A], undo: Callable[[], None] = lambda: None) -> A | Answer:
        """What the step says; a message that cannot be made or handled is refused. `undo`: what to do if the step broke midway."""
        try:
            return step()
        except (NotComposable, UnknownTag, UnusableAddress) as error:
            return Answer(Outcome.REFUSED, 0, str(error))
        except StoreUnavailable as error:
            return Answer(Outcome.DEFERRED, 0, f"the object store is away: {error}")
        except Exception as error:
            # Recorded on the delivery and logged: one message that we cannot handle must not hold up the others.
            log.exception("message cannot be sent", delivery_id=str(job.claimed.id))
            undo()
            return Answer(Outcome.REFUSED, 0, f"the message cannot be sent: {type(error).__name__}")
