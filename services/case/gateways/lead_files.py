"""Tables of leads as files: CSV and Excel, read row by row in bounded memory (LEAD-3). Whatever is in them was made by others.

Excel is read by openpyxl: slower than its rivals, but it goes through a sheet as a stream. One that lays the sheet out in memory dies of
two cells in opposite corners (docs/decisions/0012).
"""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from typing import IO, Any, Literal, NamedTuple
from xml.etree.ElementTree import ParseError

import openpyxl
import orjson
from openpyxl.utils.exceptions import InvalidFileException

Format = Literal["csv", "xlsx"]

MOST_ROWS = 200_000
MOST_COLUMNS = 60
MOST_CHARACTERS = 20_000
"""Of a cell; what is longer is cut behind it, which the check of the cell then refuses."""
MOST_UNPACKED = 256 * 1024 * 1024
"""Bytes of an Excel file's contents."""
MOST_SHARED = 64 * 1024 * 1024
"""Bytes of such a part that is held in memory, as the texts that cells refer to are: any but a sheet."""
MOST_KEPT = 256 * 1024 * 1024
"""Bytes of all rows together, as they are kept while they are worked on: an Excel file may name one long text in every cell."""
LAST_ROW = 1_048_576
"""Of a sheet, by Excel's own limit."""
_DELIMITERS = ",;\t|"
_PIECE = 1024 * 1024
_EVERY = 1000

# What openpyxl comes to grief with on files that are none, or are made to break it.
_BROKEN = (
    *(AssertionError, AttributeError, EOFError, LookupError, NotImplementedError, OverflowError, RuntimeError, TypeError, ValueError),
    *(ParseError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, InvalidFileException),
)


class BadFile(Exception):
    """The file as a whole cannot be read; the text says why and what to do, and in which row if it is known."""


class Row(NamedTuple):
    """A row with something in it. `number`: as a spreadsheet counts, from 1. `formulas`: which cells hold one."""

    number: int
    cells: list[str]
    formulas: list[int]


class Table:
    """The rows of a file, read once and kept in a temporary file. Close it."""

    def __init__(self, file: IO[bytes], kind: Format, beat: Callable[[], None] = lambda: None) -> None:
        """Read it all; `beat` is called now and then. Raises `BadFile`."""
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with this object
        try:
            with closing(_csv_rows(file) if kind == "csv" else _xlsx_rows(file)) as rows:
                self.header = next(rows, Row(1, [], []))
                self.count = self._keep(rows, beat)
        except BaseException:
            self.close()
            raise

    def rows(self, after: int = 0) -> Iterator[Row]:
        """The rows behind the one with this number, without the header."""
        self._kept.seek(0)
        for line in self._kept:
            row = Row(*orjson.loads(line))
            if row.number > after:
                yield row

    def close(self) -> None:
        """Let go of what is kept."""
        self._kept.close()

    def _keep(self, rows: Iterator[Row], beat: Callable[[], None]) -> int:
        count, size = 0, 0
        for row in rows:
            count += 1
            if count > MOST_ROWS:
                raise BadFile(f"it has more than {MOST_ROWS} rows; import it in parts")
            line = orjson.dumps(tuple(row)) + b"\n"
            size += len(line)
            if size > MOST_KEPT:
                raise BadFile(f"its texts are longer than {MOST_KEPT // 2**20} MiB together; import it in parts")
            self._kept.write(line)
            if count % _EVERY == 0:
                beat()
        return count


def _csv_rows(file: IO[bytes]) -> Generator[Row, None, None]:
    encoding = _encoding(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        first = text.readline(_PIECE)
        delimiter = max(_DELIMITERS, key=first.count)
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, 1):
                if number == 1 or any(cell and not cell.isspace() for cell in cells):
                    yield _row(number, cells, [])
        except csv.Error as error:
            where = f"line {reader.line_num} (row {number + 1})"
            raise BadFile(f"{where} is not CSV: {error}; a quotation mark inside a cell is written twice") from None
    finally:
        text.detach()


def _encoding(file: IO[bytes]) -> str:
    """UTF-8 or UTF-16 as marked, else UTF-8 if it is, else Windows-1252. Raises `BadFile`."""
    file.seek(0)
    start = file.read(4)
    is_marked = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_marked else ("utf-8-sig", "cp1252"):
        decoder = codecs.getincrementaldecoder(encoding)()
        file.seek(0)
        try:
            while piece := file.read(_PIECE):
                if "\x00" in decoder.decode(piece):
                    raise BadFile("it is no text; save it as CSV (UTF-8), or as an Excel workbook (.xlsx)")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise BadFile("its letters are neither UTF-8 nor Windows-1252; save it as CSV (UTF-8)")


def _xlsx_rows(file: IO[bytes]) -> Generator[Row, None, None]:
    try:
        _check_contents(file)
        book = openpyxl.load_workbook(file, read_only=True, keep_links=False)
        try:
            sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
            if sheet is None:
                raise BadFile("the workbook has no sheet to be seen")
            sheet.reset_dimensions()
            header = next(sheet.iter_rows(max_row=1, max_col=MOST_COLUMNS + 1), ())
            width = max((place for place, cell in enumerate(header, 1) if cell.value is not None), default=1)
            # One further than the header, to see what has no column; not all that a row may have, which would be made for each row.
            for number, cells in enumerate(sheet.iter_rows(max_col=width + 1), 1):
                if number > LAST_ROW:
                    raise BadFile(f"its rows go beyond the last one that a sheet has, {LAST_ROW}")
                if number > 1 and all(cell.value is None or cell.value == "" for cell in cells):
                    continue
                formulas = [place for place, cell in enumerate(cells) if cell.data_type == "f"]
                yield _row(number, [_shown(cell.value) for cell in cells], formulas)
        finally:
            book.close()
    except _BROKEN as error:
        raise BadFile(f"it cannot be read as an Excel workbook ({type(error).__name__}); save it again as .xlsx, or as CSV") from error


def _check_contents(file: IO[bytes]) -> None:
    """Refuse what unpacks to far more than it seems. A part never gives more bytes than it declares: reading stops there."""
    file.seek(0)
    start = file.read(8)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadFile("it is an Excel file of before 2007, or has a password; save it as .xlsx without a password, or as CSV")
    file.seek(0)
    with zipfile.ZipFile(file) as parts:
        infos = parts.infolist()
    if len(infos) > 2000 or sum(info.file_size for info in infos) > MOST_UNPACKED:
        raise BadFile(f"unpacked it is larger than {MOST_UNPACKED // 2**20} MiB; import it in parts, or as CSV")
    if any(info.file_size > MOST_SHARED for info in infos if not info.filename.startswith("xl/worksheets/")):
        raise BadFile(f"its texts are larger than {MOST_SHARED // 2**20} MiB; import it in parts, or as CSV")
    file.seek(0)


def _row(number: int, cells: Sequence[str], formulas: list[int]) -> Row:
    kept = [cell[: MOST_CHARACTERS + 1].strip() for cell in cells]
    while kept and not kept[-1] and len(kept) - 1 not in formulas:
        kept.pop()
    if len(kept) > MOST_COLUMNS:
        raise BadFile(f"row {number} has more than {MOST_COLUMNS} columns")
    return Row(number, kept, formulas)


def _shown(value: Any) -> str:
    """A cell as text: as one would type it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime():
            return (value.date() if value.time() == time() else value).isoformat()
        case date():
            return value.isoformat()
        case _:
            # Half of a surrogate pair is no character, and a NUL none that the database holds; neither may stop the file.
            return str(value).encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
