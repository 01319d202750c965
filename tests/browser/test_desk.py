"""The desk in a real browser: signing in by keyboard, and my current tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from shared.messaging.topics import create_topics
from tests.support.browsing import sign_in_by_keyboard
from tests.support.desk import Platform, desk_beside_task
from tests.support.desk_work import SECTIONS


@pytest.fixture
def platform(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Platform]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_task(tmp_path, fresh_database, kafka, topic_prefix, sections=SECTIONS) as platform:
        yield platform


@pytest.mark.requirement("TASK-9", "TASK-4")
def test_sign_in_and_my_current_tasks(browser: Browser, platform: Platform) -> None:
    now = datetime.now(UTC)
    late = platform.add_task("rita", "Call Mrs Hill", now - timedelta(hours=3), "low")
    platform.ask_for_approval("lena", late["id"], "rita", "Pay the taxi")
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

    # What waits for her approval is decided by keyboard.
    page.get_by_role("link", name="Approvals 1 waiting for you").press("Enter")
    page.get_by_role("link", name="Pay the taxi").press("Enter")
    reason = page.get_by_role("textbox", name="Reason")
    expect(reason).to_have_accessible_description("Declining needs one.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    reason.fill("Walk")
    page.get_by_role("button", name="Approve").press("Enter")
    expect(page.get_by_role("status")).to_have_text("You approved it.")
    expect(page.get_by_role("navigation", name="Pages")).not_to_contain_text("waiting")
    page.get_by_role("link", name="My tasks").press("Enter")

    page.get_by_role("navigation", name="Sort by").get_by_role("link", name="Priority").click()
    expect(rows).to_contain_text(["Inspect the roof", "Call Mrs Hill"])
    page.get_by_role("button", name="Start Call Mrs Hill").click()
    expect(page.get_by_role("status")).to_have_text("The task is in progress.")
    page.get_by_role("button", name="Complete Call Mrs Hill").click()
    expect(rows).to_have_count(1)

    page.get_by_role("link", name="Inspect the roof").click()
    page.get_by_text("Add a service").click()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("status")).to_have_text("The service is on the task now.")
    page.get_by_label("Minutes").fill("45")
    page.get_by_label("Minutes").press("Enter")
    expect(page.get_by_role("status")).to_have_text("The time is recorded.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("link", name="Book something for it").click()
    # By keyboard, to the first free time there is.
    page.get_by_role("radio").first.press("Space")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_label("Note").press("Enter")
    expect(page.get_by_role("status")).to_have_text("It is booked.")
    page.get_by_role("link", name="My current tasks").click()
    page.get_by_role("navigation", name="My work").get_by_role("link", name="Absences").click()
    page.get_by_label("Back (empty").fill((now + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Who stands in").select_option("Paul Plumber")
    page.get_by_role("button", name="Enter the absence").click()
    expect(page.get_by_role("status")).to_have_text("The absence is entered.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert said == []


@pytest.mark.requirement("TASK-9")
def test_a_list_changes_while_it_is_open_and_leaves_the_keyboard_where_it_was(browser: Browser, platform: Platform) -> None:
    now = datetime.now(UTC)
    platform.add_task("rita", "Call Mrs Hill", now + timedelta(hours=3))
    page = browser.new_page(viewport={"width": 375, "height": 740})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    with page.expect_response("**/tasks/stream"):
        sign_in_by_keyboard(page, platform.url, "rita")
    expect(page.locator("#fresh")).to_have_attribute("data-live", "true", timeout=15_000)
    page.get_by_role("link", name="Call Mrs Hill").focus()

    platform.add_task("nils", "Not for Rita", now - timedelta(hours=1))
    platform.add_task("rita", "Inspect the roof", now - timedelta(hours=1))
    expect(page.get_by_role("rowheader")).to_contain_text(["Inspect the roof", "Call Mrs Hill"], timeout=15_000)
    expect(page.locator("#announce")).to_have_text("The list has changed: 1 more.")
    expect(page.locator(".tally")).to_contain_text("1 overdue")
    expect(page.get_by_role("link", name="Call Mrs Hill")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert said == []
