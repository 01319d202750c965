"""Clocks in words: the ledger as a timeline, with a fake clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as changed

from services.sla.domain.clocks import ClockKind, Ladder, Step
from services.sla.domain.policy import Policy
from services.sla.domain.standing import NOTICES, ending_of, notice_of, notice_seconds
from services.sla.domain.timeline import Teller, Told
from services.sla.domain.words import moment_words, span_words
from tests.unit.sla.rules import FACTS, POLICY, Life, a_case_fact, a_target, a_task_fact, at, hours

LONDON = ZoneInfo("Europe/London")
SECOND = 1_000_000


def told(life: Life, now: str, kind: ClockKind = ClockKind.RESPONSE) -> Told:
    assert life.record is not None
    clock = life.record.clock(kind)
    assert clock is not None
    return Teller(life.record, lambda _: life.policy, at(now), LONDON).tell(clock, ending_of(clock, life.record))


def lines(story: Told) -> list[str]:
    return [f"{entry.kind}: {entry.words}" for entry in story.entries]


def a_life(*facts: Any, policy: Policy = POLICY) -> Life:
    life = Life(policy)
    for fact in facts:
        life.event(fact)
    return life


@pytest.mark.parametrize(
    ("seconds", "words", "as_work"),
    [
        (0, "0 s", "0 s"),
        (59, "59 s", "59 s"),
        (61, "1 min", "1 min"),
        (3_600, "1 h", "1 h"),
        (3 * 3_600 + 20 * 60 + 7, "3 h 20 min", "3 h 20 min"),
        (51 * 3_600, "2 d 3 h", "51 h"),
        (24 * 3_600 + 5 * 60, "1 d", "24 h 5 min"),
        (-5, "0 s", "0 s"),
    ],
)
def test_a_span_is_told_by_its_two_largest_units(seconds: int, words: str, as_work: str) -> None:
    assert span_words(seconds * SECOND) == words
    assert span_words(seconds * SECOND, in_days=False) == as_work


def test_a_moment_is_told_in_the_organisations_zone_and_with_another_year() -> None:
    assert moment_words(at("2026-07-06 12:00"), LONDON, at("2026-03-02 09:00")) == "Mon 6 Jul 13:00"
    assert moment_words(at("2025-12-31 23:30"), LONDON, at("2026-03-02 09:00")) == "Wed 31 Dec 2025 23:30"


@pytest.mark.requirement("EDGE-8")
def test_a_pause_and_an_overrun_are_told_in_order() -> None:
    life = a_life(
        a_case_fact(),
        a_case_fact(2, at=at("2026-03-02 11:00"), waiting_for_customer=True),
        a_case_fact(3, at=at("2026-03-04 14:00")),
    )
    story = told(life, "2026-03-05 10:00")
    assert lines(story) == [
        "started: started with 4 working hours",
        "ran: ran 2 h of working time",
        "paused: paused 2 d 3 h waiting for the customer",
        "ran: ran 4 h of working time",
        "due-soon: due soon",
        "overdue: overdue: 4 working hours were up",
    ]
    assert story.summary == "Overdue since Wed 4 Mar 16:00: 4 working hours were up."
    assert (story.used, story.left) == (hours(6), hours(-2))


@pytest.mark.requirement("EDGE-8")
@pytest.mark.parametrize(
    ("now", "summary"),
    [
        ("2026-03-02 10:00", "Due Mon 2 Mar 13:00: 3 h left of 4 working hours."),
        ("2026-03-02 12:30", "Due soon, Mon 2 Mar 13:00: 30 min left of 4 working hours."),
        ("2026-03-02 13:00", "Overdue since Mon 2 Mar 13:00: 4 working hours were up."),
    ],
)
def test_the_summary_follows_from_the_moment_asked(now: str, summary: str) -> None:
    assert told(a_life(a_case_fact()), now).summary == summary


def test_a_clock_that_waits_says_since_when_and_what_is_left() -> None:
    life = a_life(a_case_fact(), a_case_fact(2, at=at("2026-03-02 11:00"), waiting_for_customer=True))
    story = told(life, "2026-03-03 11:00")
    assert story.summary == "Paused since Mon 2 Mar 11:00, waiting for the customer: 2 h left of 4 working hours."
    assert lines(story)[-1] == "paused: paused since Mon 2 Mar 11:00, waiting for the customer"
    assert story.entries[-1].until is None


@pytest.mark.parametrize(
    ("answered", "summary", "last"),
    [
        ("2026-03-02 12:00", "Met Mon 2 Mar 12:00, with 1 h left of 4 working hours.", "closed: closed in time"),
        (
            "2026-03-02 15:30",
            "Missed: it was due Mon 2 Mar 13:00 after 4 working hours, and ended Mon 2 Mar 15:30.",
            "closed: closed, 2 h 30 min late",
        ),
    ],
)
def test_a_clock_that_ended_says_how(answered: str, summary: str, last: str) -> None:
    life = a_life(a_case_fact(), a_case_fact(2, at=at(answered), state="responded", responded_at=at(answered)))
    story = told(life, "2026-03-09 09:00")
    assert story.summary == summary
    assert lines(story)[-1] == last
    assert story.left is not None
    assert ("late" in last) == (story.left < 0)


@pytest.mark.requirement("EDGE-8")
def test_another_target_is_told_with_what_brought_it() -> None:
    policy = replace(
        POLICY,
        default_targets=(
            a_target(ClockKind.RESPONSE, "10 working days"),
            a_target(ClockKind.RESPONSE, "2 working days", priority="urgent"),
        ),
    )
    life = a_life(a_case_fact(), a_case_fact(2, at=at("2026-03-03 14:00"), facts=changed(FACTS, priority="urgent")), policy=policy)
    story = told(life, "2026-03-03 15:00")
    assert "retargeted: 10 working days became 2 working days: priority urgent since Tue 3 Mar 14:00" in lines(story)
    assert story.summary.endswith("of 2 working days.")


def test_a_task_whose_due_time_moved_says_so() -> None:
    life = a_life(a_task_fact(), a_task_fact(2, at=at("2026-03-02 10:00"), due_at=at("2026-03-03 17:00")))
    story = told(life, "2026-03-02 11:00", ClockKind.DUE)
    assert "retargeted: due Tue 3 Mar 17:00 instead of Mon 2 Mar 17:00" in lines(story)
    assert lines(story)[0] == "started: started with 16 h of working time"


def test_escalations_and_repetitions_are_told() -> None:
    ladder = Ladder(0.75, steps=(Step(("owner", "leader"), share=0.5),))
    life = a_life(a_case_fact(), policy=replace(POLICY, ladder=ladder))
    life.until(at("2026-03-02 11:30"))
    assert "escalated: escalated to owner and leader" in lines(told(life, "2026-03-02 11:30"))
    repeating = a_life(a_case_fact())
    repeating.until(at("2026-03-02 14:30"))
    assert "overdue: still overdue, told again (1)" in lines(told(repeating, "2026-03-02 14:30"))


def test_a_clock_that_stopped_and_runs_again_says_so() -> None:
    life = a_life(
        a_case_fact(),
        a_case_fact(2, at=at("2026-03-02 12:00"), state="finally_resolved", resolved_at=at("2026-03-02 12:00")),
        a_case_fact(3, at=at("2026-03-03 12:00"), state="responded", responded_at=at("2026-03-02 12:00")),
    )
    story = told(life, "2026-03-03 13:00", ClockKind.RESOLUTION)
    assert "reopened: runs again after 1 d, which do not count" in lines(story)


def test_a_run_that_began_anew_tells_nothing_of_the_one_before() -> None:
    policy = replace(
        POLICY,
        default_targets=(a_target(ClockKind.UPDATE, "4 working hours"), a_target(ClockKind.UPDATE, "2 working hours", priority="urgent")),
    )
    life = a_life(a_case_fact(), a_case_fact(2, at=at("2026-03-02 10:00"), facts=changed(FACTS, priority="urgent")), policy=policy)
    life.until(at("2026-03-02 15:30"))
    assert {"overdue", "retargeted"} <= {entry.kind for entry in told(life, "2026-03-02 15:30", ClockKind.UPDATE).entries}
    life.event(a_case_fact(3, at=at("2026-03-02 16:00"), updated_at=at("2026-03-02 16:00"), facts=changed(FACTS, priority="urgent")))
    story = told(life, "2026-03-02 16:30", ClockKind.UPDATE)
    assert lines(story) == ["started: started with 2 working hours", "ran: ran 30 min of working time", "due: due, in 17 h 30 min"]


def test_every_notice_falls_into_a_class_that_is_long_enough() -> None:
    life = a_life(a_case_fact())
    assert life.record is not None
    clock = life.record.clocks[0]
    for exponent in range(1, 50):
        for span in (2**exponent - 1, 2**exponent, 2**exponent + 1):
            notice = notice_of(changed(clock, soon_at=clock.due_at - span))
            longest = notice_seconds(notice)
            assert 1 <= notice < NOTICES
            assert longest is None or span <= longest * SECOND
    assert notice_of(changed(clock, soon_at=None)) == 0
