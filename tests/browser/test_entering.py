"""Entering a contact in a real browser, by keyboard, on a telephone's width."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from shared.messaging.topics import create_topics
from tests.support.browsing import type_credentials
from tests.support.desk_entering import Entering, desk_beside_ingest
from tests.support.node import NODE


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium here; on Debian: apt-get install chromium"
    # Its own Node needs a library that a bare Debian lacks; the one from the lock does not.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(NODE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", "--no-first-run"])
        yield browser
        browser.close()


@pytest.fixture
def entering(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Entering]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_ingest(tmp_path, fresh_database, kafka, topic_prefix) as entering:
        yield entering


@pytest.mark.requirement("COM-6", "COM-2")
@pytest.mark.parametrize("scripted", [True, False])
def test_a_visit_is_entered_by_keyboard_with_and_without_scripts(
    browser: Browser, entering: Entering, scripted: bool, tmp_path: Path
) -> None:
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.7 scan")
    page = browser.new_page(viewport={"width": 375, "height": 740}, java_script_enabled=scripted)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(str(entering.client.base_url).rstrip("/") + "/sign-in?next=/contacts/new")
    type_credentials(page, "cora")
    expect(page.get_by_role("heading", level=1)).to_have_text("New contact")

    ways = page.get_by_role("navigation", name="How the customer made contact")
    ways.get_by_role("link", name="Housing surgery").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2)).to_have_text("Housing surgery")
    page.get_by_label("Is anybody in danger?").focus()
    for typed in ("No", "Ann Lee", "", "020 7946 0018"):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    expect(page.get_by_label("Was a document shown?")).to_be_focused()
    page.get_by_label("Place").select_option("Library")
    page.get_by_label("What was said or written").fill("The wall is damp.")
    page.get_by_label("Scans and files").set_input_files(scan)
    page.get_by_label("Water leak").focus()
    page.keyboard.press("Space")
    if scripted:
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="Enter the contact").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("The contact is taken")
    found = re.search(r"/contacts/entered/([0-9a-f-]+)", page.url)
    assert found is not None
    (data,) = [event.data for event in entering.ingest.published() if event.subject == found[1]]
    assert (data.location, data.subjects, data.sender.value, data.entered_by) == ("Library", ("leak",), "+442079460018", "cora")
    assert [(file.filename, file.size) for file in data.attachments] == [("scan.pdf", 13)]
    assert said == []
