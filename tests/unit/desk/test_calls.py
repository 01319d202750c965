"""Which calls are shown, and what is kept of what Kafka tells of them (COM-5)."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.desk.domain import calls as domain
from services.desk.domain.calls import Call, number_words, outdated, shown
from services.desk.handlers.calls import TIDY_EVERY, LiveCalls
from shared.schemas.envelope import Event
from shared.schemas.events import CallChanged
from shared.schemas.examples import EXAMPLES
from shared.web.streams import MOST_OF_ONE_USER

pytestmark = pytest.mark.requirement("COM-5")
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
EXAMPLE = EXAMPLES[CallChanged.event_type]


def changed(number: int, revision: int = 1, ago: timedelta = timedelta(0), **changes: Any) -> Event:
    given = {"communication_id": UUID(int=number), "stage": "ringing", "began_at": NOW - ago, "answered_at": None}
    data = CallChanged.model_validate(EXAMPLE.data.model_dump() | given | changes)
    return EXAMPLE._replace(revision=revision, data=data, time=NOW)


def calls_of(*events: Event) -> list[Call]:
    live = LiveCalls(lambda: NOW)
    for event in events:
        live.take(event)
    return [call for event in events if (call := live.one(event.data.communication_id))]


def numbers(calls: tuple[Call, ...]) -> list[int]:
    return [call.id.int for call in calls]


def test_who_has_waited_longest_is_first_and_what_nobody_ended_goes_away() -> None:
    minute = timedelta(minutes=1)
    ringing = [changed(1), changed(2, ago=minute), changed(3, ago=domain.RINGS)]
    going_on = [
        changed(number, ago=ago, stage="answered", answered_at=NOW - ago)
        for number, ago in ((4, minute), (5, minute * 9), (6, domain.KEPT))
    ]
    ended = [changed(number, stage="ended", ended_at=NOW - ago) for number, ago in ((7, minute * 2), (8, minute), (9, domain.SHOWN_ENDED))]

    found = shown(calls_of(*ringing, *going_on, *ended), NOW)

    assert numbers(found.ringing) == [2, 1]
    assert numbers(found.going_on) == [5, 4]
    assert numbers(found.ended) == [8, 7]


@pytest.mark.requirement("EDGE-3")
def test_the_newest_word_of_a_call_counts_whatever_comes_after_it() -> None:
    live = LiveCalls(lambda: NOW)
    for revision, stage in ((1, "ringing"), (3, "ended"), (2, "answered"), (3, "ended"), (1, "ringing")):
        live.take(changed(1, revision, stage=stage, answered_at=NOW, ended_at=NOW))

    call = live.one(UUID(int=1))
    assert call is not None
    assert (call.revision, call.stage, live.sequence) == (3, "ended", 2)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "MOST_KEPT", 5)
    live = LiveCalls(lambda: NOW)
    for number in range(TIDY_EVERY):
        live.take(changed(number, ago=timedelta(seconds=TIDY_EVERY - number)))

    kept = [number for number in range(TIDY_EVERY) if live.one(UUID(int=number))]
    assert kept == list(range(TIDY_EVERY - 5, TIDY_EVERY))
    assert outdated(calls_of(changed(1, ago=domain.KEPT), changed(2)), NOW) == [UUID(int=1)]


@pytest.mark.parametrize(
    ("number", "words"),
    [("+441632960001", "+44 1632 960001"), ("", "Withheld number"), ("sip:ann@pbx.example", "sip:ann@pbx.example"), ("HMRC", "HMRC")],
)
def test_numbers_are_written_as_people_read_them(number: str, words: str) -> None:
    assert number_words(number) == words


def test_whoever_listens_hears_of_a_change_at_once_and_of_the_end() -> None:
    live = LiveCalls(lambda: NOW)

    async def listen() -> None:
        with live.listeners.listening("rita") as listener:
            for act in (lambda: live.take(changed(1)), lambda: live.take(changed(2)), live.stop):
                threading.Thread(target=act).start()
                async with asyncio.timeout(20):
                    await listener.wait(60)
            await listener.wait(0.001)

    asyncio.run(listen())
    assert (live.sequence, live.stopped) == (2, True)


def test_each_user_has_room_for_so_many_pages() -> None:
    live = LiveCalls(lambda: NOW)

    async def listen() -> None:
        listening = [live.listeners.listening("rita") for _ in range(MOST_OF_ONE_USER)]
        for one in listening:
            assert live.listeners.full_for("rita") is None
            one.__enter__()
        assert live.listeners.full_for("rita") == "user"
        assert live.listeners.full_for("paul") is None
        listening[0].__exit__(None, None, None)
        assert live.listeners.full_for("rita") is None

    asyncio.run(listen())


def test_a_listener_whose_page_is_gone_holds_nothing_up() -> None:
    live = LiveCalls(lambda: NOW)

    async def listen() -> None:
        live.listeners.listening("rita").__enter__()

    asyncio.run(listen())
    live.take(changed(1))
    assert live.sequence == 1
