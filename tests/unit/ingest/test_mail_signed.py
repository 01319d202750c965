"""Signed mails and invitations are read as what they say; what is for programs stays a file."""

from __future__ import annotations

import pytest

from services.ingest.domain.mail import parse_mail
from tests.support.mails import multipart, raw_mail

INVITATION = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/London
BEGIN:STANDARD
DTSTART:16010101T020000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
SUMMARY;LANGUAGE=en:Visit of the plumber\\, flat
  12
DTSTART;TZID="Europe/London":20260302T093000
DTEND:20260302T110000Z
LOCATION:12 Brook Vale
DESCRIPTION:Please be in.\\nThank you
BEGIN:VALARM
SUMMARY:Reminder
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
END:VCALENDAR"""
SAID = (
    "Visit of the plumber, flat 12\nStart: 2026-03-02 09:30 Europe/London\nEnd: 2026-03-02 11:00 UTC\nPlace: 12 Brook Vale\n\n"
    "Please be in.\nThank you"
)
CALENDAR_PART = f"Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\n{INVITATION}"
PGP = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

It leaks.

- -- \nAnn
-----BEGIN PGP SIGNATURE-----

iQEzBAEBCAAdFiEE
=abcd
-----END PGP SIGNATURE-----
"""


@pytest.mark.parametrize(
    ("protocol", "filename"), [("application/pgp-signature", "signature.asc"), ("application/pkcs7-signature", "smime.p7s")]
)
def test_a_signed_mail_is_its_text_with_the_signature_as_a_file(protocol: str, filename: str) -> None:
    signature = f'Content-Type: {protocol}; name="{filename}"\n\nsignature'
    mail = parse_mail(multipart("Content-Type: text/plain\n\nIt leaks.", signature, kind=f'signed; protocol="{protocol}"'))
    assert (mail.text, [file.filename for file in mail.attachments]) == ("It leaks.", [filename])


def test_a_text_that_pgp_signed_in_place_is_shown_without_its_armor() -> None:
    assert parse_mail(raw_mail(body=PGP)).text == "It leaks.\n\n-- \nAnn"
    assert parse_mail(raw_mail(body=PGP + "\nSent by the list")).text == "It leaks.\n\n-- \nAnn\n\nSent by the list"


@pytest.mark.parametrize("end", ["-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----", "\n\n"])
def test_armor_that_is_cut_off_hides_nothing(end: str) -> None:
    text = PGP[: PGP.index(end)].rstrip()
    assert parse_mail(raw_mail(body=text)).text == text


def test_an_invitation_without_other_text_says_what_when_and_where() -> None:
    alone = parse_mail(raw_mail("Content-Type: text/calendar; method=REQUEST; charset=utf-8", INVITATION))
    beside = parse_mail(multipart("Content-Type: text/plain\n\n", CALENDAR_PART, kind="alternative"))
    for mail in (alone, beside):
        assert (mail.text, [file.filename for file in mail.attachments]) == (SAID, ["attachment.ics"])


def test_an_invitation_beside_a_text_leaves_the_text_as_it_is() -> None:
    mail = parse_mail(multipart("Content-Type: text/plain\n\nPlease come.", CALENDAR_PART, kind="alternative"))
    assert (mail.text, [file.filename for file in mail.attachments]) == ("Please come.", ["attachment.ics"])


@pytest.mark.parametrize(
    ("calendar", "text"),
    [
        (INVITATION.replace("REQUEST", "CANCEL"), "Cancelled\n" + SAID),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Day off\nDTSTART;VALUE=DATE:20260302\n", "Day off\nStart: 2026-03-02"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:Mine\nEND:VTODO\nEND:VCALENDAR", ""),
        ("END:VEVENT\n:::\nBEGIN:VEVENT\nDTSTART:when it suits", ""),
        ("", ""),
    ],
)
def test_invitations_of_other_kinds_and_broken_ones(calendar: str, text: str) -> None:
    assert parse_mail(raw_mail("Content-Type: text/calendar", calendar)).text == text
