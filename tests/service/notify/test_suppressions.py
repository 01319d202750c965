"""Addresses and domains that are not written to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.notify.api import build
from services.notify.handlers.ending import end_what_is_in_vain
from services.notify.settings import Settings
from shared.ids import derive
from shared.schemas.events import ContactErased
from tests.service.notify.harness import ANN, NotifyService, a_case, a_task, an_event
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("EDGE-2", "NOTE-2")


@pytest.fixture
def api(notify: NotifyService) -> Iterator[httpx.Client]:
    settings = Settings(kafka=notify.kafka, database=notify.url, port=0)
    with served(
        build(settings, notify.database, a_verifier(), publisher=notify.publisher),
        a_token("olga", "suppression:manage", "delivery:revive", scope="all"),
    ) as client:
        yield client


def suppress(api: httpx.Client, address: str, **more: object) -> int:
    return api.post("/suppressions", json={"address": address, **more}).status_code


def errors(notify: NotifyService) -> dict[str, str]:
    return dict(notify.rows("select recipient, error from deliveries where state = 'failed'"))


def test_what_is_for_a_suppressed_address_or_domain_fails_at_once_whatever_its_owner_does(notify: NotifyService, api: httpx.Client) -> None:
    assert suppress(api, " Ann@Mail.example ", reason="complained") == 204
    assert suppress(api, "*@flood.example", note="Their mailer answers everything.") == 204
    robot = ANN.model_copy(update={"email": "robot@flood.example"})
    beside = ANN.model_copy(update={"email": "robot@sub.flood.example"})
    notify.take(a_case(1), a_case(2, customer=robot), a_case(3, customer=beside))
    assert errors(notify) == {
        "ann@mail.example": "not sent: its owner complained",
        "robot@flood.example": "not sent: it was suppressed (its whole domain)",
    }
    assert notify.states() == {"failed": 2, "queued": 1}


def test_what_waits_for_it_ends_too_and_what_is_on_the_wire_does_not(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_case(1), a_task(1), a_case(2, customer=ANN.model_copy(update={"email": "Bob@Flood.example"})))
    assert suppress(api, "ann@mail.example") == 204
    assert suppress(api, "*@flood.example") == 204
    end_what_is_in_vain(notify.publisher)
    assert errors(notify) == {
        "ann@mail.example": "not sent: it was suppressed",
        "Bob@Flood.example": "not sent: it was suppressed (its whole domain)",
    }
    assert notify.rows("select recipient from deliveries where state = 'queued'") == [("rita@housing.example",)]


def test_an_entry_may_be_for_a_while_and_is_taken_off(notify: NotifyService, api: httpx.Client) -> None:
    now = datetime.now(UTC)
    assert suppress(api, "ann@mail.example", until=(now - timedelta(days=1)).isoformat()) == 422
    assert suppress(api, "ann@mail.example", until=(now + timedelta(days=1)).isoformat()) == 204
    notify.take(a_case(1))
    assert notify.states() == {"failed": 1}
    notify.rows("update suppressions set until = now() returning 1")
    assert api.get("/suppressions").json()["items"] == []
    notify.take(a_case(2))
    assert notify.states() == {"failed": 1, "queued": 1}
    assert suppress(api, "ann@mail.example", reason="unsubscribed") == 204
    assert api.post("/suppressions/remove", json={"address": "Ann@mail.example"}).status_code == 204
    assert api.post("/suppressions/remove", json={"address": "ann@mail.example"}).status_code == 404
    notify.take(a_case(3))
    assert notify.states() == {"failed": 1, "queued": 2}


def test_the_list_and_what_operators_did_to_it_come_in_pages(notify: NotifyService, api: httpx.Client) -> None:
    for name, reason in [("ann", "complained"), ("bob", "by_hand"), ("cleo", "unsubscribed")]:
        assert suppress(api, f"{name}@mail.example", reason=reason, note="By telephone.") == 204
    page = api.get("/suppressions", params={"limit": 2}).json()
    (last,) = api.get("/suppressions", params={"limit": 2, "cursor": page["next"]}).json()["items"]
    assert [one["address"] for one in page["items"]] == ["ann@mail.example", "bob@mail.example"]
    assert (last["address"], last["reason"], last["note"], last["added_by"], last["until"]) == (
        "cleo@mail.example",
        "unsubscribed",
        "By telephone.",
        "olga",
        None,
    )
    assert [one["address"] for one in api.get("/suppressions", params={"reason": "by_hand"}).json()["items"]] == ["bob@mail.example"]
    assert api.get("/dead-addresses").json()["items"] == [], "none of them has bounced"
    assert api.post("/dead-addresses/revive", json={"address": "ann@mail.example"}).status_code == 404
    assert api.post("/suppressions/remove", json={"address": "bob@mail.example"}).status_code == 204
    page = api.get("/suppressions/changes", params={"limit": 3}).json()
    (first,) = api.get("/suppressions/changes", params={"limit": 3, "cursor": page["next"]}).json()["items"]
    found = [(one["what"], one["address"], one["reason"], one["by_user"]) for one in [*page["items"], first]]
    assert found[0] == ("removed", "bob@mail.example", "by_hand", "olga")
    assert found[-1] == ("added", "ann@mail.example", "complained", "olga")
    for path in ("/suppressions", "/suppressions/changes"):
        assert api.get(path, params={"cursor": "bm9uc2Vuc2U"}).status_code == 400
        assert api.get(path, headers=bearer(a_token("max", "delivery:read", scope="all"))).status_code == 403
        assert api.get(path, headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("address", ["", "ann", "*", "*@", "@x", "a*b@x", "ann@*", "ann@x y", "a\x00@x", "x" * 400 + "@y"])
def test_what_is_no_address_and_no_domain_is_refused(api: httpx.Client, address: str) -> None:
    assert suppress(api, address) == 422
    assert suppress(api, "ann@mail.example", reason="bounced") == 422


@pytest.mark.requirement("EDGE-17")
def test_of_a_customer_who_was_erased_the_list_keeps_nothing(notify: NotifyService, api: httpx.Client) -> None:
    notify.take(a_case(1))
    assert suppress(api, "ann@mail.example") == 204
    assert suppress(api, "bob@mail.example") == 204
    gone = derive("contact", "ann")
    notify.take(an_event(ContactErased(contact_id=gone, case_ids=(derive("case", 1),)), gone, gone))
    assert notify.rows("select address from suppressions") == [("bob@mail.example",)]
    assert notify.rows("select address from suppression_changes order by id") == [("",), ("bob@mail.example",)]
