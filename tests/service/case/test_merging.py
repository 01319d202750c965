"""Duplicates are merged, cases split, and both undone; replies go where the matter goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.consumer import handlers
from services.case.domain.progress import Gate
from services.case.settings import Settings
from services.case.storage import communications, plans
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import CaseOpened, CommunicationReceived, TaskLifeCycle
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, a_plan, a_task_change, received
from tests.support.merging import differences, every_row
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served

LEADER = ("case:read", "case:merge", "case:progress", "case:assign", "communication:read")


@pytest.fixture
def api(service: CaseService, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    with served(create_app("case", settings, routers(publisher, service.reference, lambda: NOW), verifier=a_verifier())) as client:
        yield client
    publisher.close()


def opened(service: CaseService, *mails: CommunicationReceived) -> list[UUID]:
    """The cases that these mails open."""
    events = service.receive(*(received(mail) for mail in mails))
    return [event.data.case_id for event in events if isinstance(event.data, CaseOpened)]


def fed(events: list[Event]) -> list[tuple[UUID, ...]]:
    """Which cases each communication of these events went to."""
    return [event.data.case_ids for event in events if event.type == "casestream.communication.recorded.v1"]


def cases_of(service: CaseService, communication: CommunicationReceived) -> set[UUID]:
    return {
        UUID(str(row[0]))
        for row in service.rows("select case_id from case_communications where communication_id = %s", communication.communication_id)
    }


def number_of(service: CaseService, case: UUID) -> str:
    return str(service.rows("select number from cases where id = %s", case)[0][0])


def merge(api: httpx.Client, case: UUID, into: UUID, status: int = 200) -> dict[str, Any]:
    answer = api.post(f"/cases/{case}/merge", json={"into": str(into)})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@pytest.mark.requirement("CASE-11", "EDGE-11", "CASE-8")
def test_replies_follow_a_merge_however_they_come(api: httpx.Client, service: CaseService) -> None:
    mails = [a_mail("Leak", "one"), a_mail("Leak again", "two"), a_mail("Leak still", "three")]
    a, b, c = opened(service, *mails)

    answer = api.post(f"/cases/{a}/merge", json={"into": str(b), "reason": "She wrote twice."}, headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["state"], shown["status"], shown["reason"], shown["merged_into"]) == ("cancelled", "cancelled", "merged", str(b))
    assert answer.headers["etag"] == '"2"'
    assert cases_of(service, mails[0]) == {a, b}
    merge(api, b, c)  # a chain
    assert cases_of(service, mails[0]) == {a, b, c}

    by_reference = a_mail("Re: Leak", "still", reply_to=mails[0])
    by_number = a_mail(f"About {number_of(service, a)}", "again")
    both_numbers = a_mail(f"About {number_of(service, a)} and {number_of(service, b)}", "again and again")
    to_staff = a_mail("Re: assigned", "done", conversation_id=a, in_reply_to="<x@y>", references=("<x@y>",))
    answers = service.receive(*(received(mail) for mail in (by_reference, by_number, both_numbers, to_staff)))
    assert fed(answers) == [(c,)] * 4
    assert fed(service.receive(received(a_mail("Re: About", "more", reply_to=by_number)))) == [(c,)]


@pytest.mark.requirement("EDGE-11")
def test_an_undone_merge_leaves_every_row_as_it_was(api: httpx.Client, service: CaseService) -> None:
    mails = [a_mail("Leak", "one"), a_mail("Noise", "noise", sender="ann@customer.example")]
    a, b = opened(service, *mails)
    service.receive(received(a_mail("Re: Leak", "more", reply_to=mails[0])))
    assert api.post(f"/cases/{a}/assign", json={"owner": "max"}).status_code == 200
    assert api.post(f"/cases/{a}/status", json={"status": "answered"}).status_code == 200
    before = every_row(service.database)

    merged = merge(api, a, b)
    answer = api.post(f"/case-merges/{merged['merge_id']}/undo", headers={"Idempotency-Key": "undo"})
    assert answer.status_code == 200, answer.text

    stamps = {("cases", "changed_at"), ("cases", "changed_by")}
    changed = {("cases", "revision"), ("history", "new"), ("case_merges", "new")}
    assert differences(before, every_row(service.database)) - stamps == changed
    assert (answer.json()["state"], answer.json()["owner"], answer.json()["merged_into"]) == ("responded", "max", None)
    repeat = api.post(f"/case-merges/{merged['merge_id']}/undo", headers={"Idempotency-Key": "undo"})
    assert repeat.json() == answer.json()
    assert api.post(f"/case-merges/{merged['merge_id']}/undo").json()["why"] == "it was undone already"
    assert fed(service.receive(received(a_mail("Re: Leak", "later", reply_to=mails[0])))) == [(a,)]


@pytest.mark.requirement("EDGE-11")
def test_what_arrived_after_the_merge_stays_with_the_survivor(api: httpx.Client, service: CaseService) -> None:
    mails = [a_mail("Leak", "one"), a_mail("Leak again", "two")]
    a, b = opened(service, *mails)
    merged = merge(api, a, b)
    late = a_mail("Re: Leak", "late", reply_to=mails[0])
    service.receive(received(late))

    assert api.post(f"/case-merges/{merged['merge_id']}/undo").status_code == 200

    assert (cases_of(service, mails[0]), cases_of(service, late)) == ({a}, {b})


@pytest.mark.requirement("EDGE-11", "CASE-8")
def test_what_is_not_merged_or_undone_says_why(api: httpx.Client, service: CaseService) -> None:
    mine, more, last = opened(service, a_mail("Leak", "one"), a_mail("Leak", "two"), a_mail("Leak", "three"))
    (foreign,) = opened(service, a_mail("Leak", "three", sender="ben@customer.example"))
    assert "merge the contacts first" in merge(api, mine, foreign, 409)["why"]
    assert merge(api, mine, mine, 409)["why"] == "that is the same case"
    assert merge(api, mine, UUID(int=7), 404)
    first = merge(api, mine, more)
    assert "merged itself" in merge(api, mine, last, 409)["why"]
    assert "merged itself" in merge(api, last, mine, 409)["why"]
    second = merge(api, more, last)
    refused = api.post(f"/case-merges/{first['merge_id']}/undo")
    assert (refused.status_code, "undo that first" in refused.json()["why"]) == (409, True)
    for merged in (second, first):
        assert api.post(f"/case-merges/{merged['merge_id']}/undo").status_code == 200
    assert api.post(f"/cases/{mine}/status", json={"status": "cancelled"}).status_code == 200
    assert "locked" in merge(api, mine, more, 409)["why"]
    stale = api.post(f"/cases/{more}/merge", json={"into": str(last)}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    agent = bearer(a_token("cora", "case:read", "case:progress", unit="repairs", scope="unit"))
    assert api.post(f"/cases/{more}/merge", json={"into": str(last)}, headers=agent).status_code == 403
    elsewhere = bearer(a_token("lena", *LEADER, unit="income", scope="unit"))
    assert api.post(f"/cases/{more}/merge", json={"into": str(last)}, headers=elsewhere).status_code == 404


@pytest.mark.requirement("CASE-11", "EDGE-11", "EDGE-4")
def test_a_split_moves_communications_and_where_they_lead(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "one")
    (old,) = opened(service, mail)
    same = a_mail("Re: Leak", "and the noise", reply_to=mail)
    other = a_mail(f"Noise, see {number_of(service, old)}", "noise")
    service.receive(received(same), received(other))
    before = every_row(service.database)
    body = {"communications": [str(same.communication_id), str(other.communication_id)], "subject": "noise", "title": "Noise at night"}

    answer = api.post(f"/cases/{old}/split", json=body, headers={"Idempotency-Key": "split"})
    assert answer.status_code == 201, answer.text
    assert api.post(f"/cases/{old}/split", json=body, headers={"Idempotency-Key": "split"}).json() == answer.json()
    new = UUID(answer.json()["id"])
    assert (answer.json()["title"], answer.json()["state"], answer.json()["subject"]) == ("Noise at night", "pending", "noise")
    assert answer.json()["customer"] == api.get(f"/cases/{old}").json()["customer"]
    assert (cases_of(service, mail), cases_of(service, same), cases_of(service, other)) == ({old}, {new}, {new})
    # The first conversation has communications in both; the other one is the new case's alone.
    late = [a_mail("Re: Leak", "x", reply_to=mail), a_mail("Re: Noise", "y", reply_to=other)]
    assert fed(service.receive(*(received(each) for each in late))) == [(old, new), (new,)]

    undone = api.post(f"/case-splits/{answer.json()['split_id']}/undo")
    assert undone.status_code == 200, undone.text
    assert (undone.json()["state"], undone.json()["reason"], undone.json()["merged_into"]) == ("cancelled", "split undone", str(old))
    assert cases_of(service, same) == {old}
    assert cases_of(service, late[1]) == {old, new}
    assert fed(service.receive(received(a_mail("Re: Noise", "z", reply_to=other)))) == [(old,)]
    changed = differences(before, every_row(service.database))
    assert ("case_communications", "gone") not in changed
    assert ("joined_conversations", "gone") not in changed


@pytest.mark.requirement("EDGE-11")
def test_an_undone_split_leaves_every_row_as_it_was(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "one")
    (old,) = opened(service, mail)
    other = a_mail(f"Noise, see {number_of(service, old)}", "noise")
    service.receive(received(a_mail("Re: Leak", "and the noise", reply_to=mail)), received(other))
    before = every_row(service.database)
    split = api.post(f"/cases/{old}/split", json={"communications": [str(other.communication_id)], "subject": "noise"}).json()

    assert api.post(f"/case-splits/{split['split_id']}/undo").status_code == 200

    assert differences(before, every_row(service.database)) == {
        ("cases", "new"),
        ("case_splits", "new"),
        ("history", "new"),
        ("communications", "revision"),
    }


@pytest.mark.requirement("EDGE-11", "EDGE-17")
def test_what_is_not_split_or_undone_says_why(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "one")
    (old,) = opened(service, mail)
    more = a_mail("Re: Leak", "two", reply_to=mail)
    foreign = a_mail("Leak", "three")
    service.receive(received(more), received(foreign))

    def split(*communications: CommunicationReceived, subject: str = "noise") -> httpx.Response:
        ids = [str(each.communication_id) for each in communications]
        return api.post(f"/cases/{old}/split", json={"communications": ids, "subject": subject})

    assert split(mail, more).json()["why"] == "at least one communication has to stay with it"
    assert "opened it" in split(mail).json()["why"]
    assert "does not belong to it" in split(foreign).json()["why"]
    assert split(more, subject="nonsense").status_code == 422
    assert api.post(f"/cases/{old}/hold", json={"hold": True}).status_code == 200
    assert "legal hold" in split(more).json()["why"]
    assert api.post(f"/cases/{old}/hold", json={"hold": False}).status_code == 200
    done = split(more).json()
    service.take(topics.TASKS, [a_task_change(UUID(done["id"]), UUID(int=5), TaskLifeCycle.COMPLETED, 2)])
    refused = api.post(f"/case-splits/{done['split_id']}/undo")
    assert (refused.status_code, "has been worked on" in refused.json()["why"]) == (409, True)


@pytest.mark.requirement("EDGE-11")
def test_a_communication_keeps_the_key_of_its_events_and_holds_its_merge(api: httpx.Client, service: CaseService) -> None:
    mail, reply = (a_mail("Leak", "one"), a_mail("Leak", "two"))
    (duplicate, survivor) = opened(service, mail, reply)
    merged = merge(api, duplicate, survivor)
    split = api.post(f"/cases/{survivor}/split", json={"communications": [str(mail.communication_id)], "subject": "noise"})
    assert split.status_code == 201, split.text
    with service.database.transaction() as tx:
        assert communications.lock_all(tx, [mail.communication_id])[mail.communication_id].key == duplicate
    refused = api.post(f"/case-merges/{merged['merge_id']}/undo")
    assert "undo that split first" in refused.json()["why"]
    for path in (f"/case-splits/{split.json()['split_id']}/undo", f"/case-merges/{merged['merge_id']}/undo"):
        assert api.post(path).status_code == 200
    assert cases_of(service, mail) == {duplicate}

    late = a_mail("Re: Leak", "three", reply_to=reply)
    service.receive(received(late))
    assert (
        api.post(f"/cases/{survivor}/split", json={"communications": [str(late.communication_id)], "subject": "noise"}).status_code == 201
    )
    with service.database.transaction() as tx:
        assert communications.lock_all(tx, [late.communication_id])[late.communication_id].key == survivor


@pytest.mark.requirement("EDGE-11", "CASE-8")
def test_completion_waits_for_tasks_that_come_back_before_their_service_says_so(api: httpx.Client, service: CaseService) -> None:
    a, b = opened(service, a_mail("Leak", "one"), a_mail("Leak", "two"))
    open_one, done_one, planned = UUID(int=1), UUID(int=2), UUID(int=3)
    changes = [a_task_change(a, open_one, TaskLifeCycle.IN_PROGRESS, 2), a_task_change(a, done_one, TaskLifeCycle.COMPLETED, 2)]
    service.take(topics.TASKS, [a_plan(a, open_one, done_one, planned), *changes])
    merged = merge(api, a, b)
    service.take(topics.TASKS, [a_task_change(a, id, TaskLifeCycle.CANCELLED, 3) for id in (open_one, planned)])
    assert api.post(f"/case-merges/{merged['merge_id']}/undo").status_code == 200
    with service.database.read() as tx:
        assert plans.gate(tx, a) == Gate(is_planned=True, open_tasks=2)


@pytest.mark.requirement("EDGE-11", "EDGE-3")
def test_two_cases_merged_into_each_other_at_once_leave_one(api: httpx.Client, service: CaseService) -> None:
    a, b = opened(service, a_mail("Leak", "one"), a_mail("Leak", "two"))
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(api.post, f"/cases/{one}/merge", json={"into": str(other)}) for one, other in ((a, b), (b, a))]
        assert sorted(answer.result(timeout=30).status_code for answer in asked) == [200, 409]
    assert service.rows("select count(*) from cases where merged_into is null") == [(1,)]


@pytest.mark.requirement("EDGE-11", "EDGE-3")
def test_a_reply_that_is_being_decided_on_during_a_merge_reaches_the_survivor(api: httpx.Client, service: CaseService) -> None:
    mail = a_mail("Leak", "one")
    duplicate, survivor = opened(service, mail, a_mail("Leak", "two"))
    reply = a_mail("Re: Leak", "more", reply_to=mail)
    handler = handlers(service.reference, lambda: NOW)[topics.COMMUNICATIONS]
    with ThreadPoolExecutor(1) as pool:
        with service.database.transaction() as tx:
            batch = handler.load(tx, [received(reply)])
            merging = pool.submit(merge, api, duplicate, survivor)
            waiting = """select count(*) from pg_locks join pg_database d on d.oid = database
                         where locktype = 'advisory' and not granted and d.datname = current_database()"""
            eventually(lambda: service.rows(waiting) == [(1,)])
            handler.apply[CommunicationReceived](batch, received(reply))
            handler.save(tx, batch)
        merging.result(timeout=30)
    assert cases_of(service, reply) == {duplicate, survivor}
