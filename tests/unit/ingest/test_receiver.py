"""Mail from a mail server, by real clients over real connections: what is taken, what is refused and how, and what never happens."""

from __future__ import annotations

import random
import smtplib
import ssl
import threading
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.ingest.gateways.receiver import NotNow, UnknownRecipient
from tests.support.authority import Authority
from tests.support.mails import raw_mail
from tests.support.receiver import ACCOUNT, SENDER, Desk, Running, receiving
from tests.support.waiting import eventually

RETURN_PATH = f"Return-Path: <{SENDER}>\r\n".encode()
MAILS = {
    "ordinary": raw_mail(),
    "no end of line at the end": raw_mail(body="Hello"),
    "dots": raw_mail(body=".\r\n..\r\n.hidden\r\n. \r\nend."),
    "eight bits": raw_mail(body=bytes(range(11, 256)) + b"\r\n"),
    "bare line feeds": raw_mail(body=b"a\nb\n.\nc\n.\r\nd\r\n.\ne\rf"),
    "a line of 100000": raw_mail(body=b"x" * 100_000),
    "many empty lines": raw_mail(body=b"\r\n" * 200_000),
    "larger than any buffer": raw_mail(body=(b"y" * 75 + b"\r\n") * 10_000),
}


def as_sent(raw: bytes) -> bytes:
    """The data of DATA, with its end, as the standard says."""
    content = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


@pytest.mark.requirement("COM-1", "COM-3")
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_taken_byte_for_byte_and_only_then_answered(name: str) -> None:
    desk = Desk()
    raw = MAILS[name]
    with receiving(desk) as running, running.line() as line:
        line.begin()
        line.say(as_sent(raw))
        assert line.answer() == "250 2.0.0 taken"
        assert desk.raws == [RETURN_PATH + (raw if raw.endswith(b"\r\n") else raw + b"\r\n")]
        assert running.receiver.held == 0


@pytest.mark.parametrize("size", [*range(1, 12), 60, 65_535, 65_536, 65_537])
def test_however_the_data_is_cut_into_packets_the_mail_is_the_same(size: int) -> None:
    desk = Desk()
    body = b".\r\n\r\n.a\r\n" * 40 if size < 1000 else (b".b\r\n" + b"c" * 33 + b"\r\n") * 8000
    with receiving(desk) as running, running.line() as line:
        line.begin()
        data = as_sent(raw_mail(body=body))
        for at in range(0, len(data), size):
            line.say(data[at : at + size])
        assert line.answer().startswith("250 ")
    assert desk.raws == [RETURN_PATH + raw_mail(body=body)]


@pytest.mark.parametrize("data", [b".\r\n", b"\r\n.\r\n", b"\r\n\r\n.\r\n", b"\r\r\n.\r\n", b"\x00\xff\r\n.\r\n", b"..\r\n.\r\n"])
def test_what_is_no_mail_is_taken_as_it_is(data: bytes) -> None:
    desk = Desk()
    with receiving(desk) as running, running.line() as line:
        line.begin()
        line.say(data)
        assert line.answer().startswith("250 ")
        assert line.ask(b"NOOP").startswith("250 ")
    assert desk.raws == [data[:-3].replace(b"..", b".")]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\n\n.\r\n"])
def test_no_second_mail_is_smuggled_in_behind_a_false_end(end: bytes) -> None:
    desk = Desk()
    inner = b"MAIL FROM:<boss@housing.example>\r\nRCPT TO:<contact@housing.example>\r\nDATA\r\nPay me"
    with receiving(desk) as running, running.line() as line:
        line.begin()
        line.say(raw_mail(body=b"Hello") + end + inner + b"\r\n.\r\n")
        assert line.answer().startswith("250 ")
        assert line.ask(b"NOOP").startswith("250 ")
    [raw] = desk.raws
    assert b"Pay me" in raw


@pytest.mark.requirement("COM-3")
def test_smtp_takes_mail_as_well_and_answers_once() -> None:
    desk = Desk()
    with receiving(desk, lmtp=False) as running, running.smtp() as client:
        recipients = [ACCOUNT, "repairs@housing.example"]
        assert client.sendmail(SENDER, recipients, raw_mail(), ["BODY=8BITMIME"]) == {}
        assert client.noop()[0] == 250
    assert desk.taken == [(RETURN_PATH + raw_mail() + b"\r\n", recipients)]


@pytest.mark.requirement("COM-3")
def test_lmtp_answers_once_for_each_recipient_and_hands_the_mail_over_once() -> None:
    desk = Desk()
    recipients = [ACCOUNT, "repairs@housing.example", ACCOUNT]
    with receiving(desk) as running, running.line() as line:
        line.begin(*recipients)
        line.say(as_sent(raw_mail()))
        assert [line.answer() for _ in recipients] == ["250 2.0.0 taken"] * 3
        assert line.ask(b"NOOP").startswith("250 ")
    assert [recipients for _, recipients in desk.taken] == [recipients]


def test_unknown_recipients_are_refused_and_the_others_are_not() -> None:
    desk = Desk()
    with receiving(desk) as running, running.lmtp() as client:
        refused = client.sendmail(SENDER, [ACCOUNT, "nobody@else.example"], raw_mail())
        assert refused == {"nobody@else.example": (550, b"5.1.1 no such account here")}
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(SENDER, ["nobody@else.example"], raw_mail())
        assert client.mail(SENDER)[0] == 250
        assert client.docmd("DATA")[0] == 503
    assert len(desk.taken) == 1


@pytest.mark.parametrize("problem", [NotNow(), ConnectionResetError("ours"), RuntimeError("unforeseen")], ids=repr)
def test_what_could_not_be_taken_stays_with_the_mail_server(problem: Exception) -> None:
    desk = Desk()
    desk.problem = problem
    with receiving(desk) as running:
        with running.lmtp() as client, pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail(SENDER, [ACCOUNT], raw_mail())
        assert refusal.value.smtp_code == 451
        assert running.receiver.held == 0
        desk.problem = None
        with running.lmtp() as client:
            assert client.sendmail(SENDER, [ACCOUNT], raw_mail()) == {}
    assert len(desk.taken) == 1


def test_an_account_that_has_gone_meanwhile_is_refused_for_good() -> None:
    desk = Desk()
    desk.problem = UnknownRecipient()
    with receiving(desk) as running, running.lmtp() as client, pytest.raises(smtplib.SMTPDataError) as refusal:
        client.sendmail(SENDER, [ACCOUNT], raw_mail())
    assert (refusal.value.smtp_code, refusal.value.smtp_error) == (550, b"5.1.1 no such account here")


def test_a_recipient_that_cannot_be_checked_is_tried_again() -> None:
    with receiving(Desk()) as running, running.lmtp() as client:
        client.mail(SENDER)
        assert client.rcpt("broken@housing.example")[0] == 451


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


def test_every_answer_has_an_enhanced_code_and_commands_may_come_together() -> None:
    desk = Desk()
    commands = [b"MAIL FROM:<>", b"MAIL FROM:<>", b"RCPT TO:<contact@housing.example>", b"RCPT TO:<a@else.example>", b"RCPT", b"WHAT"]
    commands += [b"VRFY x", b"EXPN x", b"NOOP", b"RSET", b"DATA", b"MAIL FROM:<a@b.example> FOO=1", b"AUTH PLAIN AAAA", b"HELO x", b"QUIT"]
    with receiving(desk) as running, running.line() as line:
        line.answer()
        line.say(b"LHLO mta.example\r\n" + b"\r\n".join(commands) + b"\r\n")
        answers = []
        while answer := line.answer():
            answers.append(answer)
    offered = {answer[4:] for answer in answers if answer.startswith("250-") or answer == "250 ENHANCEDSTATUSCODES"}
    assert offered == {"casestream.example", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES"}
    later = answers[len(offered) :]
    assert [answer[:3] for answer in later] == [
        *("250", "503", "250", "550", "501", "500", "252", "502", "250", "250", "503", "555", "502", "500", "221")
    ]
    assert [answer for answer in later if answer[4:6] != f"{answer[0]}."] == []


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
        assert _sends(running, lmtp)
    assert len(desk.taken) == 2


def _sends(running: Running, lmtp: bool) -> bool:
    with running.lmtp() if lmtp else running.smtp() as client:
        return client.sendmail(SENDER, [ACCOUNT], raw_mail()) == {}


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
        assert _sends(running, True)
        eventually(lambda: running.receiver.held == 0)
    assert len(desk.taken) == 1


@pytest.mark.parametrize(
    "address", ["<", "<>", "<@>", "a", "<a@>", "", '<"a b"@c.example>', "<a@b.example", "<\u00e4@b.example>", "<" * 500]
)
def test_odd_addresses_are_answered(address: str) -> None:
    with receiving(Desk()) as running, running.line() as line:
        line.answer()
        line.ask(b"LHLO x")
        assert line.ask(f"MAIL FROM:{address}".encode())[:3] in ("250", "501", "553")
        assert line.ask(b"RSET").startswith("250 ")
        line.ask(b"MAIL FROM:<>")
        assert line.ask(f"RCPT TO:{address}".encode())[:3] in ("501", "550", "553")


def test_a_new_connection_takes_nothing_from_an_older_one() -> None:
    address = f"{'a' * 600}@tenant.example".encode()
    with receiving(Desk()) as running, running.line() as older:
        older.answer()
        older.ask(b"LHLO x")
        with running.lmtp():
            assert older.ask(b"MAIL FROM:<" + address + b"> SIZE=1000 BODY=8BITMIME").startswith("250 ")
            assert older.ask(b"NOOP " + b"x" * 2000).startswith("500 ")
            assert older.ask(b"NOOP").startswith("250 ")


@pytest.mark.requirement("COM-7")
def test_the_sender_is_noted_so_that_bounces_are_told_from_mail() -> None:
    desk = Desk()
    with receiving(desk) as running, running.lmtp() as client:
        client.sendmail("<>", [ACCOUNT], raw_mail())
        client.sendmail("grüße@tenant.example", [ACCOUNT], raw_mail(), ["SMTPUTF8"])
    assert desk.raws[0].startswith(b"Return-Path: <>\r\nFrom: ")
    assert desk.raws[1].startswith("Return-Path: <grüße@tenant.example>\r\nFrom: ".encode())


@pytest.mark.requirement("EDGE-3")
def test_a_connection_lost_within_the_data_leaves_nothing() -> None:
    desk = Desk()
    with receiving(desk) as running:
        with running.line() as line:
            line.begin()
            line.say(as_sent(raw_mail(body=b"x" * 300_000))[:-3])
            eventually(lambda: running.receiver.held > 200_000)
        eventually(lambda: running.receiver.held == 0)
        assert _sends(running, True)
    assert len(desk.taken) == 1


@pytest.mark.requirement("EDGE-3")
def test_a_connection_lost_before_the_answer_is_the_clients_to_repeat() -> None:
    desk = Desk()
    desk.open.clear()
    with receiving(desk) as running:
        with running.line() as line:
            line.begin()
            line.say(as_sent(raw_mail()))
            assert desk.arrived.wait(20)
        desk.open.set()
        eventually(lambda: running.receiver.held == 0)
        assert _sends(running, True)
    assert len(desk.taken) == 2
    assert desk.raws[0] == desk.raws[1]


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
