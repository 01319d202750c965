"""notify's HTTP API over real deliveries."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from services.notify.api import build
from services.notify.settings import Settings
from shared.ids import derive
from tests.service.notify.harness import NotifyService, a_case, a_task
from tests.service.notify.mail_server import MailServer
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served


@pytest.fixture
def api(notify: NotifyService) -> Iterator[httpx.Client]:
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    with served(build(settings, notify.database, a_verifier(), reference=notify.reference)) as client:
        yield client


@pytest.mark.requirement("NOTE-2")
def test_a_delivery_shows_its_state_from_queued_to_sent(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_task())
    (queued,) = api.get("/deliveries", params={"item_id": str(derive("task", 1))}).json()["items"]
    assert (queued["state"], queued["recipient"], queued["definition"]) == ("queued", "rita@housing.example", "task-triggered")
    assert queued["next_attempt_at"] is not None
    with MailServer() as server, notify.sending(server.port):
        eventually(lambda: notify.all_sent(1))
    sent = api.get(f"/deliveries/{queued['id']}").json()
    assert (sent["state"], sent["message_id"], sent["attempts"], sent["next_attempt_at"]) == ("sent", server.ids[0], 1, None)


def test_lists_are_filtered_and_come_in_pages(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(*(a_task(number) for number in range(5)), a_case(2))
    items, cursor = [], None
    for _ in range(3):
        page = api.get("/deliveries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        items += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert len(set(items)) == len(items) == 6
    of_case = api.get("/deliveries", params={"case_id": str(derive("case", 2))}).json()["items"]
    assert {item["item_kind"] for item in of_case} == {"case", "task"}
    assert api.get("/deliveries", params={"state": "sent"}).json()["items"] == []
    assert len(api.get("/deliveries", params={"state": "queued"}).json()["items"]) == 6
    assert api.get("/deliveries", params={"state": "odd"}).status_code == 422
    assert api.get("/deliveries", params={"cursor": "bm9uc2Vuc2U"}).status_code == 400


def test_counts(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_task(), a_case())
    assert api.get("/counts").json() == {"deliveries": 2, "dead_letters": 0}
    assert api.get("/dead-letters").json() == {"items": [], "next": None}


def test_unknown_and_foreign_deliveries_are_not_found(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_task())
    (mine,) = api.get("/deliveries").json()["items"]
    assert api.get(f"/deliveries/{uuid4()}").status_code == 404
    for token, seen in [
        (a_token("nils", unit="neighbourhood", scope="unit"), 0),
        (a_token("lena", unit="repairs", scope="unit"), 1),
        (a_token("rita", scope="own"), 1),
        (a_token("paul", scope="own"), 0),
    ]:
        headers = bearer(token)
        assert len(api.get("/deliveries", headers=headers).json()["items"]) == seen
        assert api.get(f"/deliveries/{mine['id']}", headers=headers).status_code == (200 if seen else 404)


def test_reading_needs_the_permission(api: httpx.Client) -> None:
    assert api.get("/deliveries", headers=bearer(a_token("rita", "task:read"))).status_code == 403
    assert api.get("/deliveries", headers={"Authorization": ""}).status_code == 401
