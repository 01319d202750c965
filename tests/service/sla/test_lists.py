"""Lists, figures and reports of clocks, on a database alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.sla.consumer import Housekeeper
from services.sla.domain.records import ItemKind
from services.sla.settings import Settings
from services.sla.storage import lists
from services.sla.storage.lists import Wanted, Which
from services.sla.storage.reach import Reach
from shared.observability.metrics import exposition
from shared.storage import Database
from tests.service.sla.read_model import NOON, Asking, ReadModel
from tests.support.configuration import a_configuration
from tests.support.explaining import explain, recorded

TARGETS = {"targets": [{"clock": "response", "within": "8 working hours"}], "ladder": {"due_soon_share": 0.75}}


@pytest.fixture
def model(fresh_database: Callable[[str], str]) -> Iterator[ReadModel]:
    database = Database(fresh_database("sla"), service="sla")
    yield ReadModel(database, a_configuration(sla=TARGETS))
    database.close()


@pytest.fixture
def asking(model: ReadModel) -> Iterator[Asking]:
    """Wednesday at noon: tasks due before and after, of several units and people."""
    model.task("long ago", "2026-02-27 09:00", "2026-03-02 12:00", subject="noise")
    model.task("yesterday", "2026-03-02 09:00", "2026-03-03 12:00", unit="neighbourhood", assignee="nils")
    model.task("soon", "2026-03-04 09:00", "2026-03-04 12:30")
    model.task("today", "2026-03-04 11:30", "2026-03-04 14:06")  # in a class of which some are due soon, and not yet
    model.task("next week", "2026-03-04 09:00", "2026-03-11 09:00", unit="neighbourhood", assignee="paul")
    model.task(
        "done", "2026-03-02 09:00", "2026-03-04 13:00", {"at": "2026-03-03 10:00", "state": "completed", "completed_at": "2026-03-03 10:00"}
    )
    waits = {"at": "2026-03-04 10:00", "waiting_for_customer": True}
    model.case("waits", "2026-03-04 09:00", waits)
    with model.api() as asking:
        yield asking


@pytest.mark.requirement("EDGE-8")
def test_the_lists_follow_from_the_moment_asked_and_leave_out_what_stands_still(asking: Asking) -> None:
    assert asking.titles("/clocks/upcoming") == ["Task soon", "Task today", "Task next week"]
    assert asking.titles("/clocks/upcoming?within=7200") == ["Task soon"]
    assert asking.titles("/clocks/upcoming?within=1%20working%20day") == ["Task soon", "Task today"]
    assert asking.titles("/clocks/at-risk") == ["Task soon"]
    assert asking.titles("/clocks/breached") == ["Task long ago", "Task yesterday"]
    assert asking.get("/clocks/figures").json() == {"upcoming_today": 2, "at_risk": 1, "breached": 2}
    [clock] = asking.get("/clocks/at-risk").json()["items"]
    assert (clock["state"], clock["kind"], clock["unit"], clock["assignee"]) == ("running", "due", "repairs", "paul")
    assert {one["state"] for one in asking.get("/clocks/breached").json()["items"]} == {"overdue"}


def test_filters_and_reach_narrow_the_lists(asking: Asking) -> None:
    assert asking.titles("/clocks/upcoming?unit=neighbourhood") == ["Task next week"]
    assert asking.titles("/clocks/breached?assignee=nils") == ["Task yesterday"]
    assert asking.titles("/clocks/breached?subject=noise&kind=due&item_kind=task") == ["Task long ago"]
    assert asking.titles("/clocks/breached?kind=response") == []
    assert asking.titles("/clocks/breached", scope="unit", unit="neighbourhood", user="nora") == ["Task yesterday"]
    assert asking.titles("/clocks/upcoming", scope="unit", unit="repairs", user="paul") == ["Task soon", "Task today", "Task next week"]
    assert asking.titles("/clocks/upcoming", scope="own", unit="x", user="paul") == ["Task soon", "Task today", "Task next week"]
    assert asking.titles("/clocks/upcoming?unit=repairs", scope="own", user="nils") == []
    assert asking.get("/clocks/figures", scope="own", user="nils").json() == {"upcoming_today": 0, "at_risk": 0, "breached": 1}


BAD = (
    ("/clocks/upcoming?within=soonish", 422),
    ("/clocks/upcoming?within=999999%20years", 422),
    ("/clocks/upcoming?after=x", 400),
    ("/clocks/upcoming?after=WzEsMl0", 400),
    ("/clocks/upcoming?limit=101", 422),
    ("/clocks/upcoming?kind=lag", 422),
    ("/clocks/upcoming?unit=%00", 400),
    ("/clocks/nothing-like-it", 404),
    ("/clocks/00000000-0000-0000-0000-000000000000", 404),
    ("/reports/compliance?by=colour", 422),
    ("/reports/compliance?from=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z", 422),
    ("/reports/times?from=0001-01-01T00:00:00Z", 422),
    ("/reports/times?until=0001-01-01T00:00:00Z", 422),
)


def test_what_cannot_be_asked_is_a_problem(model: ReadModel) -> None:
    with model.api() as asking:
        for path, status in BAD:
            answer = asking.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path


def test_pages_join_without_gap_or_repeat(model: ReadModel) -> None:
    for number in range(23):
        model.task(number, "2026-03-02 09:00", f"2026-03-05 {9 + number % 4:02}:00", unit=("repairs", "neighbourhood")[number % 2])
    with model.api() as asking:
        for claims in ({}, {"scope": "unit", "unit": "repairs", "user": "paul"}):
            whole = asking.titles("/clocks/upcoming?limit=100", **claims)
            assert len(whole) == 23
            found, after = [], ""
            while True:
                page = asking.get(f"/clocks/upcoming?limit=5{after}", **claims).json()
                found += [clock["title"] for clock in page["items"]]
                if page["next"] is None:
                    break
                after = f"&after={page['next']}"
            assert found == whole


@pytest.mark.requirement("SLA-1")
def test_the_share_met_is_reported_per_method_subject_and_unit(model: ReadModel) -> None:
    def answered(moment: str) -> dict[str, Any]:
        return {"at": moment, "state": "completed", "responded_at": moment, "resolved_at": moment, "completed_at": moment}

    model.case(1, "2026-03-02 09:00", answered("2026-03-02 11:00"), method="email", subject="noise")
    model.case(2, "2026-03-02 09:00", answered("2026-03-03 11:00"), method="email", unit="neighbourhood")
    model.case(3, "2026-03-02 09:00", {"at": "2026-03-02 10:00", "state": "cancelled"}, method="letter")
    model.case(4, "2026-03-02 09:00", method="letter")  # open past its time
    model.case(5, "2026-03-04 10:00", method="letter")  # open, and in time
    model.case(6, "2026-02-02 09:00", answered("2026-02-02 10:00"), method="web")  # before the period
    period = "from=2026-03-01T00:00:00Z&until=2026-03-05T00:00:00Z"
    with model.api() as asking:
        report = asking.get(f"/reports/compliance?by=method&{period}").json()
        assert report["rows"] == [
            {"group": "email", "met": 1, "missed": 1, "cancelled": 0, "open_overdue": 0, "share": 0.5},
            {"group": "letter", "met": 0, "missed": 0, "cancelled": 1, "open_overdue": 1, "share": 0.0},
        ]
        assert report["total"] == {"met": 1, "missed": 1, "cancelled": 1, "open_overdue": 1, "share": pytest.approx(1 / 3)}
        for by, groups in (
            ("subject", ["enquiry", "noise"]),
            ("unit", ["neighbourhood", "repairs"]),
            ("kind", ["response"]),
            ("month", ["2026-03"]),
            ("week", ["2026-W10"]),
            ("day", ["2026-03-02", "2026-03-03"]),
        ):
            assert [row["group"] for row in asking.get(f"/reports/compliance?by={by}&{period}").json()["rows"]] == groups
        mine = asking.get(f"/reports/compliance?{period}", scope="unit", unit="neighbourhood", user="nora").json()
        assert mine["total"] == {"met": 0, "missed": 1, "cancelled": 0, "open_overdue": 0, "share": 0.0}
        [times] = asking.get(f"/reports/times?{period}").json()["rows"]
        assert (times["kind"], times["count"]) == ("response", 2)
        hours = 3600.0
        assert times["used"] == {
            "p50_seconds": 6 * hours,
            "p90_seconds": 9.2 * hours,
            "p95_seconds": 9.6 * hours,
            "longest_seconds": 10 * hours,
        }
        assert times["elapsed"]["longest_seconds"] == 26 * hours


@pytest.mark.requirement("SLA-1")
def test_each_time_that_a_customer_was_to_hear_is_reported_on(model: ReadModel) -> None:
    model = ReadModel(model.database, a_configuration(sla={"targets": [{"clock": "update", "within": "8 working hours"}]}))
    heard = ("2026-03-02 15:00", "2026-03-04 10:00", "2026-03-04 11:00")
    model.case(1, "2026-03-02 09:00", *({"at": moment, "updated_at": moment} for moment in heard))
    with model.api() as asking:
        [row] = asking.get("/reports/compliance").json()["rows"]
        assert (row["group"], row["met"], row["missed"], row["open_overdue"]) == ("update", 2, 1, 0)
        assert len(asking.get("/clocks/C-1").json()["clocks"]) == 1
        settings = Settings(kafka="none:1", database=model.database.url, port=0, clock_retention_days=30)
        Housekeeper(settings, model.database, lambda: NOON + timedelta(days=40)).purge()
        assert asking.get("/reports/compliance").json()["rows"] == []
        assert len(asking.get("/clocks/C-1").json()["clocks"]) == 1


def test_csv_is_a_table_that_no_spreadsheet_works_out(model: ReadModel) -> None:
    ended = {"at": "2026-03-02 10:00", "state": "responded", "responded_at": "2026-03-02 10:00"}
    model.case(1, "2026-03-02 09:00", ended, subject='=cmd|"/c calc"')
    with model.api() as asking:
        for path, accept in (("/reports/compliance?by=subject", "text/csv"), ("/reports/compliance?by=subject&format=csv", "")):
            answer = asking.get(path, accept)
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
            assert rows == [
                ["group", "met", "missed", "cancelled", "open_overdue", "share"],
                ['\'=cmd|"/c calc"', "1", "0", "0", "0", "1.0"],
            ]
            assert b"\r\n" in answer.content
        header, row = csv.reader(io.StringIO(asking.get("/reports/times?format=csv").content.decode("utf-8-sig"), newline=""))
        assert dict(zip(header, row, strict=True))["used_p50_seconds"] == "3600.0"


def test_a_finished_item_is_reported_on_until_it_is_purged_and_its_title_goes_with_the_streams_memory(model: ReadModel) -> None:
    done = {"at": "2026-03-03 10:00", "state": "completed", "completed_at": "2026-03-03 10:00"}
    task = model.task("done", "2026-03-02 09:00", "2026-03-04 13:00", done)
    model.write()
    with model.api() as asking:
        assert asking.get(f"/clocks/{task}").json()["title"] == "Task done"
        model.forgotten(ItemKind.TASK, task)
        model.write()
        told = asking.get(f"/clocks/{task}").json()
        assert (told["title"], told["number"], told["clocks"][0]["outcome"]) == ("", "C-1", "met")
        settings = Settings(kafka="none:1", database=model.database.url, port=0, clock_retention_days=30)
        assert Housekeeper(settings, model.database, lambda: NOON + timedelta(days=28)).purge() == 0
        assert asking.get("/reports/compliance").json()["total"]["met"] == 1
        assert Housekeeper(settings, model.database, lambda: NOON + timedelta(days=30)).purge() == 1
        assert asking.get("/reports/compliance").json()["total"]["met"] == 0
        assert asking.get(f"/clocks/{task}").status_code == 404


def test_what_the_stream_forgot_before_its_end_is_listed_no_more(model: ReadModel) -> None:
    task = model.task("open", "2026-03-02 09:00", "2026-03-03 12:00")
    with model.api() as asking:
        assert asking.titles("/clocks/breached") == ["Task open"]
        model.forgotten(ItemKind.TASK, task)
        model.write()
        assert asking.titles("/clocks/breached") == []
        with model.database.read() as tx:
            assert tx.rows("select * from clocks") == []


def test_a_title_that_may_have_been_erased_after_the_end_goes(model: ReadModel) -> None:
    ended = {"at": "2026-03-02 10:00", "state": "completed", "completed_at": "2026-03-02 10:00"}
    case = model.case(1, "2026-03-02 09:00", ended, title="Ann's illness")
    with model.api() as asking:
        assert asking.get(f"/clocks/{case}").json()["title"] == "Ann's illness"
        model.case(1, "2026-03-02 09:00", ended, {"at": "2026-03-03 10:00", **ended, "priority": "high"}, title="[erased]")
        model.write()
        assert asking.get(f"/clocks/{case}").json()["title"] == ""


@pytest.mark.requirement("EDGE-18")
def test_clocks_at_risk_and_breached_are_metrics(asking: Asking, model: ReadModel) -> None:
    Housekeeper(Settings(kafka="none:1", database=model.database.url, port=0), model.database, lambda: NOON).watch()
    text = exposition()[0].decode()
    assert 'casestream_sla_at_risk_clocks{kind="due"} 1.0' in text
    assert 'casestream_sla_breached_clocks{kind="due"} 2.0' in text


def test_lists_of_many_clocks_are_short_reads_of_an_index(model: ReadModel) -> None:
    model.case("kept", "2026-03-04 11:00")
    model.write()
    with model.database.transaction() as tx:
        tx.execute(
            """insert into items (item_id, item_kind, unit, assignee, open_clocks, record)
               select md5(n::text)::uuid, 2, 'u' || n % 40, 'a' || n % 90, 1, '' from generate_series(1, 60000) n"""
        )
        tx.execute(
            """insert into clocks (clock_id, item_id, kind, item_kind, unit, assignee, started_at, soon_at, due_at, outcome, notice, rung,
                                   budget, suspended, target)
               select md5('c' || n)::uuid, md5(n::text)::uuid, 0, 2, 'u' || n %% 40, 'a' || n %% 90, due - interval '1 week',
                      due - make_interval(secs => 2 ^ (2 * (1 + n %% 9) - 2)), due, '', 1 + n %% 9, 0, 0, 0, ''
               from (select n, %s + make_interval(mins => n - 30000) as due from generate_series(1, 60000) n) given""",
            [NOON],
        )
    with model.database.transaction() as tx:
        tx.execute("analyze clocks, items")
    reaches = (Reach(), Reach("u7", "a7"), Reach(None, "a7"))
    for which in Which:
        for reach in reaches:
            with recorded(model.database) as (tx, statements):
                found = lists.page(tx, which, Wanted(), reach, NOON, None, None, 51)
            assert found, (which, reach)
            explained = explain(model.database, statements)
            assert explained.scanned == set(), (which, reach)
            assert {name for name in explained.indexes if name.startswith("clocks_")} <= {
                "clocks_running",
                "clocks_running_by_unit",
                "clocks_running_by_assignee",
            }
            assert explained.buffers < 1_500, (which, reach, explained.buffers)


@pytest.mark.requirement("SLA-1", "LEAD-1", "EDGE-8")
def test_leads_are_listed_explained_and_reported_on_as_the_rest_is(model: ReadModel) -> None:
    late = model.lead(1, "2026-03-02 09:00", "2026-03-03 13:00")
    model.lead(2, "2026-03-04 09:00", "2026-03-11 13:00")
    won = {"at": "2026-03-03 10:00", "state": "won", "closed_at": "2026-03-03 10:00"}
    model.lead(3, "2026-03-02 09:00", "2026-03-03 13:00", won)
    with model.api() as asking:
        assert asking.titles("/clocks/breached?item_kind=lead") == ["Lead 1"]
        assert asking.titles("/clocks/upcoming?item_kind=lead&assignee=sam") == ["Lead 2"]
        for asked in ("L-1", str(late)):
            told = asking.get(f"/clocks/{asked}").json()
            assert (told["item_kind"], told["item_id"], told["title"]) == ("lead", str(late), "Lead 1")
            (clock,) = told["clocks"]
            assert (clock["kind"], clock["target"]) == ("completion", "lead")
            assert "Overdue since Tue 3 Mar 13:00" in clock["summary"]
        rows = asking.get("/reports/compliance?by=kind&kind=completion").json()["rows"]
        assert [(row["group"], row["met"], row["missed"], row["open_overdue"]) for row in rows] == [("completion", 1, 0, 1)]
