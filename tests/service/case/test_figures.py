"""The dashboard's figures, period reports, and the gauge of the oldest unassigned case, against the same counted from the rows."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bench.load_cases import load
from services.case import metrics
from services.case.api import routers
from services.case.settings import Settings
from services.case.worker.watching import watch
from shared.messaging import EventPublisher
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CLOSED = ("completed", "cancelled")


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    load(service.database, a_case_configuration(), 500, 60, NOW)
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    with served(app) as client:
        yield client
    publisher.close()


def rows(service: CaseService, fits: Callable[[dict[str, Any]], bool] = lambda _case: True) -> list[dict[str, Any]]:
    with service.database.read() as tx:
        return [case for case in tx.dicts("select * from cases") if fits(case)]


def _is_overdue(case: dict[str, Any]) -> bool:
    due: datetime | None = case["expected_completion_at"]
    return due is not None and due < NOW


@pytest.mark.requirement("CASE-15")
@pytest.mark.parametrize("scope", ["all", "unit", "own"])
def test_figures_are_those_of_the_open_cases_that_the_caller_reaches(api: httpx.Client, service: CaseService, scope: str) -> None:
    every = rows(service, lambda case: case["state"] not in CLOSED)
    owner = next(case["owner"] for case in every if case["owner"])
    reaches: dict[str, Callable[[dict[str, Any]], bool]] = {
        "all": lambda _case: True,
        "unit": lambda case: case["unit"] == "repairs" or case["owner"] == owner,
        "own": lambda case: case["owner"] == owner,
    }
    mine = [case for case in every if reaches[scope](case)]

    found = api.get("/figures", headers=bearer(a_token(owner, "case:read", unit="repairs", scope=scope))).json()  # type: ignore[arg-type]

    assert mine
    assert found["open"] == len(mine)
    assert found["overdue"] == sum(map(_is_overdue, mine))
    assert found["awaiting"] == sum(case["waiting_for_customer"] for case in mine)
    unassigned = [case for case in mine if case["owner"] is None]
    assert found["unassigned"] == len(unassigned)
    oldest = min(unassigned, key=lambda case: case["opened_at"], default=None)
    assert found["oldest_unassigned"] == (str(oldest["id"]) if oldest else None)
    for name in ("priority", "category", "unit", "owner", "state", "subject"):
        assert {item[name]: item["open"] for item in found["by"][name]} == Counter(case[name] for case in mine), name
        assert sum(item["overdue"] for item in found["by"][name]) == found["overdue"], name


@pytest.mark.requirement("CASE-15")
def test_without_open_cases_every_figure_is_nought(api: httpx.Client, service: CaseService) -> None:
    with service.database.transaction() as tx:
        tx.execute("update cases set state = 'completed'")

    found = api.get("/figures").json()

    assert (found["open"], found["overdue"], found["unassigned"], found["awaiting"]) == (0, 0, 0, 0)
    assert (found["oldest_unassigned"], found["oldest_unassigned_at"], found["by"]["unit"]) == (None, None, [])


@pytest.mark.requirement("CASE-15")
def test_a_report_counts_what_was_opened_and_closed_in_its_period(api: httpx.Client, service: CaseService) -> None:
    begin, end = NOW - timedelta(days=400), NOW - timedelta(days=100)
    period = {"from": begin.isoformat(), "to": end.isoformat()}

    for by in ("subject", "unit", "method", "category", "reason"):
        items = {item[by]: item for item in api.get("/reports/cases", params=period | {"by": by}).json()["items"]}
        opened = Counter(case[by] for case in rows(service, lambda case: begin <= case["opened_at"] < end))
        closed = rows(service, lambda case: case["completed_at"] is not None and begin <= case["completed_at"] < end)
        done = [case for case in closed if case["state"] == "completed"]
        assert {value: item["opened"] for value, item in items.items() if item["opened"]} == opened
        assert sum(item["cancelled"] for item in items.values()) == len(closed) - len(done)
        for value, item in items.items():
            taken = [(case["completed_at"] - case["opened_at"]).total_seconds() for case in done if case[by] == value]
            assert item["completed"] == len(taken)
            assert item["median_seconds_to_completion"] == (pytest.approx(statistics.median(taken)) if taken else None)
    assert api.get("/reports/cases", params={"from": period["to"], "to": period["from"]}).status_code == 422
    assert api.get("/reports/cases", params=period | {"by": "title"}).status_code == 422


@pytest.mark.requirement("EDGE-18")
def test_the_age_of_the_oldest_unassigned_case_is_shown(api: httpx.Client, service: CaseService) -> None:
    unassigned = rows(service, lambda case: case["state"] not in CLOSED and case["owner"] is None)

    watch(service.database, lambda: NOW)

    age = NOW - min(case["opened_at"] for case in unassigned)
    assert metrics.OLDEST_UNASSIGNED._value.get() == pytest.approx(age.total_seconds())
