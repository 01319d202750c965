"""Mails as nasty as real ones are read field by field as a careful reader reads them."""

from __future__ import annotations

import pytest

from services.ingest.domain.mail import parse_mail
from tests.support.nasty import CASES, Case, read


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("one", [pytest.param(one, id=f"{number} {ascii(one.name)[:60]}") for number, one in enumerate(CASES)])
def test_every_field_of_a_nasty_mail_is_right(one: Case) -> None:
    assert read(parse_mail(one.raw)) == one.expected
