"""The running API under requests made from its own OpenAPI document: never a 5xx, every answer as declared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from services.case.api import all_routers, public_routers
from services.case.api.lead_imports import MOST_BYTES, PATH
from services.case.settings import ApiSettings
from shared.ids import case_id, contact_id
from shared.messaging import EventPublisher
from shared.schemas.parts import FileRef
from shared.schemas.permissions import PERMISSIONS
from shared.storage import Database
from shared.storage.dead_letters import DeadLetter, store
from shared.storage.objects import ObjectStore
from shared.web import create_app
from shared.web.answering import ANSWER_BYTES
from shared.web.openapi import described
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.feedback import FORM
from tests.support.fuzzing import fuzzed
from tests.support.leads import LEADS
from tests.support.products import a_product_configuration
from tests.support.web import a_token, a_verifier, served

EXAMPLES = int(os.environ.get("CASESTREAM_FUZZ_EXAMPLES", "0"))
"""Requests for each operation, besides those that try each boundary of each value, in a long campaign (`make fuzz`)."""
There = dict[str, dict[str, object]]


class Seeded(NamedTuple):
    """What leads to records that are there: parameters of paths by their beginnings, and bodies by path."""

    parameters: There
    bodies: dict[str, dict[str, Any]]


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_product_configuration(feedback=[FORM | {"states": ["pending"]}], leads=LEADS))


def seeded(service: CaseService, client: httpx.Client, objects: ObjectStore) -> Seeded:
    """Records of every kind, made by the API where it can make them; and the requests that lead to them.

    What ends a record leads to others than what only reads or changes one.
    """

    def post(path: str, status: int = 201, /, **body: Any) -> dict[str, Any]:
        answer = client.post(path, json=body)
        assert answer.status_code == status, f"{path}: {answer.text}"
        return dict(answer.json())

    def id_of(path: str, **body: Any) -> str:
        return str(post(path, **body)["id"])

    def mail(sender: str, **more: Any) -> str:
        sent = a_mail("Water leak", "The ceiling drips.", sender=f"{sender}@customer.example", **more)
        service.receive(received(sent))
        return str(sent.communication_id)

    def case_of(communication: str) -> str:
        return str(case_id(communication, "leak"))

    content = b"From: ann@customer.example\r\n\r\nThe ceiling drips."
    file = FileRef(sha256=objects.put(content), size=len(content), filename="ceiling.txt", content_type="text/plain")
    first = mail("ann", attachments=(file,), raw=file)
    mails = {name: mail(name) for name in ("bob", "cora", "dan", "eve", "fay", "gil", "hal", "ida", "jon", "kim")}
    case, ann = case_of(first), str(contact_id("email", "ann@customer.example"))
    merged = post(f"/cases/{case_of(mail('ann'))}/merge", 200, into=case_of(mail("ann")))["merge_id"]
    other = mail("ann")
    post(f"/communications/{other}/join", 200, case_id=case)
    split = post(f"/cases/{case}/split", communications=[other], subject="noise")["split_id"]
    children = [case_of(mails["cora"]), case_of(mails["dan"])]
    post(f"/cases/{case_of(mails['bob'])}/children", 200, children=children)
    post(f"/communications/{mails['jon']}/join", 200, case_id=case_of(mails["fay"]))
    post(f"/cases/{case}/links", 200, other=case_of(mails["cora"]))
    mistake = str(post(f"/communications/{mails['hal']}/cases", subjects=["noise"])["cases"][0]["id"])
    gone = str(post(f"/communications/{mails['ida']}/cases", subjects=["noise"])["cases"][0]["id"])
    post(f"/cases/{gone}/delete", 200, reason="A mistake.")
    post(f"/cases/{case}/feedback", answers={"work": 4})
    account = id_of("/accounts", name="12 Harbour Street")
    post(f"/contacts/{ann}/account", 200, account_id=account)
    twins = [id_of("/contacts", name=name) for name in ("Una", "Una Two", "Vic", "Vic Two")]
    together = post(f"/contacts/{twins[0]}/merge", 200, into=twins[1])["id"]
    lead = id_of("/leads", type="garage", customer_name="Joan")
    leads = {end: id_of("/leads", type="rent", customer_name=end) for end in ("win", "lose", "cancel")}
    on_case = id_of(f"/cases/{case}/products", product="boiler", issued_on="2026-01-01")
    of_account = id_of(f"/accounts/{account}/products", product="boiler", issued_on="2026-01-01")
    post(f"/cases/{case}/products/{on_case}/warranty-check", 200)
    for path in (f"/cases/{case}", f"/contacts/{ann}", f"/accounts/{account}", f"/leads/{lead}"):
        post(f"{path}/notes", text="Rang back.")
    job = str(post("/bulk-changes", 202, change={"kind": "assign", "owner": "rita"}, ids=[case])["id"])
    imported = client.post(PATH, content=b"title,type\r\nA garage,Garage letting\r\n")
    assert imported.status_code == 202, imported.text
    letters = [DeadLetter("case.commands", 0, number, b"key", (("type", b"x"),), b"{", "garbage", "no JSON") for number in range(3)]
    with service.database.transaction() as tx:
        store(tx, letters)
    parameters: There = {
        "/cases/{case_id}": {"case_id": case, "child_id": children[0], "other": case_of(mails["cora"])},
        "/cases/{case_id}/children": {"case_id": case_of(mails["bob"])},
        "/cases/{case_id}/broadcast": {"case_id": case_of(mails["bob"])},
        "/cases/{case_id}/close": {"case_id": case_of(mails["bob"])},
        "/cases/{case_id}/delete": {"case_id": mistake},
        "/cases/{case_id}/status": {"case_id": case_of(mails["eve"])},
        "/cases/{case_id}/split": {"case_id": case_of(mails["fay"])},
        "/cases/{case_id}/merge": {"case_id": case_of(mail("ann"))},
        "/cases/{holder_id}": {"holder_id": case, "item_id": on_case},
        "/cases/{record_id}": {"record_id": case},
        "/case-merges/": {"merge_id": merged},
        "/case-splits/": {"split_id": split},
        "/deleted-cases/": {"case_id": gone},
        "/communications/": {"communication_id": first, "position": 0},
        "/communications/{communication_id}/erase": {"communication_id": mails["gil"]},
        "/contacts/{contact_id}": {"contact_id": ann},
        "/contacts/{contact_id}/merge": {"contact_id": twins[2]},
        "/contacts/{contact_id}/merges": {"contact_id": twins[1]},
        "/contacts/{contact_id}/erase": {"contact_id": str(contact_id("email", "gil@customer.example"))},
        "/contacts/{record_id}": {"record_id": ann},
        "/contact-merges/": {"merge_id": together},
        "/accounts/{account_id}": {"account_id": account},
        "/accounts/{holder_id}": {"holder_id": account, "item_id": of_account},
        "/accounts/{record_id}": {"record_id": account},
        "/leads/": {"lead_id": lead},
        **{f"/leads/{{lead_id}}/{end}": {"lead_id": id} for end, id in leads.items()},
        "/lead-imports/": {"import_id": imported.json()["id"]},
        "/bulk-changes/": {"id": job},
        "/dead-letters/": {"letter": str(letters[0].id)},
        "/dead-letters/{letter}/replay": {"letter": str(letters[1].id)},
        "/dead-letters/{letter}/discard": {"letter": str(letters[2].id)},
        "/answer/": {"token": str(uuid4())},
    }
    bodies = {
        "/cases/{case_id}/merge": {"into": case_of(mail("ann"))},
        "/cases/{case_id}/split": {"communications": [mails["jon"]], "subject": "noise"},
        "/cases/{case_id}/children": {"children": [case_of(mails["kim"])]},
        "/cases/{case_id}/links": {"other": children[1]},
        "/cases/{case_id}/feedback": {"answers": {"work": 4}},
        "/cases/{case_id}/assign": {"unit": "repairs", "owner": "max"},
        "/cases/{case_id}/status": {"status": "answered"},
        "/cases/{holder_id}/products": {"product": "boiler", "issued_on": "2026-01-01"},
        "/accounts/{holder_id}/products": {"product": "boiler", "issued_on": "2026-01-01"},
        "/communications/{communication_id}/cases": {"subjects": ["noise"]},
        "/communications/{communication_id}/join": {"case_id": children[1]},
        "/communications/{communication_id}/leads": {"type": "garage"},
        "/contacts/{contact_id}/merge": {"into": twins[3]},
        "/contacts/{contact_id}/account": {"account_id": account},
        "/leads": {"type": "garage", "customer_name": "Joan"},
        "/leads/{lead_id}/status": {"status": "talking"},
        "/leads/{lead_id}/win": {"reason": "Signed."},
        "/leads/{lead_id}/lose": {"lost_reason": "price"},
        "/leads/{lead_id}/edit": {"title": "A garage"},
        "/bulk-changes": {"change": {"kind": "assign", "owner": "rita"}, "ids": [case]},
    }
    return Seeded(parameters, bodies)


@pytest.mark.requirement("FACE-1")
def test_every_answer_is_as_declared_and_none_is_a_server_error(service: CaseService, kafka: str, case_topics: str, tmp_path: Path) -> None:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    objects = ObjectStore((tmp_path / "objects").as_uri())
    settings = ApiSettings(kafka=kafka, database=service.database.url, port=0, objects=(tmp_path / "objects").as_uri())
    app = create_app(
        "case",
        settings,
        all_routers(publisher, service.reference, objects, lambda: NOW),
        public=public_routers(publisher, service.reference, settings, lambda: NOW),
        body_limits={"/answer/": ANSWER_BYTES, PATH: MOST_BYTES},
        verifier=a_verifier(),
    )
    token = a_token("lucy", *PERMISSIONS, scope="all")
    document = described(app)
    with served(app, token) as client:
        there, bodies = seeded(service, client, objects)
        for path in (path for path, operations in document["paths"].items() if "get" in operations and "{" in path):
            beginnings = [beginning for beginning in sorted(there, key=len) if path.startswith(beginning)]
            values = {name: value for beginning in beginnings for name, value in there[beginning].items()}
            assert client.get(path.format(**values)).status_code == 200 or path.startswith("/answer/"), path
        for path, body in bodies.items():
            document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"] = {"there": {"value": body}}
        is_fine, told = fuzzed(
            tmp_path / "fuzz", document, str(client.base_url), token, there, examples=EXAMPLES or 3, boundaries=bool(EXAMPLES)
        )
    publisher.close()
    assert is_fine, told[-6000:]
