"""Making what recurring rules ask for, each occurrence once (TASK-5, EDGE-7).

A step is one transaction under the lock of its rule: it reads how far the rule is, does the next thing, and writes how far it is now. So
a crash takes the whole step back, and two replicas never do the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.task import metrics
from services.task.domain.case import Customer
from services.task.domain.recurrence import Occurrence, Schedule, due_occurrences, schedule_of
from services.task.handlers.compile import Compiled
from services.task.handlers.making import make_task
from services.task.handlers.work import Cause, Work
from services.task.storage import recurrences
from services.task.storage.recurrences import Account, Progress
from shared.calendars import ROUND_THE_CLOCK, DurationError, due, parse_duration
from shared.clock import Clock, utc_now
from shared.conditions import Holds, compile_condition
from shared.ids import derive
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.automation_rules import check_automation
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.document import Document
from shared.schemas.configuration.references import check_references
from shared.schemas.configuration.task_rules import RecurringRule, TaskRule, check_task_rules
from shared.storage import Transaction

log = get_logger(__name__)
CHUNK: Final = 500
"""Accounts looked at in one transaction."""
LATE_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Rule:
    """A task rule that is switched on."""

    definition: str
    schedule: Schedule
    holds: Holds | None
    """For which accounts; None: for none, one task."""
    facts: str
    """Differs when the rule does."""


def compile_rules(configuration: Configuration) -> Mapping[str, Rule]:
    """The recurring task rules that are switched on, by code."""
    found = {rule.code: compile_rule(configuration, rule) for rule in configuration.task_rules if rule.active}
    return {code: rule for code, rule in found.items() if rule is not None}


def compile_rule(configuration: Configuration, rule: TaskRule) -> Rule | None:
    """One task rule, switched on or not; None: it is on an event."""
    when = next((each for each in configuration.recurring_rules if each.code == rule.recurring), None)
    if when is None:
        return None
    organisation = configuration.organisation
    zone, calendar = when.time_zone or organisation.time_zone, when.calendar or organisation.calendar
    facts = (rule.definition, rule.accounts, when.rrule, when.starts, when.at, zone, calendar, when.on_closed, when.lead, when.excluded)
    return Rule(
        rule.definition,
        schedule_in(configuration, when),
        None if rule.accounts is None else compile_condition(rule.accounts),
        derive("task rule", *facts).hex,
    )


def schedule_in(configuration: Configuration, when: RecurringRule) -> Schedule:
    """When this rule, which is sound, occurs in this organisation."""
    organisation = configuration.organisation
    code = when.calendar or organisation.calendar
    section = next((each for each in configuration.calendars if each.code == code), None)
    calendar = ROUND_THE_CLOCK if section is None else calendar_of(section)
    zone = when.time_zone or organisation.time_zone
    return schedule_of(when.rrule, when.starts, zone, when.at, calendar, when.on_closed, when.lead, when.excluded)


def rule_problems(configuration: Configuration, rule: TaskRule, recurring: RecurringRule | None) -> list[str]:
    """What the configuration's check would say of these, were they the only ones of this configuration; empty: nothing."""
    document = Document()
    document.data = configuration.model_dump(mode="json", by_alias=True, exclude_none=True) | {
        "recurring_rules": [] if recurring is None else [recurring.model_dump(mode="json")],
        "task_rules": [rule.model_dump(mode="json", by_alias=True, exclude_none=True)],
    }
    for check in (check_references, check_task_rules, check_automation):
        check(document)
    for path, text in (
        (("recurring_rules", 0, "lead"), recurring and recurring.lead),
        (("task_rules", 0, "after"), rule.after),
    ):
        try:
            parse_duration(text or "0 days")
        except DurationError as error:
            document.problem(path, str(error))
    return [f"{each.path}: {each.message}" for each in document.problems if each.path.startswith(("recurring_rules[0]", "task_rules[0]"))]


class Recurring:
    """Works task rules off, by the newest configuration; what was due by an older one is made by that."""

    def __init__(
        self, publisher: EventPublisher, reference: ReferenceData, compiled: VersionCache[Compiled], catch_up: int, clock: Clock = utc_now
    ) -> None:
        self._publisher = publisher
        self._reference = reference
        self._compiled = compiled
        self._rules = VersionCache(reference, compile_rules)
        self._catch_up = catch_up
        self._clock = clock

    def rules(self) -> list[str]:
        """Codes of the rules there is something to do or to watch for. New ones begin now."""
        now, version = self._clock(), self._reference.version
        newest = self._rules.get(version)
        with self._publisher.database.transaction() as tx:
            known = recurrences.known_rules(tx)
            for code in sorted(newest.keys() - known.keys()):
                recurrences.begin(tx, code, version, newest[code].facts, now)
        return sorted(newest.keys() | {code for code, facts in known.items() if facts})

    def step(self, code: str) -> bool:
        """Do the next thing for this rule. False: nothing is due, or another replica is at it."""
        now = self._clock()
        with self._publisher.transaction() as tx:
            progress = recurrences.lock(tx, code)
            if progress is None:
                return False
            progress, is_switched = self._switched(progress, now)
            rule = self._rules.get(progress.config_version).get(code) if progress.facts else None
            waiting = [] if rule is None else list(due_occurrences(rule.schedule, progress.done_until, progress.since, now))
            if rule is None or not waiting:
                if is_switched:
                    recurrences.keep(tx, progress)
                return False
            if len(waiting) > self._catch_up and progress.account is None:
                passed = waiting[: -self._catch_up]
                recurrences.keep(tx, replace(progress, done_until=passed[-1].nominal))
                metrics.OCCURRENCES.labels("passed_over").inc(len(passed))
                log.error(
                    "occurrences passed over", rule=code, count=len(passed), first=str(passed[0].nominal), last=str(passed[-1].nominal)
                )
                return True
            recurrences.keep(tx, self._make(tx, progress, rule, waiting[0], now))
        return True

    def _switched(self, progress: Progress, now: datetime) -> tuple[Progress, bool]:
        """The progress by the newest configuration, once an older one has nothing left that was due by it."""
        version = self._reference.version
        if progress.config_version == version or progress.account is not None:
            return progress, False
        newest = self._rules.get(version).get(progress.rule)
        if newest is not None and newest.facts == progress.facts:
            return replace(progress, config_version=version), True
        before = self._rules.get(progress.config_version).get(progress.rule) if progress.facts else None
        left = [] if before is None else list(due_occurrences(before.schedule, progress.done_until, progress.since, now))
        if left and newest is not None:
            return progress, False
        if left:
            metrics.OCCURRENCES.labels("switched_off").inc(len(left))
            log.warning("rule switched off before these were made", rule=progress.rule, count=len(left))
        return replace(progress, config_version=version, facts=newest.facts if newest else "", since=now), True

    def _make(self, tx: Transaction, progress: Progress, rule: Rule, occurrence: Occurrence, now: datetime) -> Progress:
        done = replace(progress, done_until=occurrence.nominal, account=None)
        work = Work(self._compiled.get, now)
        if rule.holds is None:
            self._make_tasks(tx, work, progress, rule, occurrence, (None,))
        else:
            accounts = recurrences.accounts_after(tx, progress.account, CHUNK)
            wanted = [account for account in accounts if rule.holds(account.facts())]
            self._make_tasks(tx, work, progress, rule, occurrence, wanted)
            if len(accounts) == CHUNK:
                done = replace(progress, account=accounts[-1].id)
        work.save(tx)
        if done.account is None:
            late = now - max(occurrence.made_at, progress.since)
            metrics.OCCURRENCES.labels("late" if late > LATE_AFTER else "made").inc()
            if late > LATE_AFTER:
                log.warning(
                    "occurrence made late", rule=progress.rule, nominal=str(occurrence.nominal), seconds=round(late.total_seconds())
                )
        return done

    def _make_tasks(
        self, tx: Transaction, work: Work, progress: Progress, rule: Rule, occurrence: Occurrence, accounts: Iterable[Account | None]
    ) -> None:
        cause = Cause(derive("occurrence", progress.rule, occurrence.nominal), work.now, "system", current_traceparent())
        ids = {derive("task", "rule", progress.rule, occurrence.nominal, account.id if account else ""): account for account in accounts}
        there = recurrences.existing(tx, ids.keys()) if ids else set()
        compiled = work.compiled(progress.config_version)
        kind = compiled.definitions[rule.definition]
        due_at = due(kind.within, occurrence.at, compiled.calendars[kind.calendar])
        for id, account in ids.items():
            if id not in there:
                make_task(
                    work,
                    definition=rule.definition,
                    case=None,
                    customer=Customer(account_id=account.id, name=account.name) if account else None,
                    id=id,
                    at=work.now,
                    due_at=due_at,
                    config_version=progress.config_version,
                    cause=cause,
                )
