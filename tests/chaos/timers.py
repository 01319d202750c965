"""What the short form and the campaign of timers share: topics, replicas, a load on many waiting timers, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.clock_events import TaskEvents, a_month_away
from shared.messaging.kafka import Producer, producer_settings
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import ConfigurationPublished, TaskTriggered
from tests.support.sla_load import Load, a_hurried_configuration
from tests.support.sla_log import judge, stamp_by_kafka
from tests.support.sla_oracle import SECOND
from tests.support.sla_replicas import Replicas, never, now
from tests.support.sla_verdict import Verdict


@dataclass(frozen=True, slots=True)
class Place:
    """Where a campaign takes place."""

    kafka: str
    prefix: str
    database: str
    folder: Path


@contextmanager
def campaign(
    place: Place, replicas: int, timers: int, seconds: float, started: int | None = None
) -> Iterator[tuple[Replicas, dict[str, Any]]]:
    """Replicas that run (so many `started`: the others are yet to join), with `timers` far from due; items of the load are to have
    `seconds`. Gives the configuration's document too."""
    create_topics(place.kafka, place.prefix, 1)
    stamp_by_kafka(place.kafka, place.prefix)
    document = a_hurried_configuration(int(seconds))
    _publish(place, document)
    running = Replicas(replicas, place.kafka, place.prefix, place.database, place.folder)
    try:
        TaskEvents(place.kafka, place.prefix).send(TaskTriggered, range(timers), 1, a_month_away)
        running.start(*range(started or replicas))
        running.wait_until_ready()
        running.wait_until_caught_up(60 + timers / 2000)
        running.storms.append((0, now()))
        running.harms.append(("the start", now(), now()))
        yield running, document
    finally:
        running.close()


def finish(place: Place, replicas: Replicas, load: Load, document: dict[str, Any], tolerance: float) -> Verdict:
    """End the load once the last storm is over, let what is due be told, and judge."""
    weather = replicas.weather(tolerance)
    never.wait((weather.fired_by(now()) - now()) / SECOND)
    load.finish()
    replicas.wait_until_ready()
    replicas.wait_until_caught_up()
    until = now()
    return judge(place.kafka, place.prefix, document, weather, until)


def summary(replicas: Replicas, load: Load, verdict: Verdict) -> dict[str, Any]:
    """The campaign in figures."""
    takeovers = [seconds for name, seconds in replicas.takeovers(verdict) if name != "the start"]
    calm = sorted(fired - moment for moment, fired in verdict.delays)
    return {
        "items": verdict.items,
        "clocks": verdict.clocks,
        "events_of_the_load": load.events,
        "alerts_certain": verdict.must,
        "alerts_open": verdict.may,
        "fired": verdict.fired,
        "late": verdict.late,
        "withdrawn": verdict.withdrawn,
        "closed": verdict.closed,
        "harms": len(takeovers),
        "restarts": replicas.restarts,
        "takeover_p50_s": round(statistics.median(takeovers), 2) if takeovers else 0.0,
        "takeover_max_s": round(max(takeovers, default=0.0), 2),
        "delay_p50_s": round(calm[len(calm) // 2] / 1e6, 3) if calm else 0.0,
        "problems": len(verdict.problems),
    }


def _publish(place: Place, document: dict[str, Any]) -> None:
    at = datetime.now(UTC)
    data = ConfigurationPublished(version=1, digest="d", applied_by="test", applied_at=at, document=document)
    event = Event(uuid4(), data.event_type, "/test", "1", at, 1, 0, "", "1", data)
    producer = Producer(producer_settings(place.kafka))
    producer.produce(place.prefix + topics.CONFIGURATION, event.value(), event.key.encode(), headers=event.headers())
    producer.flush(10)
