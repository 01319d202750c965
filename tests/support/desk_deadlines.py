"""A desk beside real case, task and sla APIs: clocks that staff look at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from services.sla.api import routers
from services.sla.api.asking import Around
from services.sla.domain.cases import CaseFact, apply_case
from services.sla.domain.packing import pack
from services.sla.domain.records import ItemKind, Record, key_of
from services.sla.domain.tasks import TaskFact, apply_task
from services.sla.handlers.intake import read_fact
from services.sla.handlers.projecting import project
from shared.calendars.openings import micros
from shared.messaging import StaticReference
from shared.schemas.envelope import Payload
from shared.settings import ProcessSettings
from shared.storage import Database
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner
from tests.support.configuration import a_configuration
from tests.support.desk_records import Records, desk_beside_records
from tests.support.sla import as_event
from tests.support.web import served


@dataclass(frozen=True, slots=True)
class Clocks:
    """A platform whose sla has been told of cases and tasks."""

    records: Records
    database: Database
    around: Around
    known: dict[bytes, Record] = field(default_factory=dict)

    def tell(self, *told: tuple[Payload, int, datetime]) -> None:
        """As if these had come by Kafka, with their revisions and times, and been projected."""
        changed: dict[bytes, bytes] = {}
        for data, revision, at in told:
            event = as_event(data, revision, at)
            fact = read_fact(data.topic, dict(event.headers()), event.value())
            policy, now = self.around.policy(1), micros(datetime.now(UTC))
            if isinstance(fact, CaseFact):
                key = key_of(ItemKind.CASE, fact.case_id)
                outcome = apply_case(self.known.get(key), fact, policy, now)
            else:
                assert isinstance(fact, TaskFact)
                key = key_of(ItemKind.TASK, fact.task_id)
                outcome = apply_task(self.known.get(key), fact, policy, now)
            assert outcome is not None
            assert outcome.record is not None
            self.known[key] = outcome.record
            changed[key] = pack(outcome.record)
        with self.database.transaction() as tx:
            project(tx, changed.items(), self.around.policy)


@contextlib.contextmanager
def desk_beside_clocks(
    folder: Path,
    fresh_database: Callable[[str], str],
    kafka: str,
    prefix: str,
    *,
    sections: Mapping[str, object] | None = None,
) -> Iterator[Clocks]:
    """Serve all of them while the block runs; topics of `prefix` must be there. `sections` stand in for those of the tests'
    organisation.
    """
    # The desk's key is made with the desk, and read when the first token comes.
    verifier = TokenVerifier(lambda: TokenSigner((folder / "key.pem").read_bytes()).jwks(), "casestream")
    with contextlib.ExitStack() as stack:
        database = Database(fresh_database("sla"), service="sla")
        stack.callback(database.close)
        around = Around.of(StaticReference(a_configuration(**(sections or {}))))
        process = ProcessSettings(kafka=kafka, database=database.url, port=1)
        sla = stack.enter_context(served(create_app("sla", process, routers(database, around), verifier=verifier), token=""))
        url = str(sla.base_url).rstrip("/")
        records = stack.enter_context(desk_beside_records(folder, fresh_database, kafka, prefix, sections=sections, sla_url=url))
        yield Clocks(records, database, around)
