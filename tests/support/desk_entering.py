"""A desk beside a real ingest: contacts that are entered by hand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.settings import DeskSettings
from services.ingest.api import build
from shared.messaging import StaticReference
from shared.messaging.direct import DirectPublisher
from shared.schemas.events import CommunicationReceived
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import TokenVerifier
from shared.web.tokens import TokenSigner, new_signing_key
from tests.service.ingest.conftest import Ingest
from tests.support.configuration import METHODS, a_configuration
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served

SURGERY: dict[str, Any] = {
    "code": "surgery",
    "name": "Housing surgery",
    "directions": ["inbound"],
    "locations": ["Library", "Town <hall>"],
    "default_subject_line": "Visit to a surgery",
    "pre_script": ["Is anybody in danger?"],
    "security_script": ["Was a document shown?"],
}
ALL_METHODS = [*METHODS, SURGERY]


class Entering:
    """A desk with ingest behind it, and what ingest told Kafka."""

    def __init__(self, client: httpx.Client, ingest: Ingest) -> None:
        self.client, self.ingest = client, ingest

    def sign_in(self, user: str) -> None:
        assert self.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303

    def form(self, method: str) -> dict[str, Any]:
        page = self.client.get("/contacts/new", params={"method": method}).text
        key = re.search(r'name="key" value="([^"]+)"', page)
        assert key is not None
        return {"method": method, "key": key[1], "occurred_at": "2026-03-02T10:30", "handle_kind": "phone"}

    def taken(self, answer: httpx.Response) -> CommunicationReceived:
        found = re.match(r"/contacts/entered/([0-9a-f-]+)\?", answer.headers["location"])
        assert found is not None
        events = {event.id: event.data for event in self.ingest.published() if event.subject == found[1]}
        (data,) = events.values()
        return data


@contextlib.contextmanager
def desk_beside_ingest(
    folder: Path, fresh_database: Callable[[str], str], kafka: str, prefix: str, **settings: object
) -> Iterator[Entering]:
    """Serve both while the block runs, for an organisation with surgeries; topics of `prefix` must be there. `settings` are the desk's."""
    key = folder / "key.pem"
    key.write_bytes(new_signing_key())
    with contextlib.ExitStack() as stack:
        reference = StaticReference(a_configuration(methods=ALL_METHODS))
        ingest = Ingest(kafka, prefix, fresh_database("ingest"), ObjectStore((folder / "objects").as_uri()), reference)
        publisher, database = DirectPublisher(kafka, prefix, 10), Database(ingest.url, service="ingest")
        stack.callback(publisher.close)
        stack.callback(database.close)
        verifier = TokenVerifier(TokenSigner(key.read_bytes()).jwks, "casestream")
        app = build(ingest.settings(), database, reference, publisher, ingest.objects, verifier=verifier)
        ingest_url = str(stack.enter_context(served(app, token="")).base_url)
        values = {"database": fresh_database("desk"), "kafka": kafka, "topic_prefix": prefix, "port": 1, "signing_key": key}
        desk = Desk(DeskSettings(**(values | {"ingest_url": ingest_url} | settings)))  # type: ignore[arg-type]
        stack.callback(desk.close)
        apply_configuration(desk.publisher, a_configuration_text(methods=ALL_METHODS), "test", uuid4(), datetime.now(UTC))
        yield Entering(stack.enter_context(served(desk_app(desk), token="")), ingest)
