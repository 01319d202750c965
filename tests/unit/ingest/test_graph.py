"""Mail by Microsoft Graph: what is given, what is given again, and what is never skipped."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from services.ingest.gateways.graph import GraphSource
from services.ingest.gateways.graph.delta import REMEMBERED
from services.ingest.gateways.graph.source import LARGEST, TRIES
from services.ingest.gateways.source import Cursor
from tests.support.graph import MAILBOX, GraphServer
from tests.support.graph_sources import MakeSource, all_of, failure, sources, subjects


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[GraphServer]:
    with GraphServer(tmp_path) as server:
        yield server


@pytest.fixture
def source_of(graph: GraphServer, tmp_path: Path) -> Iterator[MakeSource]:
    with sources(graph, tmp_path) as make:
        yield make


@pytest.fixture
def source(source_of: MakeSource) -> GraphSource:
    return source_of()


@pytest.mark.requirement("COM-3", "EDGE-19")
def test_new_mail_is_given_as_it_came_and_marked_as_read(graph: GraphServer, source: GraphSource) -> None:
    raw = b"Subject: leak\r\nMessage-ID: <1@mail.example>\r\n\r\n\xff caf\xe9\r\n"
    message = graph.add(raw)
    batch = source.fetch({}, 10)
    assert list(batch.items) == [raw]
    assert not batch.is_more
    assert not message.is_read, "not before it is acknowledged"
    source.acknowledge(batch)
    assert message.is_read
    graph.add("second")
    assert all_of(source, batch.cursor)[0] == ["second"]
    assert all('IdType="ImmutableId"' in prefer for prefer in graph.prefers if prefer)


@pytest.mark.requirement("COM-3")
def test_taken_mail_is_moved(graph: GraphServer, source_of: MakeSource) -> None:
    source = source_of(moved_to="archive")
    messages = [graph.add(f"mail {number}") for number in range(45)]
    found, cursor = all_of(source, {}, 50)
    assert found == [f"mail {number}" for number in range(45)], "the oldest first"
    assert {message.folder for message in messages} == {"archive"}
    assert graph.called(r"/\$batch$") == 3
    assert all_of(source, cursor)[0] == []
    assert graph.granted == 1, "a token serves until it ends"


@pytest.mark.requirement("COM-3")
def test_more_than_one_fetch_takes_comes_with_the_next(graph: GraphServer, source: GraphSource) -> None:
    expected = {str(graph.add(f"mail {number}").raw) for number in range(23)}
    given: list[bytes] = []
    cursor: Cursor = {}
    sizes = []
    for _ in range(5):
        batch = source.fetch(cursor, 5)
        source.acknowledge(batch)
        sizes.append(len(batch.items))
        given += batch.items
        cursor = batch.cursor
        assert batch.is_more == (len(sizes) < 5)
    assert sizes == [5, 5, 5, 5, 3]
    assert {str(raw) for raw in given} == expected
    graph.add("later")
    assert all_of(source, cursor)[0] == ["later"]


def test_a_page_longer_than_asked_for_is_given_in_parts(graph: GraphServer, source: GraphSource) -> None:
    expected = [str(graph.add(f"mail {number}").id) for number in range(REMEMBERED + 350)]
    graph.ignores_page_size = True
    given: list[str] = []
    cursor: Cursor = {}
    for _ in range(5):
        batch = source.fetch(cursor, 300)
        assert len(batch.items) <= 300
        given += batch.marks
        cursor = batch.cursor
    assert given == expected
    assert not batch.is_more
    assert len(cursor["known"]) == REMEMBERED


@pytest.mark.requirement("COM-3")
def test_what_was_not_acknowledged_is_given_again(graph: GraphServer, source_of: MakeSource) -> None:
    source = source_of(moved_to="archive")
    for number in range(4):
        graph.add(f"mail {number}")
    first = source.fetch({}, 3)
    assert subjects(source.fetch({}, 3)) == subjects(first)
    # A crash after it was published, before it was acknowledged: another process has the old cursor.
    restarted = source_of(moved_to="archive")
    again = restarted.fetch({}, 3)
    assert list(again.items) == list(first.items)
    restarted.acknowledge(again)
    restarted.acknowledge(again)
    # A crash before the new cursor was saved.
    assert len(all_of(source_of(moved_to="archive"), {})[0]) == 1
    assert {message.folder for message in graph.messages.values()} == {"archive"}


@pytest.mark.requirement("COM-3")
def test_a_crash_before_the_cursor_is_saved_skips_nothing(graph: GraphServer, source_of: MakeSource) -> None:
    graph.add("old")
    _, cursor = all_of(source_of(), {})
    for number in range(3):
        graph.add(f"mail {number}")
    batch = source_of().fetch(cursor, 2)
    source_of().acknowledge(batch)
    graph.add("late")
    found, _ = all_of(source_of(), cursor)
    assert set(found) == {"mail 0", "mail 1", "mail 2", "late"}


@pytest.mark.requirement("COM-3")
def test_mail_that_was_only_changed_is_not_given_again(graph: GraphServer, source: GraphSource) -> None:
    messages = [graph.add(f"mail {number}") for number in range(3)]
    _, cursor = all_of(source, {})
    graph.touch(messages[0])
    graph.delete(messages[1])
    fetched = graph.called(r"\$value")
    assert all_of(source, cursor)[0] == []
    assert graph.called(r"\$value") == fetched


@pytest.mark.requirement("COM-3")
def test_mail_that_people_read_or_move_in_first_is_given_all_the_same(graph: GraphServer, source: GraphSource) -> None:
    junk = graph.add("taken for junk", folder="junkemail")
    graph.add("first")
    found, cursor = all_of(source, {})
    assert found == ["first"]
    graph.put(junk, "inbox")
    read = graph.add("read by somebody")
    read.is_read = True
    found, cursor = all_of(source, cursor)
    assert found == ["taken for junk", "read by somebody"]
    away = graph.add("moved on before it was fetched")
    graph.put(away, "inbox")
    place = source.fetch(cursor, 5)
    assert subjects(place) == ["moved on before it was fetched"]


def test_deleted_mail_is_passed_over(graph: GraphServer, source: GraphSource) -> None:
    messages = [graph.add(f"mail {number}") for number in range(3)]
    batch = source.fetch({}, 5)
    graph.delete(messages[1])
    source.acknowledge(batch)
    assert [message.is_read for message in messages] == [True, False, True]


@pytest.mark.requirement("COM-3")
def test_a_message_that_is_not_found_is_looked_for_once_more(graph: GraphServer, source_of: MakeSource) -> None:
    graph.add("found late", id="late")
    graph.add("there", id="there")
    graph.add("deleted", id="deleted")
    graph.fail(r"messages/(late|deleted)/\$value", 404, "ErrorItemNotFound", times=2)
    batch = source_of().fetch({}, 5)
    assert subjects(batch) == ["there"]
    graph.delete(graph.messages["deleted"])
    found, cursor = all_of(source_of(), batch.cursor)
    assert found == ["found late"]
    calls = graph.called("messages/deleted/")
    assert all_of(source_of(), cursor)[0] == []
    assert graph.called("messages/deleted/") == calls == 2


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("error", [(410, "SyncStateNotFound"), (400, "SyncStateInvalid"), (410, "")])
def test_a_place_that_graph_forgot_is_begun_afresh(graph: GraphServer, source: GraphSource, error: tuple[int, str]) -> None:
    for number in range(3):
        graph.add(f"mail {number}")
    _, cursor = all_of(source, {})
    graph.add("while we were away")
    graph.fail(r"mailfolders\('inbox'\)/messages/delta", *error, times=1)
    assert all_of(source, cursor)[0] == ["while we were away"]


def test_a_place_that_is_too_old_in_the_middle_of_a_round_skips_nothing(graph: GraphServer, source: GraphSource) -> None:
    for number in range(9):
        graph.add(f"mail {number}")
    first = source.fetch({}, 4)
    source.acknowledge(first)
    graph.forget_states()
    rest, _ = all_of(source, first.cursor, 4)
    assert sorted(subjects(first) + rest) == sorted(f"mail {number}" for number in range(9))


def test_a_cursor_of_another_folder_or_of_nonsense_begins_afresh(graph: GraphServer, source_of: MakeSource) -> None:
    graph.add("in the inbox")
    graph.add("elsewhere", folder="complaints")
    _, cursor = all_of(source_of(), {})
    assert all_of(source_of(folder="complaints"), cursor)[0] == ["elsewhere"]
    for bad in ({**cursor, "link": 7}, {**cursor, "known": "x"}, {**cursor, "absent": [1]}):
        assert all_of(source_of(), bad)[0] == ["in the inbox"]
    moved = {**cursor, "link": "https://elsewhere.example/v1.0/x", "known": []}
    assert all_of(source_of(), moved)[0] == ["in the inbox"]


@pytest.mark.requirement("COM-3")
def test_a_mail_that_is_too_large_comes_as_its_header_and_a_note(graph: GraphServer, source: GraphSource) -> None:
    head = (
        b"Subject: the plans\r\nFrom: ann@mail.example\r\nMessage-ID: <big@mail.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed;\r\n\tboundary="x"\r\nX-Last: kept\r\n\r\n'
    )
    graph.add(head + b"--x\r\n" + b"A" * LARGEST)
    graph.add("small")
    batch = source.fetch({}, 5)
    assert subjects(batch) == ["the plans", "small"]
    message = message_from_bytes(batch.items[0])
    assert (message["Message-ID"], message["X-Last"], message.get_content_type()) == ("<big@mail.example>", "kept", "text/plain")
    assert "larger than casestream takes" in message.get_payload()
    assert list(source.fetch({}, 5).items) == list(batch.items)


def test_one_fetch_gathers_only_so_many_bytes(graph: GraphServer, source: GraphSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.gateways.graph.source.LARGEST", 1000)
    for number in range(5):
        graph.add(f"Subject: mail {number}\r\n\r\n{'x' * 600}".encode())
    batch = source.fetch({}, 10)
    assert (len(batch.items), batch.is_more) == (2, True)
    assert subjects(batch) + all_of(source, batch.cursor)[0] == [f"mail {number}" for number in range(5)]


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("also", [False, True])
def test_one_mail_that_cannot_be_had_does_not_hold_up_the_others(graph: GraphServer, source: GraphSource, also: bool) -> None:
    graph.add("before")
    graph.add("broken", id="broken")
    graph.add("after")
    graph.fail(r"messages/broken/\$value", 500, "ErrorInternalServerError")
    if also:
        graph.fail(r"messages/broken$", 500, "ErrorInternalServerError", times=1)
    first = source.fetch({}, 5)
    assert subjects(first) == ["before"]
    source.acknowledge(first)
    for _ in range(TRIES - 2):
        assert failure(lambda: source.fetch(first.cursor, 5)).reason == "unreachable"
    rest = source.fetch(first.cursor, 5)
    assert subjects(rest) == ["Message that could not be read" if also else "broken", "after"]
    note = message_from_bytes(rest.items[0])
    assert "could not be had" in note.get_payload()
    assert note["Message-ID"].endswith("@graph.invalid>" if also else "<broken@mail.example>")
    assert note["To"] == MAILBOX
