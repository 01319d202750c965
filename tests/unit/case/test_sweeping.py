"""Nothing that anybody refers to is ever deleted, whatever happens in between; what nobody refers to goes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.case.domain.retention import MARGIN
from services.case.handlers.sweeping import PAGE, Sweep
from shared.storage.objects import ObjectStore
from shared.storage.places import Condemned, InFolder, Stored

GRACE = timedelta(days=15)
RETENTION = timedelta(days=14)
BEGIN = datetime(2026, 3, 2, 10, tzinfo=UTC)
CONTENTS = [b"a", b"b"]
GROUPS = {hashlib.sha256(content).hexdigest()[:2] for content in CONTENTS}
"""The only ones that are walked, to be quick."""


class World:
    """A store in a real folder, communications that refer to it, and a clock that only `choose` moves."""

    def __init__(self, folder: Path, choose: Callable[[int], int]) -> None:
        self.now = BEGIN
        self.choose = choose
        self.place = InterruptedPlace(str(folder), self)
        self.objects = ObjectStore(folder.as_uri())
        self.objects._place = self.place
        self.on_their_way: list[tuple[bytes, str, datetime]] = []
        self.dead_letters: list[tuple[bytes, str, datetime]] = []
        self.recorded: list[tuple[bytes, str]] = []
        self.depth = 0
        self.stalled = timedelta()
        self.sweep = Sweep(self.objects, self.referred, self.oldest_dead_letter, GRACE, lambda: self.now)

    # -- what a sweep asks

    def referred(self, digests: Collection[str]) -> set[str]:
        self.interrupt()
        found = {digest for _, digest in self.recorded} & set(digests)
        self.interrupt()
        return found

    def oldest_dead_letter(self) -> datetime | None:
        return min((at for _, _, at in self.dead_letters), default=None)

    # -- what happens

    def act(self) -> None:
        """Something happens, and nothing is lost by it."""
        actions: list[Callable[[], None]] = [self.store, self.set_aside, self.replay, self.discard]
        actions += [self.record, self.erase, self.pass_time] * 3
        if self.depth < 2:  # another replica sweeps as well
            actions += [self.condemn, self.settle] * 3
        actions[self.choose(len(actions))]()
        self.check()

    def interrupt(self) -> None:
        """In the middle of a sweep perhaps something else happens."""
        if self.depth and self.choose(3) == 0:
            self.act()

    def store(self) -> None:
        content = CONTENTS[self.choose(len(CONTENTS))]
        self.on_their_way.append((content, self.objects.put(content), self.now))

    def record(self) -> None:
        if self.on_their_way:
            content, digest, _ = self.on_their_way.pop(self.choose(len(self.on_their_way)))
            self.recorded.append((content, digest))

    def set_aside(self) -> None:
        if self.on_their_way:
            content, digest, _ = self.on_their_way.pop(self.choose(len(self.on_their_way)))
            self.dead_letters.append((content, digest, self.now))

    def replay(self) -> None:
        if self.dead_letters:
            content, digest, _ = self.dead_letters.pop(self.choose(len(self.dead_letters)))
            self.recorded.append((content, digest))

    def discard(self) -> None:
        if self.dead_letters:
            self.dead_letters.pop(self.choose(len(self.dead_letters)))

    def erase(self) -> None:
        if self.recorded:
            self.recorded.pop(self.choose(len(self.recorded)))

    def pass_time(self) -> None:
        """Days; within a sweep minutes. What is on its way arrives before Kafka's retention is over."""
        step = timedelta(minutes=19) if self.depth else timedelta(days=(1, 7, 15)[self.choose(3)])
        if self.depth:
            self.stalled += step
            if self.stalled >= MARGIN:
                return
        oldest = min((at for _, _, at in self.on_their_way), default=self.now)
        self.now = max(self.now, min(self.now + step, oldest + RETENTION))

    def condemn(self) -> None:
        self._sweep(self.sweep.condemn)

    def settle(self) -> None:
        self._sweep(self.sweep.settle)

    def _sweep(self, step: Callable[[str], object]) -> None:
        if self.depth == 0:
            self.stalled = timedelta()
        self.depth += 1
        step("")
        self.depth -= 1

    def check(self) -> None:
        """What is referred to, or still may be, is there."""
        for content, digest, *_ in [*self.recorded, *self.on_their_way, *self.dead_letters]:
            assert self.place.is_somewhere(digest), f"{content!r} is lost"


class InterruptedPlace(InFolder):
    """A folder whose files are as old as the world's clock says, and between whose steps something else may happen."""

    def __init__(self, folder: str, world: World) -> None:
        super().__init__(folder)
        self._world = world
        self.between: Callable[[], None] | None = None

    def is_somewhere(self, digest: str) -> bool:
        aside = [one for one in super().condemned(digest[:2], "", 100) if one.digest == digest]
        return super().stored_at(digest) is not None or bool(aside)

    def write(self, digest: str, content: bytes) -> None:
        super().write(digest, content)
        seconds = self._world.now.timestamp()
        os.utime(self._path(digest), (seconds, seconds))

    def stored(self, group: str, after: str, most: int) -> list[Stored]:
        return super().stored(group, after, most) if group in GROUPS else []

    def stored_at(self, digest: str) -> datetime | None:
        self._world.interrupt()
        found = super().stored_at(digest)
        self._world.interrupt()
        return found

    def condemn(self, digest: str, name: str) -> None:
        """As in a bucket: a copy first, and then the content goes."""
        content = self.read(digest)
        aside = self._aside(name)
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        if self.between is not None:
            self.between()
        self._world.interrupt()
        Path(self._path(digest)).unlink(missing_ok=True)
        self._world.interrupt()

    def condemned(self, group: str, after: str, most: int) -> list[Condemned]:
        return super().condemned(group, after, most) if group in GROUPS else []

    def restore(self, name: str) -> None:
        self._world.interrupt()
        super().restore(name)
        self._world.interrupt()

    def delete(self, name: str) -> None:
        self._world.interrupt()
        super().delete(name)


@pytest.mark.requirement("EDGE-17")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**64))
def test_whatever_happens_in_between_nothing_that_is_referred_to_is_lost(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), Random(seed).randrange)
        for _ in range(150):
            world.act()
        for content, digest in world.recorded:
            assert world.objects.get(digest) == content


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, lambda count: count - 1)


@pytest.mark.requirement("EDGE-17")
def test_what_nobody_refers_to_is_put_aside_after_the_grace_and_deleted_after_another(world: World) -> None:
    world.store()
    world.now += GRACE
    assert world.sweep.condemn("").condemned == 0
    world.now += timedelta(seconds=1)
    assert world.sweep.condemn("", dry=True).condemned == 1
    assert world.sweep.condemn("").condemned == 1
    world.now += GRACE + MARGIN
    assert world.sweep.settle("").deleted == 0
    world.now += timedelta(seconds=1)
    assert world.sweep.settle("", dry=True).deleted == 1
    assert world.sweep.settle("").deleted == 1
    assert not world.place.is_somewhere(world.on_their_way[0][1])


def test_a_dead_letter_that_waits_keeps_what_was_stored_before_it(world: World) -> None:
    world.store()
    world.set_aside()
    world.now += 10 * GRACE
    assert world.sweep.condemn("").condemned == 0
    world.discard()
    assert world.sweep.condemn("").condemned == 1


def test_storing_a_content_again_makes_it_young(world: World) -> None:
    world.store()
    world.now += GRACE + timedelta(seconds=1)
    world.store()
    assert world.sweep.condemn("").condemned == 0


def test_what_was_put_aside_and_is_referred_to_comes_back_by_reading_and_by_sweeping(world: World) -> None:
    digest = world.objects.put(b"a")
    world.now += GRACE + timedelta(seconds=1)
    assert world.sweep.condemn("").condemned == 1
    assert world.objects.get(digest) == b"a"
    world.recorded.append((b"a", digest))
    world.objects._place.condemn(digest, next(iter(world.objects.condemned())).name)
    assert world.objects.stored() == []
    assert world.sweep.settle("").restored == 1
    assert [one.digest for one in world.objects.stored()] == [digest]
    world.now += MARGIN + timedelta(seconds=1)
    world.sweep.settle("")
    assert world.objects.condemned() == []


def test_a_copy_whose_content_is_still_leaving_its_place_is_kept(world: World) -> None:
    world.store()
    world.now += GRACE + timedelta(seconds=1)

    def recorded_and_settled_meanwhile() -> None:
        world.recorded.append((b"b", world.on_their_way[0][1]))
        world.sweep.settle("")

    world.place.between = recorded_and_settled_meanwhile
    assert world.sweep.condemn("").condemned == 1
    world.check()
    assert world.objects.get(world.recorded[0][1]) == b"b"


def test_a_round_goes_through_every_page(tmp_path: Path) -> None:
    objects, now = ObjectStore(tmp_path.as_uri()), datetime.now(UTC) + 2 * GRACE
    digests = objects.put_many([b"%d" % number for number in range(2 * PAGE)])
    wanted = set(digests[::100])
    sweep = Sweep(objects, lambda asked: wanted & set(asked), lambda: None, GRACE, lambda: now)
    pages, after = 0, ""
    while (swept := sweep.condemn(after)).after is not None:
        pages, after = pages + 1, swept.after
    assert pages == 2
    assert {one.digest for one in objects.stored(most=3 * PAGE)} == wanted
    now += GRACE + 2 * MARGIN
    after = ""
    while (swept := sweep.settle(after)).after is not None:
        after = swept.after
    assert objects.condemned() == []
    assert {one.digest for one in objects.stored(most=3 * PAGE)} == wanted
