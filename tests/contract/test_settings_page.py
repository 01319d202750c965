"""The page of settings says what the code reads."""

import runpy
from pathlib import Path

CLONE = Path(__file__).parents[2]


def test_the_page_of_settings_is_current() -> None:
    made = runpy.run_path(str(CLONE / "tools" / "settings_page.py"))["page"]()
    assert (CLONE / "docs" / "settings.md").read_text() == made, "run: python tools/settings_page.py > docs/settings.md"
