"""What a lead type says of its leads, and what may be chosen on them (LEAD-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.case.domain.leads.lead import Competitor, Interest, LeadLifeCycle
from services.case.domain.life_cycle import TransitionRule
from services.case.domain.refusals import LeadRefused
from shared.calendars import Duration


class CatalogueProduct(NamedTuple):
    """A product of the catalogue, as far as leads ask."""

    code: str
    type: str = ""
    brand: str = ""
    family: str = ""


class Conversion(NamedTuple):
    """What the account of a won lead is given (LEAD-2)."""

    classification: str
    credit_rating: str


@dataclass(frozen=True, slots=True)
class LeadTypeRules:
    """A lead type. `statuses`: the state of each allowed one; `defaults`: the status that a state gets when none is chosen."""

    code: str
    name: str
    unit: str
    creating_units: frozenset[str]
    complete_within: Duration | None
    priority: int
    importance: int
    conversion: Conversion | None
    statuses: Mapping[str, LeadLifeCycle]
    defaults: Mapping[LeadLifeCycle, str]
    transitions: tuple[TransitionRule, ...]
    categories: frozenset[str]
    default_category: str
    sources: frozenset[str]
    default_source: str
    lost_reasons: frozenset[str]
    default_lost_reason: str
    competitors: tuple[Competitor, ...]
    adds_competitors: bool
    interests: tuple[Interest, ...]
    """None listed: anything."""
    adds_interests: bool

    def check_creation(self, unit: str) -> None:
        """Raises `LeadRefused` where staff of this unit may not create such leads. A machine has no unit, and may."""
        if self.creating_units and unit and unit not in self.creating_units:
            raise LeadRefused(f"a lead of type {self.name}", f"it is created by units {', '.join(sorted(self.creating_units))}")

    def check_category(self, category: str) -> None:
        """Raises `LeadRefused`."""
        if category and category not in self.categories:
            raise LeadRefused(f"category {category}", f"lead type {self.name} has none with that code")

    def check_source(self, source: str) -> None:
        """Raises `LeadRefused`."""
        if source not in self.sources:
            raise LeadRefused(f"source {source}", f"lead type {self.name} allows: {', '.join(sorted(self.sources))}")

    def check_interest(self, interest: Interest, catalogue: Mapping[str, CatalogueProduct]) -> None:
        """Raises `LeadRefused` for a product that is not in the catalogue, or none of what leads of this type are about.

        An empty catalogue knows every product.
        """
        product = catalogue.get(interest.code) if interest.kind == "product" else None
        if interest.kind == "product" and catalogue and product is None:
            raise LeadRefused(f"product {interest.code}", "the catalogue has none with that code")
        if not self.interests or interest in self.interests:
            return
        if product is not None and any(self._covers(listed, product) for listed in self.interests):
            return
        raise LeadRefused(f"{interest}", f"leads of type {self.name} are about: {', '.join(map(str, self.interests))}")

    @staticmethod
    def _covers(listed: Interest, product: CatalogueProduct) -> bool:
        return listed.kind != "product" and getattr(product, listed.kind) == listed.code

    def competitor(self, name: str) -> Competitor:
        """The competitor with this name: one that the configuration describes, or only a name."""
        return next((known for known in self.competitors if known.name.casefold() == name.casefold()), Competitor(name))
