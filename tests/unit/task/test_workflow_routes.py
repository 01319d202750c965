"""What a workflow comes to, over HTTP: no database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from services.task.api import routers
from services.task.settings import ApiSettings
from shared.messaging import EventPublisher, StaticReference
from shared.web import create_app
from tests.support.configuration import SUBJECTS, a_configuration
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("TASK-1", "TASK-2", "EDGE-5")

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning at nine, in London too."""
URGENT = {"field": "case.urgency", "equals": "high"}


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    workflow = SUBJECTS[0]["workflow"] | {"tasks": ["inspect-leak", {"task": "fix-leak", "if": URGENT}, "call-back"]}
    configuration = a_configuration(subjects=[SUBJECTS[0] | {"workflow": workflow}, *SUBJECTS[1:]])
    publisher = cast("EventPublisher", SimpleNamespace(database=None))
    settings = ApiSettings(kafka="none:1", database="postgresql:///none", port=0)
    made = routers(publisher, StaticReference(configuration, version=3), lambda: NOW)
    with served(create_app("task", settings, made, verifier=a_verifier())) as client:
        yield client


def preview(api: httpx.Client, tasks: list[Any], *dependencies: dict[str, str], **more: Any) -> Any:
    body = {"workflow": {"tasks": tasks, "dependencies": list(dependencies)}, **more}
    return api.post("/workflows/preview", json=body)


def test_a_subjects_workflow_shows_when_all_would_be_done_and_what_decides_that(api: httpx.Client) -> None:
    shown = api.get("/workflows/leak").json()
    assert (shown["config_version"], shown["opens_at"]) == (3, "2026-03-02T09:00:00+00:00")
    assert shown["critical_path"] == ["inspect-leak", "fix-leak", "call-back"]
    # Four hours; two working days to Wednesday 13:00; a day's lag to Thursday; one working day.
    assert shown["finishes_at"] == "2026-03-06T13:00:00+00:00"
    assert [(task["definition"], task["conditional"], task["waits_for"]) for task in shown["tasks"]] == [
        ("inspect-leak", False, []),
        ("fix-leak", True, ["inspect-leak"]),
        ("call-back", False, ["fix-leak"]),
    ]
    assert shown["tasks"][0]["finishes_at"] == "2026-03-02T13:00:00+00:00"
    assert shown["dependencies"][1] == {
        "task": "call-back",
        "after": "fix-leak",
        "kind": "finish_to_start",
        "lag": "1 day",
        "max_lag": "3 days",
    }
    later = api.get("/workflows/leak", params={"opens_at": "2026-03-06T17:00:00Z"}).json()
    assert later["tasks"][1]["starts_at"] == "2026-03-06T21:00:00+00:00"
    assert api.get("/workflows/flood").status_code == 404
    assert api.get("/workflows/leak", headers=bearer(a_token("paul", "task:read"))).status_code == 403


def test_a_draft_is_looked_at_as_if_it_were_applied(api: httpx.Client) -> None:
    ends = {"task": "call-back", "after": "fix-leak", "kind": "finish_to_finish", "lag": "1 day"}
    shown = preview(api, ["fix-leak", "call-back"], ends, opens_at="2026-03-02T10:00:00Z").json()
    assert shown["critical_path"] == ["fix-leak", "call-back"]
    assert shown["tasks"][1]["finishes_after"] == ["fix-leak"]
    assert shown["finishes_at"] == "2026-03-05T10:00:00+00:00"
    assert preview(api, []).json()["finishes_at"] is None


def test_of_a_draft_that_cannot_be_used_all_that_is_wrong_is_told(api: httpx.Client) -> None:
    links = [("a", "b", "start_to_start"), ("b", "c", "finish_to_start"), ("c", "a", "finish_to_finish"), ("d", "d", "finish_to_start")]
    names = {"a": "inspect-leak", "b": "fix-leak", "c": "call-back", "d": "answer"}
    refused = preview(api, list(names.values()), *({"after": names[a], "task": names[t], "kind": k} for a, t, k in links))
    assert refused.status_code == 422
    itself, circle = refused.json()["problems"]
    assert (itself["kind"], itself["dependency"]) == ("self_link", 3)
    assert circle["kind"] == "cycle"
    assert circle["codes"][0] == circle["codes"][-1]
    assert set(circle["codes"]) == {"inspect-leak", "fix-leak", "call-back"}
    unknown = preview(api, ["inspect-leak", "mend", "sweep"]).json()["problems"]
    assert [(each["message"], each["task"]) for each in unknown] == [
        ("there is no task definition mend", 1),
        ("there is no task definition sweep", 2),
    ]
    odd = preview(api, ["inspect-leak", "fix-leak"], {"task": "fix-leak", "after": "inspect-leak", "lag": "2 working weeks"})
    assert odd.status_code == 422
    assert "working time" in odd.text
    many = preview(api, ["inspect-leak"] * 1001)
    assert "up to 1000 tasks" in many.text
