"""Consumed offsets, kept in the service's own database: they move in the same transaction as the effects of the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.storage.database import Transaction

TopicPartition = tuple[str, int]


class Fenced(Exception):
    """Another process has moved a partition on meanwhile: what this one was about to commit is already done."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition stands: the next offset, how often it was assigned without progress since, and attempts counted at that offset."""

    next_offset: int
    restarts: int
    attempts: int


def assigned(tx: Transaction, partitions: Mapping[TopicPartition, int]) -> dict[TopicPartition, Position]:
    """The positions of newly assigned partitions; one without a row starts at the given offset. Counts the assignment."""
    ordered = sorted(partitions)
    rows = tx.rows(
        """insert into offsets (topic, partition, next_offset, restarts)
           select *, 1 from unnest(%s::text[], %s::int[], %s::bigint[])
           on conflict (topic, partition) do update set restarts = offsets.restarts + 1
           returning topic, partition, next_offset, restarts, attempts""",
        ([t for t, _ in ordered], [p for _, p in ordered], [partitions[key] for key in ordered]),
    )
    return {(topic, partition): Position(next_offset, restarts, attempts) for topic, partition, next_offset, restarts, attempts in rows}


def released(tx: Transaction, partitions: Iterable[TopicPartition]) -> None:
    """Partitions were given back in good order: that assignment does not count as a restart."""
    ordered = sorted(partitions)
    tx.execute(
        """update offsets o set restarts = greatest(o.restarts - 1, 0)
           from unnest(%s::text[], %s::int[]) as t(topic, partition) where o.topic = t.topic and o.partition = t.partition""",
        ([t for t, _ in ordered], [p for _, p in ordered]),
    )


def advance(tx: Transaction, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
    """Move each partition from its previous next offset to the new one. Raises `Fenced` where the previous one no longer holds."""
    ordered = sorted(moves)
    moved = tx.execute(
        """update offsets o set next_offset = t.new, restarts = 0, attempts = 0, attempt_offset = null
           from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) as t(topic, partition, old, new)
           where o.topic = t.topic and o.partition = t.partition and o.next_offset = t.old""",
        (
            [t for t, _ in ordered],
            [p for _, p in ordered],
            [moves[key][0] for key in ordered],
            [moves[key][1] for key in ordered],
        ),
    ).rowcount
    if moved != len(ordered):
        raise Fenced(f"{len(ordered) - moved} of {len(ordered)} partitions were moved on by another process")


def attempt(tx: Transaction, where: TopicPartition, offset: int) -> int:
    """Count an attempt at the message at `offset`, durably and before it is made; the number of attempts with this one."""
    row = tx.row(
        """update offsets set attempts = case when attempt_offset = %(offset)s then attempts + 1 else 1 end, attempt_offset = %(offset)s
           where topic = %(topic)s and partition = %(partition)s returning attempts""",
        {"offset": offset, "topic": where[0], "partition": where[1]},
    )
    return int(row[0]) if row else 1


def forget_attempts(tx: Transaction, where: TopicPartition) -> None:
    """Start counting attempts anew: what failed was not the message."""
    tx.execute("update offsets set attempts = 0, attempt_offset = null where topic = %s and partition = %s", where)
