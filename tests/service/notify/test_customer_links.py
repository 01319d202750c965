"""A mail with a link reaches the customer, and the link works at the case service (EDGE-14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.case.api import public_routers
from services.case.domain.life_cycle import LifeCycle
from services.case.settings import ApiSettings
from services.case.storage import cases
from shared.links import LinkKeyFile
from shared.messaging import EventPublisher, StaticReference
from shared.schemas.events import CaseLifeCycle, CaseStatusChanged
from shared.storage import Database
from shared.web import create_app
from tests.service.notify.harness import NotifyService, a_case
from tests.service.notify.mail_server import MailServer
from tests.support.case import a_case as a_case_record
from tests.support.configuration import COMMUNICATIONS, TEMPLATES, a_configuration
from tests.support.feedback import FORM, a_key_file
from tests.support.waiting import eventually
from tests.support.web import a_verifier, served

ASK = {
    "code": "ask",
    "name": "How was it?",
    "subject_line": "How did we do?",
    "text": "Dear #first_name,\n\n#feedback_link\n",
    "html": '<p><a href="#feedback_link">Tell us</a></p>',
}
WHEN_RESOLVED = {
    "code": "ask-feedback",
    "name": "Ask for feedback",
    "on": "case.status-changed",
    "statuses": ["resolved"],
    "to": ["customer", "unit"],
    "template": "ask",
}
CONFIGURATION = a_configuration(feedback=[FORM], templates=[*TEMPLATES, ASK], communications=[*COMMUNICATIONS, WHEN_RESOLVED])


@pytest.fixture
def asking(notify: NotifyService) -> NotifyService:
    """notify, with an organisation that asks for feedback when a case is resolved."""
    notify.reference = StaticReference(CONFIGURATION)
    return notify


def resolved(number: int = 1, **changes: Any) -> Any:
    return a_case(number, CaseStatusChanged, **{"state": CaseLifeCycle.FINALLY_RESOLVED, "status": "resolved"} | changes)


@pytest.mark.requirement("EDGE-14", "CASE-13", "NOTE-2")
def test_on_final_resolution_the_customer_is_asked_by_a_link_that_works_once(
    asking: NotifyService, kafka: str, notify_topics: str, fresh_database: Callable[[str], str], tmp_path: Path
) -> None:
    asking.publisher.start_sweeper()  # a topic that was just made may be slow to take its first message
    keys, event = a_key_file(tmp_path), resolved(8_103)
    asking.take(resolved(2, status="answered", state=CaseLifeCycle.RESPONDED), event)
    database = Database(fresh_database("case"), service="case")
    publisher = EventPublisher(database, kafka, notify_topics, "case")
    settings = ApiSettings(kafka=kafka, database=database.url, port=0, objects=tmp_path.as_uri(), link_keys=keys)
    app = create_app("case", settings, [], public=public_routers(publisher, asking.reference, settings), verifier=a_verifier())
    with served(app, "") as customer:
        url = f"{customer.base_url}/answer"
        with MailServer() as server, asking.sending(server.port, link_keys=keys, answer_url=url):
            eventually(lambda: asking.all_sent(2))
        mails = {mail["To"]: mail for mail in server.taken}
        plain, rich = (mails["Ann Bell <ann@mail.example>"].get_body((kind,)) for kind in ("plain", "html"))
        found = re.search(rf"{re.escape(url)}/[\w-]+", plain.get_content())
        assert found is not None
        assert f'href="{found[0]}"' in rich.get_content()
        # Who reads the case's communications could answer in the customer's stead otherwise.
        told = {data.recipient: data.text for _, data in asking.published(2, event.data.case_id)}
        assert (url in told["ann@mail.example"], "[link]" in told["ann@mail.example"]) == (False, True)
        assert url not in mails["Repairs <repairs@housing.example>"].get_body(("plain",)).get_content()

        read = LinkKeyFile(keys).keys().read(found[0].rpartition("/")[2])
        assert read is not None
        assert (read.link.purpose, read.link.record, read.link.issued_at) == ("feedback", event.data.case_id, event.time)
        assert read.link.expires_at == event.time + timedelta(days=30)

        with database.transaction() as tx:
            cases.add(tx, [a_case_record(id=event.data.case_id, state=LifeCycle.FINALLY_RESOLVED, status="resolved")])
        assert httpx.get(found[0]).status_code == 200
        assert httpx.post(found[0], data={"q:work": "5"}).status_code == 200
        assert httpx.post(found[0], data={"q:work": "5"}).status_code == 410
    publisher.close()
    database.close()


@pytest.mark.requirement("EDGE-14")
def test_a_link_that_cannot_be_made_fails_its_message_and_says_what_is_missing(asking: NotifyService) -> None:
    asking.take(resolved())
    with MailServer() as server, asking.sending(server.port):
        eventually(lambda: asking.states() == {"failed": 1, "sent": 1})
    assert [mail["To"] for mail in server.taken] == ["Repairs <repairs@housing.example>"]
    assert asking.rows("select error from deliveries where state = 'failed'") == [
        ("#feedback_link needs the settings CASESTREAM_ANSWER_URL and CASESTREAM_LINK_KEYS",)
    ]
