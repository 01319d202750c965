"""A mailbox on Exchange as a channel: logins, refusals, throttling, broken answers, and being stopped."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from exchangelib.protocol import CachingProtocol

from services.ingest.gateways import exchange_connection
from services.ingest.gateways.exchange import ExchangeSource
from services.ingest.gateways.source import GatewayError
from tests.support.exchange import ExchangeServer, busy, envelope, fault
from tests.support.exchange_http import Answer
from tests.support.exchange_sources import Open, exchange_sources
from tests.support.waiting import eventually

MAIL = b"From: ann@example.com\r\nSubject: one\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture
def server(folder: Path) -> Iterator[ExchangeServer]:
    server = ExchangeServer(folder)
    server.deliver(MAIL)
    yield server
    server.close()


@pytest.fixture
def open_source(server: ExchangeServer, tmp_path: Path) -> Iterator[Open]:
    with exchange_sources(server, tmp_path) as opened:
        yield opened


@pytest.fixture
def ntlm(server: ExchangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server lets in by NTLM only."""
    (tmp_path / "users").write_text("HOUSING:reader:secret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))
    server.logins = {"NTLM"}


@pytest.fixture
def oauth(server: ExchangeServer, tmp_path: Path) -> dict[str, Any]:
    """The server lets in with its tokens only: what the section has for it."""
    server.logins = {"Bearer"}
    (tmp_path / "app").write_text("app-secret")
    client = {"token_url": f"{server.base}/token", "client_id": "app", "scope": "https://mail.housing.example/.default"}
    return {"login": "oauth2", "oauth": client, "secret": "app"}


def failure(source: ExchangeSource) -> tuple[str, float | None]:
    """Why `source` cannot be read, and the wait that was asked for."""
    with pytest.raises(GatewayError) as caught:
        source.fetch({}, 10)
    assert "housing.example" not in str(caught.value)
    return caught.value.reason, caught.value.retry_after


@pytest.mark.requirement("COM-3")
@pytest.mark.usefixtures("ntlm")
def test_login_by_ntlm(server: ExchangeServer, open_source: Open, tmp_path: Path) -> None:
    source = open_source(login="ntlm")
    batch = source.fetch({}, 10)
    assert list(batch.items) == [MAIL]
    source.acknowledge(batch)
    assert server.open_connections == 1
    (tmp_path / "mailbox").write_text("wrong")
    assert failure(open_source(login="ntlm")) == ("credentials", None)


@pytest.mark.requirement("COM-3")
@pytest.mark.usefixtures("ntlm")
@pytest.mark.parametrize("offer", ["Negotiate", "NTLM nonsense", ""])
def test_a_broken_offer_of_ntlm_fails_and_tells_nothing_of_us(
    server: ExchangeServer, open_source: Open, offer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = open_source(login="ntlm")
    server.login_offers.extend([{"WWW-Authenticate": "NTLM"}, {"WWW-Authenticate": offer} if offer else {}])
    assert failure(source)[0] in ("credentials", "malformed", "unreachable", "throttled")
    assert server.address not in caplog.text
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3", "EDGE-19")
def test_login_by_oauth(server: ExchangeServer, open_source: Open, oauth: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(**oauth)
    batch = source.fetch({}, 10)
    assert list(batch.items) == [MAIL]
    source.acknowledge(batch)
    assert len(server.tokens) == 1
    # An hour later the token has expired, which is no error.
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3700)
    server.tokens = {"expired"}
    assert source.fetch(batch.cursor, 10).items == []
    assert len(server.tokens) == 2


@pytest.mark.requirement("COM-3")
def test_a_token_that_is_refused_is_replaced_at_the_next_attempt(server: ExchangeServer, open_source: Open, oauth: dict[str, Any]) -> None:
    source = open_source(**oauth)
    source.fetch({}, 10)
    server.tokens = {"revoked"}
    assert failure(source) == ("credentials", None)
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(401, b'{"error": "invalid_client"}'), ("credentials", None)),
        (Answer(400, b'{"error": "invalid_scope"}'), ("credentials", None)),
        (Answer(429, b"", {"Retry-After": "7"}), ("throttled", 7.0)),
        (Answer(500), ("unreachable", None)),
        (Answer(200, b"<html>"), ("malformed", None)),
        (Answer(200, b'{"access_token": "x", "token_type": "Bearer", "expires_in": -5}'), ("malformed", None)),
    ],
)
def test_what_the_issuer_of_tokens_may_say(
    server: ExchangeServer, open_source: Open, oauth: dict[str, Any], answer: Answer, expected: tuple[str, float | None]
) -> None:
    source = open_source(**oauth)
    server.token_answers.append(answer)
    assert failure(source) == expected
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
def test_a_credential_that_is_put_right_works_at_once(server: ExchangeServer, open_source: Open, tmp_path: Path) -> None:
    (tmp_path / "mailbox").write_text("wrong")
    source = open_source()
    assert failure(source) == ("credentials", None)
    (tmp_path / "mailbox").unlink()
    assert failure(source) == ("credentials", None)
    (tmp_path / "mailbox").write_text("secret")
    batch = source.fetch({}, 10)
    assert list(batch.items) == [MAIL]
    server.users = {}
    with pytest.raises(GatewayError) as caught:
        source.acknowledge(batch)
    assert caught.value.reason == "credentials"


@pytest.mark.requirement("COM-3")
def test_accounts_share_neither_logins_nor_trust(server: ExchangeServer, open_source: Open, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("wrong")
    first = open_source()
    assert list(first.fetch({}, 10).items) == [MAIL]
    assert failure(open_source(secret="other")) == ("credentials", None)
    assert failure(open_source(ca_file="")) == ("unreachable", None)
    assert failure(open_source(ca_file=str(tmp_path / "missing.pem"))) == ("refused", None)
    assert list(first.fetch({}, 10).items) == [MAIL]
    assert CachingProtocol._protocol_cache == {}


@pytest.mark.requirement("COM-3")
def test_connections_that_are_made_at_the_same_time_are_two(
    server: ExchangeServer, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, other = exchange_connection.Account, open_source()

    def midway(**options: Any) -> Any:
        """The other connects while ours is in exchangelib's cache."""
        monkeypatch.setattr(exchange_connection, "Account", account)
        assert list(other.fetch({}, 10).items) == [MAIL]
        return account(**options)

    monkeypatch.setattr(exchange_connection, "Account", midway)
    source = open_source()
    assert list(source.fetch({}, 10).items) == [MAIL]
    other.close()
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
def test_a_mailbox_is_read_for_its_owner_by_impersonation(server: ExchangeServer, open_source: Open) -> None:
    assert failure(open_source(access="impersonation")) == ("refused", None)
    server.impersonators = {"HOUSING\\reader"}
    assert list(open_source(access="impersonation").fetch({}, 10).items) == [MAIL]
    (acting,) = server.requests[-1].iterfind(".//{*}ExchangeImpersonation//{*}PrimarySmtpAddress")
    assert acting.text == server.address
    assert failure(open_source(access="delegate", address="other@housing.example")) == ("refused", None)


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ErrorFolderNotFound", "refused"),
        ("ErrorAccessDenied", "refused"),
        ("ErrorInvalidSyncStateData", "refused"),
        ("ErrorExceededConnectionCount", "throttled"),
        ("ErrorServerBusy", "throttled"),
        ("ErrorMailboxStoreUnavailable", "unreachable"),
        ("ErrorInternalServerError", "unreachable"),
        ("ErrorTimeoutExpired", "unreachable"),
        ("ErrorPasswordExpired", "credentials"),
        ("ErrorThatNobodyKnows", "malformed"),
    ],
)
def test_what_exchange_refuses_has_a_reason(server: ExchangeServer, open_source: Open, code: str, reason: str) -> None:
    source = open_source()
    server.codes["SyncFolderItems"] = code
    assert failure(source) == (reason, None)
    server.codes.clear()
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("code", ["ErrorAccessDenied", "ErrorServerBusy", "ErrorMailboxStoreUnavailable"])
def test_what_holds_for_every_mail_is_not_held_against_one(server: ExchangeServer, open_source: Open, code: str) -> None:
    source = open_source()
    server.codes["GetItem"] = code
    expected = {"ErrorAccessDenied": "refused", "ErrorServerBusy": "throttled"}.get(code, "unreachable")
    server.items[next(iter(server.items))].code = code
    server.items[next(iter(server.items))].hidden = code
    server.codes.clear()
    assert failure(source) == (expected, None)


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (busy(4200), ("throttled", 4.2)),
        (Answer(503, b"", {"Retry-After": "30"}), ("throttled", 30.0)),
        (Answer(429, b"Too many"), ("throttled", None)),
        (Answer(503), ("unreachable", None)),
        (Answer(500, b"<html>Server Error in '/EWS' Application</html>"), ("unreachable", None)),
        (Answer(403), ("refused", None)),
        (Answer(302, b"", {"Location": "/owa/"}), ("refused", None)),
        (Answer(204), ("malformed", None)),
        (Answer(200, b"<html>Welcome</html>"), ("malformed", None)),
        (Answer(200, b"nonsense"), ("malformed", None)),
        (Answer(200, b""), ("malformed", None)),
        (Answer(200, envelope("<m:OtherResponse/>")), ("malformed", None)),
        (Answer(500, envelope(fault("ErrorImpersonateUserDenied", "No."))), ("refused", None)),
        (Answer(500, envelope(fault("ErrorSchemaValidation", "No."))), ("refused", None)),
        (Answer(200, b"<?xml", {"Content-Length": "100"}), ("unreachable", None)),
    ],
)
def test_what_a_server_may_answer(
    server: ExchangeServer, open_source: Open, answer: Answer, expected: tuple[str, float | None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = open_source()
    server.answers.append(answer)
    assert failure(source) == expected
    assert server.address not in caplog.text
    assert list(source.fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
def test_a_wait_may_be_named_by_its_end(server: ExchangeServer, open_source: Open) -> None:
    source = open_source()
    server.answers.append(Answer(503, b"", {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}))
    reason, wait = failure(source)
    assert reason == "throttled"
    assert 3000 < (wait or 0) <= 3600


@pytest.mark.requirement("EDGE-3")
def test_an_answer_that_broke_off_is_not_taken_for_a_whole_one(server: ExchangeServer, open_source: Open) -> None:
    """exchangelib mends broken XML: then the sync state of all changes would be kept with some of them only."""
    server.deliver(MAIL.replace(b"one", b"two"))
    source = open_source()
    whole = server.recorded(lambda: source.fetch({}, 10))
    changes, mails = whole[0], whole[1]
    for broken in (changes.replace(b"</t:Create>", b"", 1), changes[: changes.index(b"</t:Create>") + 3]):
        server.answers.append(Answer(200, broken))
        assert failure(source) == ("malformed", None)
    for broken in (mails[: mails.rindex(b"</t:MimeContent>") - 4], mails.replace(b"<m:GetItemResponseMessage", b"<m:X", 1)):
        server.answers.extend([Answer(200, changes), Answer(200, broken)])
        assert failure(source) == ("malformed", None)
    one_only = mails[: mails.index(b"<m:GetItemResponseMessage")] + mails[mails.rindex(b"<m:GetItemResponseMessage") :]
    server.answers.extend([Answer(200, changes), Answer(200, one_only)])
    assert failure(source) == ("malformed", None)
    assert len(source.fetch({}, 10).items) == 2


@pytest.mark.requirement("COM-3")
def test_a_server_that_is_not_there_or_says_nothing(server: ExchangeServer, open_source: Open) -> None:
    assert failure(open_source(url="https://127.0.0.1:1/EWS/Exchange.asmx")) == ("unreachable", None)
    server.answers.append(Answer(is_silent=True))
    source = open_source(timeout=0.3)
    assert failure(source) == ("unreachable", None)
    assert list(open_source().fetch({}, 10).items) == [MAIL]


@pytest.mark.requirement("COM-3")
def test_an_answer_may_not_trickle_for_ever(server: ExchangeServer, open_source: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_connection, "LONGEST_ANSWERS", 0)
    assert failure(open_source()) == ("unreachable", None)


@pytest.mark.requirement("COM-3")
def test_moving_that_is_refused_fails_and_succeeds_later(server: ExchangeServer, open_source: Open) -> None:
    source = open_source(moved_to="Taken")
    batch = source.fetch({}, 10)
    for code in ("ErrorAccessDenied", "ErrorQuotaExceeded", "ErrorToFolderNotFound"):
        server.codes["MoveItem"] = code
        with pytest.raises(GatewayError) as caught:
            source.acknowledge(batch)
        assert caught.value.reason == "refused"
    server.codes.clear()
    source.acknowledge(batch)
    assert server.in_folder(server.folder_named("Taken")) == [MAIL]


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("doing", ["fetch", "wait"])
def test_closing_ends_what_another_thread_does(server: ExchangeServer, open_source: Open, doing: str) -> None:
    source = open_source(timeout=300)
    batch = source.fetch({}, 10)
    ended: list[str] = []

    def work() -> None:
        try:
            source.fetch(batch.cursor, 10) if doing == "fetch" else source.wait(300)
            ended.append("")
        except GatewayError as error:
            ended.append(error.reason)

    server.answers.append(Answer(is_silent=True))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    if doing == "fetch":
        eventually(lambda: not server.answers)
    source.close()
    thread.join(20)
    assert ended == ["unreachable" if doing == "fetch" else ""]
    assert failure(source) == ("unreachable", None)
    source.close()


@pytest.mark.requirement("COM-3")
def test_closing_closes_the_connections(server: ExchangeServer, open_source: Open) -> None:
    sources = [open_source() for _ in range(3)]
    for source in sources:
        source.fetch({}, 10)
    assert server.open_connections == 3
    for source in sources:
        source.close()
    eventually(lambda: server.open_connections == 0)
    gc.collect()
    assert CachingProtocol._protocol_cache == {}
