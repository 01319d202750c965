"""Which unit a new case goes to: every way in which subject, area and account may have one, or not."""

from __future__ import annotations

from itertools import product

import pytest

from services.case.handlers.rules import rules_of
from shared.schemas.configuration.customers import Area
from tests.support.case import a_case_configuration

AREAS = (Area(code="north", name="North", unit="neighbourhood"), Area(code="south", name="South"))
ACCOUNTS = [
    {"address": "Repairs@housing.example", "method": "email", "unit": "repairs"},
    {"address": "all@housing.example", "method": "email"},
]
RULES = rules_of(a_case_configuration(areas=AREAS, mail_accounts=ACCOUNTS))
ADDRESSES = ("", "repairs@housing.example", "all@housing.example", "other@a.example")
EXPECTED = {
    (True, True): "neighbourhood",
    (True, False): "neighbourhood",
    (False, True): "repairs",
    (False, False): "contact-centre",
}
"""By whether the area has a unit, and whether the account has."""


@pytest.mark.requirement("CASE-7")
@pytest.mark.parametrize(
    ("subject", "area", "account"),
    list(product(("leak", "enquiry"), ("", "north", "south", "gone"), ADDRESSES)),
)
def test_the_nearest_that_has_a_unit_decides(subject: str, area: str, account: str) -> None:
    found = RULES.unit_for(RULES.subjects[subject], account, area)

    if subject == "leak":
        assert found == "repairs", "the subject's own"
    else:
        assert found == EXPECTED[area == "north", account.startswith("repairs")]
