"""Products of cases and accounts as they are answered. The catalogue is as the configuration has it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape


class _Held(Shape):
    id: UUID
    revision: int
    product: str = Field(examples=["boiler-24"])
    serial_number: str = Field(examples=["B24-0001337"])
    issued_on: date | None = Field(description="The day it left the warehouse.")
    warranty_until: date | None = Field(description="The last day of its warranty.")
    return_policy: str
    replaced_by: UUID | None = Field(description="The task by which it is replaced under warranty.")
    changed_at: datetime
    changed_by: str


class CaseProduct(_Held):
    """A product that a case is about."""

    case_id: UUID


class AccountProduct(_Held):
    """A product among an account's goods."""

    account_id: UUID


class RemovedProduct(Shape):
    """Which product was taken away."""

    removed: UUID


class ProductCheck(Shape):
    """What was decided on a product, and how it was reckoned."""

    id: UUID
    holder: Literal["case", "account"]
    holder_id: UUID
    item_id: UUID
    kind: Literal["warranty", "return"]
    product: str
    serial_number: str
    asked_on: date
    issued_on: date | None
    last_day: date | None
    return_policy: str
    reason: str
    outcome: Literal["covered", "refundable", "refused"]
    why: str
    reckoning: str
    replacement_task: UUID | None
    checked_by: str
    checked_at: datetime
