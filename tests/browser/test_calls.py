"""Calls in a real browser: what rings comes up by itself, is announced, and leaves the keyboard where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from shared.messaging.topics import create_topics
from tests.support.browsing import type_credentials
from tests.support.calls import Calls, calls_platform
from tests.support.waiting import eventually


@pytest.fixture
def calls(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Calls]:
    create_topics(kafka, topic_prefix, 1)
    with calls_platform(tmp_path, fresh_database, kafka, topic_prefix) as platform:
        yield platform


@pytest.mark.requirement("COM-5", "CON-2")
def test_a_call_comes_up_while_it_rings(browser: Browser, calls: Calls) -> None:
    first = calls.report(id="1", name="Ann Lee")
    eventually(lambda: calls.desk.live.one(first))
    page = browser.new_page(viewport={"width": 375, "height": 740}, color_scheme="dark")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(str(calls.client.base_url.join("/calls")))
    type_credentials(page, "rita")
    expect(page.get_by_role("heading", level=1)).to_have_text("Calls")
    expect(page.locator("#link")).to_have_text("Live.")
    expect(page.get_by_role("status")).to_be_empty()  # what rang before is on the page, and not announced again
    page.get_by_role("link", name="Ann Lee").focus()

    calls.report(id="2", name="<b>Ben</b>", **{"from": "+441632960002"})
    expect(page.get_by_role("status")).to_have_text("<b>Ben</b> is calling, to +44 1632 960200 (Repairs)")
    expect(page).to_have_title("(2) Calls · casestream")
    expect(page.get_by_role("link", name="Ann Lee")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    calls.report("answered", id="2", answered_by="rita", **{"from": "+441632960002"})
    expect(page.get_by_role("listitem").filter(has_text="With Rita Repairs")).to_have_count(1)
    page.get_by_role("link", name="<b>Ben</b>").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>Ben</b>")
    expect(page.get_by_role("heading", name="Before you talk")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    assert said == []
