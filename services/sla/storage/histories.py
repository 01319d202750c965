"""Records of cases for simulations, read a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.sla.domain.records import ItemKind
from services.sla.storage.items import FOUND, Found
from services.sla.storage.reach import Reach
from shared.storage import Transaction

_AT_ONCE = 500


def cases_between(tx: Transaction, begin: datetime, end: datetime, reach: Reach) -> Iterator[Found]:
    """The cases of which a clock ended in the period or is open and may be due in it, each once.

    The transaction is busy until all are read.
    """
    condition, params = reach.condition()
    tx.execute(
        f"""declare simulated no scroll cursor for select {FOUND} from items i where item_id in (
                select item_id from clocks where closed_at >= %s and closed_at < %s and kind not in (5, 6) and item_kind = %s
                union select item_id from clocks where closed_at is null and due_at >= %s and started_at < %s and item_kind = %s
            ) and {condition}""",
        [begin, end, int(ItemKind.CASE), begin, end, int(ItemKind.CASE), *params],
    )
    while rows := tx.rows(f"fetch {_AT_ONCE} from simulated"):
        for row in rows:
            yield Found(*row)
