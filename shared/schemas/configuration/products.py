"""The catalogue (CASE-14): goods and one-time services by type, brand and family, their warranty, and how they may be returned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.schemas.events.texts import Code

Name = Annotated[str, StringConstraints(min_length=1, max_length=998)]
PeriodText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d* (day|week|month|year)s?$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProductGroup(_Section):
    """A type, brand or family of products."""

    code: Code
    name: Name


class CoverageReason(_Section):
    """Why a customer may bring a good back, and what comes of it: it is replaced (covered), or the money is given back (refundable)."""

    code: Code
    name: Name
    gives: Literal["covered", "refundable"]


class ReturnPolicy(_Section):
    """Until when a good may be returned, counted from the day it left the warehouse, the last day included; and for which reasons."""

    code: Code
    name: Name
    within: PeriodText
    reasons: Annotated[tuple[CoverageReason, ...], Field(min_length=1)]


class Product(_Section):
    """A good or a one-time service."""

    code: Code
    name: Name
    description: str = ""
    kind: Literal["good", "service"]
    physical: bool | None = None
    """Of a good, whether it is a thing that can be sent back; none: it is. A service never is."""
    type: Code | None = None
    brand: Code | None = None
    family: Code | None = None
    warranty: PeriodText | None = None
    """Counted from the day it left the warehouse, the last day included; none: there is no warranty."""
    return_policy: Code | None = None
    """The one that holds where a sold good names no other; none: it cannot be returned."""
    replacement_task: Code | None = None
    """The definition of the task by which it is replaced under warranty; it belongs to no workflow."""

    @property
    def is_physical(self) -> bool:
        """Whether it is a thing that can be sent back."""
        return self.kind == "good" and self.physical is not False


class Products(_Section):
    """All of it."""

    types: tuple[ProductGroup, ...] = ()
    brands: tuple[ProductGroup, ...] = ()
    families: tuple[ProductGroup, ...] = ()
    return_policies: tuple[ReturnPolicy, ...] = ()
    catalogue: tuple[Product, ...] = ()
