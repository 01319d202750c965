"""Erasing a person, and giving out all that is kept of one (EDGE-17), on a real database and object store."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.case.api import routers
from services.case.api.people import exporting_people
from services.case.domain.notes import Note, RecordKind
from services.case.handlers.people import erase_person
from services.case.handlers.sealing import Sealer, verify
from services.case.settings import Settings
from services.case.storage import customer_links, notes, people, search_index
from shared.ids import case_id, contact_id
from shared.messaging import EventPublisher
from shared.schemas.events import CaseRepublished, CommunicationErased, CommunicationReceived, ContactErased
from shared.schemas.parts import FileRef
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.tables import tables_of, whole_of
from tests.support.web import a_token, a_verifier, bearer, served

pytestmark = pytest.mark.requirement("EDGE-17")
ANN, BOB = contact_id("email", "ann@customer.example"), contact_id("email", "bob@customer.example")
OFFICER = ("contact:erase", "contact:export", "case:hold", "case:read", "communication:read")
NO_PERSONAL_DATA = {
    "bulk_items",
    "case_communications",
    "communication_items",
    "case_links",
    "case_approvals",
    "case_plans",
    "chases",
    "case_tasks",
    "contact_merge_records",
    "customer_links",
    "joined_conversations",
    "moved_communications",
    "reads",
    "revoked_links",
    "search_documents",
    "search_queue",
}
"""Tables that only relate records, by their ids."""


class People:
    """Ann and Bob, each with a case, a file and notes; Ann has also written into Bob's case."""

    def __init__(self, service: CaseService, folder: Path) -> None:
        self.service = service
        self.objects = ObjectStore(folder.as_uri())
        self.ann = self.mail("Ann's leak", "Ann lives in Elm Street.", "Ann Lee", "ann")
        self.bob = self.mail("A leak at Bob's", "My ceiling drips.", "Bob Hill", "bob")
        self.ann_again = self.mail("Re: A leak at Bob's", "I, Ann, saw it.", "Ann Lee", "ann", reply_to=self.bob)
        self.anns, self.bobs = case_id(self.ann.communication_id, "leak"), case_id(self.bob.communication_id, "leak")
        with service.database.transaction() as tx:
            for kind, record, text in (
                (RecordKind.CONTACT, ANN, "Ann is deaf."),
                (RecordKind.CASE, self.anns, "Ann called."),
                (RecordKind.CASE, self.bobs, "Bob called."),
                (RecordKind.CONTACT, BOB, "Bob has a dog."),
            ):
                notes.add(tx, [Note(uuid4(), kind.value, record, text, "rita", NOW)])

    def mail(
        self, subject_line: str, text: str, name: str, who: str, reply_to: CommunicationReceived | None = None
    ) -> CommunicationReceived:
        raw, plan = (f"{subject_line} {kind}".encode() for kind in ("raw", "plan"))
        refs = [FileRef(sha256=self.objects.put(content), size=len(content), filename=f"{name}/../plan.pdf") for content in (raw, plan)]
        sender = f"{who}@customer.example"
        mail = a_mail(subject_line, text, sender=sender, name=name, reply_to=reply_to, raw=refs[0], attachments=(refs[1],))
        self.service.receive(received(mail))
        return mail

    def everything(self) -> str:
        return json.dumps(whole_of(self.service.database))


@pytest.fixture
def kept(service: CaseService, tmp_path: Path) -> People:
    return People(service, tmp_path / "objects")


@pytest.fixture
def api(kept: People, kafka: str, case_topics: str) -> Iterator[httpx.Client]:
    database: Database = kept.service.database
    publisher = EventPublisher(database, kafka, case_topics, "case")
    settings = Settings(kafka=kafka, database=database.url, port=0)
    all_routers = [*routers(publisher, kept.service.reference, lambda: NOW), exporting_people(database, kept.objects, lambda: NOW)]
    with served(create_app("case", settings, all_routers, verifier=a_verifier()), a_token("dpo", *OFFICER, scope="all")) as client:
        yield client
    publisher.close()


def of_ann(kept: People, row: dict[str, object]) -> bool:
    """Whether a row is Ann's, or her message's in Bob's case."""
    text = json.dumps(row)
    hers = (ANN, kept.anns, kept.ann.communication_id, kept.ann_again.communication_id)
    return any(str(id) in text for id in hers) or "Ann" in text


def index(kept: People) -> None:
    """Have what waits taken into the search documents."""
    with kept.service.database.transaction() as tx:
        while search_index.make_next(tx, 500):
            pass


def test_an_erased_person_is_nowhere_and_nobody_else_is_touched(kept: People, api: httpx.Client) -> None:
    staff = bearer(a_token("rita", "case:read", "case:progress", "communication:read", scope="all"))
    for case in (kept.anns, kept.bobs):
        assert api.post(
            f"/cases/{case}/status", json={"status": "cancelled", "reason": "duplicate"}, headers=staff | {"Idempotency-Key": str(case)}
        ).is_success
    sealer = Sealer(kept.service.database)
    assert sealer.step()
    index(kept)
    before = whole_of(kept.service.database)
    assert "Ann" in json.dumps(before["commands"])
    assert api.post(f"/contacts/{ANN}/erase", headers={"If-Match": '"9"'}).status_code == 412
    first, again = (api.post(f"/contacts/{ANN}/erase", headers={"Idempotency-Key": "her request"}) for _ in range(2))
    assert (first.status_code, first.json()) == (200, {"id": str(ANN), "communications": 2, "cases": 1})
    assert again.json() == first.json()
    assert api.post(f"/contacts/{ANN}/erase").json() == {"id": str(ANN), "communications": 0, "cases": 0}

    index(kept)
    after = whole_of(kept.service.database)
    assert "ann" in json.dumps(before["search_words"])
    assert not re.search(r"\bann\b", json.dumps(after), re.IGNORECASE)
    new = {"audit_entries", "audit_marks", "commands", "search_documents", "search_words"}
    for table in before.keys() - new:
        untouched = [row for row in before[table] if not of_ann(kept, row)]
        assert [row for row in untouched if row not in after[table]] == [], table
    # What remains is a record without a name: a case with its subject, its state and its times.
    case = api.get(f"/cases/{kept.anns}").json()
    assert [case[name] for name in ("title", "subject", "state", "reason")] == ["[erased]", "leak", "cancelled", "duplicate"]
    assert case["customer"] == {"contact_id": str(ANN), "account_id": None, "name": "", "email": ""}
    # The chain of digests holds: what was sealed before counts as erased, not as changed.
    while sealer.step():
        pass
    verdict = verify(kept.service.database)
    assert (verdict.faults, verdict.unsealed, verdict.erased > 0) == (0, 0, True)


def test_others_are_told_of_the_erasure_without_a_name(kept: People) -> None:
    with kept.service.database.transaction() as tx:
        person = people.lock(tx, ANN)
        assert person is not None
        done = erase_person(tx, person, "dpo", UUID(int=1), NOW, "")
        told = [emitted.event for emitted in tx.emitted]
    assert (done.communications, done.cases) == (2, 1)
    kinds = [type(event.data) for event in told]
    assert kinds == [CaseRepublished, CommunicationErased, CommunicationErased, ContactErased]
    assert (told[-1].data.case_ids, told[-1].key) == ((kept.anns,), str(ANN))
    opened = {event.data.communication_id: event.data.opened for event in told[1:3]}
    assert opened == {kept.ann.communication_id: (kept.anns,), kept.ann_again.communication_id: ()}
    assert "Ann" not in "".join(str(event.value()) for event in told)


@pytest.mark.requirement("EDGE-14")
def test_links_to_the_cases_of_an_erased_person_are_void(kept: People, api: httpx.Client) -> None:
    assert api.post(f"/contacts/{ANN}/erase").is_success
    with kept.service.database.read() as tx:
        assert [customer_links.revoked_at(tx, case) for case in (kept.anns, kept.bobs)] == [NOW, None]


def test_a_hold_on_any_case_that_they_wrote_to_forbids_it(kept: People, api: httpx.Client) -> None:
    assert api.post(f"/cases/{kept.bobs}/hold", json={"hold": True, "reason": "court"}).is_success
    refused = api.post(f"/contacts/{ANN}/erase")
    assert (refused.status_code, refused.json()["why"]) == (409, "on legal hold: case C-2026-000002")
    assert "Ann Lee" in kept.everything()


def test_a_person_who_writes_again_begins_anew(kept: People, api: httpx.Client) -> None:
    assert api.post(f"/contacts/{ANN}/erase").is_success
    kept.mail("New leak", "I am back.", "Ann Lee", "ann")
    [(name,)] = kept.service.rows(
        "select c.name from handles h join contacts c on c.id = h.contact_id where h.value = 'ann@customer.example'"
    )
    assert name == "Ann Lee"


def test_all_that_is_kept_of_a_person_is_given_out_and_nothing_of_others(kept: People, api: httpx.Client) -> None:
    answer = api.get(f"/contacts/{ANN}/export")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, "application/zip", "no-store")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        data = json.loads(archive.read("data.json"))
        contents = {archive.read(name) for name in archive.namelist() if name != "data.json"}
        assert all(name == "data.json" or name.startswith("files/0") for name in archive.namelist())
    assert contents == {b"Ann's leak raw", b"Ann's leak plan", b"Re: A leak at Bob's raw", b"Re: A leak at Bob's plan"}
    assert {note["text"] for note in data["notes"]} == {"Ann is deaf.", "Ann called."}
    assert {row["body"] for row in data["communications"]} == {"Ann lives in Elm Street.", "I, Ann, saw it."}
    assert [row["title"] for row in data["cases"]] == ["Ann's leak"]
    assert "Bob has" not in json.dumps(data)
    assert "ceiling" not in json.dumps(data)
    light = api.get(f"/contacts/{ANN}/export", params={"with_files": False})
    assert zipfile.ZipFile(io.BytesIO(light.content)).namelist() == ["data.json"]
    assert kept.service.rows("select field, changed_by from record_history where record_id = %s", ANN) == [("exported", "dpo")] * 2


def test_a_file_that_is_gone_is_said_to_be_missing(kept: People, api: httpx.Client, tmp_path: Path) -> None:
    digest = kept.ann.attachments[0].sha256
    (tmp_path / "objects" / digest[:2] / digest).unlink()
    with zipfile.ZipFile(io.BytesIO(api.get(f"/contacts/{ANN}/export").content)) as archive:
        files = json.loads(archive.read("data.json"))["files"]
    assert [file["sha256"] for file in files if file["name"] is None] == [digest]


def test_only_who_reaches_every_unit_may(kept: People, api: httpx.Client) -> None:
    local = bearer(a_token("eve", *OFFICER, scope="unit"))
    nobody = bearer(a_token("max", "case:read", "communication:erase", scope="all"))
    for caller in (local, nobody):
        assert api.post(f"/contacts/{ANN}/erase", headers=caller).status_code == 403
        assert api.get(f"/contacts/{ANN}/export", headers=caller).status_code == 403
    assert api.post(f"/contacts/{UUID(int=9)}/erase").status_code == 404
    assert api.get(f"/contacts/{UUID(int=9)}/export").status_code == 404


def test_every_table_that_points_to_a_person_is_in_the_export(kept: People) -> None:
    with kept.service.database.read() as tx:
        pointing = tx.rows(
            """select distinct table_name from information_schema.columns
               where table_schema = current_schema() and column_name in ('contact_id', 'communication_id', 'case_id', 'record_id')"""
        )
    told = "\n".join(section.sql for section in people.SECTIONS)
    missing = [name for (name,) in pointing if f" {name} " not in told and name not in NO_PERSONAL_DATA]
    assert sorted(missing) == []
    assert set(tables_of(kept.service.database)) >= NO_PERSONAL_DATA
