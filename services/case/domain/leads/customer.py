"""Who a lead's customer is: handles as they are compared, and whose they are (CON-1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

import phonenumbers

from services.case.domain.refusals import LeadRefused

_EMAIL = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,250}")
HandleKey = tuple[str, str]


class Customer(NamedTuple):
    """Whom a lead is about. `phone` is E.164."""

    name: str = ""
    email: str = ""
    phone: str = ""
    contact_id: UUID | None = None
    account_id: UUID | None = None

    @property
    def handles(self) -> tuple[HandleKey, ...]:
        """By what they are recognised, the surest first."""
        found = (("email", self.email.lower()), ("phone", self.phone))
        return tuple((kind, value) for kind, value in found if value)


class Known(Protocol):
    """A contact that is known."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


K = TypeVar("K", bound=Known)


def email_of(text: str) -> str:
    """The address, without spaces around it. Raises `LeadRefused`."""
    address = text.strip()
    if address and not _EMAIL.fullmatch(address):
        raise LeadRefused("the email address", "it is none; write one such as joan@example.org")
    return address


def phone_of(text: str, region: str | None) -> str:
    """The number in E.164. `region` (ISO 3166) is where one without a country code is. Raises `LeadRefused`."""
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise LeadRefused("the phone number", "it is none; write one with its country code, such as +44 1632 960123") from None
    if not phonenumbers.is_possible_number(number):
        raise LeadRefused("the phone number", "it has not the length of one; write it with its country code, such as +44 1632 960123")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def whose(customer: Customer, known: Mapping[HandleKey, Sequence[K]]) -> tuple[K | None, bool]:
    """The contact who has the customer's handles, and whether anybody has one.

    Of several who share a handle it is the one with the customer's name; without such a one nobody, and staff choose.
    """
    anybody = False
    for handle in customer.handles:
        candidates = known.get(handle, ())
        anybody = anybody or bool(candidates)
        if len(candidates) == 1:
            return candidates[0], True
        named = [one for one in candidates if customer.name and one.name.casefold() == customer.name.casefold()]
        if len(named) == 1:
            return named[0], True
    return None, anybody
