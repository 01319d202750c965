"""Which mail counts as sent by a machine."""

import pytest

from services.ingest.domain.mail import Robot, parse_mail, to_json
from tests.support.mails import multipart, raw_mail

pytestmark = pytest.mark.requirement("COM-7")


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (rejected)",
        "auto-submitted: Auto-Notified; owner-email=x@y",
        "X-Auto-Response-Suppress: All",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
        "X-Autorespond: Re: Leak",
        "X-AutoReply-From: x\nX-Mail-Autoreply: 1",
        "Preference: auto_reply",
        "Return-Path: <>",
        "Precedence: bulk\nSubject: Out of office: away until Monday",
        "Precedence: bulk\nSubject: Automatic reply: Leak",
    ],
)
def test_an_auto_reply_is_recognised(head: str) -> None:
    mail = parse_mail(raw_mail(head))
    assert mail.robot is Robot.AUTO_REPLY
    assert to_json(mail)["auto_submitted"] is True


@pytest.mark.parametrize(
    "head",
    [
        "From: MAILER-DAEMON@mx.example (Mail Delivery System)",
        "From: Mail Delivery Subsystem <mailer-daemon@mx.example>",
        "From: postmaster@mx.example\nReturn-Path: <>",
        "From: postmaster@mx.example\nSubject: Undeliverable: Leak",
        "From: x@mx.example\nReturn-Path: <>\nSubject: Returned mail: see transcript for details",
        "X-Failed-Recipients: ann@tenant.example",
        "From: MDaemon@mx.example\nPrecedence: bulk\nSubject: Warning",
        "From: postmaster@mx.example\nSubject: Permanent Delivery Failure",
        "From: postmaster@mx.example\nPrecedence: bulk\nSubject: FAILED MAIL to ann",
        "From: gate@mx.example\nReturn-Path: <>\nSubject: Message Delivery Failure",
        "From: gate@mx.example\nAuto-Submitted: auto-generated\nSubject: Mail could not be delivered",
    ],
)
def test_a_bounce_is_recognised(head: str) -> None:
    mail = parse_mail(raw_mail(head))
    assert mail.robot is Robot.BOUNCE
    assert mail.auto_submitted


def test_a_read_receipt_is_automatic() -> None:
    kind = "report; report-type=disposition-notification"
    assert parse_mail(multipart("\nRead", kind=kind)).robot is Robot.AUTO_REPLY


@pytest.mark.parametrize(
    "head", ["Precedence: list", "Precedence: junk", "List-Id: <news.shop.example>", "X-Auto-Response-Suppress: OOF, DR"]
)
def test_mass_mail_is_told_apart_from_an_auto_reply(head: str) -> None:
    mail = parse_mail(raw_mail(head))
    assert mail.robot is Robot.BULK
    assert to_json(mail)["auto_submitted"] is False


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: NO (a person)",
        "Subject: Out of office hours the lift does not work",
        "Subject: Undeliverable parcel at my door",
        "Return-Path: <ann@tenant.example>",
        "Precedence: normal",
        "From: postmaster@tenant.example",
        "X-Autoreply: no",
        "List-Unsubscribe: <https://tenant.example/u>",
    ],
)
def test_a_persons_mail_is_none(head: str) -> None:
    assert parse_mail(raw_mail(head)).robot is Robot.NONE
