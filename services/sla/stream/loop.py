"""The loop: consume both inputs, decide partition by partition, commit offsets, changelog and alerts in one Kafka transaction each.

A partition's timers fire once both its inputs were read up to ends that were sampled at or after the moment they were due: so what was
completed while nobody was here raises no alert. While nothing is due, nothing is sampled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import cast

from services.sla import metrics
from services.sla.handlers.intake import INPUTS, Fact, read_fact
from services.sla.handlers.policies import Policies
from services.sla.settings import Settings
from services.sla.stream import gauges
from services.sla.stream.assignment import Assignment, Held
from services.sla.stream.letters import Letters, kind_of, letter_of
from services.sla.stream.reckoning import Reckoning
from shared.calendars import CalendarError
from shared.calendars.openings import micros
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData
from shared.messaging.transactional import (
    Aborted,
    Consumer,
    Ends,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
    is_end,
    stream_consumer,
    value_of,
    will_pass,
)
from shared.observability import get_logger
from shared.schemas import topics
from shared.schemas.envelope import Undecodable
from shared.storage.database import CONNECTION_LOST
from shared.storage.dead_letters import DeadLetter

log = get_logger(__name__)

IDLE_SECONDS = 0.5
"""Longest wait when nothing is due and nothing comes."""
QUIET_SECONDS = 0.15
"""When nothing more has come for so long, what has gathered is not kept waiting."""
BEHIND_SECONDS = 0.02
"""Longest wait while something is due that must not fire before its partition's inputs are read."""
UPKEEP_SECONDS = 2.0
STALLED_SECONDS = 60.0
SAMPLE_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.5  # after Kafka did not say where the inputs end
LATE_AFTER = timedelta(seconds=30) // timedelta(microseconds=1)
"""Fired later than this counts as late even when somebody was here all the time."""
FIRED_AT_ONCE = 500
"""Most items of a partition that fire in one transaction: the first of many need not wait for the last."""
ABORTS_IN_A_ROW = 5
AT_HAND = 100
"""Most messages the client is asked for at a time: the memory of a hundred is used over and over, that of thousands is always new."""
THREADS = 8


class Stream:
    """sla's stream. `run` takes in and fires until stopped; one per process."""

    def __init__(
        self, settings: Settings, reference: ReferenceData, letters: Letters, stop: threading.Event, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._reference = reference
        self._policies = Policies(reference)
        self._letters = letters
        self._stop = stop
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sla")
        self._assignment = Assignment(settings.kafka, self._prefix, self._policies.get, clock, self._pool, settings.changelog_format)
        self._is_assigned = False
        self._joined = threading.Event()
        self._alive_at = self._upkeep_at = time.monotonic()
        self._aborts = 0
        self._latest = -1
        self._ask_at = 0.0
        self._revocations = 0
        self._reckoning = Reckoning(reference, self._policies)
        self._flights: list[tuple[Held, Future[bool]]] = []
        self._more_is_due = False
        self._bare = {self._prefix + name: name for name in INPUTS}
        self._changelog = self._prefix + topics.SLA_TIMERS
        self._output = self._prefix + topics.SLA
        self._ends = Ends(settings.kafka)
        self._consumer: Consumer = stream_consumer(settings.kafka, f"{self._prefix}casestream-sla", f"sla-{settings.instance}")

    @property
    def held(self) -> dict[int, Held]:
        """The partitions that are ours, by number."""
        return self._assignment.held

    def problems(self) -> list[str]:
        """Why the stream is not ready; empty when it is."""
        found = [] if self._joined.is_set() else ["has not joined its consumer group and recovered its clocks yet"]
        if time.monotonic() - self._alive_at > STALLED_SECONDS:
            found.append(f"no progress of the stream for {STALLED_SECONDS:.0f} s")
        return found

    def run(self) -> None:
        """Work until `stop` is set, then leave in good order. Raises when it cannot go on; its supervisor starts it again."""
        self._consumer.subscribe(list(self._bare), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        try:
            while not self._stop.is_set():
                self._alive_at = time.monotonic()
                self.step()
            self._land()
        finally:
            self._consumer.close()
            self._pool.shutdown()

    def step(self) -> None:
        """Take in what is there, fire what may fire, and begin to commit it: that goes on while the next messages are taken in."""
        letters: list[DeadLetter] = []
        self._take_in(letters)
        self._land()
        if not self._is_assigned:
            return
        self._letters.store(letters)
        self._fire()
        self._reckoning.step([held.partition for held in self.held.values()], micros(self._clock()))
        self._launch([held for held in self.held.values() if held.partition.work])
        if time.monotonic() - self._upkeep_at > UPKEEP_SECONDS:
            self._upkeep()

    # Taking in

    def _take_in(self, letters: list[DeadLetter]) -> None:
        """Take in what comes, until there is enough for a transaction or nothing more comes. Each costs the brokers the same however little
        is in it, so some is let gather; no due timer waits for that."""
        left = self._settings.stream_batch_size
        # Until what is being committed has settled, nobody knows when the next timer is due.
        messages = self._consume(1, min(self._patience(), BEHIND_SECONDS) if self._flights else self._patience())
        until = time.monotonic() + min(self._settings.stream_linger_seconds, self._patience())
        while messages:
            left -= len(messages)
            self._take_all(messages, letters)
            if self._flights and all(flight.done() for _, flight in self._flights):
                self._land()
                until = min(until, time.monotonic() + self._patience())
            seconds = until - time.monotonic()
            if left <= 0 or seconds <= 0:
                return
            messages = self._consume(min(left, AT_HAND), min(seconds, QUIET_SECONDS))

    def _consume(self, most: int, seconds: float) -> list[Message]:
        """The next messages; none if the assignment changed meanwhile: some are of the one that is over, and those before may be undone."""
        revocations = self._revocations
        messages: list[Message] = self._consumer.consume(most, seconds)
        if self._revocations == revocations:
            return messages
        if self._is_assigned:  # others may be of the new one: they have to come again
            self._begin_at_committed([TopicPartition(topic, number) for number in self.held for topic in self._bare])
        return []

    def _patience(self) -> float:
        if not self._is_assigned:
            return IDLE_SECONDS
        if self._more_is_due:
            return 0
        moments = [at for held in self.held.values() if (at := held.partition.next_at()) is not None]
        if not moments:
            return IDLE_SECONDS
        seconds = (min(moments) - micros(self._clock())) / 1e6
        return BEHIND_SECONDS if seconds <= 0 else min(IDLE_SECONDS, seconds)

    def _take_all(self, messages: Sequence[Message], letters: list[DeadLetter]) -> None:
        metrics.MESSAGES.inc(len(messages))
        now = micros(self._clock())
        held_of, topics_of, newest = self.held.get, self._bare, self._reference.version
        for message in messages:
            error = message.error()
            if error is not None:
                self._note(message, error)
                continue
            topic, number, offset = cast("tuple[str, int, int]", (message.topic(), message.partition(), message.offset()))
            held = held_of(number)
            if held is None or topic in held.waiting or offset < held.read_to.get(topic, 0):
                continue
            bare = topics_of[topic]
            headers = dict(cast("list[tuple[str, bytes]]", message.headers() or ()))
            try:
                fact = read_fact(bare, headers, value_of(message))
                if fact is not None:
                    if fact.config_version > newest:
                        self._wait(held, topic, offset, fact.config_version)
                        continue
                    held.partition.take(fact, headers.get("traceparent") or b"", now)
            except Undecodable as problem:
                letters.append(letter_of(message, bare, kind_of(problem), str(problem)))
            except CalendarError as problem:
                letters.append(letter_of(message, bare, "refused", str(problem)))
            except Exception as problem:
                # The rules are pure: what breaks in them, this message alone has broken.
                log.exception("rules failed", topic=bare, partition=number, offset=offset)
                letters.append(letter_of(message, bare, "failed", f"{type(problem).__name__}: {problem}"))
            held.read_to[topic] = held.partition.work.offsets[topic] = offset + 1

    def _note(self, message: Message, error: KafkaError) -> None:
        """Take note of what the client tells instead of a message. Raises what it does not get over."""
        topic, number, offset = message.topic(), message.partition(), message.offset()
        if is_end(error):
            held = self.held.get(number) if number is not None else None
            if held is not None and topic is not None and offset is not None and topic not in held.waiting:
                held.read_to[topic] = max(offset, held.read_to.get(topic, 0))
        elif not will_pass(error):
            raise KafkaException(error)

    def _wait(self, held: Held, topic: str, offset: int, version: int) -> None:
        """Let a partition of an input rest at `offset` until the configuration version is known; its timers wait with it."""
        log.info("partition waits", topic=topic, partition=held.partition.number, offset=offset, config_version=version)
        metrics.WAITS.labels(self._bare[topic]).inc()
        held.waiting[topic] = (offset, version)
        held.read_to[topic] = offset
        place = TopicPartition(topic, held.partition.number, offset)
        self._consumer.pause([place])
        self._consumer.seek(place)

    def _wake(self) -> None:
        for held in self.held.values():
            for topic, (offset, version) in list(held.waiting.items()):
                if version <= self._reference.version:
                    del held.waiting[topic]
                    place = TopicPartition(topic, held.partition.number, offset)
                    self._consumer.seek(place)
                    self._consumer.resume([place])

    # Firing

    def _fire(self) -> None:
        self._wake()
        self._more_is_due = False
        now = micros(self._clock())
        self._mind(now)
        due = [held for held in self.held.values() if (at := held.partition.next_at()) is not None and at <= now]
        if not due:
            return
        # One answer after the due moment is enough; it is asked for again only once what it allowed has fired.
        self._sample([held for held in due if held.sampled_at < (held.partition.next_at() or 0)])
        now = micros(self._clock())
        fired = [held.partition.fire(held.sampled_at, now, LATE_AFTER, FIRED_AT_ONCE) for held in due if held.is_caught_up]
        self._more_is_due = FIRED_AT_ONCE in fired

    def _mind(self, now: int) -> None:
        """Mind a host's clock that was set back: ends that were sampled in its future say nothing of moments that are still to come."""
        if now < self._latest:
            for held in self.held.values():
                held.sampled_at = -1
                held.partition.ready_at = min(held.partition.ready_at, now)
        self._latest = now

    def _sample(self, asking: Sequence[Held]) -> None:
        """Ask where the inputs end; the answer holds for the moment before the asking. No answer: nothing fires, and it is asked again."""
        if not asking or time.monotonic() < self._ask_at:
            return
        sampled_at = micros(self._clock())
        places = [(topic, held.partition.number) for held in asking for topic in self._bare]
        try:
            ends = self._ends.of(places, SAMPLE_SECONDS)
        except KafkaException as error:
            log.warning("the ends of the inputs are not known: timers wait", error=str(error))
            self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS
            return
        for held in asking:
            held.ends = {topic: ends[topic, held.partition.number] for topic in self._bare}
            held.sampled_at = sampled_at

    # Committing

    def _launch(self, busy: Sequence[Held]) -> None:
        """Begin to commit, one transaction for each partition: written one after the other, committed side by side."""
        for held in busy:
            held.write(self._changelog, self._output)
        group = self._consumer.consumer_group_metadata() if busy else None
        self._flights = [(held, self._pool.submit(held.end, group)) for held in busy]

    def _land(self, *, is_reading_on: bool = True) -> bool:
        """Wait for what is being committed, and take it over. False: of some partitions it was given up; those are read again, unless the
        group is about to say anew what is read (`is_reading_on` false)."""
        if not self._flights:
            return True
        flights, self._flights = self._flights, []
        is_whole = True
        for held, flight in flights:
            if flight.result():
                held.partition.settle()
            else:
                is_whole = False
                self._undo(held, is_reading_on)
        self._aborts = 0 if is_whole else self._aborts + 1
        if self._aborts >= ABORTS_IN_A_ROW:
            raise Aborted(f"{self._aborts} rounds of transactions in a row were given up")
        return is_whole

    def _undo(self, held: Held, is_reading_on: bool) -> None:
        """Undo what a transaction that was given up had taken in, and read it again."""
        number = held.partition.number
        held.sampled_at = -1
        places = [TopicPartition(topic, number) for topic in held.partition.undo()]
        for place in places:
            held.read_to.pop(place.topic, None)
            held.waiting.pop(place.topic, None)
        if not is_reading_on or not places:
            return
        for place in self._consumer.committed(places, timeout=SAMPLE_SECONDS):
            low, _ = self._consumer.get_watermark_offsets(place, timeout=SAMPLE_SECONDS)
            offset = place.offset if place.offset >= 0 else low
            held.read_to[place.topic] = offset
            self._consumer.seek(TopicPartition(place.topic, number, offset))
            self._consumer.resume([place])

    # Assignment

    def _on_assign(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self._land(is_reading_on=False)
        self._assignment.take(places)
        self._begin_at_committed(places)
        self._is_assigned = True
        self._joined.set()
        log.info("partitions assigned", count=len(places))

    def _begin_at_committed(self, places: list[TopicPartition]) -> None:
        """Read these from their committed offsets on. What was taken in since then is undone: it comes again."""
        for held in self.held.values():
            held.partition.undo()
            held.read_to, held.waiting, held.sampled_at = {}, {}, -1
        committed = self._consumer.committed(places, timeout=30) if places else []
        for place in committed:
            if place.offset >= 0:
                self.held[place.partition].read_to[place.topic] = place.offset
        self._consumer.assign(committed)

    def _on_revoke(self, _consumer: Consumer, _places: list[TopicPartition]) -> None:
        # What is held is kept until it is known what comes: it is likely to be the same. Nothing fires meanwhile.
        self._revocations += 1
        self._land(is_reading_on=False)
        self._is_assigned = False

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._on_revoke(consumer, places)
        self._assignment.drop({place.partition for place in places})

    # Upkeep

    def _upkeep(self) -> None:
        self._upkeep_at = time.monotonic()
        gauges.show(self.held, self._consumer, self._bare)
        try:
            self._letters.replay(set(self.held), self._reference.version, self._take_again)
        except CONNECTION_LOST as error:
            log.warning("dead letters cannot be looked at: database away", error=type(error).__name__)

    def _take_again(self, number: int, fact: Fact, traceparent: bytes) -> None:
        self._land()
        held = self.held[number]
        try:
            held.partition.take(fact, traceparent, micros(self._clock()))
        except Exception as problem:
            log.exception("rules failed on a replayed dead letter", partition=number)
            raise ValueError(f"{type(problem).__name__}: {problem}") from problem
        self._launch([held])
        if not self._land():
            raise Aborted("a replayed dead letter's transaction was given up")
