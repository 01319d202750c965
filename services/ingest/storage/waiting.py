"""What the outbox still holds."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from shared.storage import Transaction, outbox


def waiting(tx: Transaction, communications: Collection[UUID]) -> set[UUID]:
    """Those of `communications` whose event is in the outbox, not known to be on Kafka.

    Locks these ids until the transaction ends, in sorted order, so that no other replica adds one of them meanwhile: the rows that
    other services lock for this do not exist here.
    """
    ids = [str(id) for id in sorted(communications)]
    tx.execute("select pg_advisory_xact_lock(hashtextextended(id, 0)) from unnest(%s::text[]) as t(id)", (ids,))
    return {UUID(subject) for subject in outbox.waiting(tx, ids)}
