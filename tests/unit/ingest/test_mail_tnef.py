"""winmail.dat is opened; a hostile one is kept as it came."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.mail import parse_mail
from services.ingest.domain.mail.tnef import read_tnef
from tests.support.mails import multipart


def _object(level: int, kind: int, data: bytes, of: int = 6) -> bytes:
    return struct.pack("<BHHI", level, kind, of, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def _property(name: int, kind: int, data: bytes) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(data)) + data + b"\0" * (-len(data) % 4)


def _tnef(body: str = "The tap leaks", html: str = "") -> bytes:
    properties = [
        struct.pack("<HHI", 0x0003, 0x3FDE, 65001),
        struct.pack("<HH", 0x0003, 0x8005) + b"\0" * 16 + struct.pack("<II", 0, 7) + struct.pack("<I", 1),
        _property(0x1000, 0x001F, body.encode("utf-16-le") + b"\0\0"),
        *([_property(0x1013, 0x0102, html.encode())] if html else []),
    ]
    file_properties = [
        struct.pack("<HHI", 0x000B, 0x7FFE, 0),
        _property(0x3707, 0x001F, "Größe der Wohnung.pdf".encode("utf-16-le") + b"\0\0"),
        _property(0x370E, 0x001E, b"application/pdf\0"),
    ]
    return (
        struct.pack("<IH", 0x223E9F78, 1)
        + _object(1, 0x9006, struct.pack("<I", 0x10000), 8)
        + _object(1, 0x9007, struct.pack("<II", 1252, 0))
        + _object(1, 0x9003, struct.pack("<I", len(properties)) + b"".join(properties))
        + _object(2, 0x9002, b"\0" * 14)
        + _object(2, 0x8010, b"GROESS~1.PDF\0")
        + _object(2, 0x800F, b"%PDF\x01\0\0")
        + _object(2, 0x9005, struct.pack("<I", len(file_properties)) + b"".join(file_properties))
    )


def _mail(data: bytes, kind: str = "application/ms-tnef; name=winmail.dat") -> bytes:
    encoded = base64.encodebytes(data).decode()
    return multipart(f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{encoded}")


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("kind", ["application/ms-tnef", "application/octet-stream; name=WINMAIL.DAT"])
def test_body_and_files_are_taken_out(kind: str) -> None:
    mail = parse_mail(_mail(_tnef(), kind))
    assert mail.text == "The tap leaks"
    assert [(file.filename, file.content_type, file.content) for file in mail.attachments] == [
        ("Größe der Wohnung.pdf", "application/pdf", b"%PDF\x01\0\0")
    ]


def test_an_html_body_is_rendered() -> None:
    mail = parse_mail(_mail(_tnef("", "<p>Grüße</p>")))
    assert (mail.text, mail.html) == ("Grüße", "<p>Grüße</p>")


@pytest.mark.parametrize("data", [b"", b"junk", struct.pack("<IH", 0x223E9F78, 1), _tnef()[:40]])
def test_what_cannot_be_opened_is_kept_as_it_came(data: bytes) -> None:
    assert [(file.filename, file.content) for file in parse_mail(_mail(data)).attachments] == [("winmail.dat", data)]


@given(st.integers(0, len(_tnef())), st.binary(max_size=12), st.integers(0, 12))
def test_a_hostile_file_never_fails(position: int, noise: bytes, dropped: int) -> None:
    data = _tnef()
    read_tnef(data[:position] + noise + data[position + dropped :])


def test_counts_in_the_file_are_not_believed() -> None:
    head = struct.pack("<IH", 0x223E9F78, 1)
    many = struct.pack("<IHHI", 0xFFFFFFFF, 0x1003, 0x1000, 0xFFFFFFFF)
    assert read_tnef(head + _object(1, 0x9003, many) + _object(1, 0x9004, b"\xff" * 8)) is None
    assert read_tnef(head + _object(1, 0x8004, b"") * 90_000) is None


def test_an_empty_file_is_a_file() -> None:
    data = struct.pack("<IH", 0x223E9F78, 1) + _object(2, 0x9002, b"") + _object(2, 0x800F, b"") + _object(2, 0x8010, b"AUTOEXEC.BAT\0")
    assert [(file.filename, file.content) for file in parse_mail(_mail(data)).attachments] == [("AUTOEXEC.BAT", b"")]


def test_one_that_says_it_has_thousands_of_files_is_kept_as_it_came() -> None:
    data = struct.pack("<IH", 0x223E9F78, 1) + (_object(2, 0x9002, b"") + _object(2, 0x8010, b"a\0")) * 1_001
    assert [(file.filename, file.content) for file in parse_mail(_mail(data)).attachments] == [("winmail.dat", data)]
