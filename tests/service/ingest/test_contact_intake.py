"""Contact events over HTTP and on the upstream topic (COM-6)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.schemas import topics
from shared.schemas.events import BODY_LIMIT_BYTES, ContactEvent
from shared.schemas.parts import Handle
from tests.service.ingest.conftest import NOBODY, Ingest
from tests.support import eventually

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def a_contact(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "source_system": "switchboard",
        "external_id": "call-1",
        "method": "telephone",
        "sender": {"kind": "phone", "value": "020 7946 0018", "name": "Ann"},
        "text": "The tap leaks",
        "occurred_at": NOW.isoformat(),
    }
    return given | changes


def headers(**changes: bytes) -> list[tuple[str, bytes]]:
    """Those of a CloudEvent in binary mode."""
    given = {
        "ce_specversion": b"1.0",
        "ce_id": str(uuid4()).encode(),
        "ce_type": ContactEvent.event_type.encode(),
        "ce_source": b"/switchboard",
        "ce_subject": b"call-1",
        "ce_time": NOW.isoformat().encode(),
        "ce_revision": b"1",
    }
    return list((given | changes).items())


@pytest.mark.requirement("COM-1", "COM-6")
def test_a_contact_on_the_upstream_topic_becomes_a_communication_once(ingest: Ingest) -> None:
    with ingest.consuming():
        for _ in range(3):
            ingest.upstream(orjson.dumps(a_contact()), headers())
        ingest.upstream(orjson.dumps(a_contact(external_id="call-2")), headers())
        eventually(lambda: len({event.data.communication_id for event in ingest.published()}) == 2)
        eventually(lambda: ingest.rows("select sum(next_offset) from offsets") == [(4,)])
    events = {event.id: event for event in ingest.published()}
    assert len(events) == 2
    data = next(event.data for event in events.values() if event.data.text)
    assert data.sender == Handle(kind="phone", value="+442079460018", name="Ann")
    assert (data.method, data.message_id, data.occurred_at) == ("telephone", "", NOW)
    assert ingest.rows("select count(*) from outbox") == [(0,)]


@pytest.mark.requirement("COM-6")
def test_what_is_no_contact_event_becomes_a_dead_letter_and_the_rest_goes_on(ingest: Ingest) -> None:
    good = orjson.dumps(a_contact())
    bad: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (b"\xff\x00garbage", []),
        (b"\xff\x00garbage", headers()),
        (None, headers()),
        (good, headers(ce_type=b"casestream.unknown.v1")),
        (good, headers(ce_id=b"\xff")),
        (orjson.dumps({"specversion": "1.0", "data": a_contact()}), [("content-type", b"application/cloudevents+json")]),
        (orjson.dumps(a_contact(sender=7)), headers()),
        (orjson.dumps(a_contact(method="pigeon")), headers()),
        (orjson.dumps(a_contact(sender={"kind": "phone", "value": "nobody"})), headers()),
        (orjson.dumps(a_contact(subjects=["ufo"])), headers()),
    ]
    with ingest.consuming():
        for value, given in bad:
            ingest.upstream(value, given, key=b"one")
        ingest.upstream(good, headers(), key=b"one")
        eventually(lambda: len(ingest.published()) == 1)
    kinds = [kind for (kind,) in ingest.rows('select kind from dead_letters order by "offset"')]
    assert kinds == ["garbage"] * 7 + ["refused"] * 3
    with ingest.api() as api:
        assert api.get("/counts").json() == {"dead_letters": len(bad)}
        reasons = " ".join(letter["error"] for letter in api.get("/dead-letters").json()["items"])
    assert "communication method pigeon is not in the configuration" in reasons


def test_a_refused_contact_is_taken_once_it_was_put_right(ingest: Ingest) -> None:
    with ingest.consuming(), ingest.api() as api:
        ingest.upstream(orjson.dumps(a_contact(method="phone")), headers())
        letter = eventually(lambda: api.get("/dead-letters").json()["items"])[0]
        right = {"value": orjson.dumps(a_contact()).decode()}
        assert api.post(f"/dead-letters/{letter['id']}/replay", json=right).status_code == 202
        eventually(lambda: len(ingest.published()) == 1)
        assert api.get("/counts").json() == {"dead_letters": 0}


@pytest.mark.requirement("COM-6")
def test_a_contact_over_http_is_the_one_that_the_topic_brings(ingest: Ingest) -> None:
    with ingest.api() as api, ingest.consuming():
        first = api.post("/contacts", json=a_contact())
        again = api.post("/contacts", json=a_contact())
        ingest.upstream(orjson.dumps(a_contact()), headers())
        eventually(lambda: len(ingest.published()) == 3)
    assert first.status_code == again.status_code == 202
    events = ingest.published()
    assert {event.id for event in events} == {events[0].id}
    assert UUID(first.json()["id"]) == UUID(again.json()["id"]) == events[0].data.communication_id


def test_a_text_too_long_for_an_event_is_kept_whole_as_a_file(ingest: Ingest) -> None:
    text = "ä" * BODY_LIMIT_BYTES
    with ingest.api() as api, ingest.consuming():
        assert api.post("/contacts", json=a_contact(text=text)).status_code == 202
        ingest.upstream(orjson.dumps(a_contact(text=text, external_id="call-2")), headers())
        eventually(lambda: len(ingest.published()) == 2)
    for event in ingest.published():
        assert event.data.text_truncated
        assert ingest.objects.get(event.data.raw.sha256).decode() == text


def test_a_contact_is_refused_with_its_reason(ingest: Ingest) -> None:
    with ingest.api() as api:
        refused = api.post("/contacts", json=a_contact(method="pigeon"))
        invalid = api.post("/contacts", json=a_contact(occurred_at="yesterday"))
    assert (refused.status_code, invalid.status_code) == (422, 422)
    assert "pigeon is not in the configuration" in refused.json()["detail"]
    assert invalid.json()["errors"][0]["where"] == "body.occurred_at"
    with ingest.api(kafka=NOBODY, acknowledge_seconds=0.5) as api:
        assert api.post("/contacts", json=a_contact()).status_code == 503
    assert ingest.published() == []


@pytest.mark.requirement("COM-6")
def test_the_documented_producer_reports_a_contact(ingest: Ingest) -> None:
    page = (Path(__file__).parents[3] / "docs" / "channels.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    surroundings = os.environ | {"KAFKA": ingest.kafka, "TOPIC": ingest.prefix + topics.CONTACT_EVENTS}
    with ingest.consuming():
        subprocess.run([sys.executable, "-c", example], env=surroundings, check=True, timeout=60)
        eventually(lambda: len(ingest.published()) == 1)
    data = ingest.published()[0].data
    assert (data.method, data.sender.value, data.text) == ("telephone", "+442079460018", "The tap in the kitchen leaks.")
    assert ingest.rows("select count(*) from dead_letters") == [(0,)]
