"""From what is overdue to why it is, in a real browser: by keyboard, on a phone, in the dark, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.messaging.topics import create_topics
from shared.schemas.events import CaseStatusChanged
from tests.support.browsing import sign_in_by_keyboard
from tests.support.case import a_mail
from tests.support.desk_deadlines import desk_beside_clocks
from tests.support.sla import a_case, a_task

MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.requirement("EDGE-8", "SLA-1", "FACE-1")
def test_what_is_overdue_explains_itself_by_keyboard_on_a_phone_in_the_dark(
    browser: Browser, tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_clocks(tmp_path, fresh_database, kafka, topic_prefix) as clocks:
        mail = a_mail("Leak", "A leak.")
        clocks.records.take(mail)
        id, now = clocks.records.case_of(mail.communication_id), datetime.now(UTC)
        case = a_case(case_id=id, number="C-2026-000001", title="Leak " + "x" * 80, opened_at=MONDAY)
        soon = a_task("soon", case_id=id, subject_line="Call back", triggered_at=now - timedelta(hours=9), due_at=now + timedelta(hours=1))
        clocks.tell(
            (case, 1, MONDAY),
            (CaseStatusChanged(**case.model_dump() | {"waiting_for_customer": True}), 2, MONDAY + timedelta(hours=1)),
            (CaseStatusChanged(**case.model_dump()), 3, MONDAY + timedelta(hours=26)),
            (soon, 1, now),
        )
        context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark", java_script_enabled=False)
        page = context.new_page()
        sign_in_by_keyboard(page, clocks.records.platform.url, "rita")

        page.get_by_role("link", name="Deadlines", exact=True).press("Enter")
        expect(page.get_by_role("heading", name="Overdue")).to_be_visible()
        fits(page)
        page.get_by_role("navigation", name="Show").get_by_role("link", name="1 at risk").press("Enter")
        expect(page.get_by_role("rowheader")).to_contain_text("Call back")
        page.get_by_text("Show only some").press("Enter")
        page.get_by_label("Deadline", exact=True).select_option("First response")
        page.get_by_role("button", name="Show").press("Enter")
        expect(page.get_by_text("Nothing is at risk")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="1 overdue").press("Enter")
        page.get_by_role("rowheader").get_by_role("link").press("Enter")

        expect(page.get_by_role("heading", name="First response")).to_be_in_viewport()
        page.get_by_text("Why is this overdue? First response").press("Enter")
        expect(page.get_by_text("paused 1 d 1 h waiting for the customer")).to_be_visible()
        fits(page)

        page.get_by_role("link", name="Deadlines", exact=True).press("Enter")
        page.get_by_role("link", name="Report").press("Enter")
        page.get_by_label("From").fill("2026-03-01")
        page.get_by_label("From").press("Enter")
        expect(page.get_by_role("row", name="Water leak")).to_contain_text("0 %")
        fits(page)
        context.close()
