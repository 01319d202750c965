"""The domain's rules from one version of the configuration, compiled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.case.domain.cancellation import CancellationReasons
from services.case.domain.chasing import ChaseRules
from services.case.domain.key_dates import CompletionRule
from services.case.domain.late_replies import LateReply
from services.case.domain.life_cycle import AnswerCategories, LifeCycle, LifeCycleRules, Stage, Status, TransitionRule
from services.case.domain.loops import Caps
from services.case.domain.priority import PriorityTable
from services.case.domain.routing import Router, RoutingRule
from services.case.domain.scripts import Prompt
from shared.calendars import Calendar, CalendarError, Duration, due, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.answers import AnswerCategory
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.channels import LoopCaps
from shared.schemas.configuration.chases import Chase
from shared.schemas.configuration.models import Category, Method, Prioritisation, Subject


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
    is_sensitive: bool = False
    categories: frozenset[str] = frozenset()
    """Those that its cases may have: the listed ones and those below them."""
    opened_by: frozenset[str] = frozenset()
    """Units whose staff may open its cases by hand; none: all."""
    late_reply: LateReply = LateReply.RECORD
    chase: ChaseRules | None = None
    """How its customers are chased; None: they are not."""


@dataclass(frozen=True, slots=True)
class MethodRules:
    """What a communication method says about its communications (COM-2). `prompts`: script and prompt, in their order."""

    name: str
    directions: frozenset[str]
    locations: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    expire_after: Duration | None


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """The codes that contacts and accounts may have."""

    areas: frozenset[str]
    kinds: frozenset[str]
    classifications: frozenset[str]
    credit_ratings: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that the case service needs of a configuration."""

    router: Router
    priorities: PriorityTable
    subjects: Mapping[str, SubjectRules]
    methods: Mapping[str, MethodRules]
    units: frozenset[str]
    account_units: Mapping[str, str]
    area_units: Mapping[str, str]
    default_unit: str
    trusted_robots: frozenset[str]
    own_addresses: frozenset[str]
    """Those of the mail accounts, in small letters."""
    staff_addresses: frozenset[str]
    """Those of our users, in small letters."""
    calendar: Calendar
    caps: Caps
    customers: CustomerTerms
    tells_customers: bool = False
    """Whether a message goes to the customer on `case.broadcast`."""

    @property
    def sensitive(self) -> frozenset[str]:
        """Subjects of whose cases it is recorded who looks at them."""
        return frozenset(subject.code for subject in self.subjects.values() if subject.is_sensitive)

    @property
    def heeds_late_replies(self) -> bool:
        """Whether any subject has something done about replies to its closed cases."""
        return any(subject.late_reply is not LateReply.RECORD for subject in self.subjects.values())

    def expiry(self, method: str, active_at: datetime) -> datetime | None:
        """When a communication of this method expires that was last active then; None: never (COM-8)."""
        rules = self.methods.get(method)
        if rules is None or rules.expire_after is None:
            return None
        try:
            return due(rules.expire_after, active_at, self.calendar)
        except CalendarError:
            return None

    def unit_for(self, subject: SubjectRules, account: str, area: str = "") -> str:
        """The unit that a new case goes to (CASE-7).

        The subject's, else that of the contact's area, else that of the mail account, else the organisation's default.
        """
        return subject.unit or self.area_units.get(area) or self.account_units.get(account.lower()) or self.default_unit

    def expected_completion(self, subject: SubjectRules, opened_at: datetime) -> datetime | None:
        """When a case opened then is to be complete, on the organisation's calendar (CASE-9)."""
        return subject.life_cycle.completion.expected(opened_at)


def rules_of(configuration: Configuration) -> Rules:
    """Compile a configuration. Raises ValueError where it could not have passed its check."""
    organisation = configuration.organisation
    statuses = {status.code: Status(status.code, LifeCycle(status.state), status.waiting_for_customer) for status in configuration.statuses}
    defaults = {LifeCycle(state): code for state, code in configuration.default_statuses.items()}
    own_calendar = calendar_of(next(section for section in configuration.calendars if section.code == organisation.calendar))
    return Rules(
        router=_router(configuration),
        priorities=_priorities(configuration.prioritisation),
        subjects={subject.code: _subject(subject, statuses, defaults, configuration, own_calendar) for subject in configuration.subjects},
        methods={method.code: _method(method) for method in configuration.methods},
        units=frozenset(unit.code for unit in configuration.units),
        account_units=_account_units(configuration),
        area_units={area.code: area.unit for area in configuration.areas if area.unit},
        default_unit=organisation.default_unit,
        trusted_robots=frozenset(sender.lower() for sender in configuration.robots.trusted),
        own_addresses=frozenset(account.address.lower() for account in configuration.mail_accounts),
        staff_addresses=frozenset(user.email.lower() for user in configuration.users if user.email),
        calendar=own_calendar,
        caps=_caps(configuration.robots.caps),
        customers=_customers(configuration),
        tells_customers=any(one.on == "case.broadcast" and "customer" in one.to for one in configuration.communications),
    )


def _customers(configuration: Configuration) -> CustomerTerms:
    accounts = configuration.accounts
    return CustomerTerms(
        areas=frozenset(area.code for area in configuration.areas),
        kinds=frozenset(kind.code for kind in accounts.kinds),
        classifications=frozenset(classification.code for classification in accounts.classifications),
        credit_ratings=frozenset(rating.code for rating in accounts.credit_ratings),
    )


def _method(method: Method) -> MethodRules:
    return MethodRules(
        method.name,
        frozenset(method.directions),
        method.locations,
        tuple([Prompt("pre", text) for text in method.pre_script] + [Prompt("security", text) for text in method.security_script]),
        parse_duration(method.expire_after) if method.expire_after else None,
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
    subject: Subject, statuses: Mapping[str, Status], defaults: Mapping[LifeCycle, str], configuration: Configuration, calendar: Calendar
) -> SubjectRules:
    prioritisation = configuration.prioritisation
    allowed = {code: statuses[code] for code in subject.statuses} if subject.statuses else dict(statuses)
    own_defaults = dict(defaults) | {LifeCycle(state): code for state, code in subject.default_statuses.items()}
    # A default is always allowed: what the service sets by itself must not depend on a list that forgot it.
    allowed |= {code: statuses[code] for code in own_defaults.values() if code in statuses}
    transitions = tuple(
        TransitionRule(rule.from_status, rule.to_status, frozenset(rule.units), frozenset(rule.users), rule.reopens)
        for rule in subject.transitions
    )
    within = parse_duration(subject.complete_within) if subject.complete_within else None
    return SubjectRules(
        code=subject.code,
        name=subject.name,
        unit=subject.unit,
        urgency=subject.default_urgency or prioritisation.default_urgency,
        impact=subject.default_impact or prioritisation.default_impact,
        category=subject.default_category or "",
        complete_within=within,
        life_cycle=LifeCycleRules(
            allowed,
            own_defaults,
            transitions,
            subject.temporary_resolution,
            CancellationReasons(
                tuple(reason.code for reason in configuration.cancellation_reasons), configuration.default_cancellation_reason or ""
            ),
            {
                Stage.RESPONSE: _answer_categories(configuration.response_categories, subject.code),
                Stage.TEMPORARY_RESOLUTION: _answer_categories(configuration.temporary_resolution_categories, subject.code),
                Stage.FINAL_RESOLUTION: _answer_categories(configuration.final_resolution_categories, subject.code),
            },
            CompletionRule(within, calendar, subject.recalculate_on_response),
        ),
        categories=_allowed_categories(subject.categories, configuration.categories),
        opened_by=frozenset(subject.opened_by),
        is_sensitive=subject.sensitive,
        late_reply=LateReply(subject.late_reply),
        chase=_chase(subject.chase or configuration.chase, calendar),
    )


def _chase(section: Chase | None, calendar: Calendar) -> ChaseRules | None:
    if section is None or not (section.reminders or section.close_after):
        return None
    return ChaseRules(
        after=parse_duration(section.after) if section.after else None,
        reminders=section.reminders,
        close_after=parse_duration(section.close_after) if section.close_after else None,
        close_status=section.close_status or "",
        calendar=calendar,
    )


def _answer_categories(tree: Sequence[AnswerCategory], subject: str) -> AnswerCategories:
    """Those of a tree that this subject's cases may choose; its own default goes before the one for all."""
    own = [category for category in tree if not category.subjects or subject in category.subjects]
    defaults = sorted((category for category in own if category.default), key=lambda category: not category.subjects)
    return AnswerCategories({category.code: category.requires_acceptance for category in own}, defaults[0].code if defaults else "")


def _allowed_categories(listed: Sequence[str], tree: Sequence[Category]) -> frozenset[str]:
    if not listed:
        return frozenset(category.code for category in tree)
    allowed: set[str] = set(listed)
    while more := {category.code for category in tree if category.parent in allowed} - allowed:
        allowed |= more
    return frozenset(allowed)
