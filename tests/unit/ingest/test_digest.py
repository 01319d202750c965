"""Several mails in one body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.stack.mail_batches import as_request
from services.ingest.domain.digest import BadDigest, decode, encode

PIECES = st.sampled_from(
    [b"--", b"\r\n", b"\n", b"\r", b"--=_", b"=_", b"--\r\n", b" ", b"\x00", b"\xff", b"Content-Type: a/b\r\n\r\n", b"x"]
)
MAILS = st.lists(st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=12).map(b"".join)), max_size=6)


@given(MAILS)
def test_every_mail_comes_back_as_it_was(mails: list[bytes]) -> None:
    content_type, body = encode(mails)
    assert decode(content_type, body) == mails


@given(MAILS)
def test_a_digest_within_a_digest_comes_back(mails: list[bytes]) -> None:
    _, inner = encode(mails)
    outer = [inner, *mails, inner[:-1]]
    assert decode(*encode(outer)) == outer


@given(MAILS)
def test_what_the_command_line_sends_comes_back(mails: list[bytes]) -> None:
    headers, body = as_request([*mails, b"one", b"two"])
    assert decode(headers["Content-Type"], body) == [*mails, b"one", b"two"]


@given(MAILS.filter(bool), st.data())
def test_a_body_that_was_cut_off_is_refused(mails: list[bytes], data: st.DataObject) -> None:
    content_type, body = encode(mails)
    kept = data.draw(st.integers(0, len(body) - 5))
    with pytest.raises(BadDigest):
        decode(content_type, body[:kept])


def test_other_programs_digests_are_read() -> None:
    body = b"a preamble\r\n--b1 \t\r\nContent-Type: message/rfc822\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b12\r\n--b1--  \r\nan epilogue"
    assert decode("Multipart/Digest; charset=x; boundary=b1", body) == [b"one", b"two\r\n--b12"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed; boundary=b", b"--b--\r\n"),
        ("multipart/digest", b"--b--\r\n"),
        ('multipart/digest; boundary=""', b"----\r\n"),
        ("multipart/digest; boundary=b", b""),
        ("multipart/digest; boundary=b", b"no boundary at all"),
        ("multipart/digest; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/digest; boundary=b", b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/digest; boundary=b", b"--b\r\n--b--\r\n"),
        ("multipart/digest; boundary=b", b"--b\r\n\r\n--b--\r\n"),
    ],
)
def test_what_is_no_digest_of_mails_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(BadDigest):
        decode(content_type, body)


def test_reading_ends_soon_after_the_most() -> None:
    assert len(decode(*encode([b"x"] * 100), most=10)) == 11
