"""Handles in the one form by which contacts are matched (CON-1)."""

from __future__ import annotations

import phonenumbers

LONGEST_HANDLE = 320


class BadHandle(Exception):
    """The value is no handle of its kind; the text says why, without the value."""


def normal_handle(kind: str, value: str, region: str = "") -> str:
    """`value`, which is clean text, in its normal form. Raises `BadHandle`. An empty one stays: a number that was withheld is nobody's.

    email: lower case; phone: E.164, a national number taken for one of `region` (ISO 3166; empty: it has to begin with +); x: lower case,
    without @; other: trimmed.
    """
    value = value.strip()
    if not value:
        return ""
    if kind == "phone":
        return _phone(value, region)
    if kind == "email":
        local, at, domain = value.rpartition("@")
        if not (local and at and domain) or any(letter.isspace() for letter in value):
            raise BadHandle("the email address has not the form name@domain")
        return value.lower()
    if kind == "x":
        handle = value.removeprefix("@").lower()
        if not handle or any(letter.isspace() for letter in handle):
            raise BadHandle("the X handle is empty or has spaces")
        return handle
    return value


def _phone(value: str, region: str) -> str:
    try:
        number = phonenumbers.parse(value, region or None)
    except phonenumbers.NumberParseException as error:
        raise BadHandle("the phone number cannot be read as one") from error
    if not phonenumbers.is_possible_number(number):
        raise BadHandle("the phone number has not the length of one")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
