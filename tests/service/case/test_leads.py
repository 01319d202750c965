"""Leads over the API: created by hand and from a communication, moved on, won with an account, listed, republished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings
from shared.ids import contact_id
from shared.messaging import EventPublisher
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.leads import a_lead_configuration
from tests.support.web import a_token, a_verifier, bearer, served

JOAN = {"customer_name": "Joan Example", "customer_email": "Joan@Customer.example", "customer_phone": "01632 960123"}


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_lead_configuration())


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def _as(user: str, unit: str, *permissions: str) -> dict[str, str]:
    return bearer(a_token(user, *permissions, unit=unit, scope="unit"))


def _create(api: httpx.Client, type: str = "Shared ownership", **more: Any) -> dict[str, Any]:
    answer = api.post("/leads", json={"type": type} | JOAN | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _do(api: httpx.Client, lead: dict[str, Any], what: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/leads/{lead['id']}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.requirement("LEAD-1", "CASE-10")
def test_a_lead_is_created_by_hand_once_and_told_of(api: httpx.Client, service: CaseService) -> None:
    body = {"type": "Shared ownership", "title": "A flat", "competitors": ["Other Homes"]} | JOAN
    once = {"Idempotency-Key": "lead"}
    first, repeat = (api.post("/leads", json=body, headers=once) for _ in range(2))

    assert (first.status_code, repeat.json()) == (201, first.json()), first.text
    lead = api.get(f"/leads/{first.json()['id']}").json()
    assert (lead["number"], lead["type"], lead["state"], lead["priority"]) == ("L-2026-000001", "shared-ownership", "pending", 7)
    assert [one["name"] for one in lead["competitors"]] == ["Other Homes", "Example Homes"]
    assert lead["interests"] == [{"kind": "type", "code": "flat"}]
    assert lead["customer"]["contact_id"] == str(contact_id("email", "joan@customer.example"))
    assert lead["customer"]["phone"] == "+441632960123"
    assert [(entry["field"], entry["new"], entry["by"]) for entry in lead["history"]] == [
        ("state", "pending", "rita"),
        ("type", "shared-ownership", "rita"),
    ]
    assert (service.count("leads"), service.count("contacts"), service.count("handles")) == (1, 1, 2)
    # Whoever comes again by one of the handles is the same contact.
    other = _create(api, "garage", customer_email="", customer_phone="+441632960123")
    assert other["customer"]["contact_id"] == lead["customer"]["contact_id"]


@pytest.mark.requirement("LEAD-1")
@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        ({"type": "unheard-of"}, 422, "lead type unheard-of"),
        ({"type": "garage"}, 422, "created by units contact-centre, repairs"),
        ({"category": "garages"}, 422, "has none with that code"),
        ({"customer_phone": "12"}, 422, "the phone number"),
        ({"customer_name": "", "customer_email": "", "customer_phone": ""}, 422, "about nobody"),
        ({"priority": 11}, 422, "priority"),
    ],
)
def test_what_its_type_does_not_allow_is_refused(api: httpx.Client, service: CaseService, change: dict, status: int, why: str) -> None:
    nils = _as("nils", "neighbourhood", "lead:progress", "lead:read")
    answer = api.post("/leads", json={"type": "shared-ownership"} | JOAN | change, headers=nils)
    assert answer.status_code == status
    assert why in answer.text
    assert (service.count("leads"), service.count("contacts")) == (0, 0)


@pytest.mark.requirement("LEAD-1", "CASE-8")
def test_a_lead_comes_from_a_communication_once_of_each_type(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Renting a garage", "Is one free?")
    service.receive(received(mail))
    path = f"/communications/{mail.communication_id}/leads"

    answer = api.post(path, json={"type": "garage"})

    lead = answer.json()
    assert answer.status_code == 201, answer.text
    assert (lead["title"], lead["source"], lead["communication_id"]) == (
        "Renting a garage",
        "communication",
        str(mail.communication_id),
    )
    assert lead["customer"]["contact_id"] == str(contact_id("email", "ann@customer.example"))
    assert api.post(path, json={"type": "garage"}).status_code == 409
    assert api.post(path, json={"type": "rent"}).status_code == 201


@pytest.mark.requirement("EDGE-17", "CASE-8")
def test_with_its_communication_the_title_of_a_lead_is_erased_also_when_it_is_closed(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Renting for my sick mother", "Is one free?")
    service.receive(received(mail))
    keyed = {"Idempotency-Key": "from mail"}
    lead = api.post(f"/communications/{mail.communication_id}/leads", json={"type": "garage"}, headers=keyed).json()
    _do(api, lead, "edit", title="Garage")
    _do(api, lead, "cancel")

    assert api.post(f"/communications/{mail.communication_id}/erase").status_code == 200

    shown = api.get(f"/leads/{lead['id']}").json()
    assert (shown["title"], shown["revision"], shown["state"]) == ("[erased]", 4, "cancelled")
    told = [(entry["field"], entry["old"], entry["new"]) for entry in shown["history"]]
    assert ("title", "[erased]", "[erased]") in told
    assert told[-1] == ("erased", None, str(mail.communication_id))
    kept = " ".join(str(row) for table in ("leads", "record_history", "commands") for row in service.rows(f"select t::text from {table} t"))
    assert "sick mother" not in kept


@pytest.mark.requirement("LEAD-2", "CASE-10")
def test_a_won_lead_makes_one_account_and_its_contact_financial(api: httpx.Client, service: CaseService) -> None:
    first, second = _create(api), _create(api, title="Another flat")
    for lead in (first, second):
        _do(api, lead, "assign", owner="rita")
        _do(api, lead, "status", status="talking")
    won = _do(api, first, "win", reason="signed")
    assert api.post(f"/leads/{first['id']}/win", json={}).status_code == 409
    also = _do(api, second, "win")

    assert service.rows("select number, name, classification, credit_rating from accounts") == [
        ("A-000001", "Joan Example", "leaseholder", "B")
    ]
    assert won["state"] == "won"
    assert won["customer"]["account_number"] == also["customer"]["account_number"] == "A-000001"
    account = won["customer"]["account_id"]
    assert service.rows("select account_id::text, state, revision from contacts") == [(account, "financial", 2)]
    told = service.rows("select kind, field, new_value from record_history where field in ('account', 'lead') or kind = 'contact'")
    assert sorted(told) == sorted(
        [
            ("contact", "account_id", account),
            ("contact", "state", "financial"),
            ("account", "account", "A-000001"),
            ("account", "lead", first["number"]),
            ("lead", "account", "A-000001"),
            ("lead", "account", account),
        ]
    )
    # Without automatic conversion nothing is created.
    garage = _create(api, "garage", customer_email="jim@customer.example", customer_phone="")
    _do(api, garage, "assign", owner="rita")
    _do(api, garage, "status", status="talking")
    assert _do(api, garage, "win")["customer"]["account_id"] is None
    assert service.count("accounts") == 1


@pytest.mark.requirement("LEAD-1", "CASE-8", "CASE-10")
def test_a_lead_is_edited_accepted_lost_and_noted(api: httpx.Client, service: CaseService) -> None:
    lead = _create(api, "garage")
    stale = {"If-Match": '"1"'}
    edited = api.post(f"/leads/{lead['id']}/edit", json={"priority": 9, "competitors": ["Storage Ltd"]}, headers=stale)
    assert (edited.status_code, edited.json()["priority"], edited.headers["etag"]) == (200, 9, '"2"'), edited.text
    assert api.post(f"/leads/{lead['id']}/edit", json={"priority": 8}, headers=stale).status_code == 412
    cora = _as("cora", "contact-centre", "lead:progress")
    assert api.post(f"/leads/{lead['id']}/accept", json={}, headers=cora).status_code == 200
    assert api.post(f"/leads/{lead['id']}/accept", json={}).status_code == 409
    _do(api, lead, "status", status="talking")
    assert api.post(f"/leads/{lead['id']}/lose", json={}).status_code == 409
    lost = _do(api, lead, "lose", lost_reason="price")
    assert (lost["lost_reason"], lost["state"]) == ("price", "lost")
    assert api.post(f"/leads/{lead['id']}/edit", json={"priority": 1}).status_code == 409
    assert api.post(f"/leads/{lead['id']}/notes", json={"text": "Asked again."}).status_code == 201
    assert [note["text"] for note in api.get(f"/leads/{lead['id']}/notes").json()["items"]] == ["Asked again."]
    changed = {entry["field"] for entry in api.get(f"/leads/{lead['id']}/history").json()["items"]}
    assert {"priority", "competitors", "owner", "status", "state", "lost_reason"} <= changed


@pytest.mark.requirement("LEAD-1")
def test_what_may_be_chosen_is_told_with_the_organisations_labels(api: httpx.Client) -> None:
    told = api.get("/lead-types", headers=_as("nils", "neighbourhood", "lead:read")).json()
    assert [(kind["code"], kind["may_create"]) for kind in told["types"]] == [("shared-ownership", True), ("garage", False), ("rent", True)]
    labels = {source["code"]: source["label"] for source in told["sources"]}
    assert (len(labels), labels["custom_1"], labels["recommended_by_partner"]) == (13, "Estate agent", "Recommended by partner")
    assert told["priority_labels"] == [{"level": 10, "label": "Today"}]


@pytest.mark.requirement("LEAD-1")
def test_leads_are_listed_by_filter_and_order_page_by_page_within_reach(api: httpx.Client) -> None:
    for priority in (3, 9, 5, 9):
        _create(api, "garage", priority=priority, unit="repairs")
    _create(api, "rent", unit="neighbourhood")

    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/leads", params={"sort": "-priority", "limit": "2", "type": "garage"} | cursor).json()
        seen += [item["priority"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert seen == [9, 9, 5, 3]
    assert api.get("/leads", params={"sort": "number"} | cursor).status_code == 400
    assert api.get("/leads", params={"sort": "colour"}).status_code == 422
    within = api.get("/leads", headers=_as("nils", "neighbourhood", "lead:read")).json()["items"]
    assert [item["type"] for item in within] == ["rent"]
    other = api.get("/leads", params={"unit": "repairs"}).json()["items"][0]
    assert api.get(f"/leads/{other['id']}", headers=_as("nils", "neighbourhood", "lead:read")).status_code == 404
    for sort in ("opened_at", "changed_at", "number", "importance", "-expected_completion_at"):
        first = api.get("/leads", params={"sort": sort, "limit": "3"}).json()
        rest = api.get("/leads", params={"sort": sort, "cursor": first["next"]}).json()
        assert len({item["id"] for item in first["items"] + rest["items"]}) == 5
    assert api.post("/republish").json() == {"republished": 5}
