"""What the receiver of mail refuses, how much it holds, and how it stops."""

from __future__ import annotations

import random
import smtplib
import ssl
import threading
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.mails import raw_mail
from tests.support.receiver import ACCOUNT, SENDER, Desk, Running, as_sent, receiving, sends
from tests.support.waiting import eventually


@pytest.mark.parametrize(("networks", "welcome"), [("10.0.0.0/8", False), ("127.0.0.0/30", True), ("::1", False)])
def test_only_allowed_networks_are_listened_to(networks: str, welcome: bool) -> None:
    with receiving(Desk(), networks=[ip_network(networks)]) as running, running.line() as line:
        greeting = line.answer()
        if welcome:
            assert greeting == "220 casestream.example LMTP casestream"
        else:
            assert greeting == "554 5.7.1 mail is not taken from this address"
            assert line.answer() == ""


def test_too_large_a_mail_is_refused_before_and_after_it_was_sent() -> None:
    desk = Desk()
    with receiving(desk, mail_bytes=20_000) as running, running.lmtp() as client:
        assert client.esmtp_features["size"] == "20000"
        assert client.mail(SENDER, ["SIZE=20001"]) == (552, b"5.3.4 Error: message size exceeds fixed maximum message size")
        client.rset()
        client.mail(SENDER)
        client.rcpt(ACCOUNT)
        client.rcpt(ACCOUNT)
        for body, code in ((b"x" * 30_000, 552), (b"x" * 1_000_000, 552), (b"x", 250)):
            client.rset()
            client.mail(SENDER)
            for _ in range(2):
                client.rcpt(ACCOUNT)
            assert client.data(raw_mail(body=body))[0] == code
            assert client.getreply()[0] == code
        assert running.receiver.held == 0
        exactly = raw_mail(body=b"x" * (20_000 - len(raw_mail(body=b"\r\n"))) + b"\r\n")
        assert len(exactly) == 20_000
        assert client.sendmail(SENDER, [ACCOUNT], exactly) == {}
    assert len(desk.taken) == 2


def test_too_many_recipients_are_to_come_in_another_mail() -> None:
    desk = Desk()
    with receiving(desk, recipients=2) as running, running.lmtp() as client:
        client.mail(SENDER)
        assert [client.rcpt(ACCOUNT)[0] for _ in range(4)] == [250, 250, 452, 452]
        assert client.data(raw_mail())[0] == 250
        assert client.getreply()[0] == 250


def test_too_many_connections_are_sent_away_until_one_ends() -> None:
    with receiving(Desk(), connections=2) as running:
        with running.lmtp(), running.lmtp():
            with pytest.raises(smtplib.SMTPConnectError) as refusal:
                running.lmtp()
            assert (refusal.value.smtp_code, refusal.value.smtp_error) == (421, b"4.3.2 too many connections; try again later")
        eventually(lambda: _noop(running))


def _noop(running: Running) -> bool:
    try:
        with running.lmtp() as client:
            return client.noop()[0] == 250
    except smtplib.SMTPConnectError:
        return False


def test_no_more_is_held_in_memory_than_allowed() -> None:
    desk = Desk()
    desk.open.clear()
    large = raw_mail(body=b"x" * 60_000)
    with receiving(desk, mail_bytes=80_000, held_bytes=100_000) as running, running.line() as first, running.lmtp() as second:
        first.begin()
        first.say(as_sent(large))
        assert desk.arrived.wait(20)
        assert running.receiver.held > 60_000
        assert second.mail(SENDER, ["SIZE=60000"]) == (452, b"4.3.1 too much mail at once; send it again")
        second.mail(SENDER)
        second.rcpt(ACCOUNT)
        assert second.data(large) == (452, b"4.3.1 too much mail at once; send it again")
        desk.open.set()
        assert first.answer().startswith("250 ")
        assert second.sendmail(SENDER, [ACCOUNT], large) == {}
        assert running.receiver.held == 0
    assert len(desk.taken) == 2


@pytest.mark.parametrize("lmtp", [True, False])
def test_tls_is_offered_with_a_certificate_and_a_login_never(lmtp: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    desk = Desk()
    with receiving(desk, lmtp=lmtp, tls_files=(authority.certificate, authority.key)) as running:
        trusting = ssl.create_default_context(cafile=str(authority.file))
        with running.lmtp() if lmtp else running.smtp() as client:
            assert "starttls" in client.esmtp_features
            assert client.docmd("STARTTLS")[0] == 220
            client.sock = trusting.wrap_socket(client.sock, server_hostname="127.0.0.1")
            client.file = None
            client.ehlo()
            assert "starttls" not in client.esmtp_features
            assert "auth" not in client.esmtp_features
            assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 502
            assert client.sendmail(SENDER, [ACCOUNT], raw_mail(body=b"z" * 300_000)) == {}
        Authority(tmp_path)  # renewed
        renewed = ssl.create_default_context(cafile=str(authority.file))
        with running.lmtp() if lmtp else running.smtp() as client:
            client.docmd("STARTTLS")
            renewed.wrap_socket(client.sock, server_hostname="127.0.0.1").close()
        with running.line() as line:
            line.answer()
            line.ask(b"LHLO x" if lmtp else b"EHLO x")
            assert line.ask(b"STARTTLS").startswith("220 ")
            line.say(b"this is no TLS\r\n")
            line.socket.settimeout(20)
            while line.socket.recv(1000):
                pass
        assert sends(running, lmtp)
    assert len(desk.taken) == 2


def test_garbage_ends_its_own_connection_at_most() -> None:
    pick = random.Random(7)
    words = [
        b"LHLO",
        b"MAIL FROM:",
        b"RCPT TO:",
        b"<",
        b">",
        b"@",
        b'"',
        b"\xff\xfe",
        b"\x00",
        b" ",
        b"SIZE=",
        b"(",
        b"[",
        b"\\",
        b"a" * 3000,
    ]
    desk = Desk()
    with receiving(desk, timeout=5.0) as running:
        for turn in range(60):
            with running.line() as line:
                line.answer()
                line.say(b"LHLO mta.example\r\n")
                commands = (
                    [b"".join(pick.choices(words, k=pick.randint(1, 9))) for _ in range(10)] if turn % 3 else [pick.randbytes(70_000)]
                )
                try:
                    line.say(b"\r\n".join(commands) + b"\n\r\nQUIT\r\n")
                    while line.answer():
                        pass
                except (ConnectionError, UnicodeDecodeError):
                    pass
        assert sends(running, True)
        eventually(lambda: running.receiver.held == 0)
    assert len(desk.taken) == 1


def test_a_new_connection_takes_nothing_from_an_older_one() -> None:
    address = f"{'a' * 600}@tenant.example".encode()
    with receiving(Desk()) as running, running.line() as older:
        older.answer()
        older.ask(b"LHLO x")
        with running.lmtp():
            assert older.ask(b"MAIL FROM:<" + address + b"> SIZE=1000 BODY=8BITMIME").startswith("250 ")
            assert older.ask(b"NOOP " + b"x" * 2000).startswith("500 ")
            assert older.ask(b"NOOP").startswith("250 ")


def test_a_silent_client_is_left_but_not_while_it_waits_for_us() -> None:
    desk = Desk()
    desk.open.clear()
    with receiving(desk, timeout=0.3) as running, running.line() as waiting:
        waiting.begin()
        waiting.say(as_sent(raw_mail()))
        assert desk.arrived.wait(20)
        with running.line() as silent:
            silent.answer()
            assert silent.answer() == ""  # its time is over, so the other's, which began before, would be
        desk.open.set()
        assert waiting.answer().startswith("250 ")


def test_a_stop_finishes_what_is_under_way_and_takes_nothing_new() -> None:
    desk = Desk()
    desk.open.clear()
    with receiving(desk) as running, running.line() as idle, running.line() as sending, running.line() as answered:
        idle.answer()
        sending.begin()
        sending.say(as_sent(raw_mail())[:20])
        answered.begin()
        answered.say(as_sent(raw_mail()))
        assert desk.arrived.wait(20)
        stopped = threading.Thread(target=lambda: running.run(running.receiver.stop(20.0)))
        stopped.start()
        assert idle.answer() == "421 4.3.2 closing; come back later"
        assert idle.answer() == ""
        with pytest.raises(ConnectionRefusedError):
            running.lmtp()
        sending.say(as_sent(raw_mail())[20:])
        desk.open.set()
        for line in (sending, answered):
            assert [line.answer() for _ in range(3)] == ["250 2.0.0 taken", "421 4.3.2 closing; come back later", ""]
        stopped.join(20)
        assert not stopped.is_alive()
    assert len(desk.taken) == 2


def test_a_stop_does_not_wait_for_ever() -> None:
    with receiving(Desk()) as running, running.line() as line:
        line.begin()
        running.run(running.receiver.stop(0.05))
        line.say(b"x\r\n")
        with pytest.raises((ConnectionError, AssertionError)):
            assert line.answer()
