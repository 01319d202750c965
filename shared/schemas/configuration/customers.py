"""What staff choose among for contacts and accounts: areas, and kinds, classifications and credit ratings of accounts (CON-1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.schemas.events.texts import Code


class _Named(BaseModel):
    """Something with a code, unique among its kind, and a name for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    description: str = ""


class Area(_Named):
    """Where contacts and accounts are. New cases of theirs go to its unit, where the subject has none of its own (CASE-7)."""

    unit: Code | None = None


class AccountKind(_Named):
    """What an account is, such as a tenancy, a household, a company."""


class AccountClassification(_Named):
    """How an account counts with us."""


class CreditRating(_Named):
    """How far an account's payment is trusted."""


class Accounts(BaseModel):
    """What accounts may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[AccountKind, ...] = ()
    classifications: tuple[AccountClassification, ...] = ()
    credit_ratings: tuple[CreditRating, ...] = ()
