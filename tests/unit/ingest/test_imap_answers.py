"""What IMAP servers answer that a sound Dovecot does not, and what it means for us."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.imap import ImapSource
from services.ingest.gateways.source import GatewayError
from shared.schemas.configuration.channels import ImapFetch
from tests.support.imap_script import OK, ImapScript, imap_script
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-3")

MakeSource = Callable[..., ImapSource]


@pytest.fixture
def script() -> Iterator[ImapScript]:
    with imap_script() as script:
        yield script


@pytest.fixture
def make_source(script: ImapScript, tmp_path: Path) -> Iterator[MakeSource]:
    """Makes sources that read from `script`."""
    (tmp_path / "office").write_text("geheim")
    made: list[ImapSource] = []

    def make(timeout: float = 20.0, idle_seconds: float = 540.0, **section: Any) -> ImapSource:
        given = {"host": "127.0.0.1", "port": script.port, "security": "none", "user": "office", "secret": "office", **section}
        source = ImapSource(ImapFetch(by="imap", **given), Credentials(str(tmp_path)), timeout=timeout, idle_seconds=idle_seconds)
        made.append(source)
        return source

    yield make
    for source in made:
        source.close()


@pytest.mark.parametrize(
    ("command", "answer", "reason", "wait"),
    [
        ("AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] no\r\n", "credentials", None),
        ("AUTHENTICATE", "TAG NO LOGIN failed.\r\n", "credentials", None),
        ("AUTHENTICATE", "TAG NO [UNAVAILABLE] Temporary failure\r\n", "unreachable", None),
        ("AUTHENTICATE", "TAG NO [LIMIT] Too much\r\n", "throttled", None),
        ("AUTHENTICATE", "TAG NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded\r\n", "throttled", None),
        ("AUTHENTICATE", "TAG NO [ALERT] Too many simultaneous connections. (Failure)\r\n", "throttled", None),
        ("AUTHENTICATE", "TAG NO [PRIVACYREQUIRED] TLS first\r\n", "refused", None),
        ("AUTHENTICATE", "TAG NO Server Unavailable. 15\r\n", "unreachable", None),
        ("SELECT", "TAG NO [INUSE] locked\r\n", "unreachable", None),
        ("SELECT", "TAG NO [NOPERM] not yours\r\n", "refused", None),
        ("SELECT", "TAG NO Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n", "throttled", 299.91),
        ("UID FETCH", "TAG BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds\r\n", "throttled", 89.117),
        ("UID FETCH", "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.\r\n", "throttled", None),
        ("UID FETCH", "TAG NO [SERVERBUG] oh\r\n", "unreachable", None),
        ("UID SEARCH", "TAG BAD what?\r\n", "refused", None),
        ("SELECT", "* 1 EXISTS\r\nTAG OK [READ-ONLY] done\r\n", "refused", None),
        ("SELECT", "* 1 EXISTS\r\nTAG OK [READ-WRITE] done\r\n", "refused", None),
        ("SELECT", "* one EXISTS\r\nTAG OK [READ-WRITE] done\r\n", "malformed", None),
        ("UID SEARCH", f"* SEARCH one\r\n{OK}", "malformed", None),
        ("UID FETCH", f"* 1 FETCH (UID 1 RFC822.SIZE\r\n{OK}", "malformed", None),
        ("UID FETCH", f"* 1 FETCH (UID 1 RFC822.SIZE many)\r\n{OK}", "malformed", None),
        ("UID FETCH", f"* 1 FETCH (1 2)\r\n{OK}", "malformed", None),
        ("UID FETCH", "Good evening.\r\n", "malformed", None),
        ("UID FETCH", "other OK done\r\n", "malformed", None),
        ("UID FETCH", "* 1 FETCH (UID 1 RFC822.SI", "unreachable", None),
    ],
)
def test_a_refusal_is_understood(
    command: str, answer: str, reason: str, wait: float | None, script: ImapScript, make_source: MakeSource
) -> None:
    source = make_source()
    # An answer without its end, or with a goodbye, is the last one.
    ends = not answer.endswith(OK) and "TAG" not in answer

    def say(_given: str) -> str:
        if ends:
            script.cut_after = True
        return answer

    script.answers[command] = say
    with pytest.raises(GatewayError) as caught:
        source.fetch({}, 10)
    assert (caught.value.reason, caught.value.retry_after) == (reason, wait)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "office" not in str(caught.value)
    # Once that is over, it goes on.
    script.answers.clear()
    assert source.fetch({}, 10).items == [script.mail(1)]


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        ("* BYE [UNAVAILABLE] later\r\n", "unreachable"),
        ("* BYE Too many connections\r\n", "throttled"),
        ("* BYE\r\n", "unreachable"),
        ("SSH-2.0-OpenSSH_9\r\n", "malformed"),
        ("* HELLO\r\n", "malformed"),
        ("", "unreachable"),
    ],
)
def test_a_greeting_is_understood(greeting: str, reason: str, script: ImapScript, make_source: MakeSource) -> None:
    script.greeting = greeting
    script.cut_after = not greeting
    with pytest.raises(GatewayError) as caught:
        make_source().fetch({}, 10)
    assert caught.value.reason == reason


def test_a_server_that_says_nothing_is_unreachable(script: ImapScript, make_source: MakeSource) -> None:
    script.answers["UID SEARCH"] = lambda _: ""
    with pytest.raises(GatewayError) as caught:
        make_source(timeout=0.2).fetch({}, 10)
    assert caught.value.reason == "unreachable"


def test_news_that_come_with_the_consent_to_idle_end_the_waiting(script: ImapScript, make_source: MakeSource) -> None:
    source = make_source()
    source.fetch({}, 10)
    script.answers["IDLE"] = lambda _: "+ idling\r\n* 2 EXISTS\r\n"
    source.wait(600)
    assert script.said[-2:] == ["IDLE", "DONE"]


def test_idle_is_renewed_and_other_news_do_not_end_it(script: ImapScript, make_source: MakeSource) -> None:
    source = make_source(idle_seconds=0.02)
    source.fetch({}, 10)
    script.answers["IDLE"] = lambda _: "+ idling\r\n* OK Still here\r\n* 1 FETCH (FLAGS (\\Seen))\r\n"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.wait, 600)
        eventually(lambda: script.said.count("DONE") >= 3)
        assert not waiting.done()
        script.answers["IDLE"] = lambda _: "+ idling\r\n* 2 EXISTS\r\n"
        waiting.result(30)


@pytest.mark.parametrize("answer", ["+ idling\r\n* BYE Shutting down\r\n", "TAG NO [UNAVAILABLE] not now\r\n"])
def test_a_server_that_ends_idle_is_unreachable(answer: str, script: ImapScript, make_source: MakeSource) -> None:
    source = make_source()
    source.fetch({}, 10)
    script.answers["IDLE"] = lambda _: answer
    with pytest.raises(GatewayError) as caught:
        source.wait(600)
    assert caught.value.reason == "unreachable"


def test_closing_from_another_thread_ends_what_waits_for_an_answer(script: ImapScript, make_source: MakeSource) -> None:
    source = make_source(timeout=600)
    script.answers["UID SEARCH"] = lambda _: ""
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(source.fetch, {}, 10)
        eventually(lambda: "UID SEARCH" in script.said)
        source.close()
        with pytest.raises(GatewayError):
            fetching.result(30)


def test_a_mail_that_is_refused_is_given_as_a_note_after_some_tries(script: ImapScript, make_source: MakeSource) -> None:
    script.mails = 3

    def say(given: str) -> str | bytes:
        uids, _, what = given.partition(" ")
        if "SIZE" in what:
            return "".join(f"* {uid} FETCH (UID {uid} RFC822.SIZE 9)\r\n" for uid in uids.split(",")) + OK
        if "HEADER" in what:
            return b"* 2 FETCH (UID 2 BODY[HEADER]<0> {17}\r\nSubject: mail 2\r\n)\r\n" + OK.encode()
        given_ones = b"".join(script.body(int(uid)) for uid in uids.split(",") if uid != "2")
        return given_ones + (b"TAG NO [CANNOT] cannot be converted\r\n" if "2" in uids else OK.encode())

    script.answers["UID FETCH"] = say
    source = make_source()
    with pytest.raises(GatewayError):
        source.fetch({}, 10)
    first = source.fetch({}, 10)
    assert first.items == [script.mail(1)]
    assert first.is_more
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            source.fetch(first.cursor, 10)
        assert caught.value.reason == "refused"
    rest = source.fetch(first.cursor, 10)
    assert rest.items[0].startswith(b"Subject: mail 2\r\n")
    assert b"does not give it" in rest.items[0]
    assert rest.items[1:] == [script.mail(3)]


def test_a_mail_that_is_left_out_of_an_answer_is_not_skipped(script: ImapScript, make_source: MakeSource) -> None:
    script.mails = 2
    script.answers["UID FETCH"] = lambda given: (
        f"* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n{OK}" if "SIZE" in given else script.body(1) + OK.encode()
    )
    script.answers["UID SEARCH"] = lambda given: f"* SEARCH {'1 2' if ':' in given else given.removeprefix('UID ')}\r\n{OK}"
    source = make_source()
    with pytest.raises(GatewayError):
        source.fetch({}, 10)
    first = source.fetch({}, 10)
    assert first.items == [script.mail(1)]
    with pytest.raises(GatewayError):
        source.fetch(first.cursor, 10)
    script.answers.clear()
    assert source.fetch(first.cursor, 10).items == [script.mail(2)]


def test_a_mail_larger_than_its_size_was_said_to_be_is_not_taken_whole(
    script: ImapScript, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.gateways.imap.LARGEST_MAIL", 1000)
    script.answers["UID FETCH"] = lambda given: (
        f"* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n{OK}"
        if "SIZE" in given
        else b"* 1 FETCH (UID 1 BODY[HEADER]<0> {14}\r\nSubject: big\r\n)\r\n" + OK.encode()
        if "HEADER" in given
        else script.body(1, b"x" * 1001) + OK.encode()
    )
    mail = make_source().fetch({}, 10).items[0]
    assert mail.startswith(b"Subject: big\r\n")
    assert b"1001 bytes" in mail


def test_mails_that_are_gone_do_not_matter_to_a_server_that_says_so(script: ImapScript, make_source: MakeSource) -> None:
    source = make_source()
    batch = source.fetch({}, 10)
    script.answers["UID STORE"] = lambda _: "TAG NO [EXPUNGEISSUED] Some are gone\r\n"
    source.acknowledge(batch)
    script.answers["UID STORE"] = lambda _: "TAG NO [NOPERM] not yours\r\n"
    with pytest.raises(GatewayError) as caught:
        source.acknowledge(batch)
    assert caught.value.reason == "refused"


def test_a_password_with_letters_beyond_ascii_needs_a_server_that_takes_it(
    script: ImapScript, make_source: MakeSource, tmp_path: Path
) -> None:
    (tmp_path / "office").write_text("Schlüssel")
    source = make_source(user='a "b"\\c')
    assert source.fetch({}, 10).items
    assert "AUTHENTICATE" in script.said
    script.capability = "IMAP4rev1"
    other = make_source(user='a "b"\\c')
    with pytest.raises(GatewayError) as caught:
        other.fetch({}, 10)
    assert caught.value.reason == "credentials"
    (tmp_path / "office").write_text("key")
    given: list[str] = []
    script.answers["LOGIN"] = lambda arguments: given.append(arguments) or OK  # type: ignore[func-returns-value]
    assert other.fetch({}, 10).items
    assert given == ['"a \\"b\\"\\\\c" "key"']


def test_nothing_of_a_mail_is_logged(script: ImapScript, make_source: MakeSource, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = make_source()
    source.acknowledge(source.fetch({}, 10))
    assert "mail 1" not in caplog.text
    assert "geheim" not in caplog.text
