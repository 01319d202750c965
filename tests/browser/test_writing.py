"""Writing to a customer in a real browser: by keyboard, on a phone, in the dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from services.case.consumer import handlers
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.events import DeliveryBounced, DeliverySent, ItemKind
from tests.support.browsing import sign_in_by_keyboard
from tests.support.case import a_mail, an_event
from tests.support.desk_records import Records, desk_beside_records


@pytest.fixture
def records(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, topic_prefix: str) -> Iterator[Records]:
    create_topics(kafka, topic_prefix, replication=1)
    with desk_beside_records(tmp_path, fresh_database, kafka, topic_prefix) as records:
        yield records


def tell(records: Records, kind: type[DeliverySent] | type[DeliveryBounced], revision: int, state: str, error: str = "") -> None:
    """Tell case what became of the one message which was written."""
    with records.database.transaction() as tx:
        row = tx.row("select communication_id from deliveries where definition = ''")
        assert row is not None
        event = an_event(
            kind(
                delivery_id=row[0],
                case_id=row[0],
                item_kind=ItemKind.CASE,
                item_id=row[0],
                definition="by-hand",
                channel="email",
                recipient="ann@customer.example",
                state=state,
                error=error,
            ),
            subject=row[0],
            revision=revision,
        )
        handler = handlers(records.reference)[topics.NOTIFICATIONS]
        batch = handler.load(tx, [event])
        handler.apply[kind](batch, event)
        handler.save(tx, batch)


@pytest.mark.requirement("NOTE-2", "FACE-1")
def test_a_customer_is_written_to_by_keyboard_on_a_phone(browser: Browser, records: Records, tmp_path: Path) -> None:
    mail = a_mail("Leak in the kitchen", "A leak.")
    records.take(mail)
    case = records.case_of(mail.communication_id)
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(b"%PDF")
    page = browser.new_context(viewport={"width": 375, "height": 740}, color_scheme="dark").new_page()
    sign_in_by_keyboard(page, records.platform.url, "rita")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(f"{records.platform.url}/cases/{case}")
    page.get_by_role("link", name="Write to the customer").press("Enter")
    expect(page.get_by_label("Subject line")).to_have_value("Leak in the kitchen")
    page.get_by_label("Begin with a template").select_option(label="Acknowledgement")
    page.get_by_role("button", name="Fill it in").press("Enter")
    expect(page.get_by_label("Message", exact=True)).to_have_value("Dear Ann,\n\nthank you.")
    page.get_by_label("Message", exact=True).press("Control+End")
    page.keyboard.type("\nA plumber comes on Tuesday, about #1 and #sub")
    offered = page.get_by_role("listbox", name="What can be filled in")
    expect(offered.get_by_role("option")).to_have_count(1)
    expect(offered.get_by_role("option", selected=True)).to_contain_text("#subject Water leak")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.keyboard.press("Enter")
    expect(offered).to_be_hidden()
    page.keyboard.type(", #")
    expect(offered.get_by_role("option")).to_have_count(8)
    page.keyboard.press("Escape")
    page.keyboard.type("first_name")
    page.keyboard.press("Escape")
    page.get_by_label("Files from your computer").set_input_files(plan)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("button", name="Send the message").press("Enter")

    expect(page.get_by_role("status").filter(has_text="on its way")).to_be_visible()
    ours = page.locator("article.ours")
    expect(ours).to_contain_text("Waiting to be sent")
    expect(ours).to_contain_text("A plumber comes on Tuesday, about #1 and Water leak, Ann")
    expect(ours.get_by_role("link", name="plan.pdf")).to_be_visible()
    tell(records, DeliverySent, 1, "sent")
    page.reload()
    sent = ours.get_by_text("Sent Mon 2 Mar")
    expect(sent).to_be_visible()
    box = sent.bounding_box()
    assert box is not None
    assert box["height"] < 60, "a line, whatever else is called sent"
    tell(records, DeliveryBounced, 2, "bounced", "bounced: 5.1.1")
    page.reload()
    expect(ours).to_contain_text("the mailbox does not exist")
    page.get_by_role("button", name="Send it again").press("Enter")
    expect(page.locator("article.ours")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert said == []
