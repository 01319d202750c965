"""Contacts, accounts and notes by the API, and whose a communication is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from services.case.api import routers
from services.case.handlers import contacts
from services.case.handlers.contacts import Origin
from services.case.settings import Settings
from services.cli.__main__ import app
from services.cli.commands.republishing import UnfinishedError, republish_accounts
from services.cli.imports.run import Pace
from services.cli.stack.errors import NotRunningError
from shared.ids import case_id, contact_id
from shared.messaging import EventPublisher
from shared.schemas.configuration.customers import Accounts, Area
from shared.schemas.parts import Handle
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, received
from tests.support.web import a_token, a_verifier, bearer, served

ANN = "ann@customer.example"
PHONE = {"kind": "phone", "value": "+44 1632 960001"}
AGENT = ("case:read", "contact:edit", "note:write")


@pytest.fixture
def service(case_database: Database) -> CaseService:
    areas = (Area(code="north", name="North", unit="neighbourhood"), Area(code="south", name="South"))
    accounts = Accounts.model_validate({"kinds": [{"code": "tenancy", "name": "Tenancy"}], "credit_ratings": [{"code": "a", "name": "A"}]})
    return CaseService(case_database, a_case_configuration(areas=areas, accounts=accounts))


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.requirement("CON-1", "CON-2", "CASE-10")
def test_contacts_are_made_changed_and_put_into_accounts(api: httpx.Client) -> None:
    tenancy = ok(api.post("/accounts", json={"name": "12 Harbour Street", "kind": "tenancy", "credit_rating": "a"}), 201)
    assert tenancy["number"] == "A-000001"
    body = {"name": "Ann", "email": "Ann@Customer.example", "area": "south", "handles": [PHONE, {"kind": "x", "value": "@AnnC"}]}
    once = {"Idempotency-Key": "once"}
    made = ok(api.post("/contacts", json=body, headers=once), 201)
    assert ok(api.post("/contacts", json=body, headers=once), 201) == made
    path = f"/contacts/{made['id']}"
    assert [handle["value"] for handle in made["handles"]] == [ANN, "+441632960001", "annc"]
    assert (made["state"], made["email"]) == ("prospect", ANN)

    inside = ok(api.post(f"{path}/account", json={"account_id": tenancy["id"]}, headers={"If-Match": '"1"'}))
    assert (inside["state"], inside["account_id"]) == ("financial", tenancy["id"])
    assert api.post(path, json={"name": "A"}, headers={"If-Match": '"1"'}).status_code == 412
    ok(api.post(path, json={"name": "Ann Customer", "area": ""}))
    ok(api.post(f"{path}/handles/remove", json={"kind": "x", "value": "annc"}))
    other = ok(api.post("/contacts", json={"name": "Bob", "handles": [PHONE]}), 201)["id"]
    ok(api.post(f"/contacts/{other}/account", json={"account_id": tenancy["id"]}))

    # Who was known first comes first, by the host's clock: that may have been set back in between.
    assert {one["name"] for one in ok(api.get(f"/accounts/{tenancy['id']}"))["contacts"]} == {"Ann Customer", "Bob"}
    shared = ok(api.get("/contacts", params={"kind": "phone", "handle": "+44 (1632) 960 001"}))["items"]
    assert {one["name"] for one in shared} == {"Ann Customer", "Bob"}
    ok(api.post(f"/accounts/{tenancy['id']}", json={"name": "Flat 2", "kind": ""}))
    history = [(entry["field"], entry["old"], entry["new"]) for entry in ok(api.get(f"{path}/history"))["items"]]
    assert ("state", "prospect", "financial") in history
    assert history[-3:] == [("name", "Ann", "Ann Customer"), ("area", "south", None), ("handle", "x annc", None)]
    fields = [entry["field"] for entry in ok(api.get(f"/accounts/{tenancy['id']}/history"))["items"]]
    assert fields == ["account", "name", "kind"]


@pytest.mark.requirement("CON-1")
@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/contacts", {"name": "A", "handles": [{"kind": "phone", "value": "01632 960001"}]}, "write it with +"),
        ("/contacts", {"name": "A", "email": "nobody"}, "name@domain"),
        ("/contacts", {"name": "A", "area": "moon"}, "it has north, south"),
        ("/contacts", {"name": " "}, ""),
        ("/accounts", {"name": "A", "kind": "ship"}, "it has tenancy"),
        ("/accounts", {"name": "A", "classification": "gold"}, "none at all"),
    ],
)
def test_what_makes_no_contact_or_account_is_refused_with_a_reason(api: httpx.Client, path: str, body: dict[str, Any], told: str) -> None:
    assert told in str(ok(api.post(path, json=body), 422))
    assert ok(api.get(path))["items"] == []


@pytest.mark.requirement("CASE-7")
def test_a_new_case_goes_to_the_unit_of_its_contacts_area(api: httpx.Client, service: CaseService) -> None:
    def unit_of_a_mail(text: str) -> str:
        mail = a_mail("Hello", text, sender=ANN)
        return str(service.receive(received(mail))[0].data.unit)

    assert unit_of_a_mail("A question.") == "contact-centre"
    ann = contact_id("email", ANN)
    account = ok(api.post("/accounts", json={"name": "Flat", "area": "north"}), 201)["id"]
    ok(api.post(f"/contacts/{ann}/account", json={"account_id": account}))
    assert unit_of_a_mail("Another question.") == "neighbourhood"
    assert unit_of_a_mail("A leak.") == "repairs", "the subject's own unit comes first"
    ok(api.post(f"/contacts/{ann}", json={"area": "south"}))
    assert unit_of_a_mail("And one more.") == "contact-centre", "the contact's area comes before the account's, and has no unit"


@pytest.mark.requirement("CON-1", "CASE-8")
def test_staff_choose_whose_a_communication_is_among_those_who_share_its_handle(api: httpx.Client, service: CaseService) -> None:
    ann, bob = (ok(api.post("/contacts", json={"name": name, "handles": [PHONE]}), 201)["id"] for name in ("Ann", "Bob"))
    stranger = ok(api.post("/contacts", json={"name": "Cal"}), 201)["id"]
    text = a_mail("Leak", "A leak.", sender=Handle(kind="phone", value="+441632960001", name="A"))
    service.receive(received(text))
    path = f"/communications/{text.communication_id}"
    assert {one["name"] for one in ok(api.get(path))["candidates"]} == {"Ann", "Bob"}

    assert "none of those" in ok(api.post(f"{path}/contact", json={"contact_id": stranger}), 422)["detail"]
    chosen = ok(api.post(f"{path}/contact", json={"contact_id": bob}))

    assert chosen["contact_id"] == bob
    case = ok(api.get(f"/cases/{case_id(text.communication_id, 'leak')}"))
    assert (case["customer"]["contact_id"], case["customer"]["name"], case["revision"]) == (bob, "Bob", 2)
    assert "never changes" in ok(api.post(f"{path}/contact", json={"contact_id": ann}), 422)["detail"]


@pytest.mark.requirement("CASE-10", "CASE-8", "CON-2")
def test_notes_are_written_on_cases_contacts_and_accounts_closed_or_not(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "A leak.", sender=ANN)
    service.receive(received(mail))
    case, ann = case_id(mail.communication_id, "leak"), contact_id("email", ANN)
    with service.database.transaction() as tx:
        tx.execute("update cases set state = 'completed' where id = %s", (case,))
    account = ok(api.post("/accounts", json={"name": "Flat"}), 201)["id"]
    nina = bearer(a_token("nina", *AGENT, unit="repairs", scope="unit"))
    for path in (f"/cases/{case}", f"/contacts/{ann}", f"/accounts/{account}"):
        once = nina | {"Idempotency-Key": path}
        for text, headers in (("First.", once), ("First.", once), ("Second.", nina)):
            ok(api.post(f"{path}/notes", json={"text": text}, headers=headers), 201)
        page = ok(api.get(f"{path}/notes", params={"limit": 1}, headers=nina))
        rest = ok(api.get(f"{path}/notes", params={"limit": 1, "cursor": page["next"]}, headers=nina))
        assert {note["text"] for note in (*page["items"], *rest["items"])} == {"First.", "Second."}
        assert (page["items"][0]["author"], rest["next"]) == ("nina", None)
    assert [entry["field"] for entry in ok(api.get(f"/cases/{case}"))["history"]].count("note") == 2
    assert {note["text"] for note in ok(api.get(f"/contacts/{ann}"))["notes"]} == {"First.", "Second."}
    reader = bearer(a_token("nina", "case:read", unit="repairs", scope="unit"))
    assert api.post(f"/cases/{case}/notes", json={"text": "No."}, headers=reader).status_code == 403
    away = bearer(a_token("nils", *AGENT, unit="neighbourhood", scope="unit"))
    assert api.post(f"/cases/{case}/notes", json={"text": "No."}, headers=away).status_code == 404
    assert api.post(f"/contacts/{UUID(int=7)}/notes", json={"text": "No."}).status_code == 404
    assert api.post(f"/cases/{case}/notes", json={"text": "  "}).status_code == 422


@pytest.mark.requirement("CON-2")
def test_the_customers_page_shows_what_its_reader_reaches(api: httpx.Client, service: CaseService) -> None:
    service.receive(*(received(a_mail("Hello", text, sender=ANN)) for text in ("A question.", "A leak.", "Another question.")))
    path = f"/contacts/{contact_id('email', ANN)}"
    with service.database.transaction() as tx:
        tx.execute("update cases set state = 'completed' where number = 'C-2026-000001'")

    shown = ok(api.get(path))

    assert [case["priority"] for case in shown["open_cases"]] == ["high", "normal"]
    assert (shown["open_case_count"], shown["closed_case_count"], len(shown["communications"])) == (2, 1, 3)
    repairs = ok(api.get(path, headers=bearer(a_token("rita", "case:read", unit="repairs", scope="unit"))))
    assert ([case["subject"] for case in repairs["open_cases"]], repairs["closed_case_count"]) == (["leak"], 0)
    assert "communications" not in repairs
    own = bearer(a_token("paul", "case:read", scope="own"))
    assert api.get(path, headers=own).status_code == 404
    assert ok(api.get("/contacts", headers=own))["items"] == []
    assert len(ok(api.get("/contacts"))["items"]) == 1


@pytest.mark.requirement("TASK-5", "CON-1")
def test_accounts_are_republished_page_by_page_and_go_on_where_it_was_interrupted(
    api: httpx.Client, service: CaseService, tmp_path: Path
) -> None:
    numbers = [ok(api.post("/accounts", json={"name": f"Flat {number}"}), 201)["number"] for number in range(5)]
    token = tmp_path / "token"
    token.write_text(a_token("machine", "republish"))
    where = ["--url", str(api.base_url), "--token-file", str(token)]
    done = CliRunner().invoke(app, ["republish", "accounts", "--json", *where])
    assert json.loads(done.output) == {"republished": 5}, done.output
    assert CliRunner().invoke(app, ["republish", "case", *where]).output == '{"republished":5}\n'
    assert CliRunner().invoke(app, ["republish", "task", "--after", str(UUID(int=1))]).exit_code == 2

    pages: list[dict[str, str]] = []

    def post(path: str, params: dict[str, str]) -> str:
        pages.append(params)
        if len(pages) == 3:
            raise NotRunningError("no answer")
        return api.post(path, params=params, headers=bearer(token.read_text())).text

    with pytest.raises(UnfinishedError, match=r"4 accounts are republished, go on with --after (\S+)") as stopped:
        republish_accounts(post, None, Pace(10_000), 2)
    after = UUID(str(stopped.value).rpartition(" ")[2])
    assert republish_accounts(post, after, Pace(10_000), 2) == 1
    assert [len(page) for page in pages] == [1, 2, 2, 2]
    assert api.post("/republish/accounts", params={"limit": 501}).status_code == 422
    assert api.post("/republish/accounts", headers=bearer(a_token("rita", *AGENT))).status_code == 403

    with service.database.transaction() as tx:
        contacts.republish_accounts(tx, Origin("machine", UUID(int=1), NOW), None, 100)
        told = [emitted.event for emitted in tx.emitted]
    assert {event.data.number for event in told} == set(numbers)
    assert {(event.type, event.revision) for event in told} == {("casestream.account.republished.v1", 1)}
