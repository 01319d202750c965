"""Mail by Microsoft Graph: what is given, what is never skipped, and what the channel's errors become."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.graph import GraphSource
from services.ingest.gateways.graph.delta import REMEMBERED
from services.ingest.gateways.graph.source import LARGEST, TRIES
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from shared.schemas.configuration.channels import GraphFetch
from tests.support.graph import CLIENT, MAILBOX, SECRET, TENANT, GraphServer, client_certificate

MakeSource = Callable[..., GraphSource]


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[GraphServer]:
    with GraphServer(tmp_path) as server:
        yield server


@pytest.fixture
def source_of(graph: GraphServer, tmp_path: Path) -> Iterator[MakeSource]:
    """Makes sources; as after a restart, each begins with nothing but its cursor."""
    (tmp_path / "graph-secret").write_text(SECRET + "\n")
    made: list[GraphSource] = []

    def make(**changes: Any) -> GraphSource:
        values = {"tenant": TENANT, "client_id": CLIENT, "secret": "graph-secret", "endpoint": graph.endpoint, "authority": graph.origin}
        section = GraphFetch(by="graph", **(values | changes))
        made.append(GraphSource(MAILBOX, section, Credentials(str(tmp_path)), timeout=10, ca_file=str(graph.ca_file)))
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def source(source_of: MakeSource) -> GraphSource:
    return source_of()


def subjects(batch: Batch[bytes]) -> list[str]:
    return [str(message_from_bytes(mail)["Subject"]) for mail in batch.items]


def all_of(source: GraphSource, cursor: Cursor, most: int = 50) -> tuple[list[str], Cursor]:
    """Everything that waits, fetched and acknowledged as the worker does."""
    found: list[str] = []
    for _ in range(100):
        batch = source.fetch(cursor, most)
        source.acknowledge(batch)
        found += subjects(batch)
        cursor = batch.cursor
        if not batch.is_more:
            return found, cursor
    raise AssertionError("there is always more")


def failure(call: Callable[[], object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call()
    text = str(caught.value)
    assert MAILBOX not in text
    assert SECRET not in text
    assert "token-" not in text
    return caught.value


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


@pytest.mark.requirement("EDGE-19")
def test_a_certificate_serves_in_place_of_a_secret(graph: GraphServer, source_of: MakeSource, tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
    pem, graph.certificate = client_certificate(ends)
    (tmp_path / "graph-certificate").write_text(pem)
    source = source_of(credential="certificate", secret="graph-certificate")
    graph.add("leak")
    assert all_of(source, {})[0] == ["leak"]
    assert source.credential_ends() == ends
    other, _ = client_certificate(ends)
    (tmp_path / "graph-certificate").write_text(other)
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"
    begins = pem.index("-----BEGIN CERT")
    (tmp_path / "graph-certificate").write_text(pem[:begins] + other[other.index("-----BEGIN CERT") :] + pem[begins:])
    graph.add("among others")
    assert "among others" in all_of(source_of(credential="certificate", secret="graph-certificate"), {})[0]
    for broken in ("nothing of the kind", pem[:begins], pem[begins:], pem[:begins] + other[other.index("-----BEGIN CERT") :]):
        (tmp_path / "graph-certificate").write_text(broken)
        assert failure(lambda: source.fetch({}, 5)).reason == "credentials"


@pytest.mark.requirement("EDGE-19")
def test_the_end_of_a_secret_is_told_as_configured(source_of: MakeSource) -> None:
    assert source_of().credential_ends() is None
    assert source_of(secret_ends=date(2027, 3, 31)).credential_ends() == datetime(2027, 3, 31, tzinfo=UTC)
    assert failure(source_of(secret="graph-missing").credential_ends).reason == "credentials"


@pytest.mark.requirement("EDGE-19")
def test_a_refused_secret_is_told_and_a_new_one_works_at_once(graph: GraphServer, source: GraphSource, tmp_path: Path) -> None:
    graph.add("leak")
    graph.secret_has_ended = True
    error = failure(lambda: source.fetch({}, 5))
    assert (error.reason, str(error)) == ("credentials", "no token: invalid_client AADSTS7000222")
    graph.secret_has_ended, graph.secret = False, "another~one"
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"
    (tmp_path / "graph-secret").write_text("another~one")
    assert all_of(source, {})[0] == ["leak"]


def test_a_withdrawn_token_is_had_anew_and_a_refused_one_is_told(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    graph.tokens.clear()
    source.acknowledge(batch)
    assert graph.granted == 2
    graph.fail("delta", 401, "InvalidAuthenticationToken")
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"


@pytest.mark.parametrize(
    ("pattern", "status", "code", "headers", "reason", "wait"),
    [
        ("delta", 429, "ApplicationThrottled", {"Retry_After": "7"}, "throttled", 7.0),
        ("delta", 503, "ServiceUnavailable", {"Retry_After": "3"}, "throttled", 3.0),
        ("delta", 503, "ServiceUnavailable", {}, "unreachable", None),
        ("delta", 500, "ErrorInternalServerError", {}, "unreachable", None),
        ("delta", 403, "ErrorAccessDenied", {}, "refused", None),
        ("delta", 404, "MailboxNotEnabledForRESTAPI", {}, "refused", None),
        ("delta", 302, "", {"Location": "https://elsewhere.example/"}, "malformed", None),
        (r"\$value", 429, "ApplicationThrottled", {"Retry_After": "2"}, "throttled", 2.0),
        (r"\$value", 404, "ErrorInvalidUser", {}, "refused", None),
        ("oauth2/v2.0/token", 429, "", {"Retry_After": "11"}, "throttled", 11.0),
        ("oauth2/v2.0/token", 500, "", {}, "unreachable", None),
        ("openid-configuration", 400, "invalid_tenant", {}, "refused", None),
        ("openid-configuration", 504, "", {}, "unreachable", None),
    ],
)
def test_errors_are_told_by_their_reason(
    graph: GraphServer, source: GraphSource, pattern: str, status: int, code: str, headers: dict[str, str], reason: str, wait: float | None
) -> None:
    graph.add("leak")
    graph.fail(pattern, status, code, **headers)
    error = failure(lambda: source.fetch({}, 5))
    assert (error.reason, error.retry_after) == (reason, wait)
    graph.heal()
    assert all_of(source, {})[0] == ["leak"]


def test_a_wait_may_be_a_date(graph: GraphServer, source: GraphSource) -> None:
    graph.fail("delta", 429, Retry_After=(datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert 3500 < (failure(lambda: source.fetch({}, 5)).retry_after or 0) <= 3600
    graph.heal()
    graph.fail("delta", 429, Retry_After="soon")
    assert failure(lambda: source.fetch({}, 5)).retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"value": []}',
        b'{"value": [{}], "@odata.deltaLink": "x"}',
        b'{"value": 1, "@odata.deltaLink": "x"}',
        b"[" * 100_000,
        b'{"value": [], "@odata.nextLink": "https://elsewhere.example/v1.0/users"}',
        b'{"value": [], "@odata.deltaLink": "http://127.0.0.1/v1.0/users"}',
        b'{"value": [], "@odata.deltaLink": "//elsewhere.example/v1.0/x"}',
        b'{"value": [], "@odata.deltaLink": "https://[/"}',
    ],
)
def test_nonsense_and_links_to_other_places_are_malformed(graph: GraphServer, source: GraphSource, body: bytes) -> None:
    graph.fail("delta", 200, body=body)
    assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_links_are_followed_only_under_the_endpoint(graph: GraphServer, source: GraphSource) -> None:
    for link in (
        f"{graph.origin}/other/users",
        f"{graph.endpoint}/../other/users",
        f"{graph.endpoint}x/users",
        graph.endpoint.replace("https://", "https://user@") + "/users",
        graph.endpoint.replace("127.0.0.1", "127.0.0.2") + "/users",
    ):
        graph.fail("delta", 200, body=f'{{"value": [], "@odata.nextLink": "{link}"}}'.encode(), times=1)
        assert failure(lambda: source.fetch({}, 5)).reason == "malformed", link
    assert graph.called("/other|elsewhere") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"<html>",
        b'{"token_endpoint": "https://elsewhere.example/t/token", "authorization_endpoint": "https://elsewhere.example/a", "issuer": "i"}',
    ],
)
def test_an_authority_that_talks_nonsense_or_of_other_hosts_gets_no_secret(graph: GraphServer, source: GraphSource, body: bytes) -> None:
    graph.fail("openid-configuration", 200, body=body)
    assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_a_token_answer_without_a_token_is_malformed(graph: GraphServer, source: GraphSource) -> None:
    for body in (b"{}", b"<html>", b"[1]", b'{"access_token": 7}'):
        graph.heal()
        graph.fail("v2.0/token", 200, body=body)
        assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_an_untrusted_or_absent_server_is_unreachable(graph: GraphServer, tmp_path: Path) -> None:
    (tmp_path / "graph-secret").write_text(SECRET)
    for endpoint, ca_file in ((graph.origin, ""), ("https://127.0.0.1:9", str(graph.ca_file)), (graph.origin, str(tmp_path / "none.pem"))):
        section = GraphFetch(by="graph", tenant=TENANT, client_id=CLIENT, secret="graph-secret", endpoint=endpoint, authority=endpoint)
        source = GraphSource(MAILBOX, section, Credentials(str(tmp_path)), timeout=5, ca_file=ca_file)
        assert failure(lambda source=source: source.fetch({}, 5)).reason == "unreachable"
        source.close()


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


def test_throttling_in_the_middle_keeps_what_was_had(graph: GraphServer, source: GraphSource) -> None:
    for number in range(4):
        graph.add(f"mail {number}", id=f"m{number}")
    graph.fail("messages/m2/", 429, "ApplicationThrottled", Retry_After="9")
    batch = source.fetch({}, 10)
    assert (subjects(batch), batch.is_more) == (["mail 0", "mail 1"], True)
    source.acknowledge(batch)
    assert failure(lambda: source.fetch(batch.cursor, 10)).retry_after == 9.0
    graph.heal()
    assert all_of(source, batch.cursor)[0] == ["mail 2", "mail 3"]


def test_throttled_calls_of_a_batch_go_in_again(graph: GraphServer, source: GraphSource) -> None:
    messages = [graph.add(f"mail {number}") for number in range(20)]
    graph.fail("PATCH", 429, "ApplicationThrottled", times=7, Retry_After="0")
    batch = source.fetch({}, 20)
    source.acknowledge(batch)
    assert all(message.is_read for message in messages)
    assert graph.called("PATCH") == 27, "only those that were throttled"
    assert graph.called("batch") == 2


@pytest.mark.parametrize(
    ("status", "code", "headers", "reason", "wait"),
    [
        (429, "ApplicationThrottled", {"Retry_After": "120"}, "throttled", 120.0),
        (401, "InvalidAuthenticationToken", {}, "credentials", None),
        (403, "ErrorAccessDenied", {}, "refused", None),
        (500, "ErrorInternalServerError", {}, "unreachable", None),
        (400, "ErrorInvalidIdMalformed", {}, "refused", None),
    ],
)
def test_what_becomes_of_each_call_of_a_batch_counts(
    graph: GraphServer, source: GraphSource, status: int, code: str, headers: dict[str, str], reason: str, wait: float | None
) -> None:
    messages = [graph.add(f"mail {number}", id=f"m{number}") for number in range(3)]
    batch = source.fetch({}, 5)
    graph.fail("PATCH .*m1", status, code, **headers)
    error = failure(lambda: source.acknowledge(batch))
    assert (error.reason, error.retry_after) == (reason, wait)
    assert [message.is_read for message in messages] == [True, False, True]
    graph.heal()
    source.acknowledge(batch)
    assert messages[1].is_read
    assert graph.called("PATCH .*m0") == 1, "what is done is not done again"


def test_a_message_that_cannot_be_moved_is_left_in_the_end(graph: GraphServer, source_of: MakeSource) -> None:
    source = source_of(moved_to="archive")
    stuck, other = graph.add("stuck", id="stuck"), graph.add("other")
    graph.fail("messages/stuck/move", 409, "ErrorIrresolvableConflict")
    batch = source.fetch({}, 5)
    for _ in range(TRIES - 1):
        assert failure(lambda: source.acknowledge(batch)).reason == "refused"
    source.acknowledge(batch)
    assert (stuck.folder, other.folder) == ("inbox", "archive")
    graph.touch(stuck)
    assert all_of(source, batch.cursor)[0] == []


def test_a_folder_to_move_to_that_is_not_there_is_refused(graph: GraphServer, source_of: MakeSource) -> None:
    graph.add("leak")
    source = source_of(moved_to="nowhere")
    batch = source.fetch({}, 5)
    assert failure(lambda: source.acknowledge(batch)).reason == "refused"
    assert failure(lambda: source_of(folder="nowhere").fetch({}, 5)).reason == "refused"


def test_a_batch_answer_that_leaves_something_out_is_malformed(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    for body in (b'{"responses": []}', b"{}", b'{"responses": [{"id": "0", "status": "200"}]}', b"nonsense"):
        graph.heal()
        graph.fail("batch", 200, body=body)
        assert failure(lambda: source.acknowledge(batch)).reason == "malformed"


def test_close_ends_a_wait_and_a_call_that_hangs(graph: GraphServer, source: GraphSource, source_of: MakeSource) -> None:
    graph.hold("delta")
    errors: list[GatewayError] = []

    def fetch() -> None:
        try:
            source.fetch({}, 5)
        except GatewayError as error:
            errors.append(error)

    fetching = threading.Thread(target=fetch, daemon=True)
    fetching.start()
    assert graph.holding.wait(10)
    idle = source_of()
    waiting = threading.Thread(target=idle.wait, args=(3600,), daemon=True)
    waiting.start()
    source.close()
    idle.close()
    fetching.join(5)
    waiting.join(5)
    assert not fetching.is_alive()
    assert not waiting.is_alive()
    assert [(error.reason, str(error)) for error in errors] == [("unreachable", "the connection was closed")]
    assert failure(lambda: source.fetch({}, 5)).reason == "unreachable"
    source.close()


def test_a_connection_that_breaks_is_made_anew(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    graph.drop_connections()
    # Whether the client notices before it asks again is a matter of microseconds.
    with suppress(GatewayError):
        source.acknowledge(batch)
    source.acknowledge(batch)
    assert graph.messages[batch.marks[0]].is_read
