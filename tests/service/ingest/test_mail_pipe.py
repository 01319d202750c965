"""`casestream mail deliver -` against ingest's real API."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support.mails import raw_mail
from tests.support.web import a_token


def pipe(api: httpx.Client, folder: Path, *arguments: str, mail: bytes, token: str = "") -> tuple[int, str]:
    """Exit code, and all that was written."""
    file = folder / "token"
    file.write_text(token or a_token("mta", "communication:deliver", machine=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
    command = [sys.executable, "-m", "services.cli", "mail", "deliver", "-", "--url", str(api.base_url), "--token-file", str(file)]
    more = ["--patience", "0", *arguments]
    done = subprocess.run(
        [*command, *more], input=mail, capture_output=True, env={**kept, "CASESTREAM_HOME": str(folder)}, check=False, text=False
    )
    return done.returncode, (done.stdout + done.stderr).decode().strip()


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_a_mail_through_the_pipe_is_one_communication_however_often_it_comes(ingest: Ingest, tmp_path: Path) -> None:
    mail = raw_mail("To: repairs+x@housing.example")
    with ingest.api() as api:
        code, id = pipe(api, tmp_path, "--account", "Repairs+x@housing.example", mail=mail)
        assert code == 0
        assert pipe(api, tmp_path, "--account", "repairs@housing.example", mail=mail) == (0, id)
    events = ingest.published()
    assert {str(event.data.communication_id) for event in events} == {id}
    assert {event.data.channel_account for event in events} == {"repairs@housing.example"}


@pytest.mark.requirement("COM-3")
def test_the_pipe_tells_who_is_at_fault(ingest: Ingest, tmp_path: Path) -> None:
    with ingest.api(mail_request_bytes=20_000) as api:
        code, line = pipe(api, tmp_path, "--account", "nobody@housing.example", mail=raw_mail())
        assert (code, line[:6]) == (os.EX_NOUSER, "5.1.1 ")
        code, line = pipe(api, tmp_path, mail=raw_mail(body="x" * 30_000))
        assert (code, line[:6]) == (os.EX_DATAERR, "5.3.4 ")
        code, line = pipe(api, tmp_path, mail=raw_mail(), token="stale.or.forged")
        assert (code, line[:6]) == (os.EX_TEMPFAIL, "4.3.0 ")
    with ingest.api(kafka=NOBODY, acknowledge_seconds=0.5) as api:
        code, line = pipe(api, tmp_path, mail=raw_mail())
        assert (code, line[:6]) == (os.EX_TEMPFAIL, "4.3.0 ")
    assert ingest.published() == []
