"""`casestream sla` against a served API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.stack import client
from shared.storage import Database
from tests.service.sla.read_model import ReadModel
from tests.support.configuration import a_configuration
from tests.support.web import a_token

TARGETS = {"targets": [{"clock": "response", "within": "4 working hours"}]}
PERIOD = ("--from", "2026-03-01T00:00Z", "--until", "2026-03-05T00:00Z")


@pytest.fixture
def told(fresh_database: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[..., str]]:
    database = Database(fresh_database("sla"), service="sla")
    model = ReadModel(database, a_configuration(sla=TARGETS))
    model.case(
        1, "2026-03-02 09:00", {"at": "2026-03-02 15:30", "state": "responded", "responded_at": "2026-03-02 15:30"}, title="A\x1b[31m leak"
    )
    model.task("paint", "2026-03-02 09:00", "2026-03-03 12:00")
    token = tmp_path / "token"
    token.write_text(a_token())
    token.chmod(0o600)
    with model.api() as asking:

        def run(*arguments: str, exit_code: int = 0) -> str:
            where = ("--url", str(asking.client.base_url), "--token-file", str(token))
            done = CliRunner().invoke(app, ["sla", *arguments, *where])
            assert done.exit_code == exit_code, (done.output, done.exception)
            return done.output

        yield run
    client._connections().close()
    client._connections.cache_clear()
    database.close()


@pytest.mark.requirement("EDGE-8")
def test_the_command_line_explains_lists_reports_and_simulates(told: Callable[..., str], tmp_path: Path) -> None:
    lines = told("explain", "C-1").splitlines()
    assert lines[0] == "case C-1 A [31m leak", "what customers wrote commands the terminal nothing"
    assert lines[2] == "response: Missed: it was due Mon 2 Mar 13:00 after 4 working hours, and ended Mon 2 Mar 15:30."
    assert lines[3] == "  2026-03-02 09:00  started with 4 working hours"
    assert json.loads(told("explain", "C-1", "--json"))["number"] == "C-1"
    header, row = told("list", "breached").splitlines()
    assert header.split()[:4] == ["due", "(here)", "clock", "on"]
    assert "Task paint" in row
    assert [json.loads(line)["kind"] for line in told("list", "--json").splitlines()] == ["due"]
    groups = [line.split() for line in told("report", "--by", "method", *PERIOD).splitlines()[1:]]
    assert groups == [["(none)", "0", "0", "0", "1", "0.0%"], ["email", "0", "1", "0", "0", "0.0%"], ["total", "0", "1", "0", "1", "0.0%"]]
    assert "response" in told("report", "times", *PERIOD)
    assert told("report", "--csv", *PERIOD).lstrip("\ufeff").startswith("group,met")
    other = tmp_path / "other.yaml"
    document = a_configuration(sla={"targets": [{"clock": "response", "within": "8 working hours"}]}).model_dump(
        mode="json", exclude_defaults=True
    )
    other.write_text(yaml.safe_dump(document))
    assert "C-1 response: missed -> met" in told("simulate", str(other), *PERIOD)
    told("list", "at-risk", "--within", "1 hour", exit_code=2)
    told("report", "--from", "soon", exit_code=2)
