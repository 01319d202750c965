"""Importing leads: a dry run, problems by row and column, and an import that dies in the middle and goes on where it was."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from services.case.api import routers
from services.case.api.lead_imports import MOST_BYTES, PATH, lead_imports_router
from services.case.settings import Settings
from services.case.storage import lead_imports
from services.case.storage.retention import referred
from services.case.worker.lead_imports import Importer, import_until
from services.cli.__main__ import app
from services.cli.commands.leads import IncompleteError
from shared.messaging import EventPublisher, StaticReference
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import create_app
from tests.service.case.conftest import CaseService
from tests.support.case import NOW, a_mail, received
from tests.support.leads import a_lead_configuration
from tests.support.waiting import eventually
from tests.support.web import a_token, a_verifier, bearer, served


@pytest.fixture
def service(case_database: Database) -> CaseService:
    return CaseService(case_database, a_lead_configuration())


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "objects").as_uri())


@pytest.fixture
def publisher(service: CaseService, kafka: str, case_topics: str) -> Iterator[EventPublisher]:
    publisher = EventPublisher(service.database, kafka, case_topics, "case")
    yield publisher
    publisher.close()


@pytest.fixture
def api(service: CaseService, publisher: EventPublisher, objects: ObjectStore, kafka: str) -> Iterator[httpx.Client]:
    settings = Settings(kafka=kafka, database=service.database.url, port=0)
    all_routers = [
        *routers(publisher, service.reference, lambda: NOW),
        lead_imports_router(publisher, service.reference, objects, lambda: NOW),
    ]
    served_app = create_app("case", settings, all_routers, verifier=a_verifier(), body_limits={PATH: MOST_BYTES})
    with served(served_app) as client:
        yield client


@pytest.fixture
def importer(service: CaseService, publisher: EventPublisher, objects: ObjectStore) -> Importer:
    return Importer(publisher.transaction, objects, service.reference, "import-0", lambda: NOW)


def _file(rows: int, *more: str) -> bytes:
    lines = ["type,title,contact_name,contact_email,contact_phone"]
    lines += [f"garage,Garage {n},Person {n % 700},person{n % 700}@customer.example," for n in range(rows)]
    return "\n".join([*lines, *more]).encode()


def _hand_in(api: httpx.Client, content: bytes, **params: Any) -> str:
    answer = api.post("/lead-imports", content=content, params={"filename": "leads.csv"} | params)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _work(importer: Importer) -> None:
    while importer.step():
        pass


@pytest.mark.requirement("LEAD-3", "CON-1")
def test_a_file_becomes_leads_of_known_and_new_contacts_and_a_repeat_doubles_nothing(
    api: httpx.Client, service: CaseService, importer: Importer
) -> None:
    service.receive(received(a_mail(sender="person3@customer.example", name="Person 3")))
    content = _file(1200)

    first = _hand_in(api, content)
    with service.database.read() as tx:
        digest = api.get(f"/lead-imports/{first}").json()["sha256"]
        assert referred(tx, [digest], {}) == {digest}
    _work(importer)
    again = _hand_in(api, content)
    _work(importer)

    shown = api.get(f"/lead-imports/{first}").json()
    assert {name: shown[name] for name in ("state", "total", "done", "created", "repeated", "refused")} == {
        "state": "done",
        "total": 1200,
        "done": 1200,
        "created": 1200,
        "repeated": 0,
        "refused": 0,
    }
    assert api.get(f"/lead-imports/{again}").json()["repeated"] == 1200
    assert (service.count("leads"), service.count("contacts"), service.count("handles")) == (1200, 700, 700)
    assert service.rows("select count(distinct number), count(contact_id) from leads") == [(1200, 1200)]
    assert service.rows("select count(*) from record_history where field = 'import'") == [(1200,)]
    assert service.rows("select count(*) from outbox") == [(0,)]
    listed = api.get("/leads", params={"import_id": first, "sort": "number", "limit": "1"}).json()["items"]
    assert (listed[0]["title"], listed[0]["number"]) == ("Garage 0", "L-2026-000001")
    with service.database.read() as tx:
        assert referred(tx, [digest], {}) == set()


@pytest.mark.requirement("LEAD-3")
def test_a_dry_run_tells_every_problem_by_row_and_column_and_creates_nothing(
    api: httpx.Client, service: CaseService, importer: Importer
) -> None:
    bad = ("moon,x,,a@b.example,", "garage,x,=cmd,nobody,12", "garage,x,,,", "garage,x,,ok@b.example,,extra")
    checked = _hand_in(api, _file(2, *bad), dry_run="true")
    _work(importer)

    shown = api.get(f"/lead-imports/{checked}").json()
    assert (shown["state"], shown["created"], shown["refused"], service.count("leads")) == ("done", 2, 4, 0)
    problems = api.get(f"/lead-imports/{checked}/problems", params={"limit": "3"}).json()
    rest = api.get(f"/lead-imports/{checked}/problems", params={"cursor": problems["next"]}).json()
    assert [(one["row"], one["column"]) for one in problems["items"] + rest["items"]] == [
        (4, "type"),
        (5, "contact_email"),
        (5, "contact_phone"),
        (6, "contact_email"),
        (7, ""),
    ]
    saved = api.get(f"/lead-imports/{checked}/problems", params={"format": "csv"})
    assert "attachment" in saved.headers["content-disposition"]
    assert [row["row"] for row in csv.DictReader(io.StringIO(saved.content.decode("utf-8-sig")))] == ["4", "5", "5", "6", "7"]
    # For real the good rows become leads, and the bad ones do not.
    _hand_in(api, _file(2, *bad))
    _work(importer)
    assert service.count("leads") == 2


@pytest.mark.requirement("LEAD-3")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"colour,contact_email\nred,a@b.example\n", "there is no such column"),
        (b"title\nx\n", "the column is missing"),
        (b'type,contact_email\ngarage,"open', "line 2"),
        (b"PK\x03\x04 nothing", "Excel workbook"),
    ],
)
def test_a_file_that_is_not_the_templates_fails_as_a_whole(
    api: httpx.Client, service: CaseService, importer: Importer, content: bytes, why: str
) -> None:
    failed = _hand_in(api, content)
    _work(importer)
    shown = api.get(f"/lead-imports/{failed}").json()
    assert shown["state"] == "failed"
    assert why in shown["problem"]
    assert service.count("leads") == 0


@pytest.mark.requirement("LEAD-3")
def test_a_template_for_excel_comes_back_filled_in(api: httpx.Client, service: CaseService, importer: Importer) -> None:
    import openpyxl

    content = api.get("/lead-imports/template", params={"format": "xlsx"}).content
    book = openpyxl.load_workbook(io.BytesIO(content))
    columns = [cell.value for cell in book.active[1]]
    given = {"type": "Shared ownership", "title": "A flat", "contact_name": "Joan", "contact_phone": "01632 960123", "priority": 9}
    book.active.append([given.get(column) for column in columns])
    filled = io.BytesIO()
    book.save(filled)

    _hand_in(api, filled.getvalue())
    _work(importer)

    [lead] = api.get("/leads").json()["items"]
    assert (lead["type"], lead["priority"], lead["customer"]["phone"]) == ("shared-ownership", 9, "+441632960123")
    assert [one["name"] for one in lead["competitors"]] == ["Example Homes"]


def _import_forever(database: str, kafka: str, prefix: str, objects: str) -> None:
    """The worker in a process of its own, to be killed."""
    opened = Database(database, service="case")
    publisher = EventPublisher(opened, kafka, prefix, "case")
    importer = Importer(publisher.transaction, ObjectStore(objects), StaticReference(a_lead_configuration()), "killed", hold_seconds=1)
    importer.step()


@pytest.mark.requirement("LEAD-3")
def test_an_import_that_is_killed_in_the_middle_goes_on_where_it_was(
    api: httpx.Client, service: CaseService, publisher: EventPublisher, objects: ObjectStore, kafka: str, case_topics: str, tmp_path: Path
) -> None:
    total = 6000
    id = _hand_in(api, _file(total))
    arguments = (service.database.url, kafka, case_topics, (tmp_path / "objects").as_uri())
    victim = multiprocessing.get_context("spawn").Process(target=_import_forever, args=arguments)
    victim.start()
    eventually(lambda: service.count("leads") > 0, timeout=60)
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join()
    victim.close()
    before = service.count("leads")
    assert 0 < before < total

    rescuer = Importer(publisher.transaction, objects, service.reference, "rescuer", lambda: NOW)
    eventually(rescuer.step, timeout=30)

    shown = api.get(f"/lead-imports/{id}").json()
    assert (shown["state"], shown["done"], shown["created"], shown["repeated"]) == ("done", total, total, 0)
    assert service.rows("select count(*), count(distinct title), count(distinct number) from leads") == [(total, total, total)]
    assert service.rows("select count(*) from record_history where field = 'import'") == [(total,)]


@pytest.mark.requirement("LEAD-3")
def test_who_lost_an_import_keeps_nothing_and_what_kills_again_and_again_is_given_up(
    api: httpx.Client, service: CaseService, importer: Importer
) -> None:
    cancelled = _hand_in(api, _file(3))
    assert api.post(f"/lead-imports/{cancelled}/cancel").json()["state"] == "cancelled"
    assert importer.step() is False
    deadly = _hand_in(api, _file(4))
    with service.database.transaction() as tx:
        jobs = [lead_imports.take(tx, f"victim-{n}", -1.0) for n in range(4)]
        assert [job is not None for job in jobs] == [True, True, True, False]
        assert jobs[0] is not None
        assert not lead_imports.advance(tx, jobs[0].id, "victim-0", lead_imports.Step(5, 4, 4, 0, 0), 60)
    assert "again and again" in api.get(f"/lead-imports/{deadly}").json()["problem"]
    assert (importer.step(), service.count("leads")) == (False, 0)


@pytest.mark.requirement("LEAD-3")
def test_what_is_cancelled_in_the_middle_of_a_step_keeps_nothing_of_that_step(
    api: httpx.Client, service: CaseService, publisher: EventPublisher, objects: ObjectStore
) -> None:
    id = _hand_in(api, _file(1500))
    steps: list[int] = []

    def now() -> datetime:
        steps.append(1)
        if len(steps) == 2:
            assert api.post(f"/lead-imports/{id}/cancel").status_code == 200
        return NOW

    Importer(publisher.transaction, objects, service.reference, "import-0", now).step()

    shown = api.get(f"/lead-imports/{id}").json()
    assert (shown["state"], shown["done"], shown["created"]) == ("cancelled", 500, 500)
    assert (service.count("leads"), len(steps)) == (500, 2)


@pytest.mark.requirement("LEAD-3")
def test_only_who_may_hands_files_in_and_sees_their_own(api: httpx.Client) -> None:
    agent = bearer(a_token("rita", "lead:read", "lead:progress", unit="repairs", scope="unit"))
    assert api.post("/lead-imports", content=_file(1), headers=agent).status_code == 403
    leader = bearer(a_token("lena", "lead:import", unit="repairs", scope="unit"))
    other = bearer(a_token("noor", "lead:import", unit="neighbourhood", scope="unit"))
    id = api.post("/lead-imports", content=_file(1), headers=leader).json()["id"]
    assert api.get(f"/lead-imports/{id}", headers=other).status_code == 404
    assert api.get("/lead-imports", headers=other).json()["items"] == []
    assert [one["id"] for one in api.get("/lead-imports", headers=leader).json()["items"]] == [id]
    assert api.post("/lead-imports", content=b"", headers=leader).status_code == 422
    assert api.post("/lead-imports", content=b"x", params={"type": "moon"}, headers=leader).status_code == 422


@pytest.mark.requirement("LEAD-3")
def test_the_command_line_hands_a_file_in_and_says_what_became_of_it(
    api: httpx.Client, service: CaseService, importer: Importer, tmp_path: Path
) -> None:
    token, filled, wrong = tmp_path / "token", tmp_path / "leads.csv", tmp_path / "problems.csv"
    token.write_text(a_token("lena", "lead:import"))
    filled.write_bytes(_file(3, "moon,x,,a@b.example,"))
    there = ["--url", str(api.base_url), "--token-file", str(token)]
    stop = threading.Event()
    working = threading.Thread(target=import_until, args=(importer, stop))
    working.start()
    try:
        runner = CliRunner()
        blank = runner.invoke(app, ["leads", "template", "--format", "xlsx", "--output", str(tmp_path / "t.xlsx"), *there])
        checked = runner.invoke(app, ["leads", "import", str(filled), "--dry-run", "--json", *there])
        done = runner.invoke(app, ["leads", "import", str(filled), "--problems", str(wrong), *there])
    finally:
        stop.set()
        working.join()

    assert (blank.exit_code, (tmp_path / "t.xlsx").read_bytes()[:4]) == (0, b"PK\x03\x04")
    # The importer's log is on the same output here.
    found = json.loads(next(line for line in checked.stdout.splitlines() if line.startswith("{")))
    assert (found["created"], found["refused"], found["problems"][0]["row"]) == (3, 1, 5)
    assert "3 leads created, 1 rows with problems" in done.stdout
    assert "row 5, type ('moon')" in done.stderr
    assert isinstance(done.exception, IncompleteError)
    assert b"moon" in wrong.read_bytes()
    assert service.count("leads") == 3
