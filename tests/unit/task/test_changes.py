"""What is kept of changes for those who follow them, and where each reads on (TASK-9)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from services.task.domain.caller import Caller
from services.task.handlers import changes as handlers
from services.task.handlers.changes import Reader, TaskChanges
from shared.messaging.follow import Followed
from shared.schemas.events import TaskTriggered
from shared.schemas.examples import EXAMPLES
from shared.schemas.parts import OwnerRef
from shared.storage import Database
from shared.web import streams
from shared.web.streams import EventStream, event_text

pytestmark = pytest.mark.requirement("TASK-9")
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
EXAMPLE = EXAMPLES[TaskTriggered.event_type]


def triggered(number: int, partition: int = 0, **more: Any) -> Followed:
    data = EXAMPLE.data.model_copy(update={"task_id": UUID(int=number), **more})
    return Followed(EXAMPLE._replace(data=data, time=NOW), partition, number)


def following(*positions: int) -> TaskChanges:
    changes = TaskChanges(cast("Database", None), lambda: NOW)
    changes.begin(dict(enumerate(positions)))
    return changes


def read(reader: Reader) -> list[int] | None:
    found = reader.read()
    return None if found is None else [change.task_id.int for change in found]


def test_each_reads_from_where_it_was() -> None:
    changes = following(1, 5)
    early = Reader(changes, None)
    changes.take([triggered(1), triggered(5, 1)])
    late = Reader(changes, None)
    changes.take([triggered(2)])
    assert (read(early), read(late)) == ([1, 5, 2], [2])
    assert (read(early), early.place, late.place) == ([], "3.6", "3.6")
    assert read(Reader(changes, "2.5")) == [5, 2]
    assert read(Reader(changes, "1.6")) == [1, 2]
    assert not Reader(changes, "1.5").is_reset


def test_another_process_goes_on_where_the_first_was_and_one_that_is_behind_tells_again() -> None:
    first, second = following(0), following(0)
    for changes in (first, second):
        changes.take([triggered(0), triggered(1)])
    first.take([triggered(2)])
    reader = Reader(first, None)
    moved = Reader(second, reader.place)
    assert (reader.place, moved.is_reset, read(moved)) == ("3", False, [])
    second.take([triggered(2), triggered(3)])
    assert read(moved) == [2, 3]


@pytest.mark.parametrize("place", ["0.5", "", "1", "1.5.7", "1.x", "-1.5", "1.²", "9" * 50 + ".5"])
def test_who_comes_with_a_place_before_what_is_kept_or_with_none_of_ours_begins_anew(place: str) -> None:
    changes = following(1, 5)
    changes.take([triggered(1)])
    reader = Reader(changes, place)
    assert (reader.is_reset, reader.place, read(reader)) == (True, "2.5", [])
    changes.take([triggered(2)])
    assert read(reader) == [2]


def test_no_more_is_kept_than_so_much_and_who_reads_too_slowly_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "KEPT", 3)
    changes = following(0)
    slow, quick = Reader(changes, None), Reader(changes, None)
    for number in range(5):
        changes.take([triggered(number)])
        assert read(quick) == [number]
    assert len(slow.read(2) or ()) == 2
    changes.take([triggered(5)])
    assert len(changes._entries) == 3
    assert (read(quick), read(slow), slow.place, read(slow)) == ([5], None, "6", [])
    assert Reader(changes, "2").is_reset
    assert read(Reader(changes, "3")) == [3, 4, 5]


def test_only_who_may_see_a_task_is_told_of_it() -> None:
    changes = following(0)
    reader = Reader(changes, None)
    role = OwnerRef(kind="role", code="plumber")
    changes.take(
        [
            triggered(1, assignee="rita", unit="repairs", owner=OwnerRef(kind="user", code="rita")),
            triggered(2, assignee=None, unit="repairs", owner=role),
            triggered(3, assignee="paul", unit="repairs", owner=role),
            triggered(4, assignee="nils", unit="neighbourhood", owner=role),
        ]
    )
    found = reader.read() or []

    def told(caller: Caller, unit: str | None = None) -> list[int]:
        return [change.task_id.int for change in found if change.for_whom(caller, unit)]

    assert told(Caller("rita")) == [1]
    assert told(Caller("paul", frozenset({"plumber"}))) == [2, 3]
    assert told(Caller("pia", frozenset({"plumber"}))) == [2]
    assert told(Caller("lena", unit="repairs", scope="unit")) == [1, 2, 3]
    assert told(Caller("lena", unit="repairs", scope="unit"), "neighbourhood") == []
    assert told(Caller("max", scope="all")) == [1, 2, 3, 4]
    assert told(Caller("max", scope="all"), "neighbourhood") == [4]
    assert told(Caller("eve", unit="repairs")) == []


def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.01)
    ended = []

    async def endless() -> Any:
        try:
            while True:
                yield event_text("task", "{}")
        finally:
            ended.append(True)

    async def run() -> None:
        sent = []

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > 3:
                await asyncio.Event().wait()

        await EventStream(endless()).stream_response(send)
        assert len(sent) == 4

    asyncio.run(run())
    assert ended
