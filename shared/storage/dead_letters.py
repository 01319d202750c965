"""Dead letters: messages that could not be taken in, kept with their bytes and the reason until somebody replays or discards them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson

from shared.ids import derive
from shared.storage.database import Transaction

Kind = Literal["garbage", "invalid", "refused", "failed"]
"""garbage: no event of ours; invalid: its data does not fit its type; refused: by a rule of the domain; failed: the handler broke on it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be taken in. `headers` as they came, values as bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    kind: Kind
    error: str
    attempts: int = 1

    @property
    def id(self) -> UUID:
        """Derived from where the message lies: the same message is one dead letter."""
        return derive("dead-letter", self.topic, self.partition, self.offset)


def _headers_json(headers: Sequence[tuple[str, bytes]]) -> str:
    readable = [[name.replace("\x00", ""), base64.b64encode(value or b"").decode()] for name, value in headers]
    return orjson.dumps(readable).decode()


def store(tx: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Keep `letters`; one that is kept already (a replay that failed again apart) stays as it is."""
    if not letters:
        return
    tx.execute(
        """insert into dead_letters (id, topic, partition, "offset", key, headers, value, kind, error, attempts)
           select id, topic, partition, o, key, headers::jsonb, value, kind, error, attempts
           from unnest(%s::uuid[], %s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::text[], %s::bytea[], %s::text[],
                       %s::text[], %s::int[])
                as t(id, topic, partition, o, key, headers, value, kind, error, attempts)
           on conflict (topic, partition, "offset") do nothing""",
        (
            [d.id for d in letters],
            [d.topic for d in letters],
            [d.partition for d in letters],
            [d.offset for d in letters],
            [d.key for d in letters],
            [_headers_json(d.headers) for d in letters],
            [d.value for d in letters],
            [d.kind for d in letters],
            [d.error.replace("\x00", "").encode("utf-8", "replace").decode()[:4000] for d in letters],
            [d.attempts for d in letters],
        ),
    )


def run_before(tx: Transaction, topic: str, partition: int, offset: int, limit: int) -> int:
    """How many messages right before `offset` became dead letters of a kind that a bad release causes, up to `limit`."""
    row = tx.row(
        """select count(*) from dead_letters
           where topic = %s and partition = %s and "offset" >= %s and "offset" < %s and kind in ('invalid', 'failed')""",
        (topic, partition, offset - limit, offset),
    )
    return int(row[0]) if row else 0


COLUMNS = """id, topic, partition, "offset", key, headers, value, kind, error, attempts, state, created_at, changed_at, changed_by"""


def listed(tx: Transaction, state: str | None = "open", limit: int = 100, after: UUID | None = None) -> list[dict[str, Any]]:
    """Dead letters for people, the oldest first, without their bytes; `state` None: all. `after`: the last id of the page before."""
    return tx.dicts(
        """select id, topic, partition, "offset", kind, error, attempts, state, created_at, changed_at, changed_by from dead_letters d
           where (%(state)s::text is null or state = %(state)s)
             and (%(after)s::uuid is null or (created_at, id) > (select created_at, id from dead_letters where id = %(after)s))
           order by created_at, id limit %(limit)s""",
        {"state": state, "limit": limit, "after": after},
    )


def get(tx: Transaction, letter: UUID) -> dict[str, Any] | None:
    """One dead letter, whole."""
    found = tx.dicts(f"select {COLUMNS} from dead_letters where id = %s", (letter,))
    return found[0] if found else None


def ask_replay(tx: Transaction, letter: UUID, by: str, value: bytes | None = None) -> bool:
    """Ask the consumer to take the message in again, with `value` instead of its bytes where given. False: there is no such open letter."""
    changed = tx.execute(
        """update dead_letters set state = 'replaying', value = coalesce(%s, value), changed_at = now(), changed_by = %s
           where id = %s and state = 'open'""",
        (value, by, letter),
    )
    return changed.rowcount == 1


def discard(tx: Transaction, letter: UUID, by: str) -> bool:
    """Set a dead letter aside for good. False: there is no such open letter."""
    changed = tx.execute(
        "update dead_letters set state = 'discarded', changed_at = now(), changed_by = %s where id = %s and state = 'open'",
        (by, letter),
    )
    return changed.rowcount == 1


def replaying(tx: Transaction, limit: int = 100) -> list[tuple[UUID, DeadLetter]]:
    """Lock and give letters that somebody asked to replay."""
    rows = tx.rows(
        """select id, topic, partition, "offset", key, headers, value, kind, error, attempts from dead_letters
           where state = 'replaying' order by topic, partition, "offset" limit %s for update skip locked""",
        (limit,),
    )
    letters = []
    for letter, topic, partition, offset, key, headers, value, kind, error, attempts in rows:
        pairs = tuple((name, base64.b64decode(text)) for name, text in headers)
        letters.append((letter, DeadLetter(topic, partition, offset, key, pairs, value, kind, error, attempts)))
    return letters


def replayed(tx: Transaction, letter: UUID, error: str | None) -> None:
    """Record how a replay ended: taken in, or open again with its new error."""
    tx.execute(
        """update dead_letters set state = case when %(error)s::text is null then 'replayed' else 'open' end,
                  error = coalesce(%(error)s, error), attempts = attempts + 1, changed_at = now() where id = %(id)s""",
        {"error": error, "id": letter},
    )


def count_open(tx: Transaction) -> int:
    """How many wait for somebody."""
    row = tx.row("select count(*) from dead_letters where state in ('open', 'replaying')")
    return int(row[0]) if row else 0
