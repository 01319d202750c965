"""Retention, erasure, legal hold and the sweep of the object store, on a real PostgreSQL and a real folder (EDGE-17)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from services.case.api import routers
from services.case.api.files import files_router
from services.case.settings import Settings
from services.case.storage import retention
from services.case.worker import Sweeper
from shared.ids import case_id
from shared.messaging import EventPublisher
from shared.schemas import topics
from shared.schemas.events import CaseRepublished, CommunicationReceived
from shared.schemas.parts import FileRef
from shared.storage import Database, dead_letters
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.configuration import METHODS, STATUSES, SUBJECTS, a_configuration
from tests.support.tables import whole_of
from tests.support.web import a_token, a_verifier, bearer, served

GRACE = timedelta(days=15)
YEAR = timedelta(days=366)
pytestmark = pytest.mark.requirement("EDGE-17")


class Files:
    """Mails with files in a real store, and sweepers whose clock is the test's."""

    def __init__(self, publisher: EventPublisher, folder: Path) -> None:
        more = {"email": {"keep_files_for": "1 year"}, "telephone": {"pre_script": ["Your name?"]}}
        methods = [method | more.get(method["code"], {}) for method in METHODS]
        subjects = [subject | ({"keep_for": "2 years", "sensitive": True} if subject["code"] == "leak" else {}) for subject in SUBJECTS]
        self.publisher = publisher
        self.service = CaseService(publisher.database, a_configuration(methods=methods, subjects=subjects, statuses=STATUSES))
        self.folder = folder
        self.objects = ObjectStore(folder.as_uri())
        self.now = NOW

    def mail(self, raw: bytes, *files: bytes, text: str = "A leak.", at: datetime = NOW, method: str = "email") -> CommunicationReceived:
        """A mail, stored as ingest does and recorded."""
        refs = []
        for content in (raw, *files):
            refs.append(FileRef(sha256=self.objects.put(content), size=len(content), filename="Ann's plan.pdf"))
            os.utime(self.path(content), (at.timestamp(), at.timestamp()))
        mail = a_mail("Ann's leak", text, raw=refs[0], attachments=tuple(refs[1:]), received_at=at, method=method)
        self.service.now = at
        self.service.receive(received(mail))
        return mail

    def path(self, content: bytes) -> Path:
        digest = hashlib.sha256(content).hexdigest()
        return self.folder / digest[:2] / digest

    def sweeper(self, me: str = "one") -> Sweeper:
        return Sweeper(self.publisher, self.objects, self.service.reference, GRACE, timedelta(0), me, lambda: self.now)

    def sweep(self) -> None:
        """A whole round."""
        sweeper = self.sweeper()
        assert sweeper.step()
        while self.service.rows("select ended_at is null from sweeps") == [(True,)]:
            assert sweeper.step()

    def kept(self) -> set[bytes]:
        return {self.objects.get(one.digest) for one in self.objects.stored()}

    def whole(self) -> set[bytes]:
        """What is there at all, aside as well."""
        return {path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(case_database: Database, tmp_path: Path, kafka: str, case_topics: str) -> Iterator[Files]:
    publisher = EventPublisher(case_database, kafka, case_topics, "case")
    yield Files(publisher, tmp_path / "objects")
    publisher.close()


@pytest.fixture
def api(files: Files, kafka: str) -> Iterator[httpx.Client]:
    publisher = files.publisher
    settings = Settings(kafka=kafka, database=files.service.database.url, port=0)
    all_routers = [*routers(publisher, files.service.reference, lambda: NOW), files_router(files.service.database, files.objects)]
    app = create_app("case", settings, all_routers, verifier=a_verifier())
    with served(app, a_token("dpo", "communication:erase", "case:hold", "communication:read", "case:read", scope="all")) as client:
        yield client


def test_files_go_after_their_methods_time_and_contents_when_nobody_refers_to_them(files: Files) -> None:
    files.mail(b"old", b"shared", b"old plan")
    young = files.mail(b"young", b"shared", at=NOW + timedelta(days=300))
    called = files.mail(b"call", b"voice", method="telephone")
    files.now = NOW + YEAR
    assert asdict(files.sweeper().dry_run()) | {"contents": 0} == {
        "forgotten": {},
        "emptied": {"email": 1},
        "contents": 0,
        "condemned": 2,
        "condemned_bytes": len(b"old") + len(b"old plan"),
        "restored": 0,
        "deleted": 0,
        "deleted_bytes": 0,
    }
    assert files.kept() == {b"old", b"shared", b"old plan", b"young", b"call", b"voice"}
    files.sweep()
    assert files.kept() == {b"shared", b"young", b"call", b"voice"}
    assert files.whole() == {b"old", b"shared", b"old plan", b"young", b"call", b"voice"}
    files.now += GRACE + timedelta(hours=2)
    files.sweep()
    assert files.whole() == {b"shared", b"young", b"call", b"voice"}
    left = files.service.rows("select id from communications where files_removed_at is null order by id")
    assert left == sorted([(young.communication_id,), (called.communication_id,)])
    assert files.service.rows("select count(*) from communications where body <> ''") == [(3,)]
    assert files.service.rows("select filename, sha256 from attachments where sha256 is null") == [("Ann's plan.pdf", None)] * 2


def test_a_case_on_legal_hold_keeps_its_files_and_texts_until_the_hold_ends(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw")
    case = case_id(mail.communication_id, "leak")
    answer = api.post(f"/cases/{case}/hold", json={"hold": True, "reason": "court"})
    assert (answer.status_code, answer.json()["legal_hold"]) == (200, True)
    refused = api.post(f"/communications/{mail.communication_id}/erase")
    assert (refused.status_code, refused.json()["why"]) == (409, "case C-2026-000001 is on legal hold")
    files.now = NOW + YEAR
    files.sweep()
    assert files.kept() == {b"raw"}
    assert api.post(f"/cases/{case}/hold", json={"hold": False}).status_code == 200
    assert api.get(f"/cases/{case}").json()["legal_hold"] is False
    files.sweep()
    assert files.kept() == set()
    entries = files.service.rows("select field, old_value, new_value, changed_by from history where field = 'legal_hold' order by id")
    assert entries == [("legal_hold", None, "court", "dpo"), ("legal_hold", "yes", None, "dpo")]


def test_an_erased_communication_stays_as_a_record_without_texts_and_people(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw", b"plan", text="Ann's kitchen: a leak.")
    case = case_id(mail.communication_id, "leak")
    agent = bearer(a_token("rita", "case:read", "case:progress", "communication:read", unit="repairs"))
    assert "Ann's kitchen" in api.post(f"/cases/{case}/accept", headers=agent | {"Idempotency-Key": "mine"}).text
    url = f"/communications/{mail.communication_id}/erase"
    assert api.post(url, headers={"If-Match": '"7"'}).status_code == 412
    first, again = (api.post(url, headers={"Idempotency-Key": "her request"}) for _ in range(2))
    assert (first.status_code, first.json()) == (200, again.json())
    assert api.post(url).json() == first.json()
    shown = first.json()
    assert [shown[name] for name in ("subject_line", "body", "sender", "sender_name", "recipients")] == ["[erased]", "[erased]", "", "", []]
    assert shown["raw_sha256"] is None
    assert [(file["filename"], file["sha256"], file["size"]) for file in shown["attachments"]] == [("[erased]", None, 4)]
    assert (shown["method"], shown["received_at"], shown["case_ids"]) == ("email", "2026-03-02T10:00:00+00:00", [str(case)])
    tables = ("communications", "attachments", "history", "commands")
    everything = "".join(str(files.service.rows(f"select t::text from {table} t")) for table in tables)
    assert "Ann" not in everything
    assert "ann@" not in everything
    whole = api.get(f"/cases/{case}").json()
    assert (whole["title"], whole["revision"]) == ("[erased]", 3)
    assert [(entry["field"], entry["new"], entry["by"]) for entry in whole["history"]][-1] == ("erased", str(mail.communication_id), "dpo")
    published = files.service.rows("select count(*) from history where field = 'erased'")
    assert published == [(1,)]


def test_what_is_told_of_an_erasure_is_the_case_without_its_title(files: Files) -> None:
    from services.case.handlers.erasure import erase

    mail = files.mail(b"raw")
    with files.service.database.transaction() as tx:
        found = retention.lock_erasable(tx, mail.communication_id)
        assert found is not None
        erase(tx, found, "dpo", UUID(int=1), NOW, "")
        told, erased = (emitted.event for emitted in tx.emitted)
    case = case_id(mail.communication_id, "leak")
    assert (erased.data.communication_id, erased.data.opened, erased.key, erased.revision) == (mail.communication_id, (case,), str(case), 2)
    assert (type(told.data), told.revision, told.data.title) == (CaseRepublished, 2, "[erased]")


def test_an_erased_communication_that_comes_again_stays_erased(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw")
    assert api.post(f"/communications/{mail.communication_id}/erase").status_code == 200
    files.service.receive(received(mail))
    assert api.get(f"/communications/{mail.communication_id}").json()["body"] == "[erased]"


def test_what_staff_did_with_it_is_erased_too_and_nothing_more_can_be_done(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw", b"plan", method="telephone")
    url = f"/communications/{mail.communication_id}"
    staff = bearer(a_token("rita", "case:read", "case:create", "case:progress", "communication:read", scope="all"))
    for answer in ("Ann Lee", "Ann Smith", " "):
        given = {"answers": [{"prompt": "Your name?", "answer": answer}]}
        assert api.post(f"{url}/script-answers", json=given, headers=staff).status_code == 200
    assert api.get(f"{url}/raw", headers=staff).content == b"raw"
    assert api.post(f"{url}/erase").status_code == 200
    everything = "".join(str(files.service.rows(f"select t::text from {table} t")) for table in ("communications", "history", "commands"))
    assert "Ann" not in everything
    assert [api.get(f"{url}/{name}", headers=staff).status_code for name in ("raw", "files/0")] == [404, 410]
    for step, body in (("script-answers", given), ("cases", {"subjects": ["noise"]})):
        refused = api.post(f"{url}/{step}", json=body, headers=staff)
        assert (refused.status_code, "erased" in refused.json()["why"]) == (409, True)


def test_erasing_and_holding_have_permissions_of_their_own(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw")
    manager = bearer(a_token("max", "case:read", "case:progress", "case:assign", "communication:read", scope="all"))
    assert api.post(f"/communications/{mail.communication_id}/erase", headers=manager).status_code == 403
    assert api.post(f"/cases/{case_id(mail.communication_id, 'leak')}/hold", json={"hold": True}, headers=manager).status_code == 403
    elsewhere = bearer(a_token("eve", "communication:erase", unit="sales", scope="unit"))
    assert api.post(f"/communications/{mail.communication_id}/erase", headers=elsewhere).status_code == 404
    assert api.post(f"/communications/{UUID(int=9)}/erase").status_code == 404


def test_a_dead_letter_that_waits_keeps_contents(files: Files) -> None:
    files.objects.put(b"not recorded yet")
    letter = dead_letters.DeadLetter(f"t.{topics.COMMUNICATIONS}", 0, 0, None, (), b"{}", "refused", "why")
    with files.service.database.transaction() as tx:
        dead_letters.store(tx, [letter])
    files.now = datetime.now(tz=NOW.tzinfo) + YEAR
    files.sweep()
    assert files.kept() == {b"not recorded yet"}
    with files.service.database.transaction() as tx:
        assert dead_letters.discard(tx, letter.id, "max")
    files.sweep()
    assert files.kept() == set()


def test_one_sweeps_at_a_time_and_another_goes_on_where_it_left(files: Files) -> None:
    files.mail(b"one")
    one, two = files.sweeper("one"), files.sweeper("two")
    assert one.step()
    assert files.service.rows("select holder, phase from sweeps") == [("one", "condemn")]
    assert not two.step()
    one.leave()
    assert two.step()
    assert files.service.rows("select holder, phase from sweeps") == [("two", "settle")]


def test_a_reference_is_found_by_an_index_however_many_there_are(files: Files) -> None:
    files.mail(b"one", b"two")
    with files.service.database.transaction() as tx:
        tx.execute("set local enable_seqscan = off")
        by_content = tx.rows("explain select 1 from communications where raw_sha256 = 'x'")
        by_time = tx.rows(
            """explain select 1 from communications
               where method = 'email' and files_removed_at is null order by received_at, id limit 9"""
        )
    plan = "\n".join(row[0] for row in by_content + by_time)
    assert "communications_by_raw" in plan
    assert "communications_with_files" in plan
    assert "Sort" not in plan


def closed(files: Files, api: httpx.Client, *mails: CommunicationReceived) -> list[UUID]:
    """The cases that these mails opened, cancelled now."""
    staff = bearer(a_token("rita", "case:read", "case:progress", scope="all"))
    ids = [case_id(mail.communication_id, "leak") for mail in mails]
    for id in ids:
        assert api.post(f"/cases/{id}/status", json={"status": "cancelled"}, headers=staff).is_success
    return ids


def test_what_was_written_about_a_case_goes_after_its_subjects_time(files: Files, api: httpx.Client) -> None:
    old, held, shared = (files.mail(f"raw {number}".encode(), text=f"Ann's words {number}") for number in range(3))
    gone, kept, again = closed(files, api, old, held, shared)
    with files.service.database.transaction() as tx:
        tx.execute("insert into notes values (%s, 'case', %s, 'Ann is deaf.', 'rita', now())", (UUID(int=1), gone))
    # The third mail feeds a case that is still open, too.
    staff = bearer(a_token("rita", "case:create", "communication:read", scope="all"))
    assert api.post(f"/communications/{shared.communication_id}/cases", json={"subjects": ["noise"]}, headers=staff).is_success
    assert api.post(f"/cases/{kept}/hold", json={"hold": True}).is_success
    files.now = NOW + 2 * YEAR
    assert files.sweeper().dry_run().forgotten == {"leak": 2}
    before = whole_of(files.service.database)
    files.sweep()
    shown = {id: api.get(f"/cases/{id}").json() for id in (gone, kept, again)}
    assert [shown[id]["title"] for id in (gone, kept, again)] == ["[erased]", "Ann's leak", "[erased]"]
    assert [(message["body"], message["sender"]) for message in shown[gone]["communications"]] == [("[erased]", "")]
    assert [message["body"] for message in shown[kept]["communications"]] == ["Ann's words 1"]
    assert [message["body"] for message in shown[again]["communications"]] == ["Ann's words 2"]
    assert [row["text"] for row in whole_of(files.service.database)["notes"]] == ["[erased]"]
    figures = ("state", "subject", "opened_at", "completed_at", "contact_id", "priority", "unit")
    after = {row["id"]: row for row in whole_of(files.service.database)["cases"]}
    assert all(after[row["id"]][name] == row[name] for row in before["cases"] for name in figures)
    assert files.sweeper().dry_run().forgotten == {}


def test_who_looks_at_what_is_sensitive_is_recorded(files: Files, api: httpx.Client) -> None:
    mail = files.mail(b"raw")
    case = case_id(mail.communication_id, "leak")
    rita = bearer(a_token("rita", "case:read", "communication:read", scope="all"))
    assert api.get(f"/cases/{case}", headers=rita).is_success
    assert api.get(f"/communications/{mail.communication_id}", headers=rita).is_success
    assert api.get(f"/cases/{case}/reads", headers=rita).status_code == 403
    officer = bearer(a_token("dpo", "audit:read", scope="all"))
    assert [read["reader"] for read in api.get(f"/cases/{case}/reads", headers=officer).json()["items"]] == ["rita"]
    rows = files.service.rows("select kind, record_id, reader from reads order by id")
    assert rows == [("case", case, "rita"), ("communication", mail.communication_id, "rita")]
