"""Replicas of sla's stream are killed and join while timers run: each alert that the event log asks for is told once, and no other.

`make soak` is the long form, with a million timers.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.messaging.transactional import Producer, init_producer, transactional_producer
from shared.schemas import topics
from tests.chaos.timers import Place, campaign, finish, summary
from tests.support.sla_load import Load
from tests.support.sla_replicas import never

TOLERANCE = 2.0
"""Seconds that firing may take in calm weather before a finish at the same time may overtake it."""


def leave_open(place: Place) -> Producer:
    """A transaction on the alerts whose process, as it were, died: unless Kafka ends it soon, nobody can read on in its partition."""
    dead = transactional_producer(place.kafka, f"{place.prefix}dead")
    init_producer(dead)
    dead.begin_transaction()
    dead.produce(place.prefix + topics.SLA, b"never committed", b"x", 0)
    dead.flush(10)
    return dead


@pytest.mark.requirement("SLA-3", "EDGE-9")
def test_through_a_kill_and_rebalances_every_alert_is_told_once_and_no_other(
    kafka: str,
    topic_prefix: str,
    fresh_database: Callable[[str], str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    seed = secrets.randbelow(10**9)
    place = Place(kafka, topic_prefix, fresh_database("sla"), tmp_path)
    with campaign(place, 3, 20_000, 4, started=2) as (replicas, document):
        load = Load(kafka, topic_prefix, seed, 60, 4)
        dead = leave_open(place)
        load.start()
        never.wait(3)
        with replicas.storm("kill, stop, and one more", 2) as somebody_is_back:
            replicas.kill(0, stay_away=True)
            never.wait(1)
            replicas.stop(1)
            never.wait(2)
            replicas.start(0, 1, 2)
            somebody_is_back()
        verdict = finish(place, replicas, load, document, TOLERANCE)
    figures = summary(replicas, load, verdict) | {"seed": seed}
    record_property("figures", figures)
    sys.stdout.write(f"{replicas.storms}\n{figures}\n{replicas.takeovers(verdict)}\n")
    del dead
    assert not verdict.problems, "\n".join(verdict.problems[:10])
    assert verdict.fired > 300
    assert verdict.may < verdict.must / 2
