"""Lists of cases over HTTP: every filter and order, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bench.load_cases import load
from services.case.api import routers
from services.case.settings import Settings
from services.case.storage.lists import Sort
from shared.messaging import EventPublisher
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASES = 400
FEW, MANY = 2_000, 30_000
RANKS = ("low", "normal", "high", "urgent")


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    load(service.database, a_case_configuration(), CASES, 60, NOW)
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    with served(app) as client:
        yield client
    publisher.close()


def everything(api: httpx.Client, limit: int = 23, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    """A list to its end."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = api.get("/cases", params=params | {"limit": limit} | more, headers=headers)
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            return found


def _at(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _order(sort: str, ranks: list[str]) -> Callable[[dict[str, Any]], Any]:
    sign = -1 if sort.startswith("-") else 1
    if sort.endswith("due"):
        return lambda case: (case["expected_completion_at"] is None, sign * _at(case["expected_completion_at"]))
    if sort.endswith("priority"):
        return lambda case: (sign * ranks.index(case["priority"]), sign * _at(case["opened_at"]))
    return lambda case: sign * _at(case["opened_at"])


@pytest.mark.requirement("FACE-1", "CASE-15")
def test_every_order_gives_every_case_once_and_in_order_for_whoever_may_see_it(api: httpx.Client, service: CaseService) -> None:
    some = everything(api, 500)
    assert len(some) == CASES
    owner = next(case["owner"] for case in some if case["owner"] and case["unit"] != "repairs")
    with service.database.transaction() as tx:
        tx.execute("update cases set priority = 'of-old' where number like '%%7'")
    codes = ["of-old", *(one.code for one in a_case_configuration().prioritisation.priorities)]
    callers = {
        "all": lambda _case: True,
        "unit": lambda case: case["unit"] == "repairs" or case["owner"] == owner,
        "own": lambda case: case["owner"] == owner,
    }
    for scope, may_see in callers.items():
        headers = bearer(a_token(owner, "case:read", unit="repairs", scope=scope))  # type: ignore[arg-type]
        wanted = {case["id"] for case in some if may_see(case)}
        for sort in Sort:
            found = everything(api, 23, headers, sort=sort.value)
            ids = [case["id"] for case in found]
            assert (len(ids), set(ids)) == (len(wanted), wanted), (scope, sort)
            assert found == sorted(found, key=_order(sort.value, codes)), (scope, sort)


@pytest.mark.requirement("FACE-1", "CASE-15")
def test_filters_are_fulfilled_by_what_is_listed_and_by_nothing_else(api: httpx.Client) -> None:
    some = everything(api, 500)
    one = some[0]
    middle = some[len(some) // 2]["opened_at"]
    soon = (NOW + timedelta(days=3)).isoformat()

    def is_open(case: dict[str, Any]) -> bool:
        return case["state"] not in ("completed", "cancelled")

    filters: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
        ({"unit": one["unit"]}, lambda case: case["unit"] == one["unit"]),
        ({"unassigned": True, "open": True}, lambda case: case["owner"] is None and is_open(case)),
        ({"owner": one["owner"] or "rita"}, lambda case: case["owner"] == (one["owner"] or "rita")),
        ({"state": ["responded", "cancelled"]}, lambda case: case["state"] in ("responded", "cancelled")),
        ({"open": True}, lambda case: is_open(case)),
        (
            {"overdue": True},
            lambda case: is_open(case) and 0 < _at(case["expected_completion_at"]) < NOW.timestamp(),
        ),
        (
            {"due_before": soon, "open": True},
            lambda case: is_open(case) and 0 < _at(case["expected_completion_at"]) < _at(soon),
        ),
        ({"opened_after": middle}, lambda case: _at(case["opened_at"]) > _at(middle)),
        ({"opened_before": middle}, lambda case: _at(case["opened_at"]) < _at(middle)),
        ({"needs_review": True}, lambda case: case["needs_review"]),
        ({"awaiting": True}, lambda case: case["waiting_for_customer"]),
        *(({name: one[name]}, lambda case, name=name: case[name] == one[name]) for name in ("subject", "priority", "urgency", "method")),
        ({"contact_id": one["customer"]["contact_id"]}, lambda case: case["customer"]["contact_id"] == one["customer"]["contact_id"]),
    ]
    for params, fits in filters:
        for sort in ("-opened", "due", "-priority"):
            found = {case["id"] for case in everything(api, 500, sort=sort, **params)}
            assert found == {case["id"] for case in some if fits(case)}, (params, sort)
        assert found, params


def test_a_cursor_of_another_order_is_refused(api: httpx.Client) -> None:
    cursor = api.get("/cases", params={"limit": 1, "sort": "due"}).json()["next"]

    assert api.get("/cases", params={"cursor": cursor, "sort": "due"}).status_code == 200
    assert api.get("/cases", params={"cursor": cursor}).status_code == 400
    assert api.get("/cases", params={"sort": "colour"}).status_code == 422
