"""Taking in one batch: decode, recognise repeats, let the handlers decide and save, move the offsets, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import orjson

from shared.messaging.failing import BAD_SHARE, BAD_WINDOW, RecentFailures
from shared.messaging.handler import Handlers, NotYet, Refused
from shared.messaging.metrics import ConsumerMetrics
from shared.messaging.publisher import EventPublisher
from shared.messaging.reference import ReferenceData
from shared.observability import get_logger
from shared.schemas.envelope import Event, Payload, Undecodable, decode
from shared.schemas.events import PAYLOADS
from shared.schemas.topics import CONTACT_EVENTS
from shared.storage import Transaction, dead_letters, inbox, offsets
from shared.storage.dead_letters import DeadLetter, Kind
from shared.storage.offsets import TopicPartition

log = get_logger(__name__)

_PAYLOADS: dict[bytes, type[Payload]] = {name.encode(): payload for name, payload in PAYLOADS.items()}


class BadRelease(Exception):
    """Too many messages fail: more likely this program's fault than theirs. The process stops and sets nothing more aside."""


class Incoming(NamedTuple):
    """A Kafka message as bytes."""

    where: TopicPartition
    """Its topic (without prefix) and partition."""
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None

    @property
    def topic(self) -> str:
        """Its topic, without prefix."""
        return self.where[0]

    @property
    def partition(self) -> int:
        """The number of its partition."""
        return self.where[1]

    def letter(self, kind: Kind, error: str, attempts: int = 1) -> DeadLetter:
        """This message as a dead letter; a header without a value gets an empty one."""
        headers = tuple((name, value or b"") for name, value in self.headers)
        return DeadLetter(*self.where, self.offset, self.key, headers, self.value, kind, error, attempts)


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    moves: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """Partition -> (offset before, next offset now)."""
    waiting: dict[TopicPartition, int] = field(default_factory=dict)
    """Partition -> the offset it waits at."""
    letters: list[DeadLetter] = field(default_factory=list)


def decode_message(message: Incoming, handlers: Handlers) -> Event | DeadLetter | None:
    """The event that a handler wants, a dead letter, or None for what no handler here asks for."""
    given = dict(message.headers)
    headers = cast("dict[str, bytes]", given if None not in given.values() else {name: value or b"" for name, value in given.items()})
    name = headers.get("ce_type")
    if name is None:
        return message.letter("garbage", "header missing: ce_type")
    topic = message.where[0]
    payload = _PAYLOADS.get(name)
    if payload is None:
        return message.letter("garbage", f"unknown type {name[:200]!r}")
    if payload.topic != topic:
        return message.letter("garbage", f"{payload.event_type} does not belong on {topic}")
    handler = handlers.get(topic)
    if handler is None or payload not in handler.apply:
        return None
    try:
        return decode(message.key, headers, message.value, payload)
    except Undecodable as error:
        # What others publish says nothing about this release, however much of it is wrong.
        ours = topic != CONTACT_EVENTS and is_json(message.value)
        return message.letter("invalid" if ours else "garbage", str(error))


def is_json(value: bytes | None) -> bool:
    """Whether the bytes are JSON at all: if not, no release could read them."""
    try:
        orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return False
    return True


class BatchProcessor:
    """Takes batches in. One per consuming process; not for several threads."""

    def __init__(
        self, service: str, handlers: Handlers, publisher: EventPublisher, reference: ReferenceData, bad_in_a_row: int = 100
    ) -> None:
        self._handlers = handlers
        self._publisher = publisher
        self._reference = reference
        self._metrics = ConsumerMetrics.of(service)
        self._bad_in_a_row = bad_in_a_row
        self._recent = RecentFailures()

    def take(self, batch: Sequence[Incoming], positions: dict[TopicPartition, int]) -> Taken:
        """Take `batch` in; `positions` are the next offsets as this process knows them, and are moved on success.

        Raises `Fenced`, what the database raises while it is away, `BadRelease`, or whatever a handler breaks with; then nothing happened.
        """
        taken = Taken()
        pairs = self._decode(batch, taken)
        with self._publisher.transaction() as tx:
            done = self._decide(tx, self._without_repeats(tx, pairs), taken)
            self._check_letters(tx, taken.letters, len(batch))
            dead_letters.store(tx, taken.letters)
            for where, after in {message.where: message.offset + 1 for message in batch}.items():
                before, after = positions[where], taken.waiting.get(where, after)
                if after > before:
                    taken.moves[where] = (before, after)
            if taken.moves:
                offsets.advance(tx, taken.moves)
        for where, (_, after) in taken.moves.items():
            positions[where] = after
        self._count(batch, taken)
        if done:
            # One line a batch: what becomes of an email is found in every service's log by its trace id, at little cost.
            traces = sorted({event.traceparent[3:35] for event in done if event.traceparent})
            log.info("batch taken", messages=len(batch), events=len(done), trace_ids=traces)
        return taken

    def set_aside(self, message: Incoming, letter: DeadLetter, positions: dict[TopicPartition, int]) -> Taken:
        """Make one message a dead letter without asking any handler."""
        taken = Taken(letters=[letter], moves={message.where: (positions[message.where], message.offset + 1)})
        with self._publisher.transaction() as tx:
            self._check_letters(tx, taken.letters, 1)
            dead_letters.store(tx, taken.letters)
            offsets.advance(tx, taken.moves)
        positions[message.where] = message.offset + 1
        self._count([message], taken)
        return taken

    def replay_one(self, tx: Transaction, letter: DeadLetter) -> str | None:
        """Take a dead letter in again within `tx`; None, or why it is refused again."""
        message = Incoming((letter.topic, letter.partition), letter.offset, letter.key, letter.headers, letter.value)
        found = decode_message(message, self._handlers)
        if isinstance(found, DeadLetter):
            return found.error
        if found is None:
            return None
        if found.config_version > self._reference.version:
            return f"configuration version {found.config_version} is not known yet"
        taken = Taken()
        self._decide(tx, self._without_repeats(tx, [(message, found)]), taken)
        if taken.letters:
            return taken.letters[0].error
        if taken.waiting:
            return "what it depends on is not known yet"
        return None

    def _decode(self, batch: Sequence[Incoming], taken: Taken) -> list[tuple[Incoming, Event]]:
        pairs = []
        newest = self._reference.version
        for message in batch:
            if message.where in taken.waiting:
                continue
            found = decode_message(message, self._handlers)
            if isinstance(found, DeadLetter):
                taken.letters.append(found)
            elif found is not None:
                if found.config_version > newest:
                    taken.waiting[message.where] = message.offset
                else:
                    pairs.append((message, found))
        return pairs

    def _without_repeats(self, tx: Transaction, pairs: list[tuple[Incoming, Event]]) -> list[tuple[Incoming, Event]]:
        """Those not taken in before; they count as taken in from here on, until `_decide` finds otherwise."""
        if not pairs:
            return pairs
        known = inbox.remember(tx, [event for _, event in pairs])
        fresh = []
        for message, event in pairs:
            if event.id in known:
                self._metrics.repeats.labels(message.topic).inc()
            else:
                known.add(event.id)
                fresh.append((message, event))
        return fresh

    def _decide(self, tx: Transaction, pairs: list[tuple[Incoming, Event]], taken: Taken) -> list[Event]:
        done: list[Event] = []
        undone: list[Event] = []
        by_topic: dict[str, list[tuple[Incoming, Event]]] = {}
        for pair in pairs:
            by_topic.setdefault(pair[0].topic, []).append(pair)
        for topic, wanted in by_topic.items():
            handler = self._handlers[topic]
            state = handler.load(tx, [event for _, event in wanted])
            for message, event in wanted:
                if message.where in taken.waiting and message.offset >= taken.waiting[message.where]:
                    undone.append(event)
                    continue
                try:
                    handler.apply[type(event.data)](state, event)
                except Refused as refusal:
                    taken.letters.append(message.letter("refused", str(refusal)))
                    undone.append(event)
                except NotYet as reason:
                    log.info("partition waits", topic=topic, partition=message.partition, offset=message.offset, reason=str(reason))
                    taken.waiting[message.where] = message.offset
                    undone.append(event)
                else:
                    done.append(event)
            handler.save(tx, state)
        if undone:
            inbox.forget(tx, undone)
        # What came after a message that now waits was decided by nobody; letters among it come again with it.
        taken.letters = [d for d in taken.letters if d.offset < taken.waiting.get((d.topic, d.partition), d.offset + 1)]
        return done

    def _check_letters(self, tx: Transaction, letters: Sequence[DeadLetter], messages: int) -> None:
        limit = self._bad_in_a_row
        bad: dict[TopicPartition, list[int]] = {}
        for letter in letters:
            if letter.kind in ("invalid", "failed"):
                bad.setdefault((letter.topic, letter.partition), []).append(letter.offset)
        for (topic, partition), at in bad.items():
            for index, offset in enumerate(at):
                in_batch = sum(1 for earlier in at[:index] if earlier >= offset - limit)
                before = dead_letters.run_before(tx, topic, partition, at[0], limit - (offset - at[0])) if offset - at[0] < limit else 0
                if in_batch + before >= limit:
                    raise BadRelease(f"{limit} messages in a row failed on {topic} partition {partition}, up to offset {offset}")
        if self._recent.would_be_too_many(sum(map(len, bad.values())), messages):
            raise BadRelease(f"more than {BAD_SHARE:.0%} of the last {BAD_WINDOW} messages failed")

    def _count(self, batch: Sequence[Incoming], taken: Taken) -> None:
        bad = 0
        for letter in taken.letters:
            self._metrics.dead_letters.labels(letter.topic, letter.kind).inc()
            bad += letter.kind in ("invalid", "failed")
            log.error("dead letter", topic=letter.topic, partition=letter.partition, offset=letter.offset, kind=letter.kind)
        self._recent.add(bad, len(batch))
        for topic in {message.topic for message in batch}:
            self._metrics.messages.labels(topic).inc(sum(1 for message in batch if message.topic == topic))
