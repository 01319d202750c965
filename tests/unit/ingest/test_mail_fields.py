"""Header fields: words, addresses, ids, dates, however mailers write them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.domain.mail import parse_mail, to_json
from tests.support.mails import multipart, raw_mail


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?Q?Gr=C3=B6=C3=9Fe?=", "Größe"),
        ("=?UTF-8?B?R3LDtsOfZQ==?=", "Größe"),
        ("=?utf-8?q?Gr=C3?= =?utf-8?q?=B6=C3=9Fe?=", "Größe"),
        ("=?utf-8?b?R3LD?=\n =?utf-8?b?tsOfZQ==?=", "Größe"),
        ("=?utf-8?b?R3LDts?= =?utf-8?b?OfZQ==?=", "Größe"),
        ("=?utf-8?q?one?= two =?utf-8?q?three?=", "one two three"),
        ("=?utf-8?q?one?= =?iso-8859-1?q?_=FCber?=", "one über"),
        ("Re:=?utf-8?q?_=C3=BCber?=uns", "Re: überuns"),
        ('"=?utf-8?q?=C3=BCber?="', '"über"'),
        ("=?utf-8*de?q?=C3=BCber?=", "über"),
        ("=?utf-8?q?Wie geht's??=", "Wie geht's?"),
        ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("=?no-such-charset?q?=C3=BCber?=", "über"),
        ("=?gb2312?B?" + base64.b64encode("镕基".encode("gb18030")).decode() + "?=", "镕基"),
        ("=?iso-2022-jp?B?" + base64.b64encode("問題".encode("iso2022_jp")).decode() + "?=", "問題"),
        ("=?koi8-r?B?" + base64.b64encode("Привет".encode("koi8-r")).decode() + "?=", "Привет"),
        ("=?windows-1251?Q?=CF=F0=E8?=", "При"),
        ("=?utf-8?b?R3LDtsOfZQ?=", "Größe"),
        ("a\n folded\n\tsubject", "a folded subject"),
        ("=?utf-8?q?a=00b?=", "ab"),
        ("=?utf-8?q?=0D=0ABcc:_x@y?=", "Bcc: x@y"),
    ],
)
def test_subject_words_are_decoded(written: str, read: str) -> None:
    assert parse_mail(raw_mail(f"Subject: {written}")).subject == read


@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
def test_an_unencoded_eight_bit_subject_is_read(charset: str) -> None:
    raw = raw_mail().replace(b"Subject: Leak", b"Subject: " + "Größe – ä".encode(charset))
    assert parse_mail(raw).subject == "Größe – ä"


def test_an_unencoded_subject_is_in_the_charset_of_the_body() -> None:
    raw = raw_mail("Content-Type: text/plain; charset=koi8-r", "Привет".encode("koi8-r"))
    raw = raw.replace(b"Subject: Leak", b"Subject: " + "Дом".encode("koi8-r"))
    assert parse_mail(raw).subject == "Дом"


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("ann@x.example", "", "ann@x.example"),
        ("<ann@x.example>", "", "ann@x.example"),
        ("Ann Lee <ann@x.example>", "Ann Lee", "ann@x.example"),
        ('"Lee, Ann" <ann@x.example>', "Lee, Ann", "ann@x.example"),
        ("Lee, Ann <ann@x.example>", "Lee, Ann", "ann@x.example"),
        ("=?utf-8?q?M=C3=BCller=2C_Jo?= <jo@x.example>", "Müller, Jo", "jo@x.example"),
        ('"=?utf-8?q?M=C3=BCller=2C_Jo?=" <jo@x.example>', "Müller, Jo", "jo@x.example"),
        ('"Ann \\"A\\" Lee" <ann@x.example>', 'Ann "A" Lee', "ann@x.example"),
        ("ann@x.example (Ann Lee)", "Ann Lee", "ann@x.example"),
        ("ann@x.example <ann@x.example>", "ann@x.example", "ann@x.example"),
        ("Ann (work (main)) <ann@x.example>", "Ann", "ann@x.example"),
        ("=?utf-8?q?Ann_=3Cann=40x=2Eexample=3E?=", "Ann", "ann@x.example"),
        ("'Ann' <ann@x.example>", "Ann", "ann@x.example"),
        ("Ann <ann@x.example", "Ann", "ann@x.example"),
        ("Müller <müller@bücher.example>", "Müller", "müller@bücher.example"),
        ("MAILER-DAEMON (Mail Delivery)", "Mail Delivery", "MAILER-DAEMON"),
        ("<@relay.example:ann@x.example>", "", "ann@x.example"),
    ],
)
def test_the_sender_is_read(written: str, name: str, address: str) -> None:
    mail = parse_mail(raw_mail(f"From: {written}"))
    assert (mail.from_name, mail.from_address) == (name, address)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a@x.example, b@x.example", ["a@x.example", "b@x.example"]),
        ("Team: A <a@x.example>, b@x.example;", ["a@x.example", "b@x.example"]),
        ("undisclosed-recipients:;", []),
        ("", []),
        ("A <a@x.example>; b@x.example", ["a@x.example", "b@x.example"]),
        ('"A, B" <a@x.example>,\n =?utf-8?q?C=2C_D?= <c@x.example>', ["a@x.example", "c@x.example"]),
        ("a@x.example\nTo: b@x.example", ["a@x.example", "b@x.example"]),
        ("a@[192.0.2.1], b@[IPv6:2001:db8::1]", ["a@[192.0.2.1]", "b@[IPv6:2001:db8::1]"]),
    ],
)
def test_recipients_are_read(written: str, read: list[str]) -> None:
    assert to_json(parse_mail(raw_mail(f"To: {written}")))["to"] == read


def test_a_missing_sender_is_null_and_sender_stands_in() -> None:
    raw = raw_mail().replace(b"From: Ann Lee <ann@tenant.example>\r\n", b"")
    assert to_json(parse_mail(raw))["from"] is None
    assert parse_mail(b"Sender: s@x.example\r\n" + raw).from_address == "s@x.example"


def test_message_ids_keep_their_brackets_and_order() -> None:
    mail = parse_mail(raw_mail("Message-ID: bare@x\nIn-Reply-To: Your mail <a@x> of Monday\nReferences: <a@x>\n <b@x><a@x>"))
    assert (mail.message_id, mail.in_reply_to, mail.references) == ("<bare@x>", "<a@x>", ("<a@x>", "<b@x>"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Mon, 02 Mar 2026 09:30:00 +0100", "2026-03-02T09:30:00+01:00"),
        ("2 Mar 2026 09:30 -0330 (NDT)", "2026-03-02T09:30:00-03:30"),
        ("Mon, 02 Mar 2026 09:30:00 GMT", "2026-03-02T09:30:00+00:00"),
        ("Mon, 02 Mar 2026 09:30:00 -0000", "2026-03-02T09:30:00+00:00"),
        ("Mon, 02 Mar 26 09:30:00 EST", "2026-03-02T09:30:00-05:00"),
        ("Mon Mar  2 09:30:00 2026", "2026-03-02T09:30:00+00:00"),
        ("2026-03-02T09:30:00Z", "2026-03-02T09:30:00+00:00"),
        ("Mon, 31 Feb 2026 09:30:00 +0100", None),
        ("Mon, 02 Mar 2026 09:30:60 +0100", "2026-03-02T09:30:59+01:00"),
        ("Mon, 02 Mar 2026 09:30:00 +9999", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_date_is_read_with_its_zone(written: str, read: str | None) -> None:
    assert to_json(parse_mail(raw_mail(f"Date: {written}")))["date"] == read


def test_the_date_is_an_aware_instant() -> None:
    date = parse_mail(raw_mail()).date
    assert date == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    assert date is not None
    assert date.utcoffset() == timedelta(hours=1)


def test_envelope_recipients_are_kept() -> None:
    mail = parse_mail(raw_mail("X-Original-To: repairs@housing.example\nDelivered-To: <box@housing.example>"))
    assert mail.delivered_to == ("box@housing.example", "repairs@housing.example")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="plan.pdf"', "plan.pdf"),
        ("attachment; filename=my plan.pdf", "my plan.pdf"),
        ('attachment; filename="=?utf-8?q?r=C3=A9sum=C3=A9=2Epdf?="', "résumé.pdf"),
        ("attachment; filename==?utf-8?q?r=C3=A9?=.pdf", "ré.pdf"),
        ("attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
        ("attachment;\n filename*0*=iso-8859-1'fr'r%E9;\n filename*1=\"sum\";\n filename*2*=%E9.pdf", "résumé.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8''%E2%82%AC.pdf", "€.pdf"),
        ('attachment; filename="résumé.pdf"', "résumé.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\Users\\\\ann\\\\plan.pdf"', "plan.pdf"),
        ('attachment; filename=""', "attachment.pdf"),
        ('attachment; filename=".."', "attachment.pdf"),
        ('attachment; filename="unclosed.pdf', "unclosed.pdf"),
        ("attachment; filename*=nonsense''%ZZ%C3%A9.pdf", "%ZZé.pdf"),
    ],
)
@pytest.mark.requirement("COM-3")
def test_a_files_name_is_read(disposition: str, name: str) -> None:
    mail = parse_mail(multipart(f"Content-Type: application/pdf\nContent-Disposition: {disposition}\n\n%PDF"))
    assert [file.filename for file in mail.attachments] == [name]


def test_a_long_name_keeps_its_ending() -> None:
    mail = parse_mail(multipart(f"Content-Type: application/pdf; name={'x' * 500}.pdf\n\n%PDF"))
    assert len(mail.attachments[0].filename) == 200
    assert mail.attachments[0].filename.endswith("x.pdf")
