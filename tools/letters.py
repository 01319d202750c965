"""Takes the pictures of docs/letters.md: `python -m tools.letters [FOLDER]`, real mails of the sample organisation in Chromium.

`forced` pictures show what mail programs make of a letter that turn colours around by themselves.
"""

import os
import shutil
import sys
import tempfile
from email import message_from_bytes, policy
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from shared.schemas.configuration.check import check_configuration
from tests.support.letters import composed
from tests.support.node import NODE

CLONE = Path(__file__).resolve().parents[1]
PICTURES = (
    ("case-opened-customer", "acknowledgement", ("phone", "phone-dark", "desktop", "phone-forced")),
    ("resolved-customer", "feedback", ("phone", "phone-dark")),
    ("approval-asked-approver", "approval", ("desktop", "desktop-dark")),
    ("overdue-staff", "overdue", ("phone", "desktop-dark")),
)
"""Of each definition: what its pictures are called, and which there are."""
WIDTHS = {"phone": 390, "desktop": 760}
FORCED = ["--enable-features=WebContentsForceDark", "--force-dark-mode"]


def letters() -> dict[str, str]:
    """The HTML of each definition's first message."""
    configuration = check_configuration((CLONE / "config" / "housing.yaml").read_text()).configuration
    if configuration is None:
        sys.exit("config/housing.yaml is not in order: casestream config check config/housing.yaml")
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for one in composed(configuration, Path(folder)):
            part = message_from_bytes(one.written.content, policy=policy.default).get_body(("html",))
            if part is not None:
                found.setdefault(one.definition, part.get_content())
    return found


def take(browser: Browser, markup: str, where: Path, width: int, is_dark: bool) -> None:
    """One picture."""
    page = browser.new_page(viewport={"width": width, "height": 200}, color_scheme="dark" if is_dark else "light")
    page.set_content(markup)
    page.screenshot(path=where, full_page=True)
    page.close()


def main() -> None:
    """Take all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CLONE / "docs" / "letters"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(NODE)
    found = letters()
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        usual = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        forced = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *FORCED])
        for definition, name, kinds in PICTURES:
            for kind in kinds:
                width, _, theme = kind.partition("-")
                browser = forced if theme == "forced" else usual
                take(browser, found[definition], folder / f"{name}-{kind}.png", WIDTHS[width], theme == "dark")
        usual.close()
        forced.close()


if __name__ == "__main__":
    main()
