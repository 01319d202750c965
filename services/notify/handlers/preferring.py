"""Which way each message to staff goes, by what its recipient chose: at once, later, in a digest, on the desk only, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.occasions import Delivery
from services.notify.domain.preferences import NOTHING_CHOSEN, DigestTimes, How, Preferences, Quiet, Rules, course_of
from services.notify.storage import deliveries, notifications, preferences
from services.notify.storage.deliveries import Finished
from services.notify.storage.notifications import Notice
from shared.calendars import Calendar, CalendarError, Window, parse_clock_time, weekly
from shared.schemas.configuration import Configuration
from shared.storage import Transaction

RulesOf = Callable[[int], Rules]
"""The organisation's rules by the version of the configuration."""


def rules_of(configuration: Configuration) -> Rules:
    """The organisation's rules for being told."""
    section, organisation = configuration.notifications, configuration.organisation
    quiet = section.quiet_hours
    return Rules(
        defaults={group: How(how) for group, how in section.defaults},
        required=frozenset(section.required),
        urgent=frozenset(section.urgent_priorities),
        quiet=Quiet(parse_clock_time(quiet.begins), parse_clock_time(quiet.until), quiet.days) if quiet else None,
        digest=DigestTimes(section.digest.every, parse_clock_time(section.digest.at)),
        zone=organisation.time_zone,
        calendar=_working_days(configuration, section.digest_calendar or organisation.calendar),
    )


def _working_days(configuration: Configuration, code: str) -> Calendar:
    """The calendar, of which only the days matter."""
    for section in configuration.calendars:
        if section.code != code:
            continue
        if section.round_the_clock:
            return Calendar(code=code, zone=section.time_zone, round_the_clock=True)
        days = {day for window in section.windows for day in window.days}
        closed = frozenset(section.closed_days).union(*(feed.days for feed in section.feeds))
        holidays = section.holidays
        return Calendar(
            code=code,
            zone=section.time_zone,
            week=weekly({day: [Window(0, 24 * 60)] for day in days}),
            closed_days=closed,
            country=holidays.country if holidays else None,
            subdivision=holidays.region if holidays else None,
        )
    raise CalendarError(f"the configuration has no calendar {code}")


def place(tx: Transaction, planned: Sequence[Delivery], refused: Mapping[UUID, str], rules: RulesOf, now: datetime) -> list[Finished]:
    """Queue what is planned, each message its recipient's way. `refused` and what is returned: as `deliveries.queue` has them."""
    users = {delivery.recipient.user for delivery in planned} - {""}
    if not users:
        return deliveries.queue(tx, planned, refused)
    chosen = preferences.of(tx, users)
    by_message: list[Delivery] = []
    on_desk: list[Delivery] = []
    notices: list[Notice] = []
    told_otherwise = {(one.occasion.cause, one.recipient.user) for one in planned if one.channel != "sms"}
    for delivery in planned:
        user = delivery.recipient.user
        if user and delivery.channel == "sms" and (delivery.occasion.cause, user) in told_otherwise:
            # Beside another message it is for what cannot wait, and tells nothing new.
            if _is_at_once(delivery, chosen.get(user, NOTHING_CHOSEN), rules(delivery.occasion.config_version), now):
                by_message.append(delivery)
            continue
        notice = _notice(delivery, chosen.get(user, NOTHING_CHOSEN), rules(delivery.occasion.config_version), now) if user else None
        if notice is not None:
            notices.append(notice)
        if notice is not None and notice.hold == "desk":
            on_desk.append(delivery._replace(channel="desk"))
        elif notice is not None or not user:
            by_message.append(delivery)
    outcomes = deliveries.queue(tx, by_message, refused)
    # What a dead address keeps from being sent, the desk tells still.
    outcomes += deliveries.queue(tx, on_desk, {})
    notifications.add(tx, notices)
    return outcomes


def _is_at_once(delivery: Delivery, chosen: Preferences, rules: Rules, now: datetime) -> bool:
    """Whether the user wants to be told of it by a message, and not later."""
    course = course_of(delivery.occasion.on, str(delivery.occasion.facts.get("priority", "")), chosen, rules, now)
    return course.how is How.EMAIL and course.until is None


def _notice(delivery: Delivery, chosen: Preferences, rules: Rules, now: datetime) -> Notice | None:
    """What is recorded of it; None: the user does not want to be told."""
    occasion, user = delivery.occasion, delivery.recipient.user
    made = Notice(delivery.id, occasion.item_id, user, occasion.on)
    priority = str(occasion.facts.get("priority", ""))
    course = course_of(occasion.on, priority, chosen, rules, now)
    if delivery.channel == "desk":
        return None if course.how is How.NONE else made._replace(hold="desk")
    if course.how is How.NONE:
        return None
    if course.how is How.EMAIL:
        return made._replace(hold="quiet" if course.until else "", until=course.until)
    return made._replace(hold=course.how.value, until=course.until)
