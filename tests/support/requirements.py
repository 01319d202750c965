"""A pytest plugin that records which tests show which requirement, for `make requirements`.

Each run updates `.casestream/requirements.json` with the tests that it ran; `make test` begins with an empty record.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

RECORD = Path(__file__).resolve().parents[2] / ".casestream" / "requirements.json"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Attach the ids to the test's report, which travels from the workers to the ruling process."""
    for item in items:
        for marker in item.iter_markers("requirement"):
            item.user_properties.extend(("requirement", requirement) for requirement in marker.args)


class Recorder:
    """Gathers the outcome of each marked test in the ruling process."""

    def __init__(self) -> None:
        self._requirements: dict[str, set[str]] = {}
        self._failed: set[str] = set()
        self._passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ids = {str(value) for name, value in report.user_properties if name == "requirement"}
        if not ids:
            return
        self._requirements[report.nodeid] = ids
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        elif report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if not self._requirements:
            return
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        for test, ids in self._requirements.items():
            passed = test in self._passed and test not in self._failed
            record[test] = {"requirements": sorted(ids), "passed": passed}
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        part = RECORD.with_suffix(".part")
        part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        part.replace(RECORD)


def pytest_configure(config: pytest.Config) -> None:
    """Only the ruling process records."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(), "requirement-recorder")
