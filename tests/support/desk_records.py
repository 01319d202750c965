"""A desk beside real case, task and ingest APIs: what staff read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.case.api import routers
from services.case.api.files import files_router
from services.case.api.messages import message_files_router
from services.case.consumer import handlers
from services.ingest.api.mail_html import mail_html_router
from services.ingest.domain.mail import own_text_length, parse_mail
from shared.clock import utc_now
from shared.dangers import danger
from shared.ids import derive
from shared.messaging import EventPublisher, StaticReference
from shared.schemas import topics
from shared.schemas.events import CommunicationReceived, DeliveryBounced, ItemKind
from shared.schemas.parts import FileRef
from shared.settings import ProcessSettings
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner
from tests.support.case import a_mail, an_event, received
from tests.support.configuration import a_configuration
from tests.support.desk import Platform, desk_beside_task
from tests.support.web import served


@dataclass(frozen=True, slots=True)
class Records:
    """A platform with records to read; `take` takes communications in as the case service does."""

    platform: Platform
    objects: ObjectStore
    database: Database
    reference: StaticReference

    @property
    def client(self) -> httpx.Client:
        """Calls the desk, and keeps cookies."""
        return self.platform.client

    def take(self, *communications: CommunicationReceived) -> None:
        """As if they had come by Kafka."""
        handler = handlers(self.reference)[topics.COMMUNICATIONS]
        events = [received(one) for one in communications]
        with self.database.transaction() as tx:
            state = handler.load(tx, events)
            for event in events:
                handler.apply[type(event.data)](state, event)
            handler.save(tx, state)
            # Nobody is to hear of it, so nothing goes to Kafka.
            tx.emitted.clear()

    def mail(self, raw: bytes, **changes: Any) -> CommunicationReceived:
        """A mail from these bytes, its files and itself kept as ingest keeps them; not taken in yet."""
        parsed = parse_mail(raw)
        files = tuple(
            FileRef(
                sha256=self.objects.put(file.content),
                size=len(file.content),
                filename=file.filename,
                content_type=file.content_type,
                inline=file.inline,
                danger=danger(file.filename, file.content),
            )
            for file in parsed.attachments
        )
        given = {"attachments": files, "raw": FileRef(sha256=self.objects.put(raw), size=len(raw))}
        return a_mail(
            parsed.subject,
            parsed.text,
            sender=parsed.from_address,
            name=parsed.from_name,
            own_text_length=own_text_length(parsed.text),
            robot=parsed.robot,
            **(given | changes),
        )

    def comes_back(self, mail: CommunicationReceived, recipient: str, status: str = "5.1.1") -> None:
        """Our message about this mail comes back from the recipient for good, as if that had come by Kafka."""
        id, case = derive("ours", recipient), self.case_of(mail.communication_id)
        data = DeliveryBounced(
            delivery_id=id,
            case_id=case,
            item_kind=ItemKind.CASE,
            item_id=case,
            definition="opened",
            channel="email",
            recipient=recipient,
            state="bounced",
            error=f"bounced: {status}",
            audience="customer",
            conversation_id=mail.conversation_id,
            undeliverable_since=datetime(2026, 3, 3, 10, tzinfo=UTC),
            status=status,
        )
        event = an_event(data, subject=id, revision=2)
        handler = handlers(self.reference)[topics.NOTIFICATIONS]
        with self.database.transaction() as tx:
            batch = handler.load(tx, [event])
            handler.apply[DeliveryBounced](batch, event)
            handler.save(tx, batch)
            tx.emitted.clear()

    def case_of(self, communication: UUID) -> UUID:
        """The first case that it feeds."""
        with self.database.read() as tx:
            row = tx.row("select case_id from case_communications where communication_id = %s order by position", (communication,))
        assert row is not None
        found: UUID = row[0]
        return found


@contextlib.contextmanager
def desk_beside_records(
    folder: Path,
    fresh_database: Callable[[str], str],
    kafka: str,
    prefix: str,
    *,
    sections: Mapping[str, object] | None = None,
    **settings: object,
) -> Iterator[Records]:
    """Serve all of them while the block runs; topics of `prefix` must be there. `sections` stand in for those of the tests'
    organisation; `settings` are the desk's, by keyword.
    """
    # The desk's key is made with the desk, and read when the first token comes.
    verifier = TokenVerifier(lambda: TokenSigner((folder / "key.pem").read_bytes()).jwks(), "casestream")
    with contextlib.ExitStack() as stack:
        database = Database(fresh_database("case"), service="case")
        stack.callback(database.close)
        publisher = EventPublisher(database, kafka, prefix, "case")
        stack.callback(publisher.close)
        objects = ObjectStore((folder / "objects").as_uri())
        reference = StaticReference(a_configuration(**(sections or {})))
        process = ProcessSettings(kafka=kafka, database=database.url, port=1)

        def serve(name: str, *given: Any) -> str:
            app = create_app(name, process, given, verifier=verifier)
            return str(stack.enter_context(served(app, token="")).base_url).rstrip("/")

        urls = {
            "case_url": serve(
                "case", *routers(publisher, reference), files_router(database, objects), message_files_router(publisher, objects, utc_now)
            ),
            "ingest_url": serve("ingest", mail_html_router(objects, 1_000_000)),
        }
        platform = stack.enter_context(desk_beside_task(folder, fresh_database, kafka, prefix, sections=sections, **(urls | settings)))
        yield Records(platform, objects, database, reference)
