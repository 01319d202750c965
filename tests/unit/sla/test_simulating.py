"""Other rules tried on a case's journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace as changed

from services.sla.domain.clocks import ClockKind
from services.sla.domain.packing import pack
from services.sla.domain.policy import Policy
from services.sla.domain.simulation import clocks_under, falls_within, standing_of
from services.sla.handlers.policies import build_policy
from services.sla.handlers.simulating import Tally, as_applied, simulate
from services.sla.storage.items import Found
from shared.schemas.configuration import Configuration
from tests.support.configuration import CALENDARS, a_configuration
from tests.unit.sla.rules import CASE, FACTS, POLICY, Life, a_case_fact, a_target, at

STRICT = replace(POLICY, default_targets=(a_target(ClockKind.RESPONSE, "1 working hour"),))
NO_PAUSES = replace(POLICY, default_targets=(a_target(ClockKind.RESPONSE, "4 working hours", pauses=False),))
NOW = at("2026-03-09 12:00")


def lived(*facts: Any) -> Life:
    life = Life()
    for fact in facts:
        life.event(fact)
    return life


def answered(moment: str, revision: int = 2) -> Any:
    return a_case_fact(revision, at=at(moment), state="responded", responded_at=at(moment))


def standings(life: Life, policy: Policy) -> dict[ClockKind, tuple[str, str]]:
    assert life.record is not None
    return {one.kind: (standing_of(one.before, NOW), standing_of(one.after, NOW)) for one in clocks_under(life.record, policy)}


@pytest.mark.requirement("EDGE-8")
def test_the_journal_read_under_the_rules_it_was_lived_by_gives_the_clocks_there_were() -> None:
    life = lived(
        a_case_fact(),
        a_case_fact(2, at=at("2026-03-02 10:00"), waiting_for_customer=True),
        a_case_fact(3, at=at("2026-03-03 10:00"), facts=changed(FACTS, priority="low")),
        answered("2026-03-03 11:00", 4),
    )
    assert life.record is not None
    for one in clocks_under(life.record, POLICY):
        assert one.before is not None
        assert one.after is not None
        for name in ("started_at", "due_at", "closed_at", "suspensions", "outcome", "budget"):
            assert getattr(one.before, name) == getattr(one.after, name)


@pytest.mark.requirement("EDGE-8")
def test_a_stricter_target_would_have_been_missed() -> None:
    assert standings(lived(a_case_fact(), answered("2026-03-02 11:00")), STRICT) == {
        ClockKind.RESPONSE: ("met", "missed"),
        ClockKind.RESOLUTION: ("overdue", ""),
    }


@pytest.mark.requirement("EDGE-8")
def test_pauses_count_as_the_other_rules_say() -> None:
    life = lived(a_case_fact(), a_case_fact(2, at=at("2026-03-02 10:00"), waiting_for_customer=True), answered("2026-03-04 10:00", 3))
    assert standings(life, NO_PAUSES)[ClockKind.RESPONSE] == ("met", "missed")


def test_an_open_clock_past_its_time_has_missed_it_unless_it_stood_still_before() -> None:
    assert standings(lived(a_case_fact()), POLICY)[ClockKind.RESPONSE] == ("overdue", "overdue")
    waits = lived(a_case_fact(), a_case_fact(2, at=at("2026-03-02 10:30"), waiting_for_customer=True))
    assert standings(waits, POLICY)[ClockKind.RESPONSE] == ("running", "running")
    assert standings(waits, STRICT)[ClockKind.RESPONSE] == ("running", "overdue")


def test_a_case_without_a_journal_is_as_it_is() -> None:
    life = lived(a_case_fact(), answered("2026-03-02 11:00"))
    assert life.record is not None
    old = changed(life.record, turns=())
    assert all(one.before == one.after for one in clocks_under(old, STRICT))


def test_feeds_of_closed_days_keep_the_days_that_they_gave() -> None:
    def organisation(feeds: list[dict[str, Any]]) -> Configuration:
        return a_configuration(calendars=[calendar | {"feeds": feeds if calendar["code"] == "office" else []} for calendar in CALENDARS])

    known = {"url": "https://calendar.example/known.ics"}
    other = {"url": "https://calendar.example/other.ics", "days": ["2026-03-05"]}
    in_force = organisation([known | {"days": ["2026-03-03"]}])
    policy = build_policy(as_applied(organisation([known, other]), in_force))
    assert policy.calendars["office"].closed_days == {date(2026, 3, 3), date(2026, 3, 5)}


def an_item(life: Life) -> Found:
    assert life.record is not None
    return Found(CASE, 1, CASE, "C-1", "", "repairs", "paul", pack(life.record))


def test_a_simulation_counts_by_kind_within_the_period_and_stops_in_time() -> None:
    early, late = lived(a_case_fact(), answered("2026-03-02 10:30")), lived(a_case_fact(), answered("2026-03-06 10:30"))
    items = [an_item(early)] * 60 + [an_item(late)] * 60
    everything = simulate(items, STRICT, at("2026-03-01 00:00"), at("2026-03-03 00:00"), NOW, 1e9)
    assert everything.kinds[ClockKind.RESPONSE] == Tally(60, 0, 60, 60, 0)
    assert ClockKind.RESOLUTION not in everything.kinds
    longer = simulate(items, STRICT, at("2026-03-01 00:00"), at("2026-03-04 00:00"), NOW, 1e9)
    assert longer.kinds[ClockKind.RESOLUTION] == Tally(120, 120, 0, 0, 120)
    assert (longer.cases, longer.is_complete, len(longer.changed)) == (120, True, 100)
    ticks = iter(range(1_000))
    stopped = simulate(items, STRICT, 0, NOW, NOW, 10, lambda: next(ticks))
    assert (stopped.cases, stopped.is_complete) == (10, False)


def test_a_clock_belongs_to_the_period_in_which_it_ended_or_is_due() -> None:
    life = lived(a_case_fact(), answered("2026-03-02 11:00"))
    assert life.record is not None
    response, resolution = life.record.clock(ClockKind.RESPONSE), life.record.clock(ClockKind.RESOLUTION)
    assert falls_within(response, at("2026-03-02 11:00"), at("2026-03-02 11:01"))
    assert not falls_within(response, at("2026-03-02 10:00"), at("2026-03-02 11:00"))
    assert falls_within(resolution, at("2026-03-03 11:00"), at("2026-03-03 11:01"))
    assert not falls_within(None, 0, NOW)
