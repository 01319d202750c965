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
from tests.service.notify.mail_server import MailServer, knows_login, take
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


# Two messages in one breath


def in_one_breath(relay: Relay, *messages: Written) -> list[tuple[Outcome, int]]:
    """Send these, each with the envelope of the next."""
    answers = []
    for number, message in enumerate(messages):
        answer = relay.begin(message) or relay.finish(messages[number + 1] if number + 1 < len(messages) else None)
        answers.append((answer.outcome, answer.code))
    return answers


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_next_envelope_may_go_with_the_message_before_it(pipelining: bool) -> None:
    def rcpt(address: str) -> str:
        return "550 no such user" if address.startswith("nobody") else "250 OK"

    def script(message_id: str, _time: int) -> str:
        return "451 greylisted" if message_id.startswith("<2@") else "250 OK"

    addresses = ["ann@mail.example", "bea@mail.example", "nobody@mail.example", "cem@mail.example", "jörg@mail.example"]
    messages = [a_message(number + 1, address) for number, address in enumerate(addresses)]
    with MailServer(script, rcpt, pipelining=pipelining) as server, speaking(server.port) as relay:
        sent, deferred, refused = (Outcome.SENT, 250), (Outcome.DEFERRED, 451), (Outcome.REFUSED, 550)
        assert in_one_breath(relay, *messages) == [sent, deferred, refused, sent, sent]
        assert server.connections == 1
    assert server.ids == [f"<{number}@housing.example>" for number in (1, 4, 5)]
    assert server.taken[1].get_content().replace("\r\n", "\n") == ".We come.\n..\n"


def test_with_pipelining_a_message_is_one_way_there_and_back() -> None:
    go_on = b"250 ok\r\n250 ok\r\n354 go on\r\n"
    replies = (b"220 hello\r\n", b"250-me\r\n250 PIPELINING\r\n", go_on, b"250 taken\r\n" + go_on, b"250 taken\r\n", b"221 bye\r\n")
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for reply in replies:
                connection.sendall(reply)
                heard.append(connection.recv(10_000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="counting")
        thread.start()
        with speaking(listener.getsockname()[1]) as relay:
            assert in_one_breath(relay, a_message(1), a_message(2)) == [(Outcome.SENT, 250)] * 2
        thread.join(10)
    first, second = heard[2], heard[3]
    assert first.startswith(b"Message-ID: <1@")
    assert first.endswith(b"\r\n.\r\nMAIL FROM:<contact@housing.example>\r\nRCPT TO:<ann@mail.example>\r\nDATA\r\n")
    assert second.startswith(b"Message-ID: <2@")
    assert second.endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("then", ["another", "nothing"])
def test_an_envelope_whose_message_does_not_follow_leaves_nothing_behind(then: str) -> None:
    with MailServer() as server, speaking(server.port) as relay:
        assert relay.begin(a_message(1)) is None
        assert relay.finish(a_message(2)).outcome is Outcome.SENT
        if then == "another":
            assert sent(relay, a_message(3)) == (Outcome.SENT, 250)
        relay.close()
        eventually(lambda: server.open_connections == 0)
    assert server.ids == ["<1@housing.example>", "<3@housing.example>"][: 2 if then == "another" else 1]


@pytest.mark.parametrize("ending", ["421 closing", "cut after"])
def test_a_connection_that_ends_with_a_message_ends_without_the_next(ending: str) -> None:
    with MailServer(lambda _, time: ending if time == 1 else "250 OK") as server, speaking(server.port) as relay:
        first, second = a_message(1), a_message(2)
        assert relay.begin(first) is None
        assert relay.finish(second).outcome is Outcome.UNREACHABLE
        server.script = take
        assert sent(relay, second) == (Outcome.SENT, 250)
        assert server.connections == 2
    assert server.ids[-1] == "<2@housing.example>"


@pytest.mark.parametrize("habit", ["drops it", "takes it for an attack"])
def test_a_server_that_cannot_have_it_gets_each_envelope_by_itself_from_then_on(habit: str) -> None:
    """It has PIPELINING, but not after a message."""
    connections: list[list[bytes]] = []

    def talk(connection: socket.socket) -> None:
        lines: list[bytes] = []
        connections.append(lines)
        connection.sendall(b"220 hello\r\n")
        is_data, got = False, b""
        while data := connection.recv(10_000):
            got += data
            while (end := got.find(b"\r\n.\r\n" if is_data else b"\r\n")) >= 0:
                line, got = got[:end], got[end + (5 if is_data else 2) :]
                lines.append(line)
                if is_data and got:
                    got = b""
                    connection.sendall(b"250 taken\r\n" if habit == "drops it" else b"250 taken\r\n554 synchronise\r\n")
                elif is_data:
                    connection.sendall(b"250 taken\r\n")
                else:
                    verb = line[:4].upper()
                    connection.sendall({b"EHLO": b"250-me\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n"}.get(verb, b"250 ok\r\n"))
                    is_data = verb == b"DATA"
                    continue
                is_data = False

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="strict")
        thread.start()
        with speaking(listener.getsockname()[1], timeout=2.0, accepting=0.5) as relay:
            assert in_one_breath(relay, *[a_message(number) for number in range(4)]) == [(Outcome.SENT, 250)] * 4
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert len(connections) == 2
    assert sum(line.startswith(b"Message-ID:") for lines in connections for line in lines) == 4


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
