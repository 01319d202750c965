"""Contents that nothing refers to any more: put aside first, and deleted when whoever might have stored them again has been recorded.

A content has no owner: the same bytes are stored by whoever has them, at any moment, and recorded later. So none is deleted from its place
on the word of the tables alone. It is moved aside under a name of its own; a grace later the tables know everybody who had stored it before
that, and only then it goes, or comes back. Two that sweep at once, or one that stalls, can at worst move a content aside that is wanted:
reading it brings it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.case.domain.retention import Bounds
from shared.clock import Clock
from shared.storage.objects import ObjectStore

PAGE = 1000
"""Contents that are looked at together: what a bucket lists at once."""
MOVES = 200
"""Contents that are put aside under one moment: few enough to be done long before `MARGIN` is over, however slow the store is."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of a page. `after`: where the next begins; None: that was the last."""

    after: str | None
    contents: int = 0
    """Looked at."""
    condemned: int = 0
    restored: int = 0
    deleted: int = 0
    size: int = 0
    """Bytes of those that were condemned or deleted."""


class Sweep:
    """Sweeps the store page by page. Raises `StoreUnavailable` and what its callables raise; a page may be done again."""

    def __init__(
        self,
        objects: ObjectStore,
        referred: Callable[[Collection[str]], set[str]],
        oldest_dead_letter: Callable[[], datetime | None],
        grace: timedelta,
        clock: Clock,
    ) -> None:
        """`referred`: which of these digests anybody refers to. `oldest_dead_letter`: when the oldest came that still waits."""
        self._objects = objects
        self._referred = referred
        self._oldest_dead_letter = oldest_dead_letter
        self._grace = grace
        self._clock = clock

    def condemn(self, after: str, *, dry: bool = False) -> Swept:
        """Put aside what of the next page nothing refers to. `dry`: only say what that would be."""
        bounds = self._bounds()
        page = self._objects.stored(after, PAGE)
        old = {one.digest: one.size for one in page if one.stored_at < bounds.condemn_before}
        alone = sorted(old.keys() - self._referred(old.keys()))
        size = sum(old[digest] for digest in alone)
        count = len(alone) if dry else 0
        for at in range(0, 0 if dry else len(alone), MOVES):
            count += self._objects.condemn(alone[at : at + MOVES], bounds.condemn_before, self._clock())
        return Swept(_following([one.digest for one in page]), len(page), condemned=count, size=size)

    def settle(self, after: str, *, dry: bool = False) -> Swept:
        """Of the next page of what lies aside, bring back what is referred to, and delete what is not and has lain there long enough."""
        bounds = self._bounds()
        page = self._objects.condemned(after, PAGE)
        wanted = self._referred({one.digest for one in page})
        back = [one for one in page if one.digest in wanted]
        gone = [one for one in page if one.digest not in wanted and one.at < bounds.delete_before]
        if not dry:
            self._objects.restore(back)
            # What has its content in its place again is no longer needed, for whoever moves that aside makes another. But one that has just
            # been made may be a copy whose content is about to leave its place.
            self._objects.delete([*gone, *(one for one in back if one.at < bounds.moved_before)])
        size = sum(one.size for one in gone)
        return Swept(_following([one.name for one in page]), len(page), restored=len(back), deleted=len(gone), size=size)

    def _bounds(self) -> Bounds:
        # The clock first: what came since then counts as younger than it is.
        now = self._clock()
        return Bounds(self._grace, now, self._oldest_dead_letter())


def _following(names: Sequence[str]) -> str | None:
    return names[-1] if len(names) == PAGE else None
