"""The record of shown requirements, and the page it refers to."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support.platform import CLONE

TESTS = """
import pytest

@pytest.mark.requirement("TASK-1", "TASK-2")
def test_shows():
    pass

@pytest.mark.requirement("TASK-3")
def test_fails():
    assert False

@pytest.mark.requirement("TASK-4")
def test_breaks_afterwards(broken):
    pass

@pytest.fixture
def broken():
    yield
    raise ValueError

def test_claims_nothing():
    pass
"""


def test_only_passing_tests_show_their_requirements(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = requirement(*ids): x\n")
    (tmp_path / "conftest.py").write_text(
        "import pathlib\nimport tests.support.requirements as plugin\n"
        f"plugin.RECORD = pathlib.Path({str(tmp_path / 'record.json')!r})\npytest_plugins = ['tests.support.requirements']\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), "-n", "2"]
    subprocess.run(command, capture_output=True, cwd=CLONE, check=False)
    record = json.loads((tmp_path / "record.json").read_text())
    outcomes = {test.rpartition("::")[2]: (result["requirements"], result["passed"]) for test, result in record.items()}
    assert outcomes == {
        "test_shows": (["TASK-1", "TASK-2"], True),
        "test_fails": (["TASK-3"], False),
        "test_breaks_afterwards": (["TASK-4"], False),
    }


def test_every_id_that_a_test_claims_is_on_the_page() -> None:
    page = set(re.findall(r"^- `([A-Z]+-\d+)`", (CLONE / "docs" / "requirements.md").read_text(), re.MULTILINE))
    mark = re.compile(r"mark\.requirement\(([^)]*)\)")
    for file in (CLONE / "tests").rglob("test_*.py"):
        if file == Path(__file__):
            continue
        claimed = set(re.findall(r"[\"']([A-Z]+-\d+)[\"']", " ".join(mark.findall(file.read_text()))))
        assert claimed <= page, file
