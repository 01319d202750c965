"""What staff do with a case on its page, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings as CaseSettings
from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.settings import DeskSettings
from shared.ids import case_id
from shared.messaging import EventPublisher
from shared.storage import Database
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner
from tests.service.case.conftest import CaseService
from tests.support.case import a_mail, received
from tests.support.configuration import a_configuration
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served

CHANGES: dict[str, Any] = {
    "response_categories": [
        {"code": "answered", "name": "Answered <in full>", "default": True},
        {"code": "offer_1", "name": "An offer", "requires_acceptance": True},
    ]
}


class Bench:
    """A desk with a case service behind it, and the page of one case."""

    def __init__(self, case: CaseService, client: httpx.Client) -> None:
        self.case, self.client = case, client
        mail = a_mail("Water", "A leak.")
        case.receive(received(mail))
        self.path = f"/cases/{case_id(mail.communication_id, 'leak')}"

    def sign_in(self, user: str) -> None:
        assert self.client.post("/sign-in", data={"user": user, "password": PASSWORD}).status_code == 303

    def page(self) -> str:
        return self.client.get(self.path).text

    def send(self, action: str, page: str = "", **fields: str) -> httpx.Response:
        shown = page or self.page()
        revision, key = (re.search(rf'name="{name}" value="([^"]+)"', shown) for name in ("revision", "key"))
        hidden = {"revision": revision[1] if revision else "1", "key": key[1] if key else str(uuid4())}
        return self.client.post(f"{self.path}/{action}", data=hidden | fields)

    def state(self) -> tuple[object, ...]:
        return self.case.rows("select state, response_category, awaiting_acceptance, reason from cases where id = %s", UUID(self.path[7:]))[
            0
        ]


@pytest.fixture
def bench(tmp_path: Path, fresh_database: Callable[[str], str], kafka: str, desk_prefix: str, signing_key: Path) -> Iterator[Bench]:
    case_database = Database(fresh_database("case"), service="case")
    publisher = EventPublisher(case_database, kafka, desk_prefix, "case")
    case = CaseService(case_database, a_configuration(**CHANGES))
    verifier = TokenVerifier(TokenSigner(signing_key.read_bytes()).jwks, "casestream")
    settings = CaseSettings(kafka=kafka, database=case_database.url, port=1)
    with served(create_app("case", settings, routers(publisher, case.reference), verifier=verifier), token="") as case_api:
        desk = Desk(
            DeskSettings(
                database=fresh_database("desk"),
                kafka=kafka,
                topic_prefix=desk_prefix,
                port=1,
                signing_key=signing_key,
                case_url=str(case_api.base_url),
            )
        )
        apply_configuration(desk.publisher, a_configuration_text(**CHANGES), "test", uuid4(), datetime.now(UTC))
        with served(desk_app(desk), token="") as client:
            yield Bench(case, client)
        desk.close()
    publisher.close()
    case_database.close()


@pytest.mark.requirement("CASE-4", "CASE-9", "CASE-12", "FACE-1", "EDGE-6")
def test_a_case_is_answered_and_the_customers_word_recorded_on_its_page(bench: Bench) -> None:
    bench.sign_in("rita")
    page = bench.page()
    assert "Answered &lt;in full&gt;" in page
    assert "An offer (the customer has to accept)" in page
    assert "Last heard from us" not in page

    refused = bench.send("answers", answer="response:offer_1", text="Tuesday?")
    assert refused.status_code == 409
    assert "it has to belong to a user first" in refused.text
    with bench.case.database.transaction() as tx:
        tx.execute("update cases set owner = 'rita'")
    assert bench.send("answers", page, answer="response:offer_1", text="Tue<b>s</b>day?").headers["location"].endswith("?done=answered")
    assert bench.state() == ("responded", "offer_1", "response", "")

    page = bench.page()
    for words in (
        "Last heard from us",
        "the customer has to accept the response",
        "Tue&lt;b&gt;s&lt;/b&gt;day?",
        "What does the customer say to the response?",
    ):
        assert words in page
    assert bench.send("acceptance", stage="response", word="declined", comment="No.").headers["location"].endswith("?done=declined")
    assert "declined by the customer" in bench.page()
    assert bench.send("answers", answer="response:answered", text="Then so.").status_code == 303
    assert bench.state() == ("responded", "answered", "", "")
    assert bench.send("answers", page, answer="response:answered", text="Late.").status_code == 409  # seen before others changed it

    assert "Complete the case" not in bench.page()
    assert bench.send("answers", answer="final_resolution:", text="Done.").status_code == 303
    refused = bench.send("complete", status="closed")
    assert (refused.status_code, "its tasks are not planned yet" in refused.text) == (409, True)
    assert "in spite of" not in bench.page()  # passing over them is not for everybody
    assert bench.send("complete", status="closed", override="yes", reason="At once").status_code == 409
    bench.sign_in("lena")
    assert 'value="closed"' in bench.page()
    assert bench.send("complete", status="closed", override="yes", reason=" ").status_code == 409
    done = bench.send("complete", status="closed", override="yes", reason="The customer moved away")
    assert done.headers["location"].endswith("?done=completed")
    assert bench.state() == ("completed", "answered", "", "The customer moved away")
    passed = bench.case.rows("select old_value, new_value, changed_by from history where field = 'completion gate overridden'")
    assert passed == [("0 open tasks", "The customer moved away", "lena")]


@pytest.mark.requirement("EDGE-14", "FACE-1")
def test_links_that_the_customer_has_are_revoked_on_the_page_of_the_case(bench: Bench) -> None:
    bench.sign_in("rita")
    assert bench.send("revoke-links", reason=" Wrong\r\naddress ").headers["location"].endswith("?done=links-revoked")
    assert "no longer valid" in bench.client.get(f"{bench.path}?done=links-revoked").text
    assert bench.case.rows("select new_value, changed_by from history where field = 'customer_links'") == [("Wrong address", "rita")]
    assert bench.case.count("revoked_links") == 1


@pytest.mark.requirement("CASE-6", "FACE-1")
def test_a_case_is_cancelled_by_a_reason_of_the_list(bench: Bench) -> None:
    bench.sign_in("rita")
    assert '<option value="by-request" selected>Customer&#39;s request</option>' in bench.page()

    assert bench.send("cancel", status="cancelled", reason="duplicate").headers["location"].endswith("?done=cancelled")

    assert bench.state() == ("cancelled", "", "", "duplicate")
    page = bench.page()
    assert "Duplicate" in page
    assert "Give this answer" not in page
