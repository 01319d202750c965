"""Products on cases and among an account's goods (CASE-14): what is known of each, and what was decided on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.case.domain.refusals import CaseRefusal
from services.case.domain.returns import ReturnPolicy
from shared.calendars import Duration


class Holder(StrEnum):
    """What a product belongs to."""

    CASE = "case"
    ACCOUNT = "account"


class Item(NamedTuple):
    """A product that belongs to a case or an account. Field names are those of `case_products` and `account_products`."""

    id: UUID
    revision: int
    holder_id: UUID
    product: str
    serial_number: str
    issued_on: date | None
    """The day it left the warehouse."""
    warranty_until: date | None
    return_policy: str
    replaced_by: UUID | None
    """The task by which it is replaced under warranty."""
    changed_at: datetime
    changed_by: str


class Check(NamedTuple):
    """What was decided on a product, and how it was reckoned. Field names are those of the table `product_checks`."""

    id: UUID
    holder: str
    holder_id: UUID
    item_id: UUID
    kind: str
    """`warranty` or `return`."""
    product: str
    serial_number: str
    asked_on: date
    issued_on: date | None
    last_day: date | None
    return_policy: str
    reason: str
    outcome: str
    """`covered`, `refundable` or `refused`."""
    why: str
    reckoning: str
    replacement_task: UUID | None
    checked_by: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the catalogue. `return_policy`, `replacement_task`: empty where there is none."""

    code: str
    name: str
    kind: str
    is_physical: bool
    warranty: Duration | None
    return_policy: str
    replacement_task: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The catalogue of one version of the configuration. `allowed`: the products of each subject that names some."""

    products: Mapping[str, Product] = field(default_factory=dict)
    policies: Mapping[str, ReturnPolicy] = field(default_factory=dict)
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def product(self, code: str) -> Product:
        """The product. Raises `ProductRefused`."""
        found = self.products.get(code)
        if found is None:
            raise ProductRefused(f"product {code}", "the catalogue does not have it")
        return found

    def policy(self, code: str) -> ReturnPolicy:
        """The return policy. Raises `ProductRefused`."""
        found = self.policies.get(code)
        if found is None:
            raise ProductRefused(f"return policy {code}", "the configuration does not have it")
        return found

    def require_allowed(self, product: str, subject: str) -> None:
        """Raises `ProductRefused` when cases of the subject are not about this product."""
        allowed = self.allowed.get(subject)
        if allowed is not None and product not in allowed:
            raise ProductRefused(f"product {product}", f"subject {subject} allows only {', '.join(sorted(allowed))}")


class ProductRefused(CaseRefusal):
    """What is said of a product does not agree with the catalogue, or with itself."""


class ReplacementRefused(CaseRefusal):
    """The product is not replaced: its warranty does not cover it, or it is replaced already."""
