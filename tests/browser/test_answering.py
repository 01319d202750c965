"""A customer answers by a link, as customers do: on a phone, in the dark, by keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from services.case.api import public_routers
from services.case.domain.life_cycle import LifeCycle
from services.case.settings import ApiSettings
from services.case.storage import cases
from shared.clock import utc_now
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.topics import create_topics
from shared.storage import Database
from shared.web import create_app
from tests.support.case import a_case, a_case_configuration
from tests.support.feedback import FORM, a_key_file, a_link
from tests.support.web import a_verifier, served


@pytest.mark.requirement("EDGE-14", "EDGE-16", "CASE-13")
def test_feedback_is_given_on_a_phone_by_keyboard_without_scripts(
    browser: Browser, tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    database = Database(fresh_database("case"), service="case")
    publisher = EventPublisher(database, kafka, topic_prefix, "case")
    settings = ApiSettings(kafka=kafka, database=database.url, port=0, objects=tmp_path.as_uri(), link_keys=a_key_file(tmp_path))
    reference = StaticReference(a_case_configuration(feedback=[FORM]))
    app = create_app("case", settings, [], public=public_routers(publisher, reference, settings), verifier=a_verifier())
    case = a_case(state=LifeCycle.FINALLY_RESOLVED, status="resolved", title="Wasserschaden" * 20)
    with database.transaction() as tx:
        cases.add(tx, [case])
    with served(app, "") as client:
        context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme="dark", java_script_enabled=False)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        answer = page.goto(f"{client.base_url}/answer/{a_link('feedback', case.id, utc_now())}")
        assert answer is not None
        assert answer.status == 200
        expect(page.get_by_role("heading", level=1)).to_have_text("How did we do?")

        # Nothing chosen: it is said beside the question, and what was written stays.
        page.get_by_label("Anything else?").fill("Quick and tidy.")
        page.get_by_role("button", name="Send").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Please choose one.")
        expect(page.get_by_label("Anything else?")).to_have_value("Quick and tidy.")
        group = page.get_by_role("group", name="How satisfied are you with the work?")
        group.get_by_label("Very unhappy").focus()
        page.keyboard.press("ArrowUp")  # round to the best
        expect(group.get_by_label("Very happy")).to_be_checked()
        page.get_by_role("button", name="Send").press("Enter")
        expect(page.get_by_role("status")).to_have_text("Thank you. We have your feedback.")
        page.reload()  # which sends the form again
        expect(page.get_by_role("alert")).to_contain_text("works once")
        context.close()
        # The browser tells of answers that are errors, and would of styles or scripts that the page forbids.
        assert [text for text in said if not text.startswith("Failed to load resource")] == []
    with database.read() as tx:
        assert tx.rows("select rating, comment from feedback_answers order by position") == [(5, None), (None, "Quick and tidy.")]
    publisher.close()
    database.close()
