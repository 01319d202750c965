"""Files given out: as attachments, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import httpx
import pytest
from fastapi import APIRouter, Depends, Query, Response

from shared.settings import ProcessSettings
from shared.storage.objects import ObjectStore
from shared.storage.places import PIECE_BYTES
from shared.web import create_app, requires
from shared.web.downloads import as_attachment, download
from tests.support.waiting import eventually
from tests.support.web import a_verifier, served


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "store").as_uri())


@pytest.fixture
def api(objects: ObjectStore) -> Iterator[httpx.Client]:
    router = APIRouter()

    @router.get("/file", dependencies=[Depends(requires("communication:read"))])
    def give(digest: str, size: int, kind: Annotated[str, Query()] = "text/plain") -> Response:
        return download(objects, digest, size, "a.txt", kind)

    with served(create_app("test", ProcessSettings(kafka="", database="", port=0), [router], verifier=a_verifier())) as client:
        yield client


@pytest.mark.parametrize("size", [0, 5, PIECE_BYTES, 3 * PIECE_BYTES + 7])
def test_a_file_arrives_as_it_is_and_is_never_a_page(api: httpx.Client, objects: ObjectStore, size: int) -> None:
    content = (b"<script>" * (size // 8 + 1))[:size]
    answer = api.get("/file", params={"digest": objects.put(content), "size": size, "kind": "text/html"})
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(size)


@pytest.mark.parametrize("kind", ["text/html; charset=x", "a\r\nSet-Cookie: x", "\u00e4/b", "", "TEXT/HTML", "x" * 500])
def test_a_type_that_is_none_is_not_passed_on(api: httpx.Client, objects: ObjectStore, kind: str) -> None:
    answer = api.get("/file", params={"digest": objects.put(b"x"), "size": 1, "kind": kind})
    assert answer.headers["content-type"] == "application/octet-stream"


def test_what_is_missing_or_damaged_is_told(api: httpx.Client, objects: ObjectStore, tmp_path: Path) -> None:
    missing = api.get("/file", params={"digest": "0" * 64, "size": 1})
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert "not in the object store" in missing.json()["detail"]
    digest = objects.put(b"whole")
    for content in (b"who", b"other", b""):
        (tmp_path / "store" / digest[:2] / digest).write_bytes(content)
        damaged = api.get("/file", params={"digest": digest, "size": 5})
        assert (damaged.status_code, "damaged" in damaged.json()["detail"]) == (409, True)


def test_damage_in_the_middle_of_a_long_file_breaks_the_answer_off(api: httpx.Client, objects: ObjectStore, tmp_path: Path) -> None:
    size = 3 * PIECE_BYTES
    digest = objects.put(bytes(size))
    (tmp_path / "store" / digest[:2] / digest).write_bytes(bytes(size - 1) + b"x")
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("/file", params={"digest": digest, "size": size})


def test_who_goes_away_in_the_middle_leaves_no_file_open(api: httpx.Client, objects: ObjectStore, tmp_path: Path) -> None:
    size = 40 * PIECE_BYTES
    params = {"digest": objects.put(bytes(size)), "size": size}

    def open_files() -> int:
        return sum(1 for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and str(tmp_path) in str(link.resolve()))

    for _ in range(5):
        with api.stream("GET", "/file", params=params) as answer:
            next(answer.iter_raw())
    eventually(lambda: open_files() == 0)


def test_a_store_that_is_away_is_told_as_such(api: httpx.Client, objects: ObjectStore, tmp_path: Path) -> None:
    digest = objects.put(b"whole")
    path = tmp_path / "store" / digest[:2] / digest
    path.unlink()
    path.mkdir()
    away = api.get("/file", params={"digest": digest, "size": path.stat().st_size})
    assert (away.status_code, "retry-after" in away.headers) == (503, True)


def test_contents_are_read_in_pieces_from_a_bucket_as_well() -> None:
    bucket = ObjectStore("memory:///")
    content = bytes(range(256)) * 20_000
    opened = bucket.open(bucket.put(content))
    assert (opened.size, b"".join(opened.pieces)) == (len(content), content)
    with pytest.raises(FileNotFoundError):
        bucket.open("0" * 64)


@pytest.mark.parametrize(
    ("name", "plain", "whole"),
    [
        ("leak.pdf", "leak.pdf", "leak.pdf"),
        ('R\u00e4umung "1".pdf', "R_umung _1_.pdf", 'R\u00e4umung "1".pdf'),
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe", "x.exe"),
        ("a\r\nSet-Cookie: b", "aSet-Cookie_ b", "aSet-Cookie: b"),
        ("invoice\u202egpj.exe", "invoicegpj.exe", "invoicegpj.exe"),
        ("..", "file", "file"),
        ("", "file", "file"),
        ("%41;x=1", "_41_x_1", "%41;x=1"),
    ],
)
def test_a_file_name_is_no_path_and_no_header_of_its_own(name: str, plain: str, whole: str) -> None:
    value = as_attachment(name)
    assert value.startswith(f'attachment; filename="{plain}"; ')
    encoded = value.rpartition("filename*=UTF-8''")[2]
    assert value.isascii()
    assert ";" not in encoded
    assert unquote(encoded) == whole
