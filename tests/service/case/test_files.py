"""The files of communications over the API: to those who may see the communication, as attachments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from services.case.api.files import files_router
from services.case.settings import Settings
from shared.ids import derive
from shared.schemas.events import CommunicationReceived
from shared.schemas.parts import FileRef, Handle
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import a_mail, received
from tests.support.web import a_token, a_verifier, bearer, served

PHOTO, PROGRAM, RAW = b"\xff\xd8\xff photo", b"MZ program", b"Subject: Leak\n\nA leak."


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "objects").as_uri())


@pytest.fixture
def api(service: CaseService, objects: ObjectStore) -> Iterator[httpx.Client]:
    settings = Settings(kafka="", database=service.database.url, port=0)
    with served(create_app("case", settings, [files_router(service.database, objects)], verifier=a_verifier())) as client:
        yield client


@pytest.fixture
def mail(service: CaseService, objects: ObjectStore) -> CommunicationReceived:
    """A mail about a leak (of the unit `repairs`) with two files, taken in."""

    def kept(content: bytes, **more: str) -> FileRef:
        return FileRef(sha256=objects.put(content), size=len(content), **more)

    files = (
        kept(PHOTO, filename="k\u00fcche.jpg", content_type="image/jpeg"),
        kept(PROGRAM, filename="invoice.pdf.exe", content_type="application/x-msdownload", danger="disguised"),
    )
    mail = a_mail("Leak", "A leak.", attachments=files, raw=kept(RAW))
    service.receive(received(mail))
    return mail


@pytest.mark.requirement("COM-1")
def test_files_and_the_message_as_it_came_are_given_to_be_saved(api: httpx.Client, mail: CommunicationReceived) -> None:
    photo, program, raw = (api.get(f"/communications/{mail.communication_id}/{path}") for path in ("files/0", "files/1", "raw"))

    assert [(answer.status_code, answer.content) for answer in (photo, program, raw)] == [(200, PHOTO), (200, PROGRAM), (200, RAW)]
    assert [answer.headers["content-type"] for answer in (photo, program, raw)] == [
        "image/jpeg",
        "application/octet-stream",
        "message/rfc822",
    ]
    assert photo.headers["content-disposition"] == "attachment; filename=\"k_che.jpg\"; filename*=UTF-8''k%C3%BCche.jpg"
    for answer in (photo, program, raw):
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_what_a_gateway_reported_is_no_mail(api: httpx.Client, service: CaseService, objects: ObjectStore) -> None:
    raw = FileRef(sha256=objects.put(b"{}"), size=2)
    call = a_mail("Call", "A leak.", sender=Handle(kind="phone", value="+441234"), raw=raw, message_id="")
    service.receive(received(call))

    answer = api.get(f"/communications/{call.communication_id}/raw")

    assert (answer.content, answer.headers["content-type"]) == (b"{}", "application/octet-stream")
    assert ".eml" not in answer.headers["content-disposition"]


def test_only_who_may_see_the_communication_may_have_its_files(api: httpx.Client, mail: CommunicationReceived) -> None:
    def answers(unit: str, *permissions: str, scope: str = "unit") -> set[int]:
        headers = bearer(a_token("somebody", *permissions, unit=unit, scope=scope))  # type: ignore[arg-type]
        paths = ("files/0", "raw")
        return {api.get(f"/communications/{mail.communication_id}/{path}", headers=headers).status_code for path in paths}

    assert answers("repairs", "communication:read") == {200}
    assert answers("neighbourhood", "communication:read") == {404}
    assert answers("repairs", "communication:read", scope="own") == {404}
    assert answers("repairs", "case:read") == {403}


def test_what_is_not_there_is_told(api: httpx.Client, service: CaseService, mail: CommunicationReceived) -> None:
    lost = a_mail("Lost", "A leak.", raw=FileRef(sha256="0" * 64, size=3))
    bare = a_mail("Bare", "A leak.")
    service.receive(received(lost), received(bare))

    def status(communication: UUID, path: str) -> int:
        answer = api.get(f"/communications/{communication}/{path}")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == 404 or path.startswith("files")
        return answer.status_code

    assert status(mail.communication_id, "files/2") == 404
    assert status(mail.communication_id, "files/-1") == 422
    assert status(mail.communication_id, "files/99999999999999999999") == 422
    assert status(derive("nobody"), "files/0") == 404
    assert status(bare.communication_id, "raw") == 404
    assert "not in the object store" in api.get(f"/communications/{lost.communication_id}/raw").json()["detail"]
