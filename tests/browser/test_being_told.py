"""What one was told, and how one chooses to be, in a real browser: by keyboard, on a phone, in the dark, with scripts and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.messaging.topics import create_topics
from shared.schemas.events import TaskAssigned
from tests.service.notify.harness import a_task
from tests.support.browsing import sign_in_by_keyboard
from tests.support.desk_told import desk_beside_notify

SECTIONS = {"notifications": {"required": ["escalation"], "quiet_hours": {"from": "20:00", "until": "07:00"}}}


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.requirement("NOTE-1")
def test_the_bell_leads_to_what_one_was_told_and_to_how_one_wants_to_be(
    browser: Browser, tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_notify(tmp_path, fresh_database, kafka, topic_prefix, **SECTIONS) as told:
        told.take(a_task(1, subject_line="Inspect " + "x" * 60), a_task(2, TaskAssigned))
        context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark", java_script_enabled=False)
        page = context.new_page()
        sign_in_by_keyboard(page, told.platform.url, "rita")
        fits(page)
        page.get_by_role("link", name="Notifications 2 unread").press("Enter")
        expect(page.get_by_role("listitem").filter(has_text="Task given")).to_contain_text("Unread")
        fits(page)
        page.get_by_role("button", name=re.compile("Mark as read.*Task given")).press("Enter")
        expect(page.get_by_role("link", name="Notifications 1 unread")).to_be_visible()
        page.get_by_role("link", name="How you are told").press("Enter")
        page.get_by_label("A task is completed").select_option("By email, in a digest")
        page.get_by_role("radio", name="These:").check()
        page.get_by_label("From").fill("19:30")
        page.get_by_role("checkbox", name="Sun").uncheck()
        fits(page)
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.get_by_role("status").filter(has_text="It is saved.")).to_be_visible()
        expect(page.get_by_label("From")).to_have_value("19:30")
        expect(page.get_by_role("checkbox", name="Sun")).not_to_be_checked()
        fits(page)
        context.close()

        page = browser.new_page()
        sign_in_by_keyboard(page, told.platform.url, "lena")
        told.take(a_task(3, TaskAssigned, assignee="lena"))
        told.platform.desk.told.forget("lena")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.get_by_role("link", name="Notifications 1 unread")).to_be_visible()
        expect(page.locator("#told")).to_have_text("1 unread notification.")
        page.get_by_role("link", name="Notifications 1 unread").click()
        with page.expect_request("**/notifications/read"):
            page.get_by_role("link", name="Inspect the leak at once").click()
        page.close()
