"""Signed mails and invitations are read as what they say; what is for programs stays a file."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

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
BEGIN:VALARM
SUMMARY:Reminder
DESCRIPTION:Reminder
END:VALARM
SUMMARY;LANGUAGE=en:Visit of the plumber\\, flat
  12
DTSTART;TZID="Europe/London":20260302T093000
DTEND:20260302T110000Z
LOCATION:12 Brook Vale
DESCRIPTION:Please be in.\\nThank you
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


WITHIN = (
    b"Content-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n\r\nIt leaks.\r\n"
    b"--w\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--w--\r\n"
)


def opaque(content: bytes) -> bytes:
    """Signed data that holds `content`, in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ann Lee")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    signer = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(builder.sign(key, SHA256()), key, SHA256())
    return signer.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def streamed(*pieces: bytes) -> bytes:
    """The same as mailers write that do not know the length beforehand, up to the end of the content."""
    content = b"".join(b"\x04" + bytes([len(piece)]) + piece for piece in pieces)
    within = bytes.fromhex("06092a864886f70d010701a0802480") + content
    return bytes.fromhex("308006092a864886f70d010702a080308002010131003080") + within + b"\0" * 14


def smime(data: bytes) -> bytes:
    head = 'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"\nContent-Transfer-Encoding: base64'
    return raw_mail(head, base64.encodebytes(data))


@pytest.mark.parametrize("data", [opaque(WITHIN), streamed(WITHIN[:50], WITHIN[50:])], ids=["whole", "streamed"])
def test_a_mail_within_its_signature_is_read(data: bytes) -> None:
    mail = parse_mail(smime(data))
    assert (mail.text, [file.filename for file in mail.attachments]) == ("It leaks.", ["smime.p7m", "a.png"])


def test_what_is_no_readable_signature_stays_a_file() -> None:
    data = opaque(WITHIN)
    for broken in [*(data[:length] for length in range(80)), data[:30] + b"\xff" * 50, b"0\x80" * 1000, b"x" * 100]:
        mail = parse_mail(smime(broken))
        assert (mail.text, len(mail.attachments)) == ("", 1), broken


def test_a_signature_within_a_signature_is_a_file_of_it() -> None:
    head = b"Content-Type: application/pkcs7-mime; name=within.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    within = head + base64.b64encode(opaque(WITHIN))
    mail = parse_mail(smime(opaque(within)))
    assert (mail.text, [file.filename for file in mail.attachments]) == ("", ["smime.p7m", "within.p7m"])


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
