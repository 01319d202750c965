"""A read model of clocks with records as the stream would have written them, and its API; without Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from msgspec.structs import replace

from services.sla.api import build
from services.sla.api.asking import Around
from services.sla.domain.cases import CaseFact, apply_case
from services.sla.domain.leads import LeadFact, apply_lead
from services.sla.domain.packing import pack
from services.sla.domain.policy import Policy
from services.sla.domain.records import Facts, ItemKind, Record, key_of
from services.sla.domain.tasks import TaskFact, apply_task
from services.sla.handlers.policies import build_policy
from services.sla.handlers.projecting import project
from services.sla.settings import Settings
from shared.calendars.openings import micros
from shared.ids import derive
from shared.messaging import StaticReference
from shared.schemas.configuration import Configuration
from shared.storage import Database
from tests.support.web import a_token, a_verifier, bearer, served

NOON = datetime.fromisoformat("2026-03-04T12:00:00Z")
"""A Wednesday."""


def at(text: str) -> int:
    """Microseconds of a moment in UTC, like `2026-03-02 09:00`."""
    return micros(datetime.fromisoformat(text + "Z"))


@dataclass
class ReadModel:
    """Give it cases and tasks; ask its API."""

    database: Database
    configuration: Configuration
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.policy: Policy = build_policy(self.configuration)
        self.records: dict[bytes, Record] = {}
        self._changes: list[tuple[bytes, bytes | None]] = []

    def case(self, name: object, opened: str, *turns: dict[str, Any], **facts: Any) -> UUID:
        """A case that opened then; each of `turns` is an event, `at` its time."""
        case = derive("case", name)
        given = {
            "number": f"C-{name}",
            "title": f"Case {name}",
            "unit": "repairs",
            "priority": "normal",
            "method": "email",
            "subject": "enquiry",
        }
        known = Facts(**given | {"case_id": str(case)} | facts)
        record: Record | None = None
        for revision, turn in enumerate([{}, *turns], 1):
            moment = at(turn.get("at", opened))
            told = {
                key: at(value) if key.endswith("_at") else value
                for key, value in turn.items()
                if key != "at" and key not in Facts.__struct_fields__
            }
            known = replace(known, **{key: value for key, value in turn.items() if key in Facts.__struct_fields__})
            state = {"state": "pending", "waiting_for_customer": False, "responded_at": None, "resolved_at": None, "completed_at": None}
            fact = CaseFact(
                **{"case_id": str(case), "revision": revision, "config_version": 1, "at": moment, "opened_at": at(opened), "facts": known}
                | state
                | told
            )
            outcome = apply_case(record, fact, self.policy, moment)
            assert outcome is not None
            self._keep(key_of(ItemKind.CASE, str(case)), outcome.record)
            record = outcome.record
        return case

    def task(self, name: object, starts: str, due: str, *turns: dict[str, Any], **facts: Any) -> UUID:
        """A task that can be worked on from then."""
        task = derive("task", name)
        given = {"number": "C-1", "title": f"Task {name}", "unit": "repairs", "priority": "normal", "subject": "leak", "assignee": "paul"}
        known = Facts(**given | {"case_id": str(derive("case", "of", name))} | facts)
        record: Record | None = None
        for revision, turn in enumerate([{}, *turns], 1):
            moment = at(turn.get("at", starts))
            told = {key: at(value) if key.endswith("_at") else value for key, value in turn.items() if key != "at"}
            plain = {"state": "pending", "starts_at": None, "completed_at": None, "due_at": at(due)}
            own = {"planned_at": at(starts), "triggered_at": at(starts)}
            fact = TaskFact(
                **{"task_id": str(task), "revision": revision, "config_version": 1, "at": moment, "facts": known} | own | plain | told
            )
            outcome = apply_task(record, fact, self.policy, moment)
            assert outcome is not None
            self._keep(key_of(ItemKind.TASK, str(task)), outcome.record)
            record = outcome.record
        return task

    def lead(self, name: object, opened: str, due: str, *turns: dict[str, Any]) -> UUID:
        """A lead that is to be complete by then."""
        lead = derive("lead", name)
        known = Facts("", f"L-{name}", f"Lead {name}", "user", "sam", "sam", "repairs", "6", "", "garage")
        record: Record | None = None
        for revision, turn in enumerate([{}, *turns], 1):
            moment = at(turn.get("at", opened))
            told = {key: at(value) if key.endswith("_at") else value for key, value in turn.items() if key != "at"}
            own = {"lead_id": str(lead), "revision": revision, "config_version": 1, "at": moment, "facts": known}
            plain = {"state": "pending", "opened_at": at(opened), "due_at": at(due), "closed_at": None}
            outcome = apply_lead(record, LeadFact(**own | plain | told), self.policy, moment)
            assert outcome is not None
            self._keep(key_of(ItemKind.LEAD, str(lead)), outcome.record)
            record = outcome.record
        return lead

    def forgotten(self, kind: ItemKind, item: UUID) -> None:
        """The stream's tombstone."""
        self._keep(key_of(kind, str(item)), None)

    def _keep(self, key: bytes, record: Record | None) -> None:
        # One after the other, as they came: what a finished item's record has lost is kept from the one before.
        self._changes.append((key, None if record is None else pack(record)))

    def write(self) -> None:
        """Take in what was given."""
        for change in self._changes:
            with self.database.transaction() as tx:
                project(tx, [change], lambda _: self.policy)
        self._changes.clear()

    @contextmanager
    def api(self) -> Iterator[Asking]:
        """Its API, at `now`."""
        self.write()
        settings = Settings(kafka="none:1", database=self.database.url, port=0)
        around = Around.of(StaticReference(self.configuration), lambda: self.now)
        with served(build(settings, self.database, around, list, a_verifier()), "") as client:
            yield Asking(client)


@dataclass
class Asking:
    """Asks with a token made for each request."""

    client: httpx.Client

    def get(self, path: str, accept: str = "", **claims: Any) -> httpx.Response:
        return self.client.get(path, headers=bearer(a_token(**claims)) | ({"Accept": accept} if accept else {}))

    def post(self, path: str, body: object, *permissions: str, **claims: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers=bearer(a_token("rita", *permissions, **claims)))

    def titles(self, path: str, **claims: Any) -> list[str]:
        answer = self.get(path, **claims)
        assert answer.status_code == 200, answer.text
        return [clock["title"] for clock in answer.json()["items"]]
