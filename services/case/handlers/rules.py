"""The domain's rules from one version of the configuration, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.case.domain.life_cycle import LifeCycle, LifeCycleRules, Status, TransitionRule
from services.case.domain.loops import Caps
from services.case.domain.priority import PriorityTable
from services.case.domain.routing import Router, RoutingRule
from shared.calendars import Calendar, Duration, due, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.channels import LoopCaps
from shared.schemas.configuration.models import Prioritisation, Subject


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """What a subject says about its cases; None where something more general decides."""

    code: str
    name: str
    unit: str | None
    urgency: str
    impact: str
    category: str
    complete_within: Duration | None
    life_cycle: LifeCycleRules


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that the case service needs of a configuration."""

    router: Router
    priorities: PriorityTable
    subjects: Mapping[str, SubjectRules]
    methods: frozenset[str]
    units: frozenset[str]
    account_units: Mapping[str, str]
    default_unit: str
    trusted_robots: frozenset[str]
    own_addresses: frozenset[str]
    """Those of the mail accounts, in small letters."""
    calendar: Calendar
    caps: Caps

    def unit_for(self, subject: SubjectRules, account: str) -> str:
        """The unit that a new case goes to: the subject's, else the mail account's, else the organisation's default."""
        return subject.unit or self.account_units.get(account.lower()) or self.default_unit

    def expected_completion(self, subject: SubjectRules, opened_at: datetime) -> datetime | None:
        """When a case opened then is to be complete, on the organisation's calendar (CASE-9)."""
        return None if subject.complete_within is None else due(subject.complete_within, opened_at, self.calendar)


def rules_of(configuration: Configuration) -> Rules:
    """Compile a configuration. Raises ValueError where it could not have passed its check."""
    organisation = configuration.organisation
    statuses = {status.code: Status(status.code, LifeCycle(status.state), status.waiting_for_customer) for status in configuration.statuses}
    defaults = {LifeCycle(state): code for state, code in configuration.default_statuses.items()}
    calendar = next(section for section in configuration.calendars if section.code == organisation.calendar)
    return Rules(
        router=_router(configuration),
        priorities=_priorities(configuration.prioritisation),
        subjects={subject.code: _subject(subject, statuses, defaults, configuration.prioritisation) for subject in configuration.subjects},
        methods=frozenset(method.code for method in configuration.methods),
        units=frozenset(unit.code for unit in configuration.units),
        account_units=_account_units(configuration),
        default_unit=organisation.default_unit,
        trusted_robots=frozenset(sender.lower() for sender in configuration.robots.trusted),
        own_addresses=frozenset(account.address.lower() for account in configuration.mail_accounts),
        calendar=calendar_of(calendar),
        caps=_caps(configuration.robots.caps),
    )


def _caps(section: LoopCaps) -> Caps:
    return Caps(timedelta(minutes=section.minutes), section.openings, section.trusted_openings, section.joins)


def _account_units(configuration: Configuration) -> dict[str, str]:
    """The unit of each account that has one, by what communications call the account, in small letters."""
    mail = {account.address.lower(): account.unit for account in configuration.mail_accounts}
    handles = {f"@{account.handle.lower()}": account.unit for account in configuration.x_accounts}
    lines = {line.number: line.unit for line in configuration.phone_lines}
    return {account: unit for account, unit in (mail | handles | lines).items() if unit}


def _router(configuration: Configuration) -> Router:
    rules = [
        RoutingRule(
            subject=route.subject,
            methods=frozenset(route.methods),
            accounts=frozenset(account.lower() for account in route.accounts),
            keywords=route.keywords,
            pattern=route.pattern,
            urgency=route.urgency,
            impact=route.impact,
            stop=route.stop,
        )
        for route in configuration.routing.rules
    ]
    return Router(rules, configuration.routing.default_subject)


def _priorities(section: Prioritisation) -> PriorityTable:
    return PriorityTable(
        urgencies=tuple(urgency.code for urgency in section.urgencies),
        impacts=tuple(impact.code for impact in section.impacts),
        priorities=tuple(priority.code for priority in section.priorities),
        cells={(cell.urgency, cell.impact): cell.priority for cell in section.table},
        default_urgency=section.default_urgency,
        default_impact=section.default_impact,
    )


def _subject(
    subject: Subject, statuses: Mapping[str, Status], defaults: Mapping[LifeCycle, str], prioritisation: Prioritisation
) -> SubjectRules:
    allowed = {code: statuses[code] for code in subject.statuses} if subject.statuses else dict(statuses)
    own_defaults = dict(defaults) | {LifeCycle(state): code for state, code in subject.default_statuses.items()}
    # A default is always allowed: what the service sets by itself must not depend on a list that forgot it.
    allowed |= {code: statuses[code] for code in own_defaults.values() if code in statuses}
    transitions = tuple(
        TransitionRule(rule.from_status, rule.to_status, frozenset(rule.units), frozenset(rule.users), rule.reopens)
        for rule in subject.transitions
    )
    return SubjectRules(
        code=subject.code,
        name=subject.name,
        unit=subject.unit,
        urgency=subject.default_urgency or prioritisation.default_urgency,
        impact=subject.default_impact or prioritisation.default_impact,
        category=subject.default_category or "",
        complete_within=parse_duration(subject.complete_within) if subject.complete_within else None,
        life_cycle=LifeCycleRules(allowed, own_defaults, transitions, subject.temporary_resolution),
    )
