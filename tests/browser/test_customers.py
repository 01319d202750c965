"""The customer's page in a real browser: by keyboard, on a phone, in the dark."""

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


@pytest.mark.requirement("CON-2")
def test_a_customer_is_looked_up_and_noted_upon_by_keyboard_on_a_phone_in_the_dark(browser: Browser, records: Records) -> None:
    long = "x" * 60 + "@tenant.example"
    mail = a_mail("Leak in the kitchen", "A leak.", sender=long, name="Ann Lee")
    records.take(mail)
    records.comes_back(mail, long)
    context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in_by_keyboard(page, records.platform.url, "rita")

    page.get_by_role("link", name="Cases", exact=True).press("Enter")
    page.get_by_role("rowheader", name="Leak in the kitchen").get_by_role("link").press("Enter")
    came_back = page.get_by_text(f"Mail does not arrive. Mail to {long} came back Tue 3 Mar")
    expect(came_back).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("link", name="Ann Lee").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ann Lee")
    expect(came_back).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="It works again").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done: messages go there again.")
    expect(came_back).to_have_count(0)
    assert page.get_by_role("heading", level=2).all_inner_texts()[0].startswith("Open cases")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    note = page.get_by_label("New note")
    note.focus()
    page.keyboard.type("Key is with the neighbour.\nRing twice.")
    page.get_by_role("button", name="Write the note").press("Enter")
    expect(page.get_by_role("status")).to_have_text("The note is written.")
    expect(page.get_by_role("article")).to_contain_text("Ring twice.")
    for one in (page.get_by_label("New note"), page.get_by_role("article")):
        told = one.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
        assert told[0] != told[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert said == []
    context.close()
