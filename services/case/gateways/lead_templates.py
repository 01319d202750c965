"""What people download of imports: a template to fill in, and the list of problems (LEAD-3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import openpyxl
from openpyxl.styles import Font

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BYTE_ORDER_MARK = "\ufeff"
"""By which Excel knows that CSV is UTF-8."""


def csv_template(columns: Sequence[str]) -> bytes:
    """A table with its header only."""
    return (BYTE_ORDER_MARK + ",".join(columns) + "\r\n").encode()


def xlsx_template(columns: Sequence[str], meanings: Sequence[tuple[str, str]]) -> bytes:
    """A workbook with the header, and a second sheet that says what belongs into each column."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Leads"
    sheet.append(list(columns))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        # What is typed stays as it is typed: a phone number keeps its zero.
        sheet.column_dimensions[cell.column_letter].number_format = "@"
        sheet.column_dimensions[cell.column_letter].width = 22
    sheet.freeze_panes = "A2"
    told = book.create_sheet("How to fill it in")
    told.append(["Column", "What belongs there"])
    for line in meanings:
        told.append(list(line))
    told.column_dimensions["A"].width = 24
    told.column_dimensions["B"].width = 110
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """CSV that a spreadsheet shows and does not work out: a cell that would begin a formula has an apostrophe before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(header)
    for count, row in enumerate(rows, 1):
        writer.writerow([_harmless(value) for value in row])
        if count % 500 == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    content = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return content


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_FORMULA) else value
