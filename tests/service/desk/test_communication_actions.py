"""What staff do with a communication on its page, beside a real case service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings as CaseSettings
from services.desk.api import Desk, desk_app
from services.desk.api.communication_actions import actions_of
from services.desk.handlers.configuration import apply_configuration
from services.desk.settings import DeskSettings
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.schemas.events import CommunicationReceived
from shared.storage import Database
from shared.web import TokenVerifier, create_app
from shared.web.tokens import TokenSigner
from tests.service.case.conftest import CaseService
from tests.support.case import a_mail, received
from tests.support.configuration import METHODS, a_configuration
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served

SCRIPTED = METHODS[0] | {"pre_script": ["Is anybody in <danger>?"], "security_script": ["Which address?"]}
CHANGES = {"methods": [SCRIPTED, METHODS[1]]}


class Bench:
    """A desk with a case service behind it."""

    def __init__(self, desk: Desk, case: CaseService, client: httpx.Client) -> None:
        self.desk, self.case, self.client = desk, case, client

    def sign_in(self, user: str) -> None:
        answer = self.client.post("/sign-in", data={"user": user, "password": PASSWORD})
        assert answer.status_code == 303

    def page(self, mail: CommunicationReceived) -> str:
        return self.client.get(f"/communications/{mail.communication_id}").text

    def send(self, mail: CommunicationReceived, action: str, **fields: object) -> httpx.Response:
        page = self.page(mail)
        revision, key = (re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("revision", "key"))
        hidden = {"revision": revision[1] if revision else "1", "key": key[1] if key else str(uuid4())}
        return self.client.post(f"/communications/{mail.communication_id}/{action}", data=hidden | fields)


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
            yield Bench(desk, case, client)
        desk.close()
    publisher.close()
    case_database.close()


@pytest.fixture
def held(bench: Bench) -> CommunicationReceived:
    """A mail that opened nothing."""
    mail = a_mail("Away", "Noted.", robot="auto_reply")
    bench.case.receive(received(mail))
    return mail


@pytest.mark.requirement("CASE-1", "EDGE-4")
def test_cases_are_opened_by_subject_from_the_page(bench: Bench, held: CommunicationReceived) -> None:
    bench.sign_in("rita")
    nothing = bench.send(held, "cases")
    assert (nothing.status_code, "Choose at least one subject" in nothing.text) == (409, True)

    answer = bench.send(held, "cases", subjects=["leak", "noise"], urgency="low")

    assert answer.headers["location"] == f"/communications/{held.communication_id}?done=opened"
    page = bench.client.get(answer.headers["location"]).text
    assert "Done: what you chose is open as a case." in page
    assert re.search(r'value="leak" checked disabled>', page)
    assert 'value="enquiry">' in page
    assert bench.case.rows("select subject, urgency, changed_by from cases order by number") == [
        ("leak", "low", "rita"),
        ("noise", "low", "rita"),
    ]


@pytest.mark.requirement("EDGE-1")
def test_a_communication_is_joined_by_number_or_as_suggested(bench: Bench, held: CommunicationReceived) -> None:
    opened = bench.case.receive(received(a_mail("Leak", "A leak.")))[0].data
    stranger = a_mail(f"About {opened.number}", "A leak.", sender="stranger@elsewhere.example")
    bench.case.receive(received(stranger))
    bench.sign_in("max")

    wrong = bench.send(held, "join", number="c-2026-999999")
    assert (wrong.status_code, "There is no case C-2026-999999 that you can see." in wrong.text) == (409, True)
    assert bench.send(held, "join", number=f" {opened.number.lower()} ").status_code == 303
    assert f"Join it to {opened.number}" in bench.page(stranger)
    assert bench.send(stranger, "join", number=opened.number).status_code == 303
    assert f"Join it to {opened.number}" not in bench.page(stranger)
    again = bench.send(stranger, "join", number=opened.number)
    assert "this communication belongs to it already" in again.text
    assert bench.case.rows("select count(*) from case_communications where case_id = %s", opened.case_id) == [(3,)]


@pytest.mark.requirement("COM-2")
def test_answers_to_the_scripts_are_recorded_from_the_page(bench: Bench, held: CommunicationReceived) -> None:
    bench.sign_in("rita")
    assert "2 to ask" in bench.page(held)

    bench.send(held, "script-answers", prompt=["Is anybody in <danger>?", "Which address?"], answer=["No", ""])

    page = bench.page(held)
    assert "1 to ask" in page
    assert "Is anybody in &lt;danger&gt;?</label>" in page
    assert 'value="No">' in page
    unknown = bench.send(held, "script-answers", prompt=["Shoe size?"], answer=["44"])
    assert (unknown.status_code, "has the prompt &#39;Shoe size?&#39;" in unknown.text) == (409, True)


def test_a_page_that_is_stale_or_of_another_site_does_nothing(bench: Bench, held: CommunicationReceived) -> None:
    bench.sign_in("rita")
    first = {"revision": "1", "key": str(uuid4()), "subjects": "leak"}
    path = f"/communications/{held.communication_id}/cases"
    assert [bench.client.post(path, data=first).status_code for _ in range(2)] == [303, 303]

    stale = bench.client.post(path, data=first | {"key": str(uuid4()), "subjects": "noise"})
    foreign = bench.client.post(path, data=first, headers={"Sec-Fetch-Site": "cross-site"})

    assert (stale.status_code, "Somebody changed this communication" in stale.text) == (409, True)
    assert foreign.status_code == 403
    assert bench.case.count("cases") == 1


def test_what_the_visitor_may_not_do_is_not_there(bench: Bench, held: CommunicationReceived) -> None:
    token = SimpleNamespace(token=bench.desk.issuer.issue("max").token)
    reader = SimpleNamespace(token=token, may=lambda permission: permission == "communication:read")
    found = bench.desk.communications.one(token.token, held.communication_id)
    actions = actions_of(reader, found, bench.desk.choices(), bench.desk.communications)  # type: ignore[arg-type]
    assert (actions.may_open, actions.may_progress) == (False, False)
    bench.sign_in("paul")
    refused = bench.client.post(
        f"/communications/{held.communication_id}/cases", data={"revision": 1, "key": str(uuid4()), "subjects": "leak"}
    )
    assert refused.status_code == 403


@pytest.mark.requirement("CON-1")
def test_whose_it_is_is_chosen_among_those_who_share_the_handle(bench: Bench) -> None:
    ann, bea = derive("contact", 1), derive("contact", 2)
    with bench.case.database.transaction() as tx:
        for id, name in ((ann, "Ann <A>"), (bea, "Bea")):
            tx.execute("insert into contacts (id, revision, name, email, created_at) values (%s, 1, %s, '', now())", (id, name))
            tx.execute("insert into handles values ('email', 'both@customer.example', %s)", (id,))
    mail = a_mail("Leak", "A leak.", sender="both@customer.example")
    bench.case.receive(received(mail))
    bench.sign_in("max")
    assert "Ann &lt;A&gt;" in bench.page(mail).partition("Whose is it?")[2]

    nobody = bench.send(mail, "contact")
    chosen = bench.send(mail, "contact", contact=str(bea))

    assert "Choose who of them it is." in nobody.text
    assert chosen.headers["location"].endswith("?done=chosen")
    page = bench.page(mail)
    assert "Whose is it?" not in page
    assert f'href="/contacts/{bea}"' in page
    assert bench.case.rows("select contact_id from cases") == [(bea,)]
