"""`casestream mail import` against ingest's real API and Kafka, and what case makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from services.case.consumer import handlers
from shared.schemas import topics
from shared.storage import Database
from tests.service.ingest.conftest import Ingest
from tests.support.mails import multipart, ordinary_mails, raw_mail
from tests.support.waiting import eventually
from tests.support.web import a_token

BOUNCE = multipart(
    "Content-Type: text/plain\n\nIt did not arrive.",
    "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
    "Final-Recipient: rfc822; gone@x.example\nAction: failed\nStatus: 5.1.1\n",
    kind="report; report-type=delivery-status",
    head="From: mailer-daemon@x.example\nMessage-ID: <bounce@x.example>",
)
SENT = raw_mail("From: Contact@housing.example\nTo: ann@tenant.example\nMessage-ID: <sent@housing.example>")


@pytest.mark.requirement("COM-1", "COM-7", "EDGE-3")
def test_300_old_mails_imported_twice_with_an_interruption_are_300_communications_and_no_news(
    ingest: Ingest, tmp_path: Path, fresh_database: Callable[[str], str]
) -> None:
    mails = [*ordinary_mails(298), BOUNCE, SENT]
    box, token = tmp_path / "box", tmp_path / "token"
    box.write_bytes(b"".join(b"From a@b.example Mon Mar  2 09:30:00 2020\n" + mail + b"\n\n" for mail in mails))
    token.write_text(a_token("import", "communication:deliver", machine=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")} | {"CASESTREAM_HOME": str(tmp_path)}
    journal = tmp_path / "box.casestream-import"

    def command(url: object, rate: int, *more: str) -> list[str]:
        given = [
            "--account",
            "contact@housing.example",
            "--url",
            str(url),
            "--token-file",
            str(token),
            "--rate",
            str(rate),
            "--json",
            *more,
        ]
        return [sys.executable, "-m", "services.cli", "mail", "import", str(box), *given]

    with ingest.api() as api:
        killed = subprocess.Popen(command(api.base_url, 20), env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3, 60)
        killed.kill()
        assert killed.wait(20) != 0
        rest = json.loads(subprocess.run(command(api.base_url, 1000), env=kept, capture_output=True, check=True).stdout)
        assert (rest["imported"] + rest["earlier"], rest["skipped"]) == (300, [])
        assert 40 <= rest["earlier"] < 300
        anew = ("--journal", str(tmp_path / "anew"))
        again = json.loads(subprocess.run(command(api.base_url, 1000, *anew), env=kept, capture_output=True, check=True).stdout)
        assert (again["imported"], again["earlier"]) == (300, 0)

    events = ingest.published()
    assert len({event.data.communication_id for event in events}) == 300
    assert all(event.data.old and not event.data.opens_case and event.data.bounce is None for event in events)
    assert all(event.data.received_at == event.data.occurred_at < event.time for event in events)
    assert Counter(event.data.direction for event in {event.id: event for event in events}.values()) == {"inbound": 299, "outbound": 1}
    database = Database(fresh_database("case"), service="case")
    handler = handlers(ingest.reference, lambda: events[0].time)[topics.COMMUNICATIONS]
    try:
        with database.transaction() as tx:
            state = handler.load(tx, events)
            for event in events:
                handler.apply[type(event.data)](state, event)
            handler.save(tx, state)
            assert tx.emitted == []
        with database.read() as tx:
            assert tx.rows("select (select count(*) from communications), (select count(*) from cases)", ()) == [(300, 0)]
    finally:
        database.close()
