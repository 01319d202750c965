"""Merging contacts who are one person, and undoing it: every row goes there and back, whatever else was merged meanwhile."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from services.case.api import routers
from services.case.consumer import handlers
from services.case.handlers import contact_merging as merging
from services.case.handlers.contacts import Origin
from services.case.settings import Settings
from services.case.storage import customer_links
from shared.ids import case_id, contact_id
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.events import CaseCustomerChanged, CommunicationReceived, ContactChanged
from shared.schemas.parts import Handle
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

ANN, BEA, CAL = (f"{name}@customer.example" for name in ("ann", "bea", "cal"))
MERGE_TABLES = {"contact_merges", "contact_merge_records", "contact_merge_handles"}
OF_THE_WAY = {"history", "record_history", "outbox", "commands", "offsets", "inbox", "inbox_default", "sweeps", "search_queue"}
STEPS = {"revision", "changed_at", "changed_by"}
"""Columns that count steps."""


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def whole(service: CaseService) -> dict[str, list[bytes]]:
    """Every row of every table, but what only says that something was done."""
    tables = [row[0] for row in service.rows("select tablename from pg_tables where schemaname = current_schema() order by 1")]
    found: dict[str, list[bytes]] = {}
    for table in set(tables) - MERGE_TABLES - OF_THE_WAY - {"alembic_version"}:
        rows: list[Any] = [row[0] for row in service.rows(f"select to_jsonb(t) from {table} t")]
        found[str(table)] = sorted(
            orjson.dumps({name: value for name, value in row.items() if name not in STEPS}, option=orjson.OPT_SORT_KEYS) for row in rows
        )
    return found


def take_in(service: CaseService, sender: str, **changes: Any) -> CommunicationReceived:
    mail = a_mail("Leak", "A leak.", sender=sender, name=sender.partition("@")[0].title(), **changes)
    service.receive(received(mail))
    return mail


def merge(api: httpx.Client, source: UUID, into: UUID, status: int = 200) -> dict[str, Any]:
    answer = api.post(f"/contacts/{source}/merge", json={"into": str(into)})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def undo(api: httpx.Client, merge_id: str, status: int = 200) -> dict[str, Any]:
    answer = api.post(f"/contact-merges/{merge_id}/undo")
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def contact_of(service: CaseService, mail: CommunicationReceived) -> object:
    return service.rows("select contact_id from communications where id = %s", mail.communication_id)[0][0]


ann, bea, cal = (contact_id("email", address) for address in (ANN, BEA, CAL))


@pytest.mark.requirement("EDGE-11", "CASE-8")
def test_a_merge_moves_everything_and_its_undo_brings_every_row_back(api: httpx.Client, service: CaseService) -> None:
    first, second = take_in(service, ANN), take_in(service, BEA)
    call = a_mail("Leak", "Again.", sender=Handle(kind="phone", value="+441632960001", name="Bea"))
    service.receive(received(call))
    account = api.post("/accounts", json={"name": "12 Harbour Street"}).json()["id"]
    api.post(f"/contacts/{bea}/account", json={"account_id": account})
    api.post(f"/contacts/{bea}/handles", json={"kind": "phone", "value": "+44 1632 960002"})
    api.post(f"/contacts/{bea}/notes", json={"text": "Moves in May."})
    before = whole(service)

    done = merge(api, bea, ann)

    assert contact_of(service, second) == ann
    shown = api.get(f"/contacts/{ann}").json()
    assert [handle["value"] for handle in shown["handles"]] == [ANN, BEA, "+441632960002"]
    assert (shown["account"]["id"], shown["state"], shown["merged"]) == (account, "financial", [str(bea)])
    assert [note["text"] for note in shown["notes"]] == ["Moves in May."]
    assert {case["customer"]["name"] for case in shown["open_cases"]} == {"Ann"}
    assert {case["customer"]["email"] for case in shown["open_cases"]} == {ANN, BEA}, "replies go where they came from"
    assert api.get(f"/contacts/{bea}").json()["merged_into"] == str(ann)
    history = api.get(f"/cases/{case_id(second.communication_id, 'leak')}").json()["history"]
    assert ("contact_id", str(bea), str(ann)) in {(entry["field"], entry["old"], entry["new"]) for entry in history}
    assert contact_of(service, call) == contact_id("phone", "+441632960001"), "another's stays theirs"
    later = take_in(service, BEA)
    assert contact_of(service, later) == ann
    reply = a_mail("Re: Leak", "And?", sender=ANN, reply_to=second)
    service.receive(received(reply))

    undo(api, done["id"])

    assert (contact_of(service, first), contact_of(service, later), contact_of(service, reply)) == (ann, bea, ann)
    opened = service.rows("select contact_id, customer_name from cases where communication_id = %s", later.communication_id)
    assert opened == [(bea, "Bea")], "what came by its handle goes with it"
    came = {"communications", "cases", "case_communications", "case_history", "attachments"}
    after = whole(service)
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), table
        assert table in came or rows == after[table], table


@pytest.mark.requirement("EDGE-11", "EDGE-14")
def test_links_that_went_to_another_person_by_a_merge_are_void_after_its_undo(api: httpx.Client, service: CaseService) -> None:
    take_in(service, ANN)
    call, written = a_mail("Leak", "Again.", sender=Handle(kind="phone", value="+441632960001", name="Bea")), take_in(service, BEA)
    service.receive(received(call))
    caller = contact_id("phone", "+441632960001")
    for source in (caller, bea):
        undo(api, merge(api, source, ann)["id"])
    with service.database.read() as tx:
        since = [customer_links.revoked_at(tx, case_id(mail.communication_id, "leak")) for mail in (call, written)]
    assert since == [NOW, None]
    assert service.count("revoked_links") == 1


@pytest.mark.requirement("EDGE-11")
@pytest.mark.parametrize("seed", range(3))
def test_merges_undone_backwards_leave_no_trace(api: httpx.Client, service: CaseService, seed: int) -> None:
    chance = random.Random(seed)
    ids = [ann, bea, cal]
    for sender in (ANN, BEA, CAL):
        take_in(service, sender)
    shared = {"kind": "phone", "value": "+441632960001"}
    for one in chance.sample(ids, chance.randint(1, 3)):
        api.post(f"/contacts/{one}/handles", json=shared)
    states, done = [whole(service)], []
    while len(ids) > 1:
        source = ids.pop(chance.randrange(len(ids)))
        done.append(merge(api, source, chance.choice(ids))["id"])
        states.append(whole(service))
    for _ in range(2):
        for merged in reversed(done):
            states.pop()
            undo(api, merged)
            assert whole(service) == states[-1]
        # And again, the other way round: an undone merge stands in nobody's way.
        states, done = [whole(service)], []
        done.append(merge(api, cal, bea)["id"])
        states.append(whole(service))


@pytest.mark.requirement("EDGE-11")
def test_two_merges_into_one_are_undone_in_either_order(api: httpx.Client, service: CaseService) -> None:
    for sender in (ANN, BEA, CAL):
        take_in(service, sender)
    for one in (bea, cal):
        api.post(f"/contacts/{one}/handles", json={"kind": "phone", "value": "+441632960001"})
    before = whole(service)
    first, second = merge(api, bea, ann)["id"], merge(api, cal, ann)["id"]

    undo(api, first)
    shared = [row[0] for row in service.rows("select contact_id from handles where kind = 'phone' order by 1")]
    assert set(shared) == {ann, bea}, "the third's number is still the survivor's"
    undo(api, second)

    assert whole(service) == before


@pytest.mark.requirement("EDGE-11")
def test_merges_that_make_no_sense_are_refused(api: httpx.Client, service: CaseService) -> None:
    for sender in (ANN, BEA, CAL):
        take_in(service, sender)
    before = whole(service)
    assert "same contact" in merge(api, ann, ann, 409)["detail"]
    merge(api, ann, contact_id("email", "nobody"), 404)
    into_bea = merge(api, ann, bea)["id"]
    assert f"merged into {bea} already" in merge(api, ann, cal, 409)["detail"]
    assert "merge into that one" in merge(api, cal, ann, 409)["detail"]
    into_cal = merge(api, bea, cal)["id"]
    assert "undo that first" in undo(api, into_bea, 409)["detail"]
    assert api.post(f"/contacts/{bea}", json={"name": "Other"}).status_code == 422
    undo(api, into_cal)
    undo(api, into_bea)
    assert "has undone it already" in undo(api, into_bea, 409)["detail"]
    assert whole(service) == before
    agent = bearer(a_token("rita", "case:read", "contact:edit"))
    assert api.post(f"/contacts/{ann}/merge", json={"into": str(bea)}, headers=agent).status_code == 403


@pytest.mark.requirement("EDGE-11", "CON-1")
def test_a_handle_that_nobody_has_any_more_makes_a_new_contact(api: httpx.Client, service: CaseService) -> None:
    take_in(service, ANN)
    take_in(service, BEA)
    merge(api, bea, ann)
    api.post(f"/contacts/{ann}/handles/remove", json={"kind": "email", "value": BEA})

    first, again = take_in(service, BEA), take_in(service, BEA)

    stranger = contact_of(service, first)
    assert stranger not in (ann, bea)
    assert contact_of(service, again) == stranger
    assert service.rows("select contact_id from handles where value = %s", BEA) == [(stranger,)]


@pytest.mark.requirement("EDGE-11")
def test_what_the_survivor_had_by_a_handle_that_was_theirs_once_stays_theirs(api: httpx.Client, service: CaseService) -> None:
    take_in(service, ANN)
    take_in(service, BEA)
    shared = {"kind": "email", "value": CAL}
    api.post(f"/contacts/{ann}/handles", json=shared)
    once = take_in(service, CAL)
    api.post(f"/contacts/{ann}/handles/remove", json=shared)
    api.post(f"/contacts/{bea}/handles", json=shared)
    before = whole(service)

    done = merge(api, bea, ann)
    since = take_in(service, CAL)
    undo(api, done["id"])

    assert (contact_of(service, once), contact_of(service, since)) == (ann, bea)
    assert before["contacts"] == whole(service)["contacts"]
    assert before["handles"] == whole(service)["handles"]


@pytest.mark.requirement("EDGE-11", "EDGE-4")
def test_what_comes_in_while_contacts_are_merged_ends_with_the_survivor(api: httpx.Client, service: CaseService) -> None:
    take_in(service, ANN)
    take_in(service, BEA)
    mail = a_mail("Leak", "Still leaking.", sender=BEA)
    handler = handlers(service.reference, lambda: NOW)[topics.COMMUNICATIONS]
    loaded, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        with service.database.transaction() as tx:
            batch = handler.load(tx, [received(mail)])
            loaded.set()
            assert go_on.wait(30)
            handler.apply[CommunicationReceived](batch, received(mail))
            handler.save(tx, batch)

    with ThreadPoolExecutor(2) as pool:
        consumer = pool.submit(slowly)
        assert loaded.wait(30)
        waiting = pool.submit(merge, api, bea, ann)
        eventually(lambda: service.rows("select 1 from pg_locks where locktype = 'advisory' and not granted") or waiting.done())
        assert not waiting.done(), "the merge did not wait for what was under way"
        go_on.set()
        consumer.result(30)
        waiting.result(30)

    assert contact_of(service, mail) == ann
    assert service.rows("select count(*) from cases where contact_id = %s", ann) == [(3,)]
    assert service.rows("select contact_id from handles order by value") == [(ann,), (ann,)]


@pytest.mark.requirement("EDGE-11")
def test_others_learn_of_the_cases_new_customer(api: httpx.Client, service: CaseService) -> None:
    take_in(service, ANN)
    mail = take_in(service, BEA)
    case = case_id(mail.communication_id, "leak")

    with service.database.transaction() as tx:
        tried = merging.merge(tx, Origin("max", UUID(int=1), NOW), bea, ann, lambda _revision: None)
        merging.undo(tx, Origin("max", UUID(int=2), NOW), tried.id)
        told = [(emitted.event.type.split(".")[1], emitted.event.subject, emitted.event.revision) for emitted in tx.emitted]
        customers = [one.event.data.customer.contact_id for one in tx.emitted if isinstance(one.event.data, CaseCustomerChanged)]
        merged = [one.event.data.merged_into for one in tx.emitted if isinstance(one.event.data, ContactChanged)]
    a_merge = [("contact", str(bea)), ("contact", str(ann)), ("case", str(case))]
    assert told == [(*one, revision) for revision in (2, 3) for one in a_merge]
    assert customers == [ann, bea]
    assert merged == [ann, None, None, None]

    done = merge(api, bea, ann)
    shown = api.get(f"/contacts/{ann}/merges").json()["items"]
    assert {one["id"]: one["undone_by"] for one in shown} == {str(tried.id): "max", done["id"]: None}
    fields = {entry["field"] for entry in api.get(f"/contacts/{bea}/history").json()["items"]}
    assert fields == {"merge"}
