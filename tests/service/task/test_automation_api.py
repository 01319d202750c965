"""Automation rules over HTTP: which there are, what fired and for whom to see, and what one would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from services.task.api import routers
from services.task.settings import TaskSettings
from shared.ids import derive
from shared.messaging import StaticReference
from shared.web import create_app
from tests.service.task.conftest import MakeService, TaskService, a_case_event
from tests.support.configuration import a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

CASE = derive("test case", 1)
GAS = {
    "code": "gas",
    "name": "Gas",
    "on": "case.opened",
    "if": {"all": [{"field": "case.title", "contains": "gas"}, {"not": {"field": "case.owner", "exists": True}}]},
    "then": [{"do": "schedule_task", "definition": "answer"}, {"do": "set_urgency", "urgency": "high"}],
}
OFF = {"code": "off", "name": "Off", "on": "case.opened", "then": [{"do": "set_urgency", "urgency": "low"}], "active": False}
Ask = Callable[..., Any]


@contextmanager
def asking(service: TaskService) -> Iterator[Ask]:
    settings = TaskSettings(kafka="", database=service.url, port=0)
    app = create_app("task", settings, routers(service.publisher, service.reference, service.clock), verifier=a_verifier())
    with served(app) as client:

        def ask(method: str, path: str, scope: str = "all", unit: str = "repairs", expected: int = 200, **more: Any) -> Any:
            token = a_token("max", "rule:read", unit=unit, scope=scope)
            answer = httpx.request(method, f"{client.base_url}{path}", headers=bearer(token), timeout=10, **more)
            assert answer.status_code == expected, answer.text
            return answer.json()

        yield ask


@pytest.fixture
def service(make_service: MakeService) -> TaskService:
    return make_service(StaticReference(a_configuration(automation=(GAS, OFF)), version=7))


def opened(number: int = 1, **changes: Any) -> dict[str, Any]:
    event = a_case_event(number, **changes)
    return {"type": event.type, "data": event.data.model_dump(mode="json")}


def tables(service: TaskService) -> list[list[dict[str, Any]]]:
    return [service.rows(f"select * from {table} order by 1, 2") for table in ("cases", "tasks", "history", "firings", "cuts", "outbox")]


@pytest.mark.requirement("AUTO-1")
def test_rules_and_firings_are_listed_with_how_often_and_only_to_whom_they_concern(service: TaskService) -> None:
    service.feed(*(a_case_event(number, title="Smell of gas") for number in (1, 2, 3)), a_case_event(4))
    with asking(service) as ask:
        gas, off = ask("GET", "/automation/rules")["items"]
        assert (gas["rule"]["code"], gas["rule"]["if"]["all"][0]["contains"], gas["fired"]["times"]) == ("gas", "gas", 3)
        assert (off["rule"]["active"], off["fired"], off["cut"]) == (False, {"times": 0, "last_at": None}, {"times": 0, "last_at": None})

        first = ask("GET", "/automation/firings", params={"limit": 2})
        rest = ask("GET", "/automation/firings", params={"limit": 2, "cursor": first["next"]})
        assert len({one["id"] for one in first["items"] + rest["items"]}) == 3
        assert rest["next"] is None
        (one,) = ask("GET", "/automation/firings", params={"item": str(CASE), "rule": "gas"})["items"]
        assert (one["on"], one["outcome"], [action["do"] for action in one["actions"]]) == (
            "case.opened",
            "done",
            ["schedule_task", "set_urgency"],
        )
        unit = service.rows("select unit from cases limit 1")[0]["unit"]
        assert len(ask("GET", "/automation/firings", scope="unit", unit=unit)["items"]) == 3
        assert ask("GET", "/automation/firings", scope="unit", unit="elsewhere")["items"] == []
        assert ask("GET", "/automation/firings", scope="own")["items"] == []


@pytest.mark.requirement("AUTO-1")
def test_a_dry_run_says_whether_a_rule_fires_why_not_and_what_it_does_and_changes_nothing(service: TaskService) -> None:
    service.feed(a_case_event())
    before = tables(service)
    with asking(service) as ask:

        def trial(event: dict[str, Any], rule: Any = "gas", **more: Any) -> Any:
            return ask("POST", "/automation/dry-run", json={"rule": rule, "event": event}, **more)

        fires = trial(opened(title="Smell of gas"))
        assert (fires["verdict"], fires["outcome"]) == ("fires", "done")
        assert [(action["do"], action["outcome"]) for action in fires["actions"]] == [("schedule_task", "done"), ("set_urgency", "asked")]

        not_so = trial(opened(title="Leak", owner="rita"))
        assert (not_so["verdict"], not_so["actions"]) == ("does-not-hold", [])
        assert not_so["compared"] == [
            {"field": "case.title", "value": "Leak", "holds": False},
            {"field": "case.owner", "value": "rita", "holds": True},
        ]
        assert trial(opened(), rule="off")["verdict"] == "inactive"
        assert trial(opened(title="gas", changed_by="rule:gas"))["verdict"] == "own-change"
        assert trial(opened(), rule=GAS | {"on": "case.assigned"})["verdict"] == "another-event"
        unknown = trial(opened(99, title="gas"), rule=GAS | {"then": [{"do": "schedule_task", "definition": "no-such"}]})
        assert (unknown["verdict"], unknown["outcome"]) == ("fires", "refused")
    assert tables(service) == before


@pytest.mark.requirement("AUTO-1")
@pytest.mark.parametrize(
    ("body", "expected", "why"),
    [
        ({"rule": "no-such", "event": opened()}, 422, "no rule no-such"),
        ({"rule": "gas", "event": {"type": "casestream.plan.made.v1", "data": {}}}, 422, "not for events"),
        ({"rule": "gas", "event": {"type": "casestream.case.opened.v1", "data": {"case_id": "x"}}}, 422, "data is none of"),
        ({"rule": GAS | {"if": {"field": "case.prority", "exists": True}}, "event": opened()}, 422, "no field case.prority"),
        ({"rule": GAS | {"then": [{"do": "explode"}]}, "event": opened()}, 422, "AutomationRule.then"),
    ],
)
def test_a_dry_run_of_what_is_none_is_refused_with_the_reason(service: TaskService, body: dict[str, Any], expected: int, why: str) -> None:
    with asking(service) as ask:
        assert why in str(ask("POST", "/automation/dry-run", json=body, expected=expected))


def test_a_dry_run_on_a_case_beyond_reach_finds_nothing(service: TaskService) -> None:
    service.feed(a_case_event())
    with asking(service) as ask:
        body = {"rule": "gas", "event": opened(title="gas")}
        ask("POST", "/automation/dry-run", scope="unit", unit="elsewhere", json=body, expected=404)
