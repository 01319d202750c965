"""What one version of the configuration says of leads, compiled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.case.domain.leads.lead import Competitor, Interest, LeadLifeCycle
from services.case.domain.leads.types import CatalogueProduct, Conversion, LeadTypeRules
from services.case.domain.life_cycle import TransitionRule
from services.case.domain.refusals import LeadRefused
from shared.calendars import Calendar, due, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.leads import LeadsSection, LeadType
from shared.schemas.configuration.products import Product
from shared.schemas.events import LeadSource


@dataclass(frozen=True, slots=True)
class LeadRules:
    """Everything that leads need of a configuration. `region` (ISO 3166): where phone numbers without a country code are."""

    types: Mapping[str, LeadTypeRules]
    units: frozenset[str]
    calendar: Calendar
    region: str | None
    catalogue: Mapping[str, CatalogueProduct]
    source_labels: Mapping[str, str]

    def type(self, given: str) -> LeadTypeRules:
        """The lead type with this code or name. Raises `LeadRefused`."""
        wanted = given.strip().casefold()
        found = self.types.get(wanted) or next((one for one in self.types.values() if one.name.casefold() == wanted), None)
        if found is None:
            known = ", ".join(sorted(self.types)) or "the configuration has none"
            raise LeadRefused(f"lead type {given.strip()[:100]}", f"there is none; there are: {known}")
        return found

    def source(self, given: str) -> str:
        """The code of the source with this code or label."""
        wanted = given.strip().casefold()
        by_label = {label.casefold(): code for code, label in self.source_labels.items()}
        return by_label.get(wanted, wanted.replace(" ", "_"))

    def expected_completion(self, kind: LeadTypeRules, opened_at: datetime) -> datetime | None:
        """When a lead of this type that is opened then is to be closed, on the organisation's calendar."""
        return None if kind.complete_within is None else due(kind.complete_within, opened_at, self.calendar)


def lead_rules_of(configuration: Configuration) -> LeadRules:
    """Compile a configuration. Raises ValueError where it could not have passed its check."""
    organisation, section = configuration.organisation, configuration.leads
    calendar = next(one for one in configuration.calendars if one.code == organisation.calendar)
    labels = {source.value: source.value.replace("_", " ").capitalize() for source in LeadSource}
    return LeadRules(
        types={kind.code: _type(kind, section, organisation.default_unit) for kind in section.types},
        units=frozenset(unit.code for unit in configuration.units),
        calendar=calendar_of(calendar),
        region=calendar.holidays.country if calendar.holidays else None,
        catalogue=_catalogue(configuration.products.catalogue),
        source_labels=labels | {source.value: label for source, label in section.source_labels.items()},
    )


def _catalogue(products: Sequence[Product]) -> dict[str, CatalogueProduct]:
    return {one.code: CatalogueProduct(one.code, one.type or "", one.brand or "", one.family or "") for one in products}


def _type(kind: LeadType, section: LeadsSection, default_unit: str) -> LeadTypeRules:
    states = {status.code: LeadLifeCycle(status.state.value) for status in section.statuses}
    allowed = {code: states[code] for code in kind.statuses} if kind.statuses else dict(states)
    defaults: dict[LeadLifeCycle, str] = {}
    for code, state in states.items():
        defaults.setdefault(state, code)
    for given in (section.default_statuses, kind.default_statuses):
        defaults |= {LeadLifeCycle(state.value): code for state, code in given.items()}
    # A default is always allowed: what is set by itself must not depend on a list that forgot it.
    allowed |= {code: states[code] for code in defaults.values()}
    listed = kind.interests
    return LeadTypeRules(
        code=kind.code,
        name=kind.name,
        unit=kind.unit or default_unit,
        creating_units=frozenset(kind.creating_units),
        complete_within=parse_duration(kind.complete_within) if kind.complete_within else None,
        priority=kind.priority,
        importance=kind.importance,
        conversion=Conversion(kind.conversion.classification, kind.conversion.credit_rating) if kind.conversion else None,
        statuses=allowed,
        defaults=defaults,
        transitions=tuple(
            TransitionRule(rule.from_status, rule.to_status, frozenset(rule.units), frozenset(rule.users), rule.reopens)
            for rule in kind.transitions
        ),
        categories=_categories(kind, section),
        default_category=kind.default_category or "",
        sources=frozenset(source.value for source in kind.sources or LeadSource),
        default_source=kind.default_source.value,
        lost_reasons=frozenset(kind.lost_reasons or (reason.code for reason in section.lost_reasons)),
        default_lost_reason=kind.default_lost_reason or "",
        competitors=tuple(Competitor(one.name, one.website, one.description) for one in kind.competitors.known),
        adds_competitors=kind.competitors.automatic,
        interests=tuple(
            Interest(name, code)
            for name, codes in (("product", listed.products), ("type", listed.types), ("brand", listed.brands), ("family", listed.families))
            for code in codes
        ),
        adds_interests=listed.automatic,
    )


def _categories(kind: LeadType, section: LeadsSection) -> frozenset[str]:
    """The allowed categories with all below them."""
    if not kind.categories:
        return frozenset(category.code for category in section.categories)
    below: dict[str, list[str]] = {}
    for category in section.categories:
        below.setdefault(category.parent or "", []).append(category.code)
    found: set[str] = set()
    waiting = list(kind.categories)
    while waiting:
        code = waiting.pop()
        if code not in found:
            found.add(code)
            waiting += below.get(code, [])
    return frozenset(found)
