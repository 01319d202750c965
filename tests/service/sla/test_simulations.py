"""Simulations over the read model, and the API under requests made from its own document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from services.sla.api import build
from services.sla.api.asking import Around
from services.sla.settings import Settings
from shared.messaging import StaticReference
from shared.schemas.permissions import PERMISSIONS
from shared.storage import Database
from shared.web.openapi import described
from tests.service.sla.read_model import NOON, ReadModel
from tests.support.configuration import a_configuration
from tests.support.fuzzing import fuzzed
from tests.support.web import a_token, a_verifier, served

NOW_IN_FORCE = {"targets": [{"clock": "response", "within": "8 working hours"}]}
STRICTER = {"targets": [{"clock": "response", "within": "1 working hour"}]}
PERIOD = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-05T00:00:00Z"}


@pytest.fixture
def model(fresh_database: Callable[[str], str]) -> Iterator[ReadModel]:
    database = Database(fresh_database("sla"), service="sla")
    made = ReadModel(database, a_configuration(sla=NOW_IN_FORCE))
    for name, when in ((1, "2026-03-02 09:30"), (2, "2026-03-02 12:00"), (3, "2026-03-03 16:00")):
        made.case(name, "2026-03-02 09:00", {"at": when, "state": "responded", "responded_at": when})
    made.case("open", "2026-03-04 10:30", unit="neighbourhood")
    made.case("before", "2026-02-02 09:00", {"at": "2026-02-02 16:00", "state": "responded", "responded_at": "2026-02-02 16:00"})
    made.task("a task", "2026-03-02 09:00", "2026-03-04 13:00")
    yield made
    database.close()


def as_yaml(sla: object) -> str:
    return yaml.safe_dump(a_configuration(sla=sla).model_dump(mode="json", exclude_defaults=True))


@pytest.mark.requirement("EDGE-8")
def test_another_configuration_is_tried_on_the_cases_there_were(model: ReadModel) -> None:
    with model.api() as asking:
        answer = asking.post("/simulations", {"configuration": as_yaml(STRICTER)} | PERIOD)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["kinds"] == [
            {"kind": "response", "clocks": 4, "missed_before": 1, "missed_after": 3, "newly_missed": 2, "newly_met": 0}
        ]
        assert {(one["number"], one["before"], one["after"]) for one in found["items"]} == {
            ("C-2", "met", "missed"),
            ("C-open", "running", "overdue"),
        }
        assert (found["cases"], found["is_complete"], found["uncounted"]) == (4, True, 0)
        mine = asking.post("/simulations", {"configuration": as_yaml(STRICTER)} | PERIOD, scope="unit", unit="neighbourhood").json()
        assert mine["cases"] == 1
        before = asking.get("/clocks/C-2").json()
        assert before["clocks"][0]["outcome"] == "met", "a simulation changes nothing"


def test_a_configuration_with_problems_is_not_tried_and_named(model: ReadModel) -> None:
    with model.api() as asking:
        bad = asking.post("/simulations", {"configuration": "organisation: {name: X}\nsubjects: 7\n"})
        assert bad.status_code == 422
        assert {"line", "column", "key", "message"} == bad.json()["problems"][0].keys()
        assert asking.post("/simulations", {"configuration": as_yaml(STRICTER)}, "clock:read").status_code == 403


@pytest.mark.requirement("FACE-1")
def test_every_answer_is_as_declared_and_none_is_a_server_error(model: ReadModel, tmp_path: Path) -> None:
    model.write()
    settings = Settings(kafka="none:1", database=model.database.url, port=0)
    around = Around.of(StaticReference(model.configuration), lambda: NOON)
    app = build(settings, model.database, around, list, a_verifier())
    token = a_token("rita", *PERMISSIONS)
    document = described(app)
    document["paths"]["/simulations"]["post"]["requestBody"]["content"]["application/json"]["examples"] = {
        "there": {"value": {"configuration": as_yaml(STRICTER)} | PERIOD}
    }
    with served(app, token) as client:
        is_fine, told = fuzzed(tmp_path, document, str(client.base_url), token, {"/clocks": {"id": "C-1"}}, examples=8, boundaries=False)
    assert is_fine, told[-6000:]
