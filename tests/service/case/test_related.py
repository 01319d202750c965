"""Related cases, links that staff make, and major cases with their children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.settings import Settings
from shared.messaging import EventPublisher
from shared.schemas.events import CaseOpened
from shared.storage import Database
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_case_configuration, a_mail, a_plan, received
from tests.support.configuration import COMMUNICATIONS
from tests.support.web import a_token, a_verifier, bearer, served

TELL = {"code": "tell-all", "name": "News", "on": "case.broadcast", "to": ["customer"], "template": COMMUNICATIONS[0]["template"]}
AGENT = ("case:read", "case:progress")


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_case_configuration(communications=[*COMMUNICATIONS, TELL]))


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def a_new_case(service: CaseService, sender: str = "ann@customer.example", subject_line: str = "Leak") -> UUID:
    events = service.receive(received(a_mail(subject_line, sender, sender=sender)))
    return next(event.data.case_id for event in events if isinstance(event.data, CaseOpened))


def relations(api: httpx.Client, case: UUID, **headers: str) -> set[tuple[str, str]]:
    answer = api.get(f"/cases/{case}/related", headers=headers)
    assert answer.status_code == 200, answer.text
    return {(item["relation"], item["id"]) for item in answer.json()["items"]}


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


@pytest.mark.requirement("CASE-11")
def test_a_cases_relations_are_seen_from_both_ends(api: httpx.Client, service: CaseService) -> None:
    a, b, c = (a_new_case(service) for _ in range(3))
    foreign = a_new_case(service, "ben@customer.example")
    assert relations(api, a) == {("same_contact", str(b)), ("same_contact", str(c))}
    assert relations(api, foreign) == set()

    done(api.post(f"/cases/{a}/links", json={"other": str(foreign), "kind": "caused_by"}))
    done(api.post(f"/cases/{b}/links", json={"other": str(foreign)}))
    done(api.post(f"/cases/{foreign}/links", json={"other": str(b), "kind": "related"}))  # the same one
    assert service.count("case_links") == 2
    assert ("caused_by", str(foreign)) in relations(api, a)
    assert relations(api, foreign) == {("cause_of", str(a)), ("related", str(b))}
    assert ("link", f"related {_number(service, b)}") in {(e["field"], e["new"]) for e in api.get(f"/cases/{foreign}").json()["history"]}

    merged = done(api.post(f"/cases/{c}/merge", json={"into": str(a)}))
    items = {item["relation"]: item for item in api.get(f"/cases/{a}/related").json()["items"]}
    assert (items["merged"]["id"], items["merged"]["undo"]) == (str(c), merged["merge_id"])
    assert ("merged_into", str(a)) in relations(api, c)

    assert api.delete(f"/cases/{foreign}/links/{b}").status_code == 200
    again = api.delete(f"/cases/{foreign}/links/{b}")
    assert (again.status_code, "there is no such link" in again.json()["why"]) == (409, True)
    assert api.post(f"/cases/{a}/links", json={"other": str(a)}).status_code == 409
    assert api.post(f"/cases/{a}/links", json={"other": str(UUID(int=3))}).status_code == 404
    assert api.post(f"/cases/{a}/links", json={"other": str(b), "kind": "cousin"}).status_code == 422


@pytest.mark.requirement("CASE-11")
def test_related_cases_of_other_units_are_not_told(api: httpx.Client, service: CaseService) -> None:
    leak = a_new_case(service)
    noise = a_new_case(service, subject_line="Question about noise")
    with service.database.transaction() as tx:
        tx.execute("update cases set unit = 'income' where id = %s", (noise,))
    mine = bearer(a_token("sam", *AGENT, unit="repairs", scope="unit"))
    assert relations(api, leak, **mine) == set()
    assert api.get(f"/cases/{noise}/related", headers=mine).status_code == 404
    assert api.post(f"/cases/{leak}/links", json={"other": str(noise)}, headers=mine).status_code == 404
    assert api.post(f"/cases/{leak}/children", json={"children": [str(noise)]}, headers=mine).status_code == 403


@pytest.mark.requirement("EDGE-15")
def test_a_major_case_gathers_children_tells_them_and_closes_once(api: httpx.Client, service: CaseService) -> None:
    parent = a_new_case(service, "boss@housing.example")
    children = [a_new_case(service, f"tenant{n}@customer.example") for n in range(4)]
    wanted = [str(child) for child in children]
    assert len(done(api.post(f"/cases/{parent}/children", json={"children": wanted}))["children"]) == 4
    first = api.get(f"/cases/{parent}/children", params={"limit": 3}).json()
    rest = api.get(f"/cases/{parent}/children", params={"limit": 3, "cursor": first["next"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == sorted(wanted)
    assert rest["next"] is None
    assert ("parent", str(parent)) in relations(api, children[0])
    assert ("child", wanted[1]) in relations(api, parent)

    with service.database.transaction() as tx:
        tx.execute("update cases set customer_email = '' where id = %s", (children[3],))
    told = done(api.post(f"/cases/{parent}/broadcast", json={"text": "The water is back."}, headers={"Idempotency-Key": "tell"}))
    assert [(one["told"], one.get("why", "")) for one in told["children"]] == [
        *[(True, "")] * 3,
        (False, "no email address is known of its customer"),
    ]
    assert done(api.post(f"/cases/{parent}/broadcast", json={"text": "The water is back."}, headers={"Idempotency-Key": "tell"})) == told
    assert service.rows("select count(*) from history where field = 'broadcast'") == [(4,)]

    # One child's tasks are done, one's are open, one's are not planned; the last one is cancelled.
    service.take("casestream.tasks", [a_plan(children[0]), a_plan(parent), a_plan(children[1], UUID(int=9))])
    assert done(api.post(f"/cases/{children[3]}/status", json={"status": "cancelled"}))
    done(api.post(f"/cases/{parent}/assign", json={"owner": "max"}))
    for status in ("answered", "resolved"):
        done(api.post(f"/cases/{parent}/status", json={"status": status}))
    assert "neither resolves" in api.post(f"/cases/{parent}/close", json={"status": "answered"}).json()["why"]
    closed = done(api.post(f"/cases/{parent}/close", json={"status": "closed", "reason": "The pump was replaced."}))

    assert closed["state"] == "completed"
    assert [(one["state"], one["closed"], one.get("why", "")) for one in closed["children"]] == [
        ("completed", True, ""),
        ("finally_resolved", False, "1 of its tasks are still open"),
        ("finally_resolved", False, "its tasks are not planned yet"),
    ]
    shown = api.get(f"/cases/{children[0]}").json()
    assert "The pump was replaced." in shown["reason"]
    assert shown["responded_at"] is not None
    # Later the rest is done, and the parent's close can be said again.
    service.take("casestream.tasks", [a_plan(children[2])])
    again = done(api.post(f"/cases/{parent}/close", json={"status": "closed"}))
    assert [one["closed"] for one in again["children"]] == [False, True]


@pytest.mark.requirement("EDGE-15", "EDGE-11")
def test_what_cannot_be_a_child_is_refused_and_none_is_attached(api: httpx.Client, service: CaseService) -> None:
    parent, other, one, two = (a_new_case(service) for _ in range(4))
    done(api.post(f"/cases/{parent}/children", json={"children": [str(one)]}))

    def why(case: UUID, *children: UUID) -> str:
        answer = api.post(f"/cases/{case}/children", json={"children": [str(child) for child in children]})
        assert answer.status_code == 409, answer.text
        return str(answer.json()["why"])

    assert "another major case" in why(other, two, one)
    assert "belongs to a major case itself" in why(one, two)
    assert "with children itself" in why(other, parent)
    assert "same case" in why(parent, parent)
    assert service.rows("select count(*) from cases where parent_id is not null") == [(1,)]
    assert "detach them first" in api.post(f"/cases/{parent}/merge", json={"into": str(other)}).json()["why"]
    done(api.delete(f"/cases/{parent}/children/{one}"))
    assert api.delete(f"/cases/{parent}/children/{one}").status_code == 409
    assert "no open children" in api.post(f"/cases/{parent}/broadcast", json={"text": "x"}).json()["why"]
    done(api.post(f"/cases/{two}/status", json={"status": "cancelled"}))
    assert "locked" in why(parent, two)


def _number(service: CaseService, case: UUID) -> str:
    return str(service.rows("select number from cases where id = %s", case)[0][0])
