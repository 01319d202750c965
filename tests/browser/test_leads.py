"""The overview and leads in a real browser: by keyboard, on a phone, in the dark, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from services.case.domain.leads.lead import Competitor, Interest, Opened
from services.case.storage import leads
from shared.messaging.topics import create_topics
from tests.support.browsing import sign_in_by_keyboard
from tests.support.case import a_mail
from tests.support.configuration import ROLES
from tests.support.desk_records import desk_beside_records
from tests.support.leads import LEADS, a_lead

SECTIONS = {
    "leads": LEADS | {"types": [kind for kind in LEADS["types"] if "conversion" not in kind]},
    "roles": [role | {"permissions": [*role["permissions"], "lead:read", "lead:progress"]} for role in ROLES],
}


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.requirement("CASE-15", "LEAD-1", "FACE-1")
def test_figures_lead_to_cases_and_a_lead_is_accepted_and_moved_on_by_keyboard_on_a_phone_in_the_dark(
    browser: Browser, tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_records(tmp_path, fresh_database, kafka, topic_prefix, sections=SECTIONS) as records:
        records.take(a_mail("Leak in the kitchen", "A leak.", sender="ann@tenant.example", name="Ann Lee"))
        lead = Opened(a_lead(title="Garage " + "x" * 80), (Competitor("Rival"),), (Interest("product", "G" * 60),))
        with records.database.transaction() as tx:
            leads.add(tx, [lead])
        context = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark", java_script_enabled=False)
        page = context.new_page()
        sign_in_by_keyboard(page, records.platform.url, "rita")

        page.get_by_role("link", name="Overview").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        fits(page)
        page.get_by_role("link", name="1 open, High").press("Enter")
        expect(page.get_by_role("rowheader")).to_contain_text("Leak in the kitchen")
        fits(page)

        page.get_by_role("link", name="Leads", exact=True).press("Enter")
        fits(page)
        page.get_by_role("rowheader").get_by_role("link").press("Enter")
        page.get_by_role("button", name="Accept it").press("Enter")
        expect(page.get_by_role("status")).to_have_text("The lead is yours now.")
        page.get_by_label("Status").select_option("Talking")
        page.get_by_role("button", name="Set the status").press("Enter")
        expect(page.get_by_role("status")).to_have_text("The status is set.")
        page.get_by_text("Lose it").press("Enter")
        page.get_by_label("Reason", exact=True).select_option("Went elsewhere")
        fits(page)
        page.get_by_role("button", name="It is lost").press("Enter")
        expect(page.get_by_role("status")).to_have_text("The lead is recorded as lost.")
        fits(page)
        context.close()
