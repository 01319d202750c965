"""The desk in a real browser: signing in by keyboard, and my current tasks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.messaging.topics import create_topics
from tests.support.desk import PASSWORD, Platform, desk_beside_task
from tests.support.node import NODE

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium here; on Debian: apt-get install chromium"
    # Its own Node needs a library that a bare Debian lacks; the one from the lock does not.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(NODE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def platform(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Platform]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_task(tmp_path, fresh_database, kafka, topic_prefix) as platform:
        yield platform


def sign_in_by_keyboard(page: Page, url: str, user: str) -> None:
    page.goto(url)
    # The cursor is in the first field already.
    page.keyboard.type(user)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks*")


@pytest.mark.requirement("TASK-9")
def test_sign_in_and_my_current_tasks(browser: Browser, platform: Platform) -> None:
    now = datetime.now(UTC)
    platform.add_task("rita", "Call Mrs Hill", now - timedelta(hours=3), "low")
    platform.add_task("rita", "Inspect the roof", now + timedelta(hours=30), "high")
    page = browser.new_page(viewport={"width": 375, "height": 740}, color_scheme="dark")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in_by_keyboard(page, platform.url, "rita")
    expect(page.get_by_role("heading", level=1)).to_have_text("My current tasks")
    rows = page.get_by_role("rowheader")
    expect(rows).to_contain_text(["Call Mrs Hill", "Inspect the roof"])

    overdue = page.locator(".overdue")
    expect(overdue).to_have_count(1)
    expect(overdue).to_contain_text("Overdue by")
    weight, colour = overdue.evaluate("e => [getComputedStyle(e).fontWeight, getComputedStyle(e).color]")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    assert int(weight) >= 700
    assert red > 1.4 * max(green, blue)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    page.get_by_role("navigation", name="Sort by").get_by_role("link", name="Priority").click()
    expect(rows).to_contain_text(["Inspect the roof", "Call Mrs Hill"])
    page.get_by_role("button", name="Start Call Mrs Hill").click()
    expect(page.get_by_role("status")).to_have_text("The task is in progress.")
    page.get_by_role("button", name="Complete Call Mrs Hill").click()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert said == []
