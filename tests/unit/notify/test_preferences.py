"""How somebody is told, and when: choices, quiet hours, digests."""

from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest

from services.notify.domain.preferences import (
    GROUPS,
    NOTHING_CHOSEN,
    Course,
    DigestTimes,
    How,
    Preferences,
    Quiet,
    Rules,
    course_of,
    group_of,
    next_digest,
    quiet_until,
    way,
)
from services.notify.handlers.preferring import rules_of
from shared.calendars import Calendar, weekly
from shared.schemas.configuration.models import CommunicationDefinition
from shared.schemas.configuration.notifications import Defaults
from tests.support.configuration import a_configuration

pytestmark = pytest.mark.requirement("NOTE-1")
NIGHT = Quiet(20 * 60, 7 * 60)
OFFICE = Calendar(
    code="office",
    zone="Europe/London",
    week=weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}),
    closed_days=frozenset({date(2026, 3, 9)}),
)
EVENING = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
"""A Monday."""


def rules(**changes: Any) -> Rules:
    made = Rules(dict.fromkeys(GROUPS, How.EMAIL), frozenset(), frozenset({"high"}), None, DigestTimes(), "Europe/London", OFFICE)
    return made._replace(**changes)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_who_chose_nothing_is_told_as_the_organisation_has_it() -> None:
    assert course_of("task.assigned", "", NOTHING_CHOSEN, rules(), EVENING) == Course(How.EMAIL)
    ours = rules(defaults={"assignment": How.DESK})
    assert course_of("task.assigned", "", NOTHING_CHOSEN, ours, EVENING) == Course(How.DESK)


def test_one_is_told_as_one_chose() -> None:
    chosen = Preferences({"assignment": How.DESK, "completed": How.NONE})
    ways = {on: course_of(on, "", chosen, rules(), EVENING).how for on in ("task.assigned", "task.completed", "clock.overdue")}
    assert ways == {"task.assigned": How.DESK, "task.completed": How.NONE, "clock.overdue": How.EMAIL}


def test_what_is_required_cannot_be_off_even_if_it_was_before() -> None:
    chosen = Preferences({"escalation": How.NONE, "approval": How.DESK})
    required = rules(required=frozenset({"escalation", "approval"}))
    assert way("escalation", chosen, required) is How.EMAIL
    assert way("approval", chosen, required) is How.DESK


def test_quiet_hours_hold_mail_until_they_end_over_midnight() -> None:
    ours = rules(quiet=NIGHT)
    assert course_of("task.assigned", "", NOTHING_CHOSEN, ours, EVENING) == Course(How.EMAIL, at("2026-03-03T07:00"))
    assert quiet_until(NOTHING_CHOSEN, ours, at("2026-03-03T06:59:59")) == at("2026-03-03T07:00")
    assert quiet_until(NOTHING_CHOSEN, ours, at("2026-03-03T07:00")) is None
    assert quiet_until(NOTHING_CHOSEN, ours, at("2026-03-02T19:59:59")) is None
    assert quiet_until(NOTHING_CHOSEN, ours, at("2026-03-02T20:00")) == at("2026-03-03T07:00")


@pytest.mark.parametrize(("on", "priority"), [("clock.escalated", ""), ("task.assigned", "high")])
def test_what_is_escalated_or_urgent_knows_no_quiet_hours(on: str, priority: str) -> None:
    assert course_of(on, priority, NOTHING_CHOSEN, rules(quiet=NIGHT), EVENING) == Course(How.EMAIL)


def test_quiet_hours_begin_only_on_their_days_and_join_where_they_touch() -> None:
    weekend = Preferences(quiet=Quiet(0, 24 * 60, ("sat", "sun")))
    assert quiet_until(weekend, rules(), at("2026-03-07T12:00")) == at("2026-03-09T00:00")
    friday = Preferences(quiet=Quiet(20 * 60, 7 * 60, ("fri",)))
    assert quiet_until(friday, rules(), at("2026-03-07T06:00")) == at("2026-03-07T07:00")
    assert quiet_until(friday, rules(), at("2026-03-06T06:00")) is None


def test_ones_own_quiet_hours_stand_in_for_the_organisations_also_by_being_none() -> None:
    ours = rules(quiet=NIGHT)
    assert quiet_until(Preferences(quiet=Quiet(0, 60, ())), ours, EVENING) is None
    assert quiet_until(Preferences(quiet=Quiet(22 * 60, 23 * 60)), ours, EVENING) == at("2026-03-02T23:00")


def test_quiet_hours_are_told_in_ones_own_zone() -> None:
    kolkata = Preferences(zone="Asia/Kolkata")
    assert quiet_until(kolkata, rules(quiet=NIGHT), at("2026-03-02T15:00")) == at("2026-03-03T01:30")
    assert quiet_until(kolkata, rules(quiet=NIGHT), EVENING) == at("2026-03-03T01:30")


@pytest.mark.parametrize(
    ("now", "until", "ends"),
    [
        # Clocks go from 01:00 to 02:00: half past one is not on that day.
        ("2026-03-28T23:00", 90, "2026-03-29T01:00"),
        # They go back from 02:00 to 01:00: the first half past one ends it.
        ("2026-10-24T23:00", 90, "2026-10-25T00:30"),
        ("2026-10-25T01:45", 90, None),
    ],
)
def test_quiet_hours_end_right_when_clocks_change(now: str, until: int, ends: str | None) -> None:
    night = Preferences(quiet=Quiet(22 * 60, until))
    assert quiet_until(night, rules(), at(now)) == (at(ends) if ends else None)


def test_a_digest_comes_at_its_time_of_day_after_now() -> None:
    assert next_digest(NOTHING_CHOSEN, rules(), EVENING) == at("2026-03-03T08:00")
    assert next_digest(NOTHING_CHOSEN, rules(), at("2026-03-03T07:59:59")) == at("2026-03-03T08:00")
    assert next_digest(NOTHING_CHOSEN, rules(), at("2026-03-03T08:00")) == at("2026-03-04T08:00")
    # 08:00 in summer is 07:00 UTC.
    assert next_digest(NOTHING_CHOSEN, rules(), at("2026-06-01T00:00")) == at("2026-06-01T07:00")


def test_a_digest_on_working_days_passes_over_weekends_and_closed_days() -> None:
    working = rules(digest=DigestTimes("working day", 17 * 60))
    assert next_digest(NOTHING_CHOSEN, working, at("2026-03-06T18:00")) == at("2026-03-10T17:00")


def test_a_calendar_that_never_opens_has_a_digest_every_day() -> None:
    never = rules(digest=DigestTimes("working day", 480), calendar=Calendar(code="never", zone="UTC"))
    assert next_digest(NOTHING_CHOSEN, never, EVENING) == at("2026-03-03T08:00")


def test_an_hourly_digest_comes_at_the_full_hour_where_one_is() -> None:
    hourly = Preferences(digest=DigestTimes("hour"))
    assert next_digest(hourly, rules(), at("2026-03-02T10:00")) == at("2026-03-02T11:00")
    assert next_digest(hourly._replace(zone="Asia/Kolkata"), rules(), at("2026-03-02T10:10")) == at("2026-03-02T10:30")


def test_a_digest_waits_for_the_end_of_quiet_hours() -> None:
    hourly = Preferences(digest=DigestTimes("hour"))
    assert next_digest(hourly, rules(quiet=NIGHT), EVENING) == at("2026-03-03T07:00")
    chosen = Preferences({"assignment": How.DIGEST}, digest=DigestTimes("hour"))
    assert course_of("task.assigned", "", chosen, rules(quiet=NIGHT), EVENING) == Course(How.DIGEST, at("2026-03-03T07:00"))


def test_a_time_that_summer_time_skips_comes_later_on_that_day() -> None:
    early = rules(digest=DigestTimes("day", 90))
    assert next_digest(NOTHING_CHOSEN, early, at("2026-03-28T12:00")) == at("2026-03-29T01:30")


def test_every_kind_of_thing_is_in_the_configuration_and_every_event_of_one_kind() -> None:
    assert tuple(Defaults.model_fields) == GROUPS
    events = get_args(CommunicationDefinition.model_fields["on"].annotation)
    others = {on for on in events if group_of(on) == "other"}
    assert others == {"case.opened", "case.status-changed", "case.acceptance-asked", "case.broadcast", "case.chased"}


def test_what_customers_write_is_a_kind_of_its_own() -> None:
    assert {group_of("case.customer-wrote"), group_of("lead.customer-wrote")} == {"customer"}


def test_rules_come_from_the_configuration() -> None:
    section = {
        "defaults": {"completed": "digest"},
        "required": ["approval"],
        "urgent_priorities": ["high"],
        "quiet_hours": {"from": "20:00", "until": "07:00", "days": ["mon"]},
        "digest": {"every": "working day", "at": "16:30"},
    }
    made = rules_of(a_configuration(notifications=section))
    assert (made.defaults["completed"], made.defaults["other"], made.required) == (How.DIGEST, How.EMAIL, {"approval"})
    assert (made.quiet, made.digest, made.urgent) == (Quiet(1200, 420, ("mon",)), DigestTimes("working day", 990), {"high"})
    assert made.calendar.windows_on(date(2026, 3, 2))
    assert not made.calendar.windows_on(date(2026, 3, 7))
    assert not made.calendar.windows_on(date(2026, 12, 25))
