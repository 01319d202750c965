"""Dead letters of the stream: messages that nothing can be made of, kept in sla's database before their offsets are committed."""

from __future__ import annotations

from collections.abc import Callable, Collection

from services.sla import metrics
from services.sla.handlers.intake import Fact, Garbage, read_fact
from shared.messaging.batch import BadRelease
from shared.messaging.kafka import headers_of
from shared.messaging.transactional import Message, value_of
from shared.observability import get_logger
from shared.schemas.envelope import Undecodable
from shared.storage import Database, dead_letters
from shared.storage.dead_letters import DeadLetter

log = get_logger(__name__)

BROKEN = ("invalid", "failed")
"""Kinds that a bad release may be the cause of."""


class Letters:
    """Keeps and replays dead letters. Storing one again changes nothing, so a crash before the commit of its offset is harmless."""

    def __init__(self, database: Database, limit: int = 100) -> None:
        self._database = database
        self._limit = limit

    def store(self, letters: list[DeadLetter]) -> None:
        """Keep `letters`. Raises `BadRelease` where so many failed in a row that this program is the likelier cause."""
        if not letters:
            return
        with self._database.transaction() as tx:
            dead_letters.store(tx, letters)
            for place in sorted({(d.topic, d.partition) for d in letters if d.kind in BROKEN}):
                last = max(d.offset for d in letters if (d.topic, d.partition) == place)
                if dead_letters.run_before(tx, *place, last + 1, self._limit) >= self._limit:
                    raise BadRelease(f"{self._limit} messages in a row failed on {place[0]} partition {place[1]}, up to offset {last}")
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.topic, letter.kind).inc()
            log.error("dead letter", topic=letter.topic, partition=letter.partition, offset=letter.offset, kind=letter.kind)

    def replay(self, partitions: Collection[int], newest_version: int, take: Callable[[int, Fact, bytes], None]) -> None:
        """Take in again what somebody asked for, where the partition is ours. `take` commits it to the stream, or raises `ValueError`.

        A crash in between takes it in twice, which its revision makes harmless.
        """
        with self._database.transaction() as tx:
            for letter_id, letter in dead_letters.replaying(tx):
                if letter.partition not in partitions:
                    continue
                headers = dict(letter.headers)
                error: str | None = None
                try:
                    fact = read_fact(letter.topic, headers, letter.value)
                    if fact is not None and fact.config_version > newest_version:
                        error = f"configuration version {fact.config_version} is not known yet"
                    elif fact is not None:
                        take(letter.partition, fact, headers.get("traceparent", b""))
                except (Undecodable, ValueError) as refusal:
                    error = str(refusal)
                dead_letters.replayed(tx, letter_id, error)


def kind_of(error: Undecodable) -> dead_letters.Kind:
    """How a message that cannot be read counts."""
    return "garbage" if isinstance(error, Garbage) else "invalid"


def letter_of(message: Message, topic: str, kind: dead_letters.Kind, error: str) -> DeadLetter:
    """The dead letter of a message on `topic` (without prefix)."""
    key = message.key()
    place = (topic, message.partition() or 0, message.offset() or 0)
    return DeadLetter(*place, key if isinstance(key, bytes) else None, tuple(headers_of(message)), value_of(message), kind, error)
