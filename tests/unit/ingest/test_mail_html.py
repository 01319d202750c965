"""`GET /mails/{sha256}/html`, served over a folder of objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.ingest.api.mail_html import mail_html_router
from shared.settings import ProcessSettings
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.support.mails import multipart, raw_mail
from tests.support.web import a_token, a_verifier, bearer, served

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path.as_uri())


@pytest.fixture
def api(objects: ObjectStore) -> Iterator[httpx.Client]:
    settings = ProcessSettings(kafka="", database="", port=0)
    with served(create_app("ingest", settings, [mail_html_router(objects, 10_000)], verifier=a_verifier())) as client:
        yield client


@pytest.mark.requirement("COM-1")
def test_the_html_of_a_mail_is_shown_with_its_own_pictures_and_nothing_foreign(api: httpx.Client, objects: ObjectStore) -> None:
    raw = multipart(
        'Content-Type: text/html; charset=iso-8859-1\n\n<p onclick="x()">Caf\xe9 <img src="cid:a@b"><img src="http://e.example/x"></p>'.encode(
            "iso-8859-1"
        ),
        b"Content-Type: image/png\nContent-ID: <a@b>\nContent-Transfer-Encoding: 8bit\n\n" + PNG,
    )
    answer = api.get(f"/mails/{objects.put(raw)}/html")
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["html"].startswith("<p>Caf\u00e9 <img ")
    assert "data:image/png;base64," in shown["html"]
    assert "e.example" not in shown["html"]
    assert (shown["pictures_shown"], shown["pictures_left_out"], shown["is_cut"]) == (1, 1, False)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_what_cannot_be_shown_is_told_in_plain_words(api: httpx.Client, objects: ObjectStore, tmp_path: Path) -> None:
    def told(digest: str, status: int) -> str:
        answer = api.get(f"/mails/{digest}/html")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        detail: str = answer.json()["detail"]
        return detail

    assert "no HTML" in told(objects.put(raw_mail()), 404)
    assert "no such mail" in told("0" * 64, 404)
    assert "longer than 10000 bytes" in told(objects.put(raw_mail() + b"x" * 10_000), 422)
    told("0" * 63 + "G", 422)
    digest = objects.put(b"Subject: x\nContent-Type: text/html\n\n<p>whole</p>")
    (tmp_path / digest[:2] / digest).write_bytes(b"Subject: x\nContent-Type: text/html\n\n<p>other</p>")
    assert "damaged" in told(digest, 409)


def test_it_needs_the_permission_to_read_communications(api: httpx.Client, objects: ObjectStore) -> None:
    path = f"/mails/{objects.put(raw_mail())}/html"
    assert api.get(path, headers=bearer(a_token("rita", "case:read"))).status_code == 403
    assert api.get(path, headers={"Authorization": ""}).status_code == 401
