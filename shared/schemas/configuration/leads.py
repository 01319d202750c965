"""Leads in the configuration: their types, and what types choose from (LEAD-1)."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.schemas.events.lead import LeadLifeCycle, LeadSource
from shared.schemas.events.texts import CODE_LENGTH, Code

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
DurationText = Annotated[str, StringConstraints(pattern=r"^\d+ (working )?(second|minute|hour|day|week|month|year)s?$")]
Level = Annotated[int, Field(ge=1, le=10)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Named(_Section):
    code: Code
    name: Text
    description: str = ""


class LevelLabel(_Section):
    """What a level from 1 to 10 is called."""

    level: Level
    label: ShortText


class LeadStatus(_Named):
    """The organisation's own label for a life-cycle state of leads."""

    state: LeadLifeCycle


class LeadCategory(_Named):
    """A node of the tree of categories of leads."""

    parent: Code | None = None


class LeadTransition(_Section):
    """Who may set status `to` on a lead in status `from`; no units and no users: anybody with the permission."""

    from_status: Code
    to_status: Code
    units: tuple[Code, ...] = ()
    users: tuple[str, ...] = ()
    reopens: bool = False
    """Whether it takes a lost lead back into progress."""


class Competitor(_Section):
    """Who else the customer may go to."""

    name: ShortText
    website: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s]+)?$", max_length=998)] = ""
    description: str = ""


class Competitors(_Section):
    """The competitors that leads of a type name."""

    automatic: bool = False
    """Whether a new lead gets all of them."""
    known: tuple[Competitor, ...] = ()


class Interests(_Section):
    """The products that a lead of a type may be about. None listed means all."""

    automatic: bool = False
    """Whether a new lead gets all that is listed."""
    products: tuple[ShortText, ...] = ()
    types: tuple[ShortText, ...] = ()
    brands: tuple[ShortText, ...] = ()
    families: tuple[ShortText, ...] = ()


class AutomaticConversion(_Section):
    """What becomes of a lead that is won: its contact's account gets these (LEAD-2)."""

    classification: str = ""
    credit_rating: str = ""


class LeadType(_Section):
    """A type of lead. Where no code is given it is made from the name."""

    name: ShortText
    code: Code
    description: str = ""
    complete_within: DurationText | None = None
    unit: Code | None = None
    """Whom new leads go to; None: the organisation's default unit."""
    creating_units: tuple[Code, ...] = ()
    """Whose staff may create leads of this type; none listed means all."""
    priority: Level = 5
    importance: Level = 5
    conversion: AutomaticConversion | None = None
    """Given: a lead that is won creates the account by itself."""
    statuses: tuple[Code, ...] = ()
    """Allowed statuses; none listed means all."""
    default_statuses: dict[LeadLifeCycle, Code] = {}
    transitions: tuple[LeadTransition, ...] = ()
    """None listed means the life cycle's own transitions."""
    categories: tuple[Code, ...] = ()
    """Allowed categories, each with all below it; none listed means all."""
    default_category: Code | None = None
    sources: tuple[LeadSource, ...] = ()
    """Allowed sources; none listed means all."""
    default_source: LeadSource = LeadSource.OTHER
    lost_reasons: tuple[Code, ...] = ()
    """Allowed reasons; none listed means all."""
    default_lost_reason: Code | None = None
    """None: whoever loses a lead has to name a reason."""
    competitors: Competitors = Competitors()
    interests: Interests = Interests()
    activity_types: tuple[Code, ...] = ()
    """The task definitions that can be scheduled for a lead; none listed means all."""

    @model_validator(mode="before")
    @classmethod
    def _with_a_code(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("code") is None and isinstance(data.get("name"), str):
            return data | {"code": code_from(data["name"])}
        return data


class LeadsSection(_Section):
    """Everything on leads. Without types no lead can be created."""

    types: tuple[LeadType, ...] = ()
    statuses: tuple[LeadStatus, ...] = (
        LeadStatus(code="new", name="New", state=LeadLifeCycle.PENDING),
        LeadStatus(code="in-progress", name="In progress", state=LeadLifeCycle.IN_PROGRESS),
        LeadStatus(code="won", name="Won", state=LeadLifeCycle.WON),
        LeadStatus(code="lost", name="Lost", state=LeadLifeCycle.LOST),
        LeadStatus(code="cancelled", name="Cancelled", state=LeadLifeCycle.CANCELLED),
    )
    default_statuses: dict[LeadLifeCycle, Code] = {}
    """Where one is missing, the first status that stands for the state."""
    categories: tuple[LeadCategory, ...] = ()
    lost_reasons: tuple[_Named, ...] = ()
    source_labels: dict[LeadSource, ShortText] = {}
    priority_labels: tuple[LevelLabel, ...] = ()
    importance_labels: tuple[LevelLabel, ...] = ()


def code_from(name: str) -> str:
    """The code that a name gives: `Shared ownership` becomes `shared-ownership`. Empty where it has no letter or digit."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:CODE_LENGTH].rstrip("-")
