"""What a mail may cost grows no faster than its bytes: counted in calls and lines run, and in bytes held, never in seconds."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest

from services.ingest.domain.mail import parse_mail
from tests.support.mails import multipart, raw_mail

MEGABYTE = 1_000_000
CEILING = 600_000
"""Steps that a tenth of a second has room for on any machine of these days."""


def nested(count: int) -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(count))
    return ("From: a@b.example\n" + heads + "\ntext").encode()


def headed(name: str, unit: str, count: int) -> bytes:
    return raw_mail(f"{name}: {unit * count}")


def tnef(one: tuple[int, bytes], count: int, *more: tuple[int, bytes]) -> bytes:
    objects = b"".join(struct.pack("<BHHI", 2, kind, 6, len(data)) + data + b"\0\0" for kind, data in (one, *more))
    return struct.pack("<IH", 0x223E9F78, 1) + objects * count


def winmail(one: tuple[int, bytes], count: int, *more: tuple[int, bytes]) -> bytes:
    return multipart(b"Content-Type: application/ms-tnef\n\n" + tnef(one, count, *more))


SHAPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "fields": (lambda count: raw_mail("\n".join(f"X-{number:06}: {'y' * 90}" for number in range(count))), 9_000),
    "nested parts": (nested, 10_000),
    "sibling parts": (lambda count: multipart(*["\nx"] * count), 10_000),
    "sibling messages": (lambda count: multipart(*["Content-Type: message/rfc822\n\nSubject: s\n\nx"] * count), 10_000),
    "addresses": (lambda count: headed("To", "a@b.example, ", count), 100_000),
    "addresses with nothing between": (lambda count: headed("To", "<a@b.example> ", count), 100_000),
    "addresses bare": (lambda count: headed("To", "a@b.example ", count), 100_000),
    "quoted addresses": (lambda count: headed("To", '"a b"@c.example ', count), 100_000),
    "quotes": (lambda count: headed("To", '"\\<', count), 300_000),
    "words begun": (lambda count: headed("Subject", "=?", count), 500_000),
    "words begun in addresses": (lambda count: headed("To", "=?", count), 500_000),
    "uuencoding begun": (lambda count: raw_mail(body="begin 644 x\n" * count), 80_000),
    "uuencoding never ended": (lambda count: raw_mail(body="begin 644 x\n" + "#86)C\n" * count), 160_000),
    "uuencoded files": (lambda count: raw_mail(body="begin 644 x\n#86)C\n`\nend\n" * count), 40_000),
    "enriched commands": (lambda count: raw_mail("Content-Type: text/enriched", "<bold><<<param>" * count), 60_000),
    "one boundary for all": (
        lambda count: multipart(*['Content-Type: multipart/alternative; boundary="b1"\n\n', "Content-Type: text/plain\n\nx"] * count),
        5_000,
    ),
    "ISO-2022-JP": (lambda count: raw_mail("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B-!\x1b(B" * count), 100_000),
    "blank lines in the head": (lambda count: b"\n" * count, 900_000),
    "lines that are no fields": (lambda count: raw_mail("X-A: 1\n" + "=\n" * count), 450_000),
    "commas": (lambda count: headed("To", ",", count), 250_000),
    "quoted names": (lambda count: headed("To", '"a"', count), 80_000),
    "names of no charset": (lambda count: raw_mail("To: " + ", ".join(f"=?x?q?{'=E6=F8' * 4}{n:05}?= <a@b>" for n in range(count))), 4_000),
    "texts of no charset": (lambda count: multipart(*[f"\n{'Ð§Ñ' * 9}{n}".encode("latin-1") for n in range(count)]), 20_000),
    "labels of no charset": (lambda count: raw_mail("Subject: " + " ".join(f"=?x{n}?q?{'=E6=F8' * 4}?=" for n in range(count))), 20_000),
    "envelopes": (lambda count: raw_mail("\n".join(f"Delivered-To: {'a@b, ' * 3_000}" for _ in range(count))), 50),
    "flowed lines": (lambda count: raw_mail("Content-Type: text/plain; format=flowed", "a \n" * count), 300_000),
    "enriched lines": (lambda count: raw_mail("Content-Type: text/enriched", "a\n" * count), 400_000),
    "closing delimiters": (lambda count: multipart("\nx") + b"--b1--\n" * count, 150_000),
    "no delimiters": (lambda count: multipart("\nx" + "--b1x" * count), 200_000),
    "padded base64": (lambda count: raw_mail("Content-Transfer-Encoding: base64", "Zg==\n" * count), 200_000),
    "uuencoding, broken": (lambda count: raw_mail("Content-Transfer-Encoding: uuencode", "begin 644 x\n" * count), 80_000),
    "tables": (lambda count: raw_mail("Content-Type: text/html", "<table><tr><td>x</table>" * count), 40_000),
    "lists": (lambda count: raw_mail("Content-Type: text/html", "<li>" * count), 90_000),
    "texts in HTML": (lambda count: multipart(*["Content-Type: text/html\n\n<table><tr><td>x</table>"] * count), 15_000),
    "styles": (lambda count: raw_mail("Content-Type: text/html", f"<p style='{'a:b;' * count}'>x"), 90_000),
    "entities": (lambda count: raw_mail("Content-Type: text/html", "&#65;" * count), 200_000),
    "winmail.dat of properties": (
        lambda count: winmail((0x9003, struct.pack("<I", 99) + b"\x1e\0\0\x10\1\0\0\0\0\0\0\0" * 99), count),
        800,
    ),
    "winmail.dat of files": (lambda count: winmail((0x9002, b""), count, (0x8010, b"name")), 20_000),
    "winmail.dat after winmail.dat": (
        lambda count: multipart(*[b"Content-Type: application/ms-tnef\n\n" + tnef((0x9002, b""), 9, (0x8010, b"name"))] * count),
        3_000,
    ),
    "soft breaks": (lambda count: raw_mail("Content-Transfer-Encoding: quoted-printable", "=   " * count), 250_000),
}


def steps(raw: bytes) -> int:
    """How often Python enters or leaves a function, of its own or of C, while it reads."""
    count = 0

    def step(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(step)
    try:
        parse_mail(raw)
    finally:
        sys.setprofile(None)
    return count


def held(raw: bytes) -> int:
    """The most bytes that reading it held at one time, the result with it."""
    tracemalloc.start()
    try:
        mail = parse_mail(raw)
        del mail
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_size_and_no_faster(shape: str) -> None:
    made, count = SHAPES[shape]
    small, large = steps(made(count // 10)), steps(made(count))
    assert large < 11 * small + 1_000


@pytest.mark.parametrize("shape", SHAPES)
def test_no_megabyte_takes_more_than_so_many_steps(shape: str) -> None:
    made, count = SHAPES[shape]
    assert steps(made(count)) < CEILING


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_grows_with_the_size_and_no_faster(shape: str) -> None:
    made, count = SHAPES[shape]
    raw = made(count)
    # An address, a part or a short file is an object of some hundred bytes, and of every kind only so many are read.
    assert held(raw) < 12 * len(raw) + 3 * MEGABYTE


def test_fifty_megabytes_are_read_with_a_few_copies() -> None:
    line = b"A" * 76 + b"\r\n"
    body = line * (50 * MEGABYTE // len(line))
    raw = multipart("Content-Type: text/plain\n\nHello", b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body)

    assert len(parse_mail(raw).attachments[0].content) == len(body) // 78 * 57
    assert held(raw) < 4 * len(raw)


def test_fifty_megabytes_of_text_are_read_with_a_few_copies() -> None:
    raw = raw_mail(body="The tap leaks again.\n" * (50 * MEGABYTE // 22))

    assert held(raw) < 5 * len(raw)
