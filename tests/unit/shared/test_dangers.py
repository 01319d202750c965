"""Files that can harm whoever opens them are flagged, by name and by content; ordinary ones are not."""

from __future__ import annotations

import io
import time
import zipfile

import pytest

from shared.dangers import danger

PROGRAM = b"MZ\x90\0\x03\0\0\0" + b"\0" * 100


def a_zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return out.getvalue()


def encrypted(archive: bytes) -> bytes:
    at = archive.index(b"PK\x01\x02") + 8
    return archive[:at] + b"\x01" + archive[at + 1 :]


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("setup.exe", "executable"),
        ("SETUP.EXE", "executable"),
        ("setup.exe. .", "executable"),
        ("setup.exe::$DATA", "executable"),
        ("tool.jar", "executable"),
        ("open.js", "script"),
        ("start.ps1", "script"),
        ("page.hta", "script"),
        ("prices.xlsm", "macros"),
        ("letter.dotm", "macros"),
        ("notes.one", "macros"),
        ("disk.iso", "disk-image"),
        ("disk.VHDX", "disk-image"),
        ("photo.lnk", "shortcut"),
        ("photo.{20d04fe0-3aea-1069-a2d8-08002b30309d}", "shortcut"),
        ("login.html", "web-page"),
        ("invoice.pdf.exe", "disguised"),
        ("invoice.pdf .js", "disguised"),
        ("photo.jpg.lnk", "disguised"),
    ],
)
def test_names_of_dangerous_files(filename: str, kind: str) -> None:
    assert danger(filename, b"anything") == kind


@pytest.mark.parametrize(
    ("filename", "content", "kind"),
    [
        ("data.bin", PROGRAM, "executable"),
        ("data", b"\x7fELF\x02\x01", "executable"),
        ("invoice.pdf", PROGRAM, "disguised"),
        ("photo.jpg", b"L\0\0\0\x01\x14\x02\0\0\0\0\0", "disguised"),
        ("run", b"#!/bin/sh\n", "script"),
        ("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99 + "_VBA_PROJECT".encode("utf-16-le"), "macros"),
        ("letter.docx", a_zip("[Content_Types].xml", "word/vbaProject.bin"), "macros"),
        ("letter.odt", a_zip("content.xml", "Basic/Standard/Module1.xml"), "macros"),
        ("sheet.xlsx", a_zip("xl/macrosheets/sheet1.xml"), "macros"),
        ("files.zip", a_zip("readme.txt", "deep/in/invoice.js"), "archive"),
        ("files.zip", encrypted(a_zip("readme.txt")), "archive"),
        ("data.bin", b"\0" * 0x8001 + b"CD001", "disk-image"),
        ("data.bin", b"\0" * 2000 + b"koly" + b"\0" * 508, "disk-image"),
        ("picture.svg", b"<svg><script>alert(1)</script></svg>", "web-page"),
        ("page.txt", b"<!DOCTYPE html><p>Sign in", "web-page"),
    ],
)
def test_content_tells_what_a_name_does_not(filename: str, content: bytes, kind: str) -> None:
    assert danger(filename, content) == kind


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("", b""),
        ("leak.jpg", b"\xff\xd8\xff\xe0"),
        ("invoice.pdf", b"%PDF-1.4\n"),
        ("archive.tar.gz", b"\x1f\x8b"),
        ("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600),
        ("letter.docx", a_zip("[Content_Types].xml", "word/document.xml")),
        ("photos.zip", a_zip("one.jpg", "two.jpg", "index.html")),
        ("broken.zip", b"PK\x03\x04" + b"PK\x01\x02" * 30),
        ("names.txt", b"MZ is how a program begins"),
        ("Ms. Lee, No. 7", b"text"),
        ("logo.svg", b"<svg><path d='M0 0'/></svg>"),
        ("invite.ics", b"BEGIN:VCALENDAR"),
    ],
)
def test_ordinary_files_are_not_flagged(filename: str, content: bytes) -> None:
    assert danger(filename, content) == ""


@pytest.mark.parametrize("piece", [b"PK\x01\x02", b"PK\x01\x02" + b"\0" * 42, b"_VB", b" on", b"\0"])
@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<svg>"])
def test_hostile_content_takes_no_time(start: bytes, piece: bytes) -> None:
    before = time.process_time()
    danger("x.svg" if start == b"<svg>" else "x", start + piece * (8_000_000 // len(piece)))
    assert time.process_time() - before < 5
