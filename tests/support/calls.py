"""Telephone calls all the way: ingest's API, case's consumer and API, and the desk, served over one Kafka and PostgreSQL."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx

from services.case.api import routers
from services.case.consumer import handlers
from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.settings import DeskSettings
from services.ingest.api import build
from services.ingest.settings import ApiSettings
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.direct import DirectPublisher
from shared.schemas.configuration import Configuration
from shared.settings import ProcessSettings
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner, new_signing_key
from tests.support.configuration import METHODS, a_document
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.phone import KEY, an_event, signed
from tests.support.web import served

LINE = "+441632960200"
TELEPHONE = METHODS[1] | {"pre_script": ["Is anybody in danger?"], "security_script": ["Your date of birth?"]}
SECTIONS = {
    "methods": [METHODS[0], TELEPHONE],
    "phone_lines": [{"number": LINE, "gateway": "signed", "calls": "telephone", "secret": "switchboard", "unit": "repairs"}],
}


@dataclass(frozen=True, slots=True)
class Calls:
    """The platform; `client` calls the desk without a token and keeps cookies."""

    desk: Desk
    client: httpx.Client
    gateway: httpx.Client
    case_database: Database

    def report(self, event: str = "ringing", **more: object) -> UUID:
        """The gateway reports; the id of the call."""
        body = an_event(event, **more)
        answer = self.gateway.post(f"/phone/{LINE}/events", content=body, headers=signed(body, datetime.now(UTC)))
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    def sign_in(self, user: str = "rita") -> None:
        """In the browser of `client`."""
        assert self.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303


@contextlib.contextmanager
def calls_platform(folder: Path, fresh_database: Callable[[str], str], kafka: str, prefix: str, case_url: str = "") -> Iterator[Calls]:
    """Serve all of it while the block runs; topics of `prefix` must be there. `case_url`: where the desk looks for case, if not there."""
    key, credentials = folder / "key.pem", folder / "credentials"
    key.write_bytes(new_signing_key())
    credentials.mkdir()
    (credentials / "switchboard").write_text(KEY)
    reference = StaticReference(Configuration.model_validate(a_document(**SECTIONS)))
    verifier = TokenVerifier(TokenSigner(key.read_bytes()).jwks, "casestream")
    with contextlib.ExitStack() as stack:
        case_database = Database(fresh_database("case"), service="case")
        stack.callback(case_database.close)
        publisher = EventPublisher(case_database, kafka, prefix, "case")
        stack.callback(publisher.close)
        process = ProcessSettings(kafka=kafka, database=case_database.url, port=1, topic_prefix=prefix)
        case = create_app("case", process, routers(publisher, reference), verifier=verifier)
        served_at = str(stack.enter_context(served(case, token="")).base_url).rstrip("/")
        stack.enter_context(_consuming(process, reference, publisher))

        ingest_database = Database(fresh_database("ingest"), service="ingest")
        stack.callback(ingest_database.close)
        direct = DirectPublisher(kafka, prefix)
        stack.callback(direct.close)
        given = {"kafka": kafka, "database": ingest_database.url, "port": 1, "objects": "file:///unused", "credentials": str(credentials)}
        api = ApiSettings.model_validate(given | {"topic_prefix": prefix})
        store = ObjectStore((folder / "objects").as_uri())
        ingest = build(api, ingest_database, reference, direct, store, verifier=verifier)
        gateway = stack.enter_context(served(ingest, token=""))

        values = {"database": fresh_database("desk"), "kafka": kafka, "topic_prefix": prefix, "port": 1, "signing_key": key}
        desk = Desk(DeskSettings(**(values | {"case_url": case_url or served_at})))  # type: ignore[arg-type]
        stack.callback(desk.close)
        apply_configuration(desk.publisher, a_configuration_text(**SECTIONS), "test", uuid4(), datetime.now(UTC))
        desk.follower.start()
        client = stack.enter_context(served(desk_app(desk), token=""))
        stack.callback(desk.live.stop)
        yield Calls(desk, client, gateway, case_database)


@contextlib.contextmanager
def _consuming(settings: ProcessSettings, reference: StaticReference, publisher: EventPublisher) -> Iterator[None]:
    stop = threading.Event()
    loop = ConsumerLoop("case", settings, handlers(reference), publisher, reference, stop)
    thread = threading.Thread(target=loop.run, name="case under test", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
