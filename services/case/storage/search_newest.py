"""Matches of frequent words, the newest first, without reading or counting all of them.

The index of words has for each document also the cells of time that it lies in: an hour, eight hours, and so on. Words and cells are
intersected inside the index; only documents that match are looked at. Cells are read from the newest on, each time for eight times as long.
Where a single hour has too many matches, its documents are walked through one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.case.storage.search import KINDS, Match, read_by
from services.case.storage.views import Conditions
from shared.storage import Transaction

LEVELS = 5
"""How many lengths of cells there are; migration 0019 has them as well."""
CELLS = 8
"""Cells of one level that make one of the next."""
MOST_AT_ONCE = 1_000
"""Matches in the cells that are read at once, above which shorter cells are read."""
WINDOW = 20_000
"""Documents of an hour that one request walks through at most."""
MOST_WALKED = 500
"""Matches that are taken from a walk at once."""
_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_ID = UUID(int=0)


def cells_before(level: int, end: datetime) -> list[datetime]:
    """The beginnings of two to nine cells of a level, the newest first: that of the last moment before `end`, and on to where one of the
    next level begins."""
    length = CELLS**level * _HOUR
    origin = _EPOCH + level * _TICK
    last = (end - _TICK - origin) // length
    first = (last - 1) // CELLS * CELLS
    return [origin + number * length for number in range(last, first - 1, -1)]


class Newest:
    """The matches of a query after a place, `read` a stretch of time after the other.

    `expected`: how many matches there are in all, about; `wanted`: how many are needed.
    """

    def __init__(
        self, tx: Transaction, query: str, kinds: Sequence[str], after: tuple[datetime, UUID] | None, expected: float, wanted: int
    ) -> None:
        self._tx, self._query, self._kinds = tx, query, kinds
        self.place = after
        """After which match reading goes on; None before the first, and after the last."""
        self.is_over = False
        """There is nothing after what was read."""
        self.is_long = False
        """A walk has gone through its window: enough for one request."""
        self._level = self._first_level(expected, wanted)

    def _first_level(self, expected: float, wanted: int) -> int:
        """The shortest cells of which half a dozen have enough, were documents spread evenly."""
        newest, oldest = self._next_at(), self._next_at("asc")
        if newest is None or oldest is None:
            return 0
        by_the_hour = expected / ((newest - oldest) / _HOUR + 1)
        return next((level for level in range(LEVELS) if by_the_hour * 6 * CELLS**level >= wanted), LEVELS - 1)

    def _next_at(self, order: str = "desc") -> datetime | None:
        """When the next document is from; `asc`: when the last is."""
        read_by("order", self._tx)
        conditions = self._after_place()
        _of_kinds(conditions, self._kinds)
        row = self._tx.row(
            f"select at from search_documents {conditions.sql()} order by at {order}, record_id {order} limit 1", conditions.params
        )
        return None if row is None else row[0]

    def read(self) -> list[Match]:
        """The next matches, all there are from the place before to the place now; maybe none."""
        at = self._next_at()
        if at is None:
            self.is_over = True
            return []
        while True:
            cells = cells_before(self._level, at + _TICK)
            matches = self._matches_in(cells)
            if len(matches) <= MOST_AT_ONCE:
                self._level = min(self._level + 1, LEVELS - 1)
                self.place = (cells[-1], _LEAST_ID)
                return matches
            if self._level == 0:
                return self._walk()
            self._level -= 1

    def _matches_in(self, cells: Sequence[datetime]) -> list[Match]:
        """Those in these cells; more than `MOST_AT_ONCE`: not all, nor the newest."""
        read_by("bitmap", self._tx)
        conditions = self._after_place()
        conditions.add("words @@ %(query)s::tsquery", query=self._query)
        conditions.add("search_times(at) && %(cells)s::timestamptz[]", cells=list(cells))
        if set(self._kinds) != set(KINDS):
            conditions.add("array[kind] && %(kinds)s::text[]", kinds=list(self._kinds))
        rows = self._tx.rows(
            f"""select kind, record_id, at, 0::float8
                from (select kind, record_id, at from search_documents {conditions.sql()} limit %(most)s) found
                order by at desc, record_id desc""",
            conditions.params | {"most": MOST_AT_ONCE + 1},
        )
        return [Match(*row) for row in rows]

    def _walk(self) -> list[Match]:
        read_by("order", self._tx)
        conditions = self._after_place()
        _of_kinds(conditions, self._kinds)
        params = conditions.params | {"query": self._query, "most": MOST_WALKED, "window": WINDOW}
        rows = self._tx.rows(
            f"""select kind, record_id, at, 0::float8 from (
                    select kind, record_id, at, words from search_documents {conditions.sql()}
                    order by at desc, record_id desc limit %(window)s) as seen
                where words @@ %(query)s::tsquery limit %(most)s""",
            params,
        )
        found = [Match(*row) for row in rows]
        if len(found) == MOST_WALKED:
            self.place = (found[-1].at, found[-1].id)
            return found
        self.is_long = True
        last = self._tx.row(
            f"select at, record_id from search_documents {conditions.sql()} order by at desc, record_id desc offset %(window)s - 1 limit 1",
            params,
        )
        self.is_over = last is None
        self.place = None if last is None else (last[0], last[1])
        return found

    def _after_place(self) -> Conditions:
        conditions = Conditions()
        if self.place is not None:
            conditions.add(
                "(at, record_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)", after_at=self.place[0], after_id=self.place[1]
            )
        return conditions


def _of_kinds(conditions: Conditions, kinds: Sequence[str]) -> None:
    if len(kinds) == 1:
        conditions.add("kind = %(kind)s", kind=kinds[0])
    elif set(kinds) != set(KINDS):
        conditions.add("kind = any(%(kinds)s)", kinds=list(kinds))
