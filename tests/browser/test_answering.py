"""A customer answers by a link, as customers do: on a phone, in the dark, by keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from services.case.api import public_routers
from services.case.domain.life_cycle import LifeCycle
from services.case.settings import ApiSettings
from services.case.storage import cases
from shared.clock import utc_now
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.topics import create_topics
from shared.schemas.configuration.models import Method
from shared.storage import Database
from shared.web import create_app
from tests.support.case import a_case, a_case_configuration
from tests.support.configuration import a_document
from tests.support.feedback import FORM, a_key_file, a_link
from tests.support.web import a_verifier, served

ARABIC = {"How did we do?": "كيف كان عملنا؟", "How satisfied are you with the work?": "ما مدى رضاك عن العمل؟"}
"""The organisation's own words; the rest of its form nobody translated."""


class Bench:
    """The public pages of case, with cases that are resolved."""

    def __init__(self, database: Database, url: str) -> None:
        self.database, self.url = database, url

    def link(self, **changes: Any) -> str:
        """Where the customer of a new case says how they liked it."""
        case = a_case(state=LifeCycle.FINALLY_RESOLVED, status="resolved", **changes)
        with self.database.transaction() as tx:
            cases.add(tx, [case])
        return f"{self.url}/answer/{a_link('feedback', case.id, utc_now())}"


@pytest.fixture
def bench(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Bench]:
    create_topics(kafka, topic_prefix, replication=1)
    database = Database(fresh_database("case"), service="case")
    publisher = EventPublisher(database, kafka, topic_prefix, "case")
    settings = ApiSettings(kafka=kafka, database=database.url, port=0, objects=tmp_path.as_uri(), link_keys=a_key_file(tmp_path))
    organisation = a_document()["organisation"] | {"words": {"ar": ARABIC}}
    configuration = a_case_configuration(feedback=[FORM], organisation=organisation)
    post = Method(code="post", name="Post", directions=("inbound",), language="ar")
    reference = StaticReference(configuration.model_copy(update={"methods": (*configuration.methods, post)}))
    app = create_app("case", settings, [], public=public_routers(publisher, reference, settings), verifier=a_verifier())
    with served(app, "") as client:
        yield Bench(database, str(client.base_url).rstrip("/"))
    publisher.close()
    database.close()


@pytest.mark.requirement("EDGE-14", "EDGE-16", "CASE-13")
def test_feedback_is_given_on_a_phone_by_keyboard_without_scripts(browser: Browser, bench: Bench) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme="dark", java_script_enabled=False)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    answer = page.goto(bench.link(title="Wasserschaden" * 20))
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
    with bench.database.read() as tx:
        assert tx.rows("select rating, comment from feedback_answers order by position") == [(5, None), (None, "Quick and tidy.")]


@pytest.mark.requirement("EDGE-14", "NOTE-2")
def test_a_page_in_arabic_runs_from_right_to_left(browser: Browser, bench: Bench) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800}, locale="de-DE")
    page = context.new_page()
    page.goto(bench.link(method="post", title="Water in flat 4 (again)!"))
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "ar")
    expect(html).to_have_attribute("dir", "rtl")
    expect(page.get_by_role("heading", level=1)).to_have_text(ARABIC["How did we do?"])
    page.get_by_role("button", name="إرسال").click()
    expect(page.get_by_role("alert")).to_contain_text("يُرجى اختيار إجابة.")
    expect(page.get_by_role("alert")).to_be_focused()
    choice = page.get_by_label("Very happy")
    button, label = choice.bounding_box(), page.locator("label.choice", has=choice).bounding_box()
    assert button is not None
    assert label is not None
    assert label["x"] + label["width"] - (button["x"] + button["width"]) < button["x"] - label["x"], "the round button stands on the right"
    # A question that nobody translated is read out as English.
    expect(page.get_by_text("Anything else?")).to_have_attribute("lang", "en")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    choice.check()
    page.get_by_role("button", name="إرسال").click()
    expect(page.get_by_role("status")).to_have_text("شكرًا لك. وصلنا رأيك.")
    context.close()
