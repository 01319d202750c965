"""`make soak`: a million timers, and for five minutes a load on three replicas of sla's stream that are killed, frozen and stopped.

Every alert that the event log asks for is told once, and no other (`tests.support.sla_oracle`). Size and length are set by variables:
CASESTREAM_SOAK_TIMERS, CASESTREAM_SOAK_MINUTES, CASESTREAM_SOAK_SEED; with CASESTREAM_SOAK_JSON the figures are written to that file too.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.timers import Place, campaign, finish, summary
from tests.support.sla_broker import own_broker
from tests.support.sla_load import Load
from tests.support.sla_replicas import Replicas, never

TIMERS = int(os.environ.get("CASESTREAM_SOAK_TIMERS", "1000000"))
MINUTES = float(os.environ.get("CASESTREAM_SOAK_MINUTES", "5"))
RATE = float(os.environ.get("CASESTREAM_SOAK_RATE", "30"))
REPLICAS = 3
ITEM_SECONDS = 30
TOLERANCE = 3.0
SETTLING = 10.0

Say = Callable[[str], None]


class Saboteur:
    """Does one harm at a time to replicas, drawn from a seed; sooner or later all of them are gone at once."""

    def __init__(self, replicas: Replicas, pick: random.Random) -> None:
        self._replicas = replicas
        self._pick = pick
        self._ways: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "lose": self._lose,
            "freeze": self._freeze,
            "zombie": self._make_a_zombie,
            "stop": self._stop,
            "all gone": self._end_all,
        }
        self._next: list[str] = []

    def strike(self) -> str:
        """Every way once, in a random order, before any comes again."""
        if not self._next:
            self._next = self._pick.sample(list(self._ways), len(self._ways))
        way = self._next.pop()
        self._ways[way]()
        return way

    def _kill(self) -> None:
        with self._replicas.storm("kill", SETTLING):
            self._replicas.kill(self._one())

    def _lose(self) -> None:
        number = self._one()
        with self._replicas.storm("lose", SETTLING):
            self._replicas.kill(number, stay_away=True)
            never.wait(self._pick.uniform(14, 22))  # longer than its session: the others take over
            self._replicas.start(number)

    def _freeze(self) -> None:
        with self._replicas.storm("freeze", SETTLING), self._replicas.frozen(self._one()):
            never.wait(self._pick.uniform(1, 8))

    def _make_a_zombie(self) -> None:
        with self._replicas.storm("zombie", SETTLING), self._replicas.frozen(self._one()):
            never.wait(self._pick.uniform(14, 22))

    def _stop(self) -> None:
        number = self._one()
        with self._replicas.storm("stop", SETTLING):
            self._replicas.stop(number)
            never.wait(self._pick.uniform(0, 16))
            self._replicas.start(number)

    def _end_all(self) -> None:
        everyone = range(REPLICAS)
        with self._replicas.storm("all gone", SETTLING) as somebody_is_back:
            self._replicas.kill(*everyone, stay_away=True)
            never.wait(self._pick.uniform(5, 25))
            self._replicas.start(*everyone)
            somebody_is_back()

    def _one(self) -> int:
        return self._pick.randrange(REPLICAS)


@pytest.mark.requirement("SLA-3", "EDGE-9")
def test_campaign_of_timers(
    kafka: str, topic_prefix: str, fresh_database: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CASESTREAM_SOAK_SEED", secrets.randbelow(10**9)))

    def say(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)  # noqa: T201 - the campaign's log

    say(f"\nseed {seed}: {TIMERS:,} timers on {REPLICAS} replicas, {MINUTES:g} minutes, logs in {tmp_path}")
    pick = random.Random(seed)
    place = Place(kafka, topic_prefix, fresh_database("sla"), tmp_path)
    began = time.monotonic()
    with campaign(place, REPLICAS, TIMERS, ITEM_SECONDS) as (replicas, document):
        say(f"timers taken in after {time.monotonic() - began:.0f} s")
        load = Load(kafka, topic_prefix, pick.randrange(10**9), RATE, ITEM_SECONDS)
        load.start()
        began = time.monotonic()
        saboteur = Saboteur(replicas, pick)
        while time.monotonic() - began < MINUTES * 60:
            never.wait(pick.uniform(3, 15))
            way = saboteur.strike()
            say(f"{time.monotonic() - began:4.0f} s  {way:<8}  {load.items:,} items, {load.events:,} events, {replicas.restarts} restarts")
        verdict = finish(place, replicas, load, document, TOLERANCE)
    figures = {"seed": seed, "timers": TIMERS, "minutes": MINUTES, "replicas": REPLICAS} | summary(replicas, load, verdict)
    _tell(say, figures, replicas.takeovers(verdict))
    assert not verdict.problems, f"seed {seed}:\n" + "\n".join(verdict.problems[:20])
    assert verdict.may < verdict.must / 5


@pytest.mark.requirement("SLA-3")
def test_kafka_away_for_a_minute(fresh_database: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)  # noqa: T201 - the campaign's log

    seed = int(os.environ.get("CASESTREAM_SOAK_SEED", secrets.randbelow(10**9)))
    with own_broker(tmp_path / "broker") as broker:
        place = Place(broker.address, "", fresh_database("sla"), tmp_path)
        with campaign(place, 2, 20_000, ITEM_SECONDS) as (replicas, document):
            load = Load(broker.address, "", seed, RATE, ITEM_SECONDS)
            load.start()
            never.wait(15)
            with replicas.storm("Kafka away", SETTLING) as somebody_is_back:
                broker.kill()
                never.wait(60)
                broker.come_back()
                somebody_is_back()
            never.wait(10)
            verdict = finish(place, replicas, load, document, TOLERANCE)
    say(f"\nKafka away for a minute, seed {seed}")
    _tell(say, summary(replicas, load, verdict), replicas.takeovers(verdict))
    assert not verdict.problems, f"seed {seed}:\n" + "\n".join(verdict.problems[:20])


def _tell(say: Say, figures: dict[str, Any], takeovers: list[tuple[str, float]]) -> None:
    say("\n".join(f"{name:<18} {value:>12,}" for name, value in figures.items()))
    say("held up by: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in takeovers))
    say("oracle: " + ("every alert once, no other" if not figures["problems"] else f"{figures['problems']} problems"))
    if path := os.environ.get("CASESTREAM_SOAK_JSON"):
        Path(path).write_text(json.dumps(figures | {"held_up": takeovers}) + "\n")
