"""The API and the consumer write the same cases at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx
import pytest

from services.task.api import routers
from services.task.handlers.cases import on_case_opened
from services.task.handlers.compile import compile_configuration
from services.task.handlers.work import Work
from services.task.settings import TaskSettings
from shared.ids import derive, task_id
from shared.messaging import VersionCache
from shared.messaging.kafka import Consumer, consumer_settings, headers_of
from shared.schemas import topics
from shared.schemas.events import CaseAssigned
from shared.web import create_app
from tests.service.task.conftest import NOW, TaskService, a_case_event, assert_gapless
from tests.support.waiting import eventually
from tests.support.web import a_verifier, served

CASES = 40
ROUNDS = 6


@pytest.mark.requirement("EDGE-3")
def test_completions_beside_batches_keep_every_revision_in_order(service: TaskService, kafka: str, task_topics: str) -> None:
    names = [f"raced-{n}" for n in range(CASES)]  # of this test alone: others publish on the same topic
    cases = [derive("test case", name) for name in names]
    service.feed(*(a_case_event(name) for name in names))

    def complete(client: httpx.Client, case: UUID) -> None:
        for definition in ("inspect-leak", "fix-leak"):
            answer = client.post(f"/tasks/{task_id(case, definition)}/complete")  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text

    def consume() -> None:
        for revision in range(2, 2 + ROUNDS):
            unit = ("neighbourhood", "repairs")[revision % 2]
            service.feed(*(a_case_event(name, CaseAssigned, revision=revision, unit=unit) for name in names))

    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as client, ThreadPoolExecutor(5) as threads:
        consuming = threads.submit(consume)
        completing = [threads.submit(complete, client, case) for case in cases]
        for work in [consuming, *completing]:
            work.result(60)
    assert_gapless(service.events)
    assert service.rows("select distinct state from tasks where definition in ('inspect-leak', 'fix-leak')") == [{"state": "completed"}]
    assert service.rows("select count(*) from tasks where definition = 'call-back' and starts_at is not null") == [{"count": CASES}]
    # What waited for an older event of its task is sent by the sweeper; then Kafka has all, in the order of each task.
    eventually(lambda: not service.publisher.sweep() and service.rows("select sequence from outbox") == [], 20, 0.2)
    expected = {(event.subject, event.revision) for event in service.events}
    wanted = {str(task_id(case, code)) for case in cases for code in ("inspect-leak", "fix-leak", "call-back")}  # type: ignore[arg-type]
    expected = {(subject, revision) for subject, revision in expected if subject in wanted}
    seen = _on_kafka(kafka, task_topics, wanted, len(expected))
    for subject, revisions in seen.items():
        assert revisions == list(range(1, len(revisions) + 1)), subject
    assert {(subject, revision) for subject, revisions in seen.items() for revision in revisions} == expected


def test_what_another_replica_inserted_meanwhile_is_overwritten(service: TaskService) -> None:
    work = Work(VersionCache.numbered(service.reference, compile_configuration).get, NOW)
    for case in ("known", "unknown"):
        on_case_opened(work, a_case_event(case, title="Told anew"))
    service.feed(a_case_event("known"))
    with service.database.transaction() as tx:
        work.save(tx)
        assert len(tx.emitted) == 2 * 4
    assert [row["title"] for row in service.rows("select title from cases")] == ["Told anew"] * 2
    assert service.rows("select count(*), count(distinct case_id) as cases from tasks") == [{"count": 6, "cases": 2}]


def _on_kafka(kafka: str, prefix: str, subjects: set[str], count: int) -> dict[str, list[int]]:
    """The revisions of these tasks in the order in which Kafka first has them: what it acknowledged late is there twice, and recognised."""
    consumer = Consumer(consumer_settings(kafka, f"{prefix}look-{uuid4()}", None))
    consumer.subscribe([prefix + topics.TASKS])
    seen: dict[str, dict[int, None]] = {}

    def all_read() -> bool:
        message = consumer.poll(0.2)
        for each in [message, *consumer.consume(499, 0)] if message is not None else []:
            headers = dict(headers_of(each))
            if (subject := headers["ce_subject"].decode()) in subjects:
                seen.setdefault(subject, {})[int(headers["ce_revision"])] = None
        return sum(map(len, seen.values())) >= count

    try:
        eventually(all_read, 30, 0)
    finally:
        consumer.close()
    return {subject: list(revisions) for subject, revisions in seen.items()}
