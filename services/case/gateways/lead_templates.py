"""What people download of imports: a template to fill in (LEAD-3)."""

from __future__ import annotations

import io
from collections.abc import Sequence

import openpyxl
from openpyxl.styles import Font

from shared.web.csv_tables import BYTE_ORDER_MARK


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
