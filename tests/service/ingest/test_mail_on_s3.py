"""Mail intake with its files on a real S3 server that dies under it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx

from services.ingest.domain.digest import encode
from tests.service.ingest.conftest import Ingest
from tests.support.mails import ordinary_mails
from tests.support.s3 import S3, a_store
from tests.support.waiting import eventually


def test_while_the_store_dies_and_comes_back_no_mail_is_lost_or_doubled(ingest: Ingest, tmp_path: Path) -> None:
    mails = list(ordinary_mails(200))
    batches = [mails[at : at + 10] for at in range(0, 200, 10)]
    taken: list[UUID] = []
    refusals: list[int] = []
    half = threading.Event()

    def deliver(api: httpx.Client) -> None:
        """As a mail server does: each until it is taken."""
        for number, batch in enumerate(batches):
            if number == 5:
                half.set()
            answer = eventually(partial(_deliver, api, batch, refusals), timeout=120)
            taken.extend(UUID(each["id"]) for each in answer.json()["communications"])

    with S3() as server:
        ingest.objects = a_store(f"http://127.0.0.1:{server.port}", tmp_path, objects_retry_seconds=0)
        with ingest.api() as api:
            assert eventually(lambda: api.get("/health/ready").status_code == 200)
            sender = threading.Thread(target=deliver, args=(api,))
            sender.start()
            half.wait(60)
            server.stop()
            eventually(lambda: refusals)
            eventually(lambda: "object store: it does not answer" in api.get("/health/ready").text)
            server.start()
            sender.join(120)
            eventually(lambda: api.get("/health/ready").status_code == 200)
        assert set(refusals) == {503}
        published = [event.data for event in ingest.published()]
        assert [data.communication_id for data in sorted(published, key=lambda data: taken.index(data.communication_id))] == taken
        assert {data.raw.sha256 for data in published} == {hashlib.sha256(mail).hexdigest() for mail in mails}
        assert {ingest.objects.get(data.raw.sha256) for data in published} == set(mails)


def _deliver(api: httpx.Client, mails: Sequence[bytes], refusals: list[int]) -> httpx.Response | None:
    """The answer, unless it is a refusal: those are noted."""
    kind, body = encode(mails)
    answer = api.post("/mail", content=body, headers={"Content-Type": kind})
    if answer.status_code == 202:
        return answer
    refusals.append(answer.status_code)
    return None
