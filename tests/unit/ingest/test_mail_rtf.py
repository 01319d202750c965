"""Rich text in a winmail.dat is read: as the text that it is, or as the HTML that Outlook hid in it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.mail import parse_mail
from services.ingest.domain.mail.rtf import _KNOWN, MAX_RTF, RichText, read_rtf, unpack
from tests.support.mails import multipart
from tests.unit.ingest.test_mail_tnef import _mail, _object, _property

pytestmark = pytest.mark.requirement("COM-3")
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
)
"""The example of MS-OXRTFCP, 4.1."""
OVERLAPPING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
"""The example of MS-OXRTFCP, 4.2: a reference that runs into what it says itself."""


def plain(rtf: bytes) -> bytes:
    """A value that holds rich text unpacked."""
    return struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf


def read(body: bytes, head: bytes = b"{\\rtf1\\ansi\\ansicpg1252 ") -> str:
    found = read_rtf(plain(head + body + b"}"))
    return found.html or found.text


def test_the_examples_of_the_standard_are_unpacked() -> None:
    assert unpack(PACKED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpack(OVERLAPPING) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert read_rtf(PACKED) == RichText(text="hello world")


def slowly(data: bytes) -> bytes:
    """The same by the letter of the standard: a ring of 4,096 bytes."""
    ring, write = bytearray(_KNOWN.ljust(4096)), len(_KNOWN)
    out = bytearray()
    position = 16

    def say(byte: int) -> None:
        nonlocal write
        out.append(byte)
        ring[write % 4096] = byte
        write += 1

    while position < len(data):
        control = data[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                if position + 2 > len(data):
                    return bytes(out)
                reference = data[position] << 8 | data[position + 1]
                position += 2
                if (reference >> 4) == write % 4096:
                    return bytes(out)
                for place in range((reference & 15) + 2):
                    say(ring[((reference >> 4) + place) % 4096])
            elif position < len(data):
                say(data[position])
                position += 1
    return bytes(out)


@given(st.lists(st.binary(min_size=1, max_size=18), max_size=80).map(b"".join))
def test_whatever_is_packed_comes_out_as_the_standard_says(runs: bytes) -> None:
    data = struct.pack("<II4sI", len(runs) + 12, MAX_RTF, b"LZFu", 0) + runs
    assert unpack(data) == slowly(data)


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (b"Dear Ann,\\par\\par the tap\\tab leaks.\\line Bob", "Dear Ann,\n\nthe tap\tleaks.\nBob"),
        (b"{\\fonttbl{\\f0\\fswiss Arial;}}{\\colortbl;\\red0;}{\\*\\generator Word;}Hello", "Hello"),
        (b"Gr\\'fc\\'dfe \\'80 5", "Grüße € 5"),
        (b"\\u1055?\\u1088?\\u1080?", "При"),
        (b"\\uc2\\u8364 EU5", "€5"),
        (b"\\uc0\\u8364 5", "€5"),
        (b"\\u-10179?\\u-8704?", "😀"),
        (b"{\\uc0\\u65 }\\u66?C", "ABC"),
        (b"\\{a\\}\\~b\\_c\\-d\\\\", "{a}\u00a0b\u2011cd\\"),
        (b"\\lquote a\\rquote  \\emdash  \\bullet", "\u2018a\u2019 \u2014 \u2022"),
        (b"{\\pict\\bin4 }}}}0102}after", "after"),
        (b"{\\object{\\*\\objdata 0105}{\\result shown not}}x", "x"),
        (b"} after the end", ""),
        (b"{{{ not closed", "not closed"),
    ],
)
def test_text_is_read(rtf: bytes, text: str) -> None:
    assert read(rtf) == text


def test_letters_have_the_code_page_that_is_named() -> None:
    assert read(b"\\'cf\\'f0\\'e8", b"{\\rtf1\\ansi\\ansicpg1251 ") == "При"
    assert read(b"\\'82\\'a0", b"{\\rtf1\\ansi\\ansicpg932 ") == "あ"
    assert read(b"\\'e4", b"{\\rtf1\\ansi\\ansicpg99999 ") == "ä"


def test_html_that_is_hidden_in_it_is_had_back() -> None:
    rtf = b"".join(
        [
            b"{\\*\\htmltag19 <html>}{\\*\\htmltag50 <body>}{\\*\\htmltag64 <p>}\\htmlrtf {\\htmlrtf0 Caf\\'e9 ",
            b"{\\*\\htmltag84 &amp;}\\htmlrtf &\\htmlrtf0  bar{\\*\\htmltag148 <b>}\\htmlrtf {\\b \\htmlrtf0 a < b",
            b"{\\*\\htmltag156 </b>}\\htmlrtf }\\htmlrtf0 {\\*\\mhtmltag64 <i>}{\\*\\htmltag72 </p>}",
            b"\\htmlrtf \\par}\\htmlrtf0 {\\*\\htmltag58 </body>}",
        ]
    )
    found = read_rtf(plain(b"{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 {\\fonttbl{\\f0 Arial;}}" + rtf + b"}"))
    assert found == RichText(html="<html><body><p>Café &amp; bar<b>a &lt; b</b></p></body>")


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (b"{\\rtf1\\ansi\\ansicpg1252 The lift is broken.\\par Joan}", "The lift is broken.\nJoan"),
        (b"{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}The lift is broken.{\\*\\htmltag72 </p>}}", "The lift is broken."),
    ],
)
def test_a_mail_whose_only_body_is_rich_text_has_a_text(rtf: bytes, text: str) -> None:
    mail = parse_mail(_mail(wrapped(plain(rtf))))
    assert (mail.text, mail.attachments) == (text, ())


def wrapped(rich: bytes) -> bytes:
    """A winmail.dat with nothing but this value of rich text."""
    return struct.pack("<IH", 0x223E9F78, 1) + _object(1, 0x9003, struct.pack("<I", 1) + _property(0x1009, 0x0102, rich))


def test_of_several_only_the_first_is_unpacked() -> None:
    """A few bytes may unpack to a megabyte, and a mail may have hundreds of parts."""
    parts = [b"Content-Type: application/ms-tnef\n\n" + wrapped(plain(b"{\\rtf1 text %d}" % number)) for number in range(3)]
    mail = parse_mail(multipart(*parts))
    assert mail.text == "text 0"
    assert len(mail.attachments) == 2


PIECES = [
    b"{",
    b"}",
    b"\\*",
    b"\\htmltag",
    b"\\htmlrtf",
    b"\\htmlrtf0",
    b"\\u-1?",
    b"\\u55357 ",
    b"\\'zz",
    b"\\'e4",
    b"\\bin999999999 ",
    b"\\uc99999",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=60).map(b"".join), st.booleans())
def test_whatever_it_holds_it_is_read_without_an_error(body: bytes, is_html: bool) -> None:
    head = b"{\\rtf1\\fromhtml1 " if is_html else b"{\\rtf1 "
    found = read_rtf(plain(head + body))
    assert not (found.text and found.html)


@given(st.binary(max_size=60))
def test_what_is_none_is_empty(data: bytes) -> None:
    assert read_rtf(data) == RichText() or data[8:12] in (b"LZFu", b"MELA")
