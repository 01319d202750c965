"""Products of cases and accounts over HTTP: warranty, replacement, return."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings
from services.case.storage import cases
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.events import ReplacementApproved, TaskLifeCycle
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case, a_plan, a_task_change
from tests.support.products import a_product_configuration
from tests.support.web import a_token, a_verifier, bearer, served

ACCOUNT = derive("account", "products")


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_product_configuration())


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    app = create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())
    with served(app) as client:
        yield client
    publisher.close()


def opened(service: CaseService, **changes: object) -> UUID:
    case = a_case(**changes)
    with service.database.transaction() as tx:
        cases.add(tx, [case])
    return case.id


def added(api: httpx.Client, path: str, **told: object) -> dict[str, object]:
    answer = api.post(f"{path}/products", json=told)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.requirement("CASE-14")
def test_a_product_is_added_with_what_the_catalogue_says_changed_and_removed(api: httpx.Client, service: CaseService) -> None:
    path = f"/cases/{opened(service)}"
    boiler = added(api, path, product="boiler", serial_number="B1", issued_on="2024-02-29")
    assert (boiler["warranty_until"], boiler["return_policy"]) == ("2026-02-28", "thirty-days")
    one = f"{path}/products/{boiler['id']}"

    stale = api.put(one, json={"product": "boiler"}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    told = {"product": "boiler", "serial_number": "B2", "issued_on": "2025-01-31", "warranty_until": "2030-01-01"}
    changed = api.put(one, json=told | {"return_policy": "one-month"}, headers={"If-Match": '"1"'})
    assert changed.headers["etag"] == '"2"'
    assert api.get(one).json()["warranty_until"] == "2030-01-01"
    assert [item["serial_number"] for item in api.get(f"{path}/products").json()["items"]] == ["B2"]

    assert api.delete(one).status_code == 200
    assert api.get(one).status_code == 404
    history = api.get(f"{path}/history").json()["items"]
    assert [(entry["old"], entry["new"]) for entry in history] == [(None, "boiler B1"), ("boiler B1", "boiler B2"), ("boiler B2", None)]


@pytest.mark.requirement("CASE-14")
@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"product": "bicycle"}, "the catalogue does not have it"),
        ({"product": "boiler"}, "subject noise allows only lamp"),
        ({"product": "lamp", "return_policy": "for-ever"}, "the configuration does not have it"),
        (
            {"product": "lamp", "issued_on": "2026-02-02", "warranty_until": "2026-02-01"},
            "its warranty ends on 2026-02-01, before its issue",
        ),
    ],
)
def test_what_does_not_agree_with_the_catalogue_is_refused_with_the_reason(
    api: httpx.Client, service: CaseService, told: dict[str, str], why: str
) -> None:
    case = opened(service, subject="noise")
    answer = api.post(f"/cases/{case}/products", json=told)
    assert answer.status_code == 422
    assert why in answer.json()["why"]
    assert service.count("case_products") == 0


@pytest.mark.requirement("CASE-14")
def test_a_covered_product_is_replaced_once_and_the_case_waits_for_it(api: httpx.Client, service: CaseService) -> None:
    case = opened(service, owner="rita")
    path = f"/cases/{case}"
    boiler = added(api, path, product="boiler", serial_number="B1", issued_on="2024-03-02")
    check = f"{path}/products/{boiler['id']}/warranty-check"

    looked = api.post(check, json={}).json()
    assert (looked["outcome"], looked["asked_on"], looked["last_day"]) == ("covered", "2026-03-02", "2026-03-02")
    assert looked["reckoning"] == "The warranty runs from 2024-03-02 to 2026-03-02, that day included; the customer asked on 2026-03-02."
    late = api.post(check, json={"on": "2026-03-03", "replace": True})
    assert (late.status_code, "The warranty was over 1 day before." in late.json()["why"]) == (409, True)
    assert service.count("outbox") == 0

    key = {"Idempotency-Key": str(uuid4())}
    replaced = api.post(check, json={"replace": True}, headers=key)
    assert replaced.status_code == 200, replaced.text
    assert api.post(check, json={"replace": True}, headers=key).json() == replaced.json()
    again = api.post(check, json={"replace": True})
    assert (again.status_code, "it is replaced already" in again.json()["why"]) == (409, True)
    assert service.rows("select count(*) from product_checks where replacement_task is not null") == [(1,)]

    # The workflow has no open task, and yet the case is not complete before the replacement.
    task = UUID(replaced.json()["replacement_task"])
    service.take(topics.TASKS, [a_plan(case)])
    for status in ("answered", "resolved"):
        assert api.post(f"{path}/status", json={"status": status}).status_code == 200
    gated = api.post(f"{path}/status", json={"status": "closed"})
    assert (gated.status_code, "1 of its tasks are still open" in gated.json()["why"]) == (409, True)
    service.take(topics.TASKS, [a_task_change(case, task, TaskLifeCycle.COMPLETED, 3)])
    assert api.post(f"{path}/status", json={"status": "closed"}).status_code == 200
    assert api.post(f"{path}/products", json={"product": "boiler"}).status_code == 409
    assert [check["outcome"] for check in api.get(f"{path}/products/{boiler['id']}/checks").json()["items"]] == ["covered", "covered"]


@pytest.mark.requirement("CASE-14")
def test_a_replacement_is_told_of_with_what_its_task_needs(service: CaseService, kafka: str, case_topics: str) -> None:
    from services.case.domain.products import Holder
    from services.case.handlers.products import AskedOfItem, ProductCommands, Told, offer_of
    from shared.messaging import VersionCache

    case = opened(service)
    commands = ProductCommands(service.reference, VersionCache(service.reference, offer_of))
    asked = AskedOfItem(Holder.CASE, case, "rita", derive("cause", 1), NOW, "", lambda _case: None, lambda _revision: None)
    with service.database.transaction() as tx:
        item = commands.add(tx, asked, Told("boiler", "B9", NOW.date(), None, None))
        commands.check_warranty(tx, asked, item.id, None, replace=True)
        (event,) = [emitted.event for emitted in tx.emitted]
    assert isinstance(event.data, ReplacementApproved)
    assert (event.key, event.subject, event.revision) == (str(case), str(item.id), 1)
    assert (event.data.definition, event.data.serial_number, str(event.data.warranty_until)) == ("replace-boiler", "B9", "2028-03-02")


@pytest.mark.requirement("CASE-14")
@pytest.mark.parametrize("path", ["case", "account"])
def test_a_good_is_returned_from_a_case_or_from_an_accounts_goods(api: httpx.Client, service: CaseService, path: str) -> None:
    base = f"/cases/{opened(service)}" if path == "case" else f"/accounts/{ACCOUNT}"
    lamp = added(api, base, product="lamp", issued_on="2026-01-31")
    check = f"{base}/products/{lamp['id']}/return-check"

    last = api.post(check, json={"reason": "faulty"}).json()  # the 2nd of March: thirty days from the 31st of January
    assert (last["outcome"], last["last_day"]) == ("covered", "2026-03-02")
    assert api.post(check, json={"reason": "not-wanted", "on": "2026-02-01"}).json()["outcome"] == "refundable"
    late = api.post(check, json={"reason": "faulty", "on": "2026-03-03"}).json()
    assert (late["outcome"], late["why"]) == ("refused", "It came back 1 day too late.")
    items = api.get(f"{base}/products/{lamp['id']}/checks", params={"limit": 2}).json()
    more = api.get(f"{base}/products/{lamp['id']}/checks", params={"cursor": items["next"]}).json()
    assert len(items["items"]) + len(more["items"]) == 3
    service_item = added(api, base, product="sweeping", issued_on="2026-01-31")
    refused = api.post(f"{base}/products/{service_item['id']}/return-check", json={"reason": "faulty"}).json()
    assert refused["why"] == "Only a physical good can be returned."


@pytest.mark.requirement("CASE-14")
def test_products_are_for_those_who_reach_their_case(api: httpx.Client, service: CaseService) -> None:
    path = f"/cases/{opened(service)}/products"
    item = added(api, path.removesuffix("/products"), product="lamp")
    other = bearer(a_token("nils", "case:read", "case:progress", "product:check", unit="neighbourhood", scope="unit"))
    for method, where in (("GET", path), ("GET", f"{path}/{item['id']}"), ("GET", f"{path}/{item['id']}/checks")):
        assert api.request(method, where, headers=other).status_code == 404
    assert api.post(path, json={"product": "lamp"}, headers=other).status_code == 404
    assert api.post(f"{path}/{item['id']}/warranty-check", json={}, headers=other).status_code == 404
    own = bearer(a_token("paul", "case:read", scope="own"))
    assert api.get(f"/accounts/{ACCOUNT}/products", headers=own).status_code == 404
    opened(service, account_id=ACCOUNT, owner="paul")
    assert api.get(f"/accounts/{ACCOUNT}/products", headers=own).status_code == 200
    reader = bearer(a_token("rita", "case:read"))
    assert api.post(f"{path}/{item['id']}/warranty-check", json={}, headers=reader).status_code == 403
