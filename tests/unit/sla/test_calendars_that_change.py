"""Which changes of calendars have clocks reckoned anew: those by which they come out differently; and that they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.sla.domain.clocks import ClockKind, Ladder
from services.sla.handlers.policies import Policies
from services.sla.stream.partition import Partition
from shared.messaging import StaticReference
from tests.support.configuration import CALENDARS, a_configuration
from tests.unit.sla.rules import OFFICE, POLICY, a_case_fact, a_target, at

pytestmark = pytest.mark.requirement("SLA-1", "EDGE-8")
OPENED = at("2026-03-02 09:00")
FEED = {"url": "https://days.example/x.ics", "days": ["2027-06-09"]}


def mark(**changes: Any) -> int:
    """Of the tests' organisation, whose first calendar is changed."""
    policies = Policies(StaticReference(a_configuration(calendars=[CALENDARS[0] | changes, *CALENDARS[1:]])))
    policies.get(0)
    return policies.mark


def test_hours_holidays_and_closed_days_count_whether_they_are_listed_or_a_feed_named_them() -> None:
    marks = [
        mark(),
        mark(closed_days=["2027-06-08"]),
        mark(feeds=[FEED]),
        mark(feeds=[FEED | {"days": ["2027-06-10"]}]),
        mark(holidays={"country": "GB", "region": "SCT"}),
        mark(time_zone="Europe/Dublin"),
        mark(windows=[{"days": ["mon"], "opens": "09:00", "closes": "17:00"}]),
    ]
    assert len(set(marks)) == len(marks)


def test_names_and_where_a_closed_day_comes_from_do_not() -> None:
    assert mark(name="Other", description="words", feeds=[FEED | {"days": []}]) == mark()
    assert mark(closed_days=["2027-06-09"]) == mark(feeds=[FEED]) == mark(feeds=[FEED | {"url": "https://b.example", "only": ["x"]}])


def test_a_holiday_that_becomes_known_moves_what_is_open_and_takes_back_what_came_too_early() -> None:
    target = a_target(ClockKind.RESOLUTION, "10 working hours")
    before = replace(POLICY, default_targets=(target,), ladder=Ladder(0.75), mark=1)
    closed = replace(OFFICE, closed_days=frozenset({date(2026, 3, 3)}))
    after = replace(before, default_targets=(replace(target, calendar=closed),), calendar=closed, calendars={"office": closed}, mark=2)
    partition = Partition(0, lambda _version: policy, OPENED)
    policy = before
    told: list[Any] = []

    def settle() -> None:
        told.extend(dict(written[2])["ce_type"].split(b".")[2] for written in partition.work.alerts)
        partition.launch()
        partition.settle()

    partition.take(a_case_fact(1, at=OPENED), b"", OPENED)
    settle()
    assert partition.next_at() == at("2026-03-02 16:30")
    for moment in (at("2026-03-02 16:30"), at("2026-03-03 11:00")):
        assert partition.fire(moment, moment, 0, 10) == 1
        settle()
    assert told == [b"due-soon", b"overdue"]
    policy = after
    noon = at("2026-03-03 12:00")
    partition.recalculate(2, noon, 10)
    assert partition.is_reckoned_by(2)
    partition.launch()
    partition.undo()
    assert not partition.is_reckoned_by(2)
    partition.recalculate(2, noon, 10)
    settle()
    assert told[2:] == [b"withdrawn"]  # due soon it was by either calendar
    assert partition.next_at() == at("2026-03-04 11:00")
    partition.recalculate(2, noon, 10)
    assert not partition.work
    assert partition.fire(at("2026-03-04 11:00"), at("2026-03-04 11:00"), 0, 10) == 1
    settle()
    assert told[3:] == [b"overdue"]


def test_what_falls_due_before_it_was_reckoned_anew_is_reckoned_then() -> None:
    closed = replace(OFFICE, closed_days=frozenset({date(2026, 3, 3)}))
    target = a_target(ClockKind.RESOLUTION, "10 working hours")
    policy = replace(POLICY, default_targets=(target,), ladder=Ladder(0.99), mark=1)
    partition = Partition(0, lambda _version: policy, OPENED)
    partition.take(a_case_fact(1, at=OPENED), b"", OPENED)
    partition.launch()
    partition.settle()
    moved = replace(target, calendar=closed)
    policy = replace(policy, default_targets=(moved,), calendar=closed, calendars={"office": closed}, mark=2)
    soon = partition.next_at()
    assert soon is not None
    assert partition.fire(soon, soon, 0, 10) == 1
    assert partition.work.alerts == []
    partition.launch()
    partition.settle()
    assert (partition.next_at() or 0) > at("2026-03-04 10:00")
