"""Applying a configuration: check it whole, keep it as the next version, tell of staff, units and the version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import yaml

from services.desk import metrics
from services.desk.domain.directory import Member, Unit, directory_changes
from services.desk.domain.feed_text import Days, days_of, with_days
from services.desk.storage import configurations, directory
from services.desk.storage.configurations import Version
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import Problem, check_configuration
from shared.schemas.events import ConfigurationPublished, StaffChanged, UnitChanged
from shared.storage import Transaction

_log = get_logger("configuration")
# In a flow mapping the comma before it goes too; in a block mapping its whole line.
_HASHES = re.compile(
    r"""(?mx) ^[ \t]*password_hash:[^\n]*\n? | ,[ \t]*password_hash:[ \t]*("[^"\n]*"|'[^'\n]*'|[^\s,}]+) """
    r""" | password_hash:[ \t]*("[^"\n]*"|'[^'\n]*'|[^\s,}]+)[ \t]*,? """
)


class Invalid(Exception):
    """The configuration has problems; nothing of it was applied."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Applied:
    """The version in force after applying, and whether it is a new one."""

    version: Version
    is_new: bool


def apply_configuration(
    publisher: EventPublisher, text: str, by: str, cause: UUID, now: datetime, *, first: Callable[[Transaction], None] = lambda _: None
) -> Applied:
    """Make `text` the newest version, unless it is just what the newest says. Raises `Invalid` with every problem.

    Password hashes go to the accounts and nowhere else: neither kept with the version, nor shown, nor published. `first` is called in the
    transaction when nobody else can apply any more; what it raises undoes all.
    """
    checked = check_configuration(text)
    configuration = checked.configuration
    if configuration is None:
        metrics.CONFIGURATIONS.labels("invalid").inc()
        raise Invalid(checked.problems)
    public = without_hashes(configuration)
    source = text_without_hashes(text, public)
    # Of what was handed in: neither hashes nor the days of feeds that are put in make another text of it.
    digest = hashlib.sha256(text.encode()).hexdigest()
    with publisher.transaction() as tx:
        directory.lock_all(tx)
        first(tx)
        newest = configurations.newest(tx)
        if newest is not None and newest.digest == digest:
            metrics.CONFIGURATIONS.labels("unchanged").inc()
            return Applied(newest, is_new=False)
        version = Version((newest.version if newest else 0) + 1, digest, by, now)
        _save_directory(tx, configuration, cause, version, now)
        known = configurations.document(tx)
        # What is known of a feed is newer than what the text may say of it.
        _add_version(tx, version, *_with_feed_days(source, public, days_of(known[1]) if known else {}), cause, now)
    metrics.CONFIGURATIONS.labels("applied").inc()
    _log.info("configuration applied", version=version.version)
    return Applied(version, is_new=True)


def publish_feed_days(
    publisher: EventPublisher, days: Callable[[Transaction], Days], by: str, cause: UUID, now: datetime
) -> Applied | None:
    """Make the version in force with these closed days of its feeds the newest, unless it has them. None where there is no version.

    `days` is asked when nobody else can apply any more.
    """
    with publisher.transaction() as tx:
        directory.lock_all(tx)
        newest, source, document = configurations.newest(tx), configurations.source(tx), configurations.document(tx)
        if newest is None or source is None or document is None:
            return None
        before = Configuration.model_validate(document[1])
        text, after = _with_feed_days(source[1], before, days(tx))
        if after == before:
            return Applied(newest, is_new=False)
        version = Version(newest.version + 1, newest.digest, by, now)
        _add_version(tx, version, text, after, cause, now)
    _log.info("closed days of feeds applied", version=version.version)
    return Applied(version, is_new=True)


def _with_feed_days(source: str, public: Configuration, days: Days) -> tuple[str, Configuration]:
    """The text and the configuration with these closed days of feeds; the text is written anew where they have no place in it."""
    calendars = tuple(
        calendar.model_copy(
            update={
                "feeds": tuple(
                    feed.model_copy(update={"days": tuple(days.get((calendar.code, feed.url), feed.days))}) for feed in calendar.feeds
                )
            }
        )
        for calendar in public.calendars
    )
    wanted = public.model_copy(update={"calendars": calendars})
    if wanted == public:
        return source, public
    text = with_days(source, days)
    if text is None or check_configuration(text).configuration != wanted:
        text = _written_anew(wanted)
    return text, wanted


def without_hashes(configuration: Configuration) -> Configuration:
    """The configuration as others may see it."""
    users = tuple(user.model_copy(update={"password_hash": None}) for user in configuration.users)
    return configuration.model_copy(update={"users": users})


def text_without_hashes(text: str, public: Configuration) -> str:
    """The YAML text without its password hashes; the rest, comments too, as it is.

    Where a hash is written so that it cannot be cut out (an alias, a folded line), the text is written anew from
    `public`.
    """
    cut = _HASHES.sub("", text)
    if check_configuration(cut).configuration == public:
        return cut
    return _written_anew(public)


def _written_anew(public: Configuration) -> str:
    return yaml.safe_dump(public.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=False, allow_unicode=True)


def _save_directory(tx: Transaction, configuration: Configuration, cause: UUID, version: Version, now: datetime) -> None:
    members = [Member(u.user, u.name, u.email, u.unit, u.roles, u.active) for u in configuration.users]
    units = [
        Unit(
            unit.code,
            unit.name,
            unit.email,
            unit.leader,
            unit.manager,
            tuple(sorted(u.user for u in configuration.users if u.unit == unit.code and u.active)),
        )
        for unit in configuration.units
    ]
    changes = directory_changes(directory.members(tx), directory.units(tx), members, units)
    revised = directory.save(tx, changes.members, changes.units)
    directory.set_configured_hashes(tx, {u.user: u.password_hash for u in configuration.users if u.password_hash})
    trace = current_traceparent()
    for member in changes.members:
        key = f"user:{member.user}"
        told = StaffChanged(
            user=member.user, name=member.name, email=member.email, unit=member.unit, roles=member.roles, active=member.active
        )
        tx.emit(
            told,
            aggregate_id=key,
            key=key,
            revision=revised.members[member.user],
            cause=cause,
            time=now,
            config_version=version.version,
            traceparent=trace,
        )
    for unit in changes.units:
        key = f"unit:{unit.code}"
        shown = UnitChanged(
            unit=unit.code, name=unit.name, email=unit.email, leader=unit.leader, manager=unit.manager, members=unit.members
        )
        tx.emit(
            shown,
            aggregate_id=key,
            key=key,
            revision=revised.units[unit.code],
            cause=cause,
            time=now,
            config_version=version.version,
            traceparent=trace,
        )


def _add_version(tx: Transaction, version: Version, source: str, public: Configuration, cause: UUID, now: datetime) -> None:
    document = public.model_dump(mode="json", by_alias=True)
    configurations.add(tx, version, source, document)
    _emit_version(tx, version, document, cause, now)


def _emit_version(tx: Transaction, version: Version, document: dict[str, Any], cause: UUID, now: datetime) -> None:
    told = ConfigurationPublished(
        version=version.version, digest=version.digest, applied_by=version.applied_by, applied_at=version.applied_at, document=document
    )
    tx.emit(
        told,
        aggregate_id=f"configuration:{version.version}",
        key=str(version.version),
        revision=1,
        cause=cause,
        time=now,
        config_version=version.version,
        traceparent=current_traceparent(),
    )
