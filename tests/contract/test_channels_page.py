"""`tests/CHANNELS.md` is true: every test that it names exists, and every channel has a word on every way to fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = [line.strip("|").split("|") for line in (TESTS / "CHANNELS.md").read_text().splitlines() if line.startswith("| ")]


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0].strip())
def test_every_way_to_fail_has_a_test_or_a_reason(row: list[str]) -> None:
    known = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    cells = [cell.strip() for cell in row[1:]]
    assert len(cells) == len(ROWS[0]) - 1
    assert [cell for cell in cells if cell not in known and not cell.startswith("none: ")] == []
