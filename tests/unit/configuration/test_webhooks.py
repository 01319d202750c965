"""Webhooks in a configuration."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.webhooks import OFFERED, types_of
from tests.support.configuration import a_document

pytestmark = pytest.mark.requirement("EDGE-18")
GOOD: dict[str, Any] = {"code": "crm", "name": "CRM", "url": "https://crm.example/in?of=us", "events": ["casestream.case.*"]}


def problems(*webhooks: dict[str, Any]) -> list[tuple[str, str]]:
    found = check_configuration(yaml.safe_dump(a_document(webhooks=list(webhooks)))).problems
    return [(problem.path, problem.message) for problem in found]


def test_a_webhook_is_accepted() -> None:
    assert problems(GOOD, GOOD | {"code": "wall", "events": ["casestream.*", "casestream.case.republished.v1"], "units": ["repairs"]}) == []


@pytest.mark.parametrize("url", ["http://a.example/x", "https://user:word@a.example/", "https://a.example/#x", "https://", "https://a b/"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    ((path, message),) = problems(GOOD | {"url": url})
    assert (path, "the address of a webhook" in message) == ("webhooks[0].url", True)


@pytest.mark.parametrize(
    ("events", "path", "why"),
    [
        (["casestream.case.opend.v1"], "webhooks[0].events[0]", "did you mean 'casestream.case.opened.v1'?"),
        (["casestream.staff.changed.v1"], "webhooks[0].events[0]", "no webhook can have"),
        (["casestream.communication.received.v1"], "webhooks[0].events[0]", "no webhook can have"),
        (["casestream.case.*", "casestream.cows.*"], "webhooks[0].events[1]", "no webhook can have"),
        (["case opened"], "webhooks[0].events[0]", "is not a type of event"),
        ([], "webhooks[0].events", "at least 1"),
    ],
)
def test_events_that_nobody_publishes_are_refused(events: list[str], path: str, why: str) -> None:
    assert why in dict(problems(GOOD | {"events": events}))[path]


def test_codes_are_unique_and_units_exist() -> None:
    assert {path for path, _ in problems(GOOD, GOOD)} == {"webhooks[1].code"}
    assert {path for path, _ in problems(GOOD | {"units": ["nowhere"]})} == {"webhooks[0].units[0]"}


def test_a_wildcard_stands_for_what_begins_so() -> None:
    assert set(types_of("casestream.delivery.*")) == {f"casestream.delivery.{what}.v1" for what in ("sent", "failed", "bounced")}
    assert set(types_of("casestream.*")) == {name for name in OFFERED if "republished" not in name}
    assert types_of("casestream.cas*") == ()
