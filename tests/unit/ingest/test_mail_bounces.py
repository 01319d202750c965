"""What a bounce reports, and where it belongs."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.communication import conversation_of
from services.ingest.domain.mail import Bounce, Undelivered, parse_mail
from services.ingest.domain.mail.bounces import MOST_RECIPIENTS
from tests.support.mails import raw_mail

pytestmark = pytest.mark.requirement("EDGE-2")

CONVERSATION = UUID("11111111-2222-5333-8444-555555555555")
OURS = f"<{CONVERSATION}.66666666-7777-5888-8999-000000000000@housing.example>"

POSTFIX = f"""\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: contact@housing.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<Ann.Bell@mail.example>: host mail.example said: 550 5.1.1 no such user

--b1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; Forwarded@other.example
Original-Recipient: rfc822;Ann.Bell@mail.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

Final-Recipient: rfc822; bob@mail.example
Action: delayed (for now)
Status: 4.4.7 (delayed)

--b1
Content-Description: Undelivered Message
Content-Type: {{kind}}

From: contact@housing.example
Message-ID: {OURS}
Subject: Your case C-2026-000123

Dear Ann
--b1--
"""


def bounce_of(text: str) -> Bounce | None:
    return parse_mail(text.replace("\n", "\r\n").encode()).bounce


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers; x=y"])
def test_a_report_names_the_message_and_its_recipients(kind: str) -> None:
    bounce = bounce_of(POSTFIX.replace("{kind}", kind))
    assert bounce is not None
    assert bounce.recipients == (
        Undelivered("ann.bell@mail.example", "failed", "5.1.1"),
        Undelivered("bob@mail.example", "delayed", "4.4.7"),
    )
    assert bounce.message_id == ("" if "headers; x" in kind else OURS)


def test_a_bounce_belongs_to_the_conversation_of_the_message_that_bounced() -> None:
    mail = parse_mail(POSTFIX.replace("{kind}", "message/rfc822").encode())
    assert conversation_of(mail, "<bounce@mx.example>", "housing.example") == CONVERSATION
    elsewhere = conversation_of(mail, "<bounce@mx.example>", "other.example")
    reply = parse_mail(raw_mail(f"In-Reply-To: {OURS}"))
    assert elsewhere == conversation_of(reply, "<reply@mail.example>", "other.example")


def test_servers_that_write_no_report_are_read_all_the_same() -> None:
    exim = f"""\
From: Mail Delivery System <Mailer-Daemon@mx.example>
X-Failed-Recipients: Ann@mail.example, bob@mail.example
Subject: Mail delivery failed: returning message to sender

------ This is a copy of the message, including all the headers. ------

Message-ID: {OURS}
From: contact@housing.example

Dear Ann
"""
    failed = (Undelivered("ann@mail.example", "failed", "5.0.0"), Undelivered("bob@mail.example", "failed", "5.0.0"))
    assert bounce_of(exim) == Bounce(OURS, failed)
    qmail = "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi.\n<ann@mail.example>:\nSorry.\n\n--- Below this line\n\n"
    assert bounce_of(f"{qmail}message-id: {OURS}\n") == Bounce(OURS)
    assert bounce_of("From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi.") == Bounce()


def test_what_is_no_bounce_reports_nothing() -> None:
    assert bounce_of("From: ann@mail.example\nX-Number: 1\nSubject: Fwd\n\nMessage-ID: <x@y.example>") is None


def test_a_report_on_very_many_is_cut() -> None:
    groups = "\n\n".join(f"Final-Recipient: rfc822; a{n}@mail.example\nAction: failed\nStatus: 5.1.1" for n in range(1000))
    head = "From: MAILER-DAEMON@mx.example\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\n"
    bounce = bounce_of(f"{head}Content-Type: message/delivery-status\n\n{groups}\n--b--\n")
    assert bounce is not None
    assert 0 < len(bounce.recipients) <= MOST_RECIPIENTS


@given(st.binary(max_size=400))
def test_any_report_is_read_without_an_error(report: bytes) -> None:
    head = b"From: MAILER-DAEMON@mx.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
    assert parse_mail(head + b"Content-Type: message/delivery-status\r\n\r\n" + report + b"\r\n--b--\r\n").bounce is not None
