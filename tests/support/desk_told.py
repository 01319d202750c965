"""A desk beside task and notify, to see what one was told and to choose how."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.notify.api import build
from services.notify.consumer import handlers
from services.notify.settings import Settings
from shared.messaging import EventPublisher, StaticReference
from shared.schemas.envelope import Event
from shared.storage import Database
from shared.web import TokenVerifier
from tests.support.configuration import a_configuration
from tests.support.desk import Platform, desk_beside_task
from tests.support.web import served


@dataclass(frozen=True, slots=True)
class Told:
    """The desk, and a notify that takes events in from the test."""

    platform: Platform
    publisher: EventPublisher
    reference: StaticReference

    def take(self, *events: Event) -> None:
        """Take events in as notify's consumer does."""
        for topic, handler in handlers(self.reference).items():
            wanted = [event for event in events if event.data.topic == topic and type(event.data) in handler.apply]
            with self.publisher.transaction() as tx:
                state = handler.load(tx, wanted)
                for event in wanted:
                    handler.apply[type(event.data)](state, event)
                handler.save(tx, state)


@contextlib.contextmanager
def desk_beside_notify(folder: Path, fresh_database: Callable[[str], str], kafka: str, prefix: str, **sections: object) -> Iterator[Told]:
    """Serve all three while the block runs; topics of `prefix` must be there. `sections` stand in for the organisation's."""
    desks: list[Platform] = []

    def keys() -> dict[str, Any]:
        return desks[0].desk.signer.jwks()

    with contextlib.ExitStack() as stack:
        database = Database(fresh_database("notify"), service="notify")
        stack.callback(database.close)
        publisher = EventPublisher(database, kafka, prefix, "notify")
        stack.callback(publisher.close)
        reference = StaticReference(a_configuration(**sections))
        app = build(Settings(kafka=kafka, database=database.url, port=1), database, TokenVerifier(keys, "casestream"), reference=reference)
        url = str(stack.enter_context(served(app, token="")).base_url).rstrip("/")
        desks.append(stack.enter_context(desk_beside_task(folder, fresh_database, kafka, prefix, sections=sections, notify_url=url)))
        yield Told(desks[0], publisher, reference)
