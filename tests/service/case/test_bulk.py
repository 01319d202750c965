"""Bulk changes: preview, a result for each case, nothing done twice, and never beyond what the asker may do (EDGE-12)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.handlers import bulk
from services.case.handlers.commands import Commands
from services.case.handlers.rules import rules_of
from services.case.settings import Settings
from services.case.storage import bulk as storage
from services.case.worker.bulk import work_until
from shared.messaging import EventPublisher, VersionCache
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, received
from tests.support.configuration import COMMUNICATIONS
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

CASES = 9


class Bulk:
    """The API, and the worker step by step."""

    def __init__(self, api: httpx.Client, service: CaseService, publisher: EventPublisher) -> None:
        self.api, self.service, self.publisher = api, service, publisher
        self.commands = Commands(service.reference, VersionCache(service.reference, rules_of))

    def ask(self, change: dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        filters = {} if "ids" in body or "filter" in body else {"filter": {"open": True}}
        return self.api.post("/bulk-changes", json={"change": change} | filters | body, headers=headers)

    def step(self) -> dict[str, int] | None:
        return bulk.work(self.publisher, self.commands, NOW, "")

    def finish(self) -> None:
        while self.step() is not None:
            pass

    def job(self, id: str) -> dict[str, Any]:
        return dict(self.api.get(f"/bulk-changes/{id}").json())

    def items(self, id: str, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.api.get(f"/bulk-changes/{id}/items", params={"limit": 4} | params | ({"cursor": cursor} if cursor else {})).json()
            found += page["items"]
            cursor = page["next"]
        return found


@contextmanager
def changing(service: CaseService, kafka: str, prefix: str) -> Iterator[Bulk]:
    """The API over some open cases."""
    publisher = EventPublisher(service.database, kafka, prefix, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    service.receive(*(received(a_mail(f"Leak {n}", "A leak.")) for n in range(CASES)))
    with served(app) as client:
        yield Bulk(client, service, publisher)
    publisher.close()


@pytest.fixture
def changes(service: CaseService, kafka: str, case_topics: str) -> Iterator[Bulk]:
    with changing(service, kafka, case_topics) as bulk_changes:
        yield bulk_changes


TO_RITA = {"kind": "assign", "owner": "rita"}


@pytest.mark.requirement("EDGE-12")
def test_a_preview_says_what_would_happen_and_changes_nothing(changes: Bulk) -> None:
    changes.service.rows("select 1")
    before = changes.service.rows("select * from cases order by id")

    found = changes.ask({"kind": "priority", "urgency": "low"}, preview=True).json()

    assert found["total"] == CASES
    assert {item["outcome"] for item in found["items"]} == {"done"}
    assert {(change["field"], change["new"]) for item in found["items"] for change in item["changes"]} >= {("urgency", "low")}
    assert changes.service.rows("select * from cases order by id") == before
    assert changes.service.count("bulk_jobs") == changes.service.count("outbox") == 0
    assert changes.step() is None


@pytest.mark.requirement("EDGE-12")
def test_every_case_is_changed_once_by_the_rules_of_a_single_command_and_has_a_result(
    changes: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 4)
    with changes.service.database.transaction() as tx:
        tx.execute("update cases set state = 'completed', status = 'closed' where title = 'Leak 3'")
        tx.execute("update cases set unit = 'neighbourhood', owner = 'rita' where title = 'Leak 4'")

    asked = changes.ask({"kind": "priority", "urgency": "low"}, filter={"subject": "leak"})
    job = asked.json()
    assert (asked.status_code, job["state"], job["total"]) == (202, "running", CASES)
    changes.finish()

    job = changes.job(job["id"])
    assert (job["state"], job["done"], job["unchanged"], job["refused"]) == ("done", CASES - 1, 0, 1)
    [refused] = changes.items(job["id"], outcome="refused")
    assert "a completed case is not modifiable" in refused["why"]
    items = changes.items(job["id"])
    assert len({item["case_id"] for item in items}) == CASES
    assert {item["outcome"] for item in items} == {"done", "refused"}
    assert changes.service.rows("select count(*) from cases where urgency = 'low' and revision = 2") == [(CASES - 1,)]
    assert changes.service.rows("select count(*) from history where field = 'urgency' and changed_by = 'rita'") == [(CASES - 1,)]
    again = changes.ask({"kind": "priority", "urgency": "low"}).json()
    changes.finish()
    assert changes.job(again["id"])["unchanged"] == CASES - 1


@pytest.mark.requirement("EDGE-12")
def test_a_crash_in_the_middle_takes_back_its_batch_and_the_rest_goes_on(changes: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 4)
    id = changes.ask(TO_RITA).json()["id"]
    changes.step()
    whole = storage.save

    def dies(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(storage, "save", dies)
    with pytest.raises(MemoryError):
        changes.step()
    assert changes.service.rows("select count(*) from cases where owner = 'rita'") == [(4,)]
    monkeypatch.setattr(storage, "save", whole)
    changes.finish()

    assert changes.job(id)["done"] == CASES
    assert changes.service.rows("select count(*), max(revision) from cases where owner = 'rita'") == [(CASES, 2)]


@pytest.mark.requirement("EDGE-12")
def test_two_workers_at_once_do_nothing_twice(changes: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    ids = [changes.ask(TO_RITA).json()["id"], changes.ask({"kind": "priority", "urgency": "low"}).json()["id"]]
    stop = threading.Event()
    workers = [
        threading.Thread(target=work_until, args=(changes.publisher, changes.commands, stop, lambda: NOW), daemon=True) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    eventually(lambda: all(changes.job(id)["state"] == "done" for id in ids), 30)
    stop.set()
    for worker in workers:
        worker.join(10)

    assert changes.service.rows("select distinct owner, urgency, revision from cases") == [("rita", "low", 3)]
    assert changes.service.rows("select count(*) from history where field in ('owner', 'urgency')") == [(2 * CASES,)]


@pytest.mark.requirement("EDGE-12")
def test_a_cancelled_change_stops_and_keeps_what_is_done(changes: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 4)
    id = changes.ask(TO_RITA).json()["id"]
    changes.step()

    assert changes.api.post(f"/bulk-changes/{id}/cancel").json()["state"] == "cancelled"
    assert changes.step() is None

    assert changes.service.rows("select count(*) from cases where owner = 'rita'") == [(4,)]
    assert sum(item["outcome"] is None for item in changes.items(id)) == CASES - 4


@pytest.mark.requirement("EDGE-12")
def test_a_change_reaches_no_further_than_its_asker(changes: Bulk) -> None:
    leader = bearer(a_token("nils", "case:read", "case:bulk", "case:assign", unit="neighbourhood", scope="unit"))
    lacking = bearer(a_token("rita", "case:read", "case:bulk", unit="repairs", scope="unit"))
    never = bearer(a_token("rita", "case:read", "case:assign", unit="repairs", scope="unit"))
    some = [str(row[0]) for row in changes.service.rows("select id from cases")]
    with changes.service.database.transaction() as tx:
        tx.execute("update cases set unit = 'neighbourhood' where title in ('Leak 1', 'Leak 2')")

    assert changes.ask(TO_RITA, lacking).status_code == 403
    assert changes.ask(TO_RITA, never).status_code == 403
    job = changes.ask({"kind": "assign", "owner": "nils"}, leader, ids=some).json()
    assert job["total"] == 2
    with changes.service.database.transaction() as tx:
        tx.execute("update cases set unit = 'repairs' where title = 'Leak 2'")
    changes.finish()

    assert changes.service.rows("select title from cases where owner = 'nils'") == [("Leak 1",)]
    assert (changes.job(job["id"])["done"], changes.job(job["id"])["refused"]) == (1, 1)
    assert changes.api.get(f"/bulk-changes/{job['id']}", headers=lacking).status_code == 404


@pytest.mark.requirement("EDGE-12")
@pytest.mark.parametrize(
    "body",
    [
        {"filter": {}},
        {"filter": {"open": True}, "ids": ["018f2b1e-0000-7000-8000-000000000000"]},
        {"filter": {"colour": "red"}},
        {"filter": {"open": False}},
    ],
)
def test_a_change_that_does_not_say_for_which_cases_is_refused(changes: Bulk, body: dict[str, Any]) -> None:
    assert changes.ask(TO_RITA, **body).status_code == 422


@pytest.mark.requirement("EDGE-12")
def test_the_same_request_again_is_the_same_change(changes: Bulk) -> None:
    body = {"filter": {"open": True}, "change": TO_RITA}
    jobs = {changes.api.post("/bulk-changes", json=body, headers={"Idempotency-Key": "once"}).json()["id"] for _ in range(2)}

    assert len(jobs) == changes.service.count("bulk_jobs") == 1
    assert UUID(jobs.pop())


@pytest.mark.requirement("EDGE-12")
@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"kind": "category", "category": "plumbing"}, "category", "plumbing"),
        ({"kind": "estimate", "estimated_completion_at": "2026-12-01T12:00:00Z"}, "estimated_completion_at", "2026-12-01 12:00:00+00:00"),
        ({"kind": "answer", "stage": "response", "text": "We are coming."}, "state", "responded"),
    ],
)
def test_any_field_that_one_case_may_change_changes_in_many(changes: Bulk, change: dict[str, Any], field: str, value: str) -> None:
    with changes.service.database.transaction() as tx:
        tx.execute("update cases set category = '', owner = 'rita'")
    job = done(changes.ask(change))
    changes.finish()
    assert (changes.job(job["id"])["done"], changes.job(job["id"])["refused"]) == (CASES, 0)
    assert {str(row[0]) for row in changes.service.rows(f"select {field} from cases")} == {value}


TELL = {"code": "tell-all", "name": "News", "on": "case.broadcast", "to": ["customer"], "template": COMMUNICATIONS[0]["template"]}
REPLY = {"kind": "reply", "text": "The water is back on."}


@pytest.mark.requirement("EDGE-12")
def test_a_reply_that_the_configuration_has_no_message_for_is_refused(changes: Bulk) -> None:
    found = done(changes.ask(REPLY, preview=True))["items"]
    assert {item["outcome"] for item in found} == {"refused"}
    assert "case.broadcast" in found[0]["why"]


@pytest.mark.requirement("EDGE-12")
def test_a_reply_tells_every_customer_who_can_be_told_once(case_database: Database, kafka: str, case_topics: str) -> None:
    service = CaseService(case_database, a_case_configuration(communications=[*COMMUNICATIONS, TELL]))
    with changing(service, kafka, case_topics) as changes:
        with service.database.transaction() as tx:
            tx.execute("update cases set customer_email = '' where title = 'Leak 3'")
        assert {item["outcome"] for item in done(changes.ask(REPLY, preview=True))["items"]} == {"done", "refused"}
        job = done(changes.ask(REPLY))["id"]
        changes.finish()

        assert (changes.job(job)["done"], changes.job(job)["refused"]) == (CASES - 1, 1)
        assert "no email address" in changes.items(job, outcome="refused")[0]["why"]
        heard = "select count(*), min(revision) from cases where customer_updated_at = customer_told_at"
        assert service.rows(heard) == [(CASES - 1, 2)]
        assert service.rows("select revision from cases where customer_updated_at is null") == [(1,)]
        assert service.rows("select count(*) from history where field = 'broadcast'") == [(CASES - 1,)]


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())
