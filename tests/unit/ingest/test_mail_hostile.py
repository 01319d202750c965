"""Any bytes at all give an object, in time linear in their number."""

import time
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.domain.mail import ParsedMail, content_digest, parse_mail, to_json
from tests.support.mails import multipart, ordinary_mails, raw_mail
from tests.support.nasty import CASES

_GOOD = [
    *ordinary_mails(2, seed=3),
    multipart(
        "Content-Type: text/html; charset=iso-2022-jp\n\n<table><tr><td>a<a href=x>b</a></table>",
        "Content-Type: application/pdf; name*0*=utf-8''%C3; name*1*=%A9.pdf\nContent-Transfer-Encoding: base64\n\nAAAA",
        "Content-Type: message/rfc822\n\nSubject: =?utf-8?q?=C3?= =?utf-8?q?=BC?=\n\nx",
        head='To: "a" (b) <c@d>, e:f@g;\nReferences: <a@b> <c@d>\nSubject: =?utf-8?b?w7w=?=',
    ),
    *[case.raw for case in CASES if len(case.raw) < 5_000],
]
_TOKENS = st.sampled_from(
    [b"\r\n", b"\n", b"--b1", b"--b1--\r\n", b"Content-Type: ", b"multipart/mixed; boundary=b1", b"text/html", b"\x00", b"\xff",
     b"=?utf-8?q?=C3?=", b"=?", b"?=", b"From: ", b"To: ", b"<a@b>", b'"', b"(", b",", b";", b"name*0*=", b"''%", b"\xed\xa0\x80",
     b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"+2AA-", b"utf-7", b"\x1b$B",
     b"; charset=", b"utf-16", b"idna", b"unicode_escape", b"message/rfc822", b"Date: ", b"<table><td colspan=9>", b"References: "]
)  # fmt: skip


def _check(raw: bytes) -> ParsedMail:
    mail = parse_mail(raw)
    orjson.dumps(to_json(mail))
    assert "\x00" not in mail.text + (mail.html or "") + mail.subject + mail.from_name + mail.from_address
    assert all(file.filename for file in mail.attachments)
    assert len(content_digest(mail)) == 64
    return mail


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_give_an_object(raw: bytes) -> None:
    _check(raw)
    _check(b"From: a@b\n" + raw)
    _check(b"Content-Type: text/html\n\n" + raw)


@given(st.lists(st.one_of(_TOKENS, st.binary(max_size=6)), max_size=40))
@settings(max_examples=400, deadline=None)
def test_random_pieces_of_mime_give_an_object(pieces: list[bytes]) -> None:
    _check(b"".join(pieces))


@given(st.sampled_from(_GOOD), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), _TOKENS), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_damaged_mail_gives_an_object(raw: bytes, damages: list[tuple[float, int, bytes]]) -> None:
    for where, dropped, token in damages:
        place = int(where * len(raw))
        raw = raw[:place] + token + raw[place + dropped :]
    _check(raw)


@given(st.lists(st.tuples(st.sampled_from(_GOOD), st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=4))
@settings(max_examples=300, deadline=None)
def test_pieces_of_several_mails_give_an_object(cuts: list[tuple[bytes, float, float]]) -> None:
    _check(b"".join(raw[int(min(a, b) * len(raw)) : int(max(a, b) * len(raw)) + 1] for raw, a, b in cuts))


def _nested(count: int) -> bytes:
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count))
    return b"From: a@b\n" + heads + b"\ntext"


def _header(name: str, unit: str) -> Callable[[int], bytes]:
    return lambda size: f"{name}: {unit * (size // len(unit))}\nFrom: a@b\n\nx".encode()


def _html(unit: str) -> Callable[[int], bytes]:
    return lambda size: b"Content-Type: text/html\n\n" + (unit * (size // len(unit))).encode()


_SHAPES: dict[str, Callable[[int], bytes]] = {
    "encoded words begun": _header("Subject", "=?"),
    "encoded words unfinished": _header("Subject", "=?a?q?x"),
    "encoded words": _header("Subject", "=?utf-8?b?w7w=?= "),
    "encoded words cut": _header("Subject", "=?utf-8?b?w7w?= "),
    "question marks": _header("Subject", "=?utf-8?q?" + "?" * 50),
    "recipients": _header("To", "a@b.example, "),
    "commas": _header("To", "a,"),
    "comments": _header("To", "("),
    "comments closed": _header("To", "(a) "),
    "angles": _header("To", "<"),
    "quotes": _header("To", '"\\'),
    "references": _header("References", "<a@b> "),
    "references open": _header("References", "<a "),
    "words for references": _header("References", "a "),
    "parameters": _header("Content-Type", "text/plain; a*0*=b; "),
    "parameters open": _header("Content-Type", '; a="'),
    "dates": _header("Date", "1 "),
    "folds": _header("Subject", "a\n "),
    "types": lambda size: b"Content-Type: text/plain\n" * (size // 25) + b"\nx",
    "names": lambda size: b"".join(b"x%d: y\n" % n for n in range(size // 10)) + b"\nx",
    "no colon": lambda size: b"From: a@b\n" + b"x\n" * (size // 2) + b"Subject: s\n\nx",
    "carriage returns": lambda size: b"From: a@b\n" + b"\r" * size + b"x",
    "nested": lambda size: _nested(size // 60),
    "parts": lambda size: multipart(*["\nx"] * (size // 10)),
    "boundary-like lines": lambda size: raw_mail("Content-Type: multipart/mixed; boundary=b", "--bx\n" * (size // 5)),
    "dashes": lambda size: raw_mail("Content-Type: multipart/mixed", "--x\n" * (size // 4)),
    "long dashes": lambda size: raw_mail("Content-Type: multipart/mixed", "-" * size),
    "base64 padding": lambda size: raw_mail("Content-Type: a/b\nContent-Transfer-Encoding: base64", "AA==" * (size // 4)),
    "utf-7": lambda size: raw_mail("Content-Type: text/plain; charset=utf-7", "+AOQ-" * (size // 5)),
    "unlabelled": lambda size: raw_mail(body=b"\xcf\xf0\xe8 " * (size // 4)),
    "flowed": lambda size: raw_mail("Content-Type: text/plain; format=flowed", "> a \n" * (size // 5)),
    "tags": _html("<p>x"),
    "divs": _html("<div>"),
    "tags open": _html("<a "),
    "comments in html": _html("<!--"),
    "scripts": _html("<script>"),
    "entities": _html("&amp"),
    "cells": _html("<tr><td colspan=999999>x"),
    "tables": _html("<table><tr><td>"),
    "links": _html("<a href=x>"),
    "brackets": _html("[x]("),
    "lists": _html("<ul><li>"),
    "blanks": _html(" &nbsp; x"),
    "metas": _html("<meta "),
    "deep odd tags": _html("<x>"),
    "cells in one row": _html("<td>x"),
    "rows of cells": _html("<tr>" + "<td>x" * 50),
    "long words": _html("x"),
    "preformatted": _html("<pre>x\n"),
    "list items": _html("<li>x"),
    "rules and breaks": _html("x<hr><br>"),
    "attributes": _html("<p a=b>"),
    "styles": _html("<p style='display:block;margin:9em;white-space:pre'>x"),
    "headed": _html("<h1>x</h1>"),
    "blanks and no line end": lambda size: raw_mail("Content-Type: text/html", "<p>" + "&nbsp;" * (size // 6) + "x"),
    "blanks behind a delimiter": lambda size: multipart("\nx") + (b"--b1" + b" " * 5_000 + b"x\n") * (size // 5_000),
    "blanks behind a delimiter not declared": lambda size: (
        multipart("\nx", boundary="") + (b"--b1" + b" " * 5_000 + b"x\n") * (size // 5_000)
    ),
    "tables around a long text": lambda size: b"Content-Type: text/html\n\n" + b"<table>" * 90 + b"words " * min(size // 6, 60_000),
    "bytes that mean nothing": lambda size: raw_mail("X-A: 1", b"a\x1b$" + b"\x81" * size),
    "UTF-7 line by line": lambda size: raw_mail("Content-Type: text/plain; charset=utf-7", b"\xa0\n" * (size // 2)),
    "literals begun": lambda size: raw_mail("To: " + "[" * size),
}  # fmt: skip


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("size", [1_000_000, 390_000])  # the smaller one is still laid out where it is HTML
def test_a_hostile_mail_takes_no_time(shape: str, size: int) -> None:
    raw = _SHAPES[shape](size)
    before = time.process_time()
    _check(raw)
    # An honest megabyte takes some 10 ms; laying out 400 kB of HTML up to a second. Anything quadratic takes minutes.
    assert time.process_time() - before < 5
