"""Merging and splitting a case in a real browser: by keyboard, on a phone, in the dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from shared.messaging.topics import create_topics
from tests.support.browsing import sign_in_by_keyboard
from tests.support.case import a_mail
from tests.support.desk_records import Records, desk_beside_records


@pytest.fixture
def records(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Records]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_records(tmp_path, fresh_database, kafka, topic_prefix) as records:
        yield records


@pytest.mark.requirement("CASE-11", "EDGE-11")
def test_a_case_is_split_merged_and_both_undone_by_keyboard_on_a_phone(browser: Browser, records: Records) -> None:
    mail = a_mail("Leak in the kitchen", "A leak.")
    records.take(mail, a_mail("Leak in the kitchen, again", "A leak!"))
    records.take(a_mail("Re: Leak in the kitchen", "And the neighbours are loud.", reply_to=mail))
    page = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark").new_page()
    sign_in_by_keyboard(page, records.platform.url, "max")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(f"{records.platform.url}/cases/{records.case_of(mail.communication_id)}")
    page.get_by_role("link", name="Related cases, merge or split").press("Enter")
    expect(page.get_by_role("heading", level=2, name="Of the same contact")).to_be_visible()
    page.get_by_role("checkbox", name="Re: Leak in the kitchen").press("Space")
    page.get_by_label("Subject of the new case").select_option(label="Noisy neighbours")
    page.get_by_role("button", name="Open the new case").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done: this is the new case.")
    page.get_by_role("button", name="Undo the split with C-2026-000001").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("again as it was")

    page.goto(f"{records.platform.url}/cases/{records.case_of(mail.communication_id)}/related")
    page.get_by_label("Number of the case that goes on").fill("C-2026-000002")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("the case is merged")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="Undo the merge with C-2026-000002").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("again as it was")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert said == []
