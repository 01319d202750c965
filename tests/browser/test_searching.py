"""Searching and going through the list of cases in a real browser: by keyboard, on a phone, in dark mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from services.case.storage import search_index
from shared.messaging.topics import create_topics
from tests.support.browsing import sign_in_by_keyboard
from tests.support.case import a_mail
from tests.support.desk_records import Records, desk_beside_records


@pytest.fixture
def records(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Records]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_records(tmp_path, fresh_database, kafka, topic_prefix) as records:
        yield records


@pytest.mark.requirement("FACE-1")
def test_a_misspelt_word_leads_to_the_case_by_keyboard_on_a_phone(browser: Browser, records: Records) -> None:
    records.take(*(a_mail(f"Radiator number {n}", "A leak under the radiator.") for n in range(3)))
    with records.database.transaction() as tx:
        search_index.make_next(tx, 500)
    context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in_by_keyboard(page, records.platform.url, "rita")

    page.get_by_role("link", name="Search", exact=True).press("Enter")
    # The cursor is in the field already.
    expect(page.get_by_role("searchbox", name="Words")).to_be_focused()
    page.keyboard.type("raidator 2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("searched for radiator")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_label("In", exact=True).select_option("Cases")
    page.get_by_role("button", name="Search").press("Enter")
    page.get_by_role("link", name="Radiator number 2").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Radiator number 2")

    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Cases", exact=True).press("Enter")
    page.get_by_role("link", name="By due date").press("Enter")
    expect(page.get_by_role("rowheader")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert said == []
    context.close()
