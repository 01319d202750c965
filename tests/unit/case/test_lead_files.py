"""Tables of leads: whatever people save as CSV or Excel is read, or refused with what to do; nothing in them does harm."""

from __future__ import annotations

import csv
import io
import zipfile
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.case.gateways import lead_files
from services.case.gateways.lead_files import BadFile, Row, Table
from services.case.gateways.lead_templates import csv_template, xlsx_template
from services.case.handlers.leads.rows import COLUMNS, NAMES, Parsed, Problem, RowReader, columns_of
from services.case.handlers.leads.rules import lead_rules_of
from shared.messaging import StaticReference
from shared.web.csv_tables import as_csv
from tests.support.leads import a_lead_configuration

CONFIGURATION = a_lead_configuration()


def _read(content: bytes | io.BytesIO, kind: Any = "xlsx", after: int = 0) -> tuple[Row, list[Row]]:
    with closing(Table(content if isinstance(content, io.BytesIO) else io.BytesIO(content), kind)) as table:
        return table.header, list(table.rows(after))


def _csv(content: bytes, after: int = 0) -> tuple[Row, list[Row]]:
    return _read(content, "csv", after)


def _workbook(*rows: list[Any]) -> io.BytesIO:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    content.seek(0)
    return content


@pytest.mark.requirement("LEAD-3")
@pytest.mark.parametrize(
    "content",
    [
        "type,contact_name\ngarage,Zoë\n".encode(),
        "\ufefftype;contact_name\r\ngarage;Zoë\r\n".encode(),
        "type\tcontact_name\ngarage\tZoë\n".encode("utf-16"),
        "type|contact_name\ngarage|Zoë".encode("cp1252"),
        "\ufefftype,contact_name\n,,\n\ngarage,Zoë\n".encode(),
    ],
)
def test_csv_is_read_in_whatever_way_a_spreadsheet_saves_it(content: bytes) -> None:
    header, rows = _csv(content)
    assert header.cells == ["type", "contact_name"]
    assert [row.cells for row in rows] == [["garage", "Zoë"]]


@pytest.mark.requirement("LEAD-3")
def test_row_numbers_are_those_of_a_spreadsheet_and_reading_goes_on_behind_any() -> None:
    content = b'type,title\n\na,"two\nlines"\nb,x\n'
    assert [(row.number, row.cells) for row in _csv(content)[1]] == [(3, ["a", "two\nlines"]), (4, ["b", "x"])]
    assert [row.number for row in _csv(content, after=3)[1]] == [4]


@pytest.mark.requirement("LEAD-3")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'type,title\na,"open', "line 2"),
        (b"type\n\x81\x8d\n", "neither UTF-8 nor Windows-1252"),
        (b"type\x00\n", "no text"),
        (b'type\na"b,"c"d\n', "not CSV"),
        (b"type\n" + b"x" * 200_000, "not CSV"),
        (b",".join([b"c"] * 61) + b"\n", "more than 60 columns"),
    ],
)
def test_what_is_no_csv_is_refused_with_what_to_do(content: bytes, why: str) -> None:
    with pytest.raises(BadFile, match=why):
        _csv(content)


@pytest.mark.requirement("LEAD-3")
def test_cells_of_a_workbook_are_as_one_would_type_them_and_formulas_are_told() -> None:
    content = _workbook(
        ["type", "title", "priority", "estimated_completion", "contact_phone"],
        ["garage", " Elm Road ", 7, date(2026, 12, 1), 441632960123],
        [None, None, None, None, None],
        ["garage", "=1+1", 7.0, datetime(2026, 12, 1, 14, 30), True],  # noqa: DTZ001 - a cell has no zone
    )
    header, rows = _read(content)
    assert header.cells[0] == "type"
    assert rows == [
        Row(2, ["garage", "Elm Road", "7", "2026-12-01", "441632960123"], []),
        Row(4, ["garage", "=1+1", "7", "2026-12-01T14:30:00", "yes"], [1]),
    ]


@pytest.mark.requirement("LEAD-3")
def test_a_cell_in_the_far_corner_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD5000"] = "type", "x"
    content = io.BytesIO()
    book.save(content)
    assert _read(content)[1] == []
    book.active["A5001"] = "garage"
    monkeypatch.setattr(lead_files, "LAST_ROW", 5000)
    content = io.BytesIO()
    book.save(content)
    with pytest.raises(BadFile, match="beyond the last one"):
        _read(content)


def _with_part(name: str, part: bytes) -> io.BytesIO:
    """A workbook of which one part is replaced."""
    whole, out = zipfile.ZipFile(_workbook(["type"], ["garage"])), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed:
        for info in whole.infolist():
            changed.writestr(info.filename, part if info.filename == name else whole.read(info))
    out.seek(0)
    return out


_MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
BAD_ROW = b'<worksheet xmlns="%s"><sheetData><row r="x"><c r="A1"/></row></sheetData></worksheet>' % _MAIN
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "%s">%s]><worksheet>&k;</worksheet>' % (
    b"lol" * 100,
    b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(ord("b"), ord("l"))),
)


@pytest.mark.requirement("LEAD-3")
@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 and no more",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600,
        _workbook(["type"]).getvalue()[:-200],
        _with_part("xl/worksheets/sheet1.xml", BAD_ROW).getvalue(),
        _with_part("xl/worksheets/sheet1.xml", b"<not xml").getvalue(),
        _with_part("xl/worksheets/sheet1.xml", LAUGHS).getvalue(),
        _with_part("xl/workbook.xml", b"<workbook/>").getvalue(),
    ],
    ids=["cut", "old", "truncated", "bad-row", "no-xml", "entities", "no-sheets"],
)
def test_a_broken_or_hostile_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile):
        _read(content)


@pytest.mark.requirement("LEAD-3")
def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = _with_part("xl/worksheets/sheet1.xml", b"0" * 50_000_000)
    assert len(bomb.getvalue()) < 100_000
    monkeypatch.setattr(lead_files, "MOST_SHARED", 10_000_000)
    with pytest.raises(BadFile, match="its texts are larger"):
        _read(_with_part("xl/styles.xml", b"0" * 50_000_000))
    monkeypatch.setattr(lead_files, "MOST_UNPACKED", 10_000_000)
    with pytest.raises(BadFile, match="unpacked it is larger"):
        _read(bomb)
    monkeypatch.setattr(lead_files, "MOST_KEPT", 100)
    with pytest.raises(BadFile, match="its texts are longer"):
        _csv(b"type\n" + b"x" * 200)
    monkeypatch.setattr(lead_files, "MOST_ROWS", 2)
    with pytest.raises(BadFile, match="more than 2 rows"):
        _csv(b"type\na\nb\nc")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_a_refusal(content: bytes) -> None:
    for kind in ("csv", "xlsx"):
        with suppress(BadFile):
            _read(content, kind)


def _reader(columns: str, default_type: str = "", unit: str = "repairs") -> RowReader:
    names, wrong = columns_of(columns.split(","), bool(default_type))
    assert wrong == []
    return RowReader(names, default_type, unit, lead_rules_of(CONFIGURATION), StaticReference(CONFIGURATION))


@pytest.mark.requirement("LEAD-3")
def test_a_row_becomes_a_lead_with_labels_lists_and_dates_as_people_write_them() -> None:
    reader = _reader("Type,Source,Priority,Products,Competitors,Contact name,Contact-Email,contact_phone,Estimated completion")
    row = ["Shared Ownership", "estate agent", "9", "", "Other Homes; Third Homes", "Joan", "Joan@x.example", "01632 960123", "2026-12-01"]

    parsed = reader.read(row, ())

    assert isinstance(parsed, Parsed), parsed
    wanted = parsed.wanted
    assert (parsed.kind.code, wanted.source, wanted.priority) == ("shared-ownership", "custom_1", 9)
    assert wanted.competitors == ("Other Homes", "Third Homes")
    assert wanted.estimated_completion_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert parsed.customer.handles == (("email", "joan@x.example"), ("phone", "+441632960123"))


@pytest.mark.requirement("LEAD-3")
def test_everything_wrong_with_a_row_is_told_by_column_with_what_to_do() -> None:
    reader = _reader("type,title,priority,category,owner,contact_email,contact_phone")

    found = reader.read(["rent", "t", "11", "", "", "joan", "12", "more"], (1,))
    also = reader.read(["rent", "t", "", "moon", "nobody", "joan", "12"], ())
    unreachable = reader.read(["rent", "t"], ())

    assert isinstance(found, list)
    assert isinstance(also, list)
    assert {problem.column for problem in found} == {"", "title", "priority"}
    assert {problem.column for problem in also} == {"category", "owner", "contact_email", "contact_phone"}
    assert ("priority", "11", "it is no level; write a whole number from 1 to 10") in found
    assert unreachable == [Problem("contact_email", "", "the customer cannot be reached; give an email address or a phone number")]
    for type, why in (("moon", "there is none; there are"), ("garage", "created by units")):
        problems = _reader("type,contact_email", unit="neighbourhood").read([type, "a@b.example"], ())
        assert isinstance(problems, list)
        assert why in problems[0].problem


@pytest.mark.requirement("LEAD-3")
def test_a_header_that_is_not_the_templates_is_refused_by_column() -> None:
    _, found = columns_of(["title", "Colour", "title", ""], False)
    assert {problem.column for problem in found} == {"Colour", "title", "", "type", "contact_email"}
    assert columns_of(["title", "contact_phone"], True)[1] == []
    assert columns_of([], True)[1] != []


@pytest.mark.requirement("LEAD-3")
def test_templates_are_read_by_the_import() -> None:
    for kind, content in (("csv", csv_template(NAMES)), ("xlsx", xlsx_template(NAMES, COLUMNS))):
        header, rows = _read(content, kind)
        assert columns_of(header.cells, False) == (list(NAMES), [])
        assert rows == []


@pytest.mark.requirement("LEAD-3")
def test_no_cell_of_the_problems_is_a_formula_to_a_spreadsheet() -> None:
    values = ["=HYPERLINK()", "+1", "-1", "@x", "\t=1", "plain", 7]
    content = b"".join(as_csv(("row", "value"), [(place, value) for place, value in enumerate(values)])).decode("utf-8-sig")
    cells = [row[1] for row in csv.reader(io.StringIO(content))][1:]
    assert [cell[0] for cell in cells] == ["'", "'", "'", "'", "'", "p", "7"]
