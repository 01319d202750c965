"""Contacts and filled-in forms with their files as forms (multipart/form-data, RFC 7578), read as they come in and held in memory only.

Starlette's own reader puts longer files into temporary files on disk, counts neither their bytes nor what they come to together, and
takes a form that breaks off for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.ingest.domain.contacts import Upload
from services.ingest.domain.mail import clean_filename

FORM_TYPE = "multipart/form-data"
DEFAULT_TYPE = "application/octet-stream"
LONGEST_BOUNDARY = 70
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_ENCODINGS = {b"", b"7bit", b"8bit", b"binary"}


class BadForm(Exception):
    """This is no form with the fields that are asked for; the text says why, without its data."""


class FormTooLarge(Exception):
    """The form goes over a limit; the text says which."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Sizes in bytes; `files`: how many."""

    field_bytes: int
    files: int
    file_bytes: int
    files_bytes: int


@dataclass(slots=True)
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str = ""
    data: bytearray = field(default_factory=bytearray)


class Form:
    """Reads one form: `feed` it, then `finish`. Each of `names` is a field, once at most; any number of parts `file` within the limits."""

    def __init__(self, content_type: str, limits: FormLimits, names: Sequence[str]) -> None:
        """Raises `BadForm`."""
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary", b"")
        if not 0 < len(boundary) <= LONGEST_BOUNDARY:
            raise BadForm("its Content-Type names no boundary of up to 70 characters")
        self._limits = limits
        self._names = names
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )
        self._part = _Part()
        self._field, self._value = bytearray(), bytearray()
        self._fields: dict[str, bytes] = {}
        self._files: list[Upload] = []
        self._files_bytes = 0
        self._is_whole = False

    def feed(self, data: bytes) -> None:
        """Read on. Raises `BadForm` and `FormTooLarge`, after which nothing may be fed any more."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadForm("it is not written as multipart/form-data") from error

    def finish(self) -> tuple[dict[str, bytes], tuple[Upload, ...]]:
        """The fields by name, and the files. Raises `BadForm`."""
        if not self._is_whole:
            raise BadForm("it breaks off before its end")
        return self._fields, tuple(self._files)

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._part.headers[bytes(self._field).lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        part = self._part
        kind, parameters = parse_options_header(part.headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in parameters:
            raise BadForm("a part of it has no name")
        # Base64 has no place in forms (RFC 7578, 4.7); a file must not be kept in a spelling of itself.
        if part.headers.get(b"content-transfer-encoding", b"").strip().lower() not in _ENCODINGS:
            raise BadForm("a part of it has a Content-Transfer-Encoding")
        part.name, part.filename = _text(parameters[b"name"]), _text(parameters.get(b"filename", b""))
        if part.name != "file" and part.name not in self._names:
            raise BadForm(f"a part of it is named neither {' nor '.join(self._names)} nor file")
        if part.name in self._fields:
            raise BadForm(f"it has several parts named {part.name}")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part, length = self._part, end - start
        if part.name != "file":
            if len(part.data) + length > self._limits.field_bytes:
                raise FormTooLarge(f"The {part.name} is longer than {self._limits.field_bytes} bytes.")
        else:
            if len(part.data) + length > self._limits.file_bytes:
                raise FormTooLarge(f"A file is longer than {self._limits.file_bytes} bytes.")
            self._files_bytes += length
            if self._files_bytes > self._limits.files_bytes:
                raise FormTooLarge(f"The files are longer than {self._limits.files_bytes} bytes together.")
        part.data += memoryview(data)[start:end]

    def _part_end(self) -> None:
        part, content = self._part, bytes(self._part.data)
        self._part = _Part()
        if part.name != "file":
            self._fields[part.name] = content
            return
        if not part.filename and not content:
            return  # how browsers send a field in which no file was chosen
        if len(self._files) >= self._limits.files:
            raise FormTooLarge(f"There are more than {self._limits.files} files.")
        kind = _media_type(part.headers.get(b"content-type", b""))
        self._files.append(Upload(clean_filename(part.filename, kind), kind, content))

    def _end(self) -> None:
        self._is_whole = True


def _text(value: bytes) -> str:
    """UTF-8, as all browsers and libraries send it; anything else is read so that it loses nothing."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _media_type(value: bytes) -> str:
    kind = parse_options_header(value)[0].decode("latin-1")
    return kind if _TYPE.fullmatch(kind) else DEFAULT_TYPE
