"""Mail from a mail server, by real clients over real connections: what is taken, what is refused and how, and what never happens."""

from __future__ import annotations

import smtplib

import pytest

from services.ingest.gateways.receiver import NotNow, UnknownRecipient
from tests.support.mails import raw_mail
from tests.support.receiver import ACCOUNT, SENDER, Desk, as_sent, receiving, sends
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
        assert sends(running, True)
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
        assert sends(running, True)
    assert len(desk.taken) == 2
    assert desk.raws[0] == desk.raws[1]
