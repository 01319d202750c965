"""One connection to a mail server: what is said when, what each answer means, and that nothing goes out in the clear."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.gateways.login import PasswordLogin
from services.notify.gateways.smtp import Relay, RelayAddress
from tests.service.notify.mail_server import MailServer, knows_login
from tests.support.authority import Authority
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("NOTE-2")
BODY = b"Message-ID: <1@housing.example>\r\nSubject: Your leak\r\n\r\n.We come.\r\n..\r\n"


def a_message(number: int = 1, recipient: str = "ann@mail.example") -> Written:
    content = BODY.replace(b"<1@", b"<%d@" % number)
    return Written("contact@housing.example", recipient, content, international=not recipient.isascii())


@contextlib.contextmanager
def speaking(port: int, **changes: Any) -> Iterator[Relay]:
    """A connection to the server on this port."""
    values: dict[str, Any] = {"host": "127.0.0.1", "port": port, "timeout": 5.0, "accepting": 5.0}
    relay = Relay(RelayAddress(**(values | changes)))
    try:
        yield relay
    finally:
        relay.close()


def sent(relay: Relay, message: Written) -> tuple[Outcome, int]:
    """Both halves of sending it."""
    answer = relay.begin(message) or relay.finish()
    return answer.outcome, answer.code


@contextlib.contextmanager
def answering(*replies: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that says this, one reply to each line, and then hangs up; its port, and the lines that it was told."""
    told: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(replies[0])
                for reply in replies[1:]:
                    told.append(lines.readline())
                    connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="answering")
        thread.start()
        try:
            yield listener.getsockname()[1], told
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize("pipelining", [True, False])
def test_messages_arrive_as_they_are_over_one_connection(pipelining: bool) -> None:
    with MailServer(pipelining=pipelining) as server, speaking(server.port) as relay:
        assert [sent(relay, a_message(number)) for number in range(3)] == [(Outcome.SENT, 250)] * 3
        assert server.connections == 1
    assert [mail["Subject"] for mail in server.taken] == ["Your leak"] * 3
    assert server.taken[1].get_content().replace("\r\n", "\n") == ".We come.\n..\n"


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_has_no_message_before_it_is_finished(pipelining: bool) -> None:
    with MailServer(pipelining=pipelining) as server, speaking(server.port) as relay:
        assert relay.begin(a_message()) is None
        relay.abandon()
        eventually(lambda: server.open_connections == 0)
        assert not server.offered
        assert sent(relay, a_message(2)) == (Outcome.SENT, 250)
    assert server.ids == ["<2@housing.example>"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refused_recipient_leaves_the_connection_in_order(pipelining: bool) -> None:
    def rcpt(address: str) -> str:
        return {"nobody": "550 no such user", "full": "452 mailbox full"}.get(address.partition("@")[0], "250 OK")

    with MailServer(rcpt=rcpt, pipelining=pipelining) as server, speaking(server.port) as relay:
        assert sent(relay, a_message(1, "nobody@mail.example")) == (Outcome.REFUSED, 550)
        assert sent(relay, a_message(2, "full@mail.example")) == (Outcome.DEFERRED, 452)
        assert sent(relay, a_message(3)) == (Outcome.SENT, 250)
        assert server.connections == 1
    assert server.ids == ["<3@housing.example>"]


def test_a_server_that_wants_the_message_of_a_refused_recipient_gets_an_empty_one() -> None:
    replies = (b"220 hello\r\n", b"250-me\r\n250 PIPELINING\r\n", b"250 ok\r\n", b"550 nobody\r\n", b"354 go on\r\n", b"554 nobody\r\n")
    with answering(*replies) as (port, told), speaking(port) as relay:
        assert sent(relay, a_message()) == (Outcome.REFUSED, 550)
    assert told[1:5] == [
        b"MAIL FROM:<contact@housing.example>\r\n",
        b"RCPT TO:<ann@mail.example>\r\n",
        b"DATA\r\n",
        b".\r\n",
    ]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("451 greylisted", Outcome.DEFERRED),
        ("452 full", Outcome.DEFERRED),
        ("552 too large", Outcome.REFUSED),
        ("554 spam", Outcome.REFUSED),
        ("421 closing", Outcome.UNREACHABLE),
        ("530 log in first", Outcome.UNREACHABLE),
    ],
)
def test_the_answer_to_the_message_decides(reply: str, outcome: Outcome) -> None:
    with MailServer(lambda _, time: reply if time == 1 else "250 OK") as server, speaking(server.port) as relay:
        assert sent(relay, a_message()) == (outcome, int(reply[:3]))
        assert sent(relay, a_message()) == (Outcome.SENT, 250)
    assert server.offered == {"<1@housing.example>": 2}


@pytest.mark.parametrize(("moment", "taken"), [("cut before", 0), ("cut after", 1)])
def test_a_connection_cut_at_the_end_leaves_open_whether_it_was_sent(moment: str, taken: int) -> None:
    with MailServer(lambda _, time: moment) as server, speaking(server.port) as relay:
        assert sent(relay, a_message()) == (Outcome.UNREACHABLE, 0)
        assert len(server.taken) == taken


def test_a_server_that_keeps_silent_about_the_message_is_given_up() -> None:
    with MailServer(lambda _, time: "silence") as server, speaking(server.port, timeout=0.2, accepting=0.3) as relay:
        assert sent(relay, a_message()) == (Outcome.UNREACHABLE, 0)


def test_the_last_answer_may_take_longer_than_any_other() -> None:
    release = threading.Event()

    def slowly(_message_id: str, _time: int) -> str:
        release.wait(10)
        return "250 OK"

    with MailServer(slowly) as server, speaking(server.port, timeout=0.2, accepting=20) as relay:
        opener = threading.Timer(0.6, release.set)
        opener.start()
        assert sent(relay, a_message()) == (Outcome.SENT, 250)
        opener.join()


@pytest.mark.parametrize("greeting", [b"", b"421 too busy\r\n", b"554 not you\r\n", b"nonsense\r\n", b"220 hello\r\n"])
def test_a_server_that_does_not_begin_is_unreachable(greeting: bytes) -> None:
    """The last one greets and hangs up."""
    with answering(greeting) as (port, _), speaking(port, timeout=0.3) as relay:
        assert sent(relay, a_message()) == (Outcome.UNREACHABLE, 0)


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew() -> None:
    with MailServer(timeout=0.2) as server, speaking(server.port) as relay:
        assert sent(relay, a_message(1)) == (Outcome.SENT, 250)
        eventually(lambda: server.open_connections == 0)
        assert sent(relay, a_message(2)) == (Outcome.SENT, 250)
        assert server.connections == 2


def test_an_address_outside_ascii_needs_a_server_that_knows_it() -> None:
    with MailServer() as server, speaking(server.port) as relay:
        assert sent(relay, a_message(1, "jörg@mail.example")) == (Outcome.SENT, 250)
    with answering(b"220 hello\r\n", b"250-me\r\n250 PIPELINING\r\n") as (port, told), speaking(port) as relay:
        assert sent(relay, a_message(1, "jörg@mail.example")) == (Outcome.REFUSED, 0)
        assert len(told) == 1


# What goes over the wire


def encrypted(authority: Authority, security: str) -> dict[str, Any]:
    """Options of a server that speaks TLS, from the first byte or from STARTTLS on."""
    if security == "tls":
        return {"ssl_context": authority.context, "auth_require_tls": False}
    return {"tls_context": authority.context}


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_no_known_authority_vouches_for_gets_nothing(tmp_path: Path, security: str, known: bool) -> None:
    authority = Authority(tmp_path)
    login = PasswordLogin("notify", "s3cret")
    options = encrypted(authority, security) | knows_login(b"notify", b"s3cret")
    with MailServer(**options) as server:
        with speaking(server.port, security=security, ca_file=authority.file if known else None, login=login) as relay:
            outcome, _ = sent(relay, a_message())
        assert outcome is (Outcome.SENT if known else Outcome.UNREACHABLE)
        assert bool(server.senders) is known


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with MailServer(tls_context=authority.context) as server:
        with speaking(server.port, host="localhost", security="starttls", ca_file=authority.file) as relay:
            assert sent(relay, a_message())[0] is Outcome.UNREACHABLE
        assert not server.senders


def test_a_server_without_starttls_gets_neither_password_nor_message() -> None:
    replies = [b"220 hello\r\n", b"250-me\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n", *[b"250 ok\r\n"] * 4]
    with answering(*replies) as (port, told):
        with speaking(port, security="starttls", login=PasswordLogin("notify", "s3cret")) as relay:
            assert sent(relay, a_message())[0] is Outcome.UNREACHABLE
        assert told[0].startswith(b"ehlo ")
    assert not any(line.upper().startswith((b"AUTH", b"MAIL")) for line in told)


def test_what_was_said_before_starttls_does_not_count_after_it(tmp_path: Path) -> None:
    """Replies that somebody slips in before the encryption begins are not taken for the server's."""
    authority = Authority(tmp_path)
    seen: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"220 hello\r\n")
        connection.recv(1000)
        connection.sendall(b"250-me\r\n250 STARTTLS\r\n")
        connection.recv(1000)
        # Behind the leave to begin: what would be the answers to EHLO, MAIL, RCPT and DATA.
        connection.sendall(b"220 go on\r\n250 me\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n")
        with contextlib.suppress(OSError, ssl.SSLError):
            safe = authority.context.wrap_socket(connection, server_side=True)
            seen.append(safe.recv(1000))
            safe.close()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="injecting")
        thread.start()
        with speaking(listener.getsockname()[1], security="starttls", ca_file=authority.file, timeout=2.0) as relay:
            assert sent(relay, a_message())[0] is Outcome.UNREACHABLE
        thread.join(10)
    assert not any(b"MAIL" in one for one in seen)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("password", "outcome"), [("s3cret", Outcome.SENT), ("guessed", Outcome.UNREACHABLE)])
def test_a_login_by_password(mechanism: str, password: str, outcome: Outcome) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    options = {"auth_require_tls": False, "auth_required": True, "auth_exclude_mechanism": [other]}
    with MailServer(**options, **knows_login(b"notify", b"s3cret")) as server:
        with speaking(server.port, login=PasswordLogin("notify", password)) as relay:
            assert sent(relay, a_message())[0] is outcome
        assert len(server.taken) == (outcome is Outcome.SENT)
