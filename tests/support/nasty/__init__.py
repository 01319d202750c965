"""Mails as nasty as real ones: each with the values that a careful reader finds in it."""

from __future__ import annotations

from tests.support.nasty import addresses, bodies, found, headers, parts
from tests.support.nasty.case import Case, read

CASES: list[Case] = [*headers.cases(), *addresses.cases(), *bodies.cases(), *parts.cases(), *found.cases()]

__all__ = ["CASES", "Case", "read"]
