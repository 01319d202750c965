"""Columns of many rows as PostgreSQL's binary arrays, made in one pass over the values.

The driver renders arrays element by element through its adapters, and PostgreSQL takes JSON documents apart slowly: for a row of twelve
columns the server's share is 24 µs this way and 37 µs as JSON, at the same cost here (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper

if TYPE_CHECKING:
    from shared.storage.database import Transaction

_HEADER = Struct(">iiIii").pack
_EMPTY = Struct(">iiI").pack
_LENGTH = Struct(">i").pack
_SMALL, _INT, _BIG = Struct(">ih").pack, Struct(">ii").pack, Struct(">iq").pack
_COUNT = Struct(">h").pack
_COPY_HEAD, _COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), _COUNT(-1)
_NULL = b"\xff\xff\xff\xff"
_UUID = _LENGTH(16)
_TRUE, _FALSE = _LENGTH(1) + b"\x01", _LENGTH(1) + b"\x00"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH_MICROS = (_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


class Array:
    """A column's values as the server receives them. `type` is the SQL type of an element."""

    type = ""
    element = 0
    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = parts
        """The values, each after its length: a row's field in COPY's binary format is the same."""

    @property
    def data(self) -> bytes:
        """The whole array."""
        # The flag for NULLs may always be set: the server looks for itself.
        head = _HEADER(1, 1, self.element, len(self.parts), 1) if self.parts else _EMPTY(0, 0, self.element)
        return head + b"".join(self.parts)


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data


def _kind(sql_type: str, element: int, array: int) -> type[Array]:
    kind = type(f"{sql_type.title()}Array", (Array,), {"__slots__": (), "type": sql_type, "element": element})
    psycopg.adapters.register_dumper(kind, type(f"{sql_type.title()}ArrayDumper", (_ArrayDumper,), {"oid": array}))
    return kind


# Element and array oids are fixed in PostgreSQL's catalogue (pg_type.dat).
_Bools = _kind("bool", 16, 1000)
_Blobs = _kind("bytea", 17, 1001)
_Bigs = _kind("int8", 20, 1016)
_Smalls = _kind("int2", 21, 1005)
_Ints = _kind("int4", 23, 1007)
_Texts = _kind("text", 25, 1009)
_Moments = _kind("timestamptz", 1184, 1185)
_Uuids = _kind("uuid", 2950, 2951)
_Documents = _kind("jsonb", 3802, 3807)


def uuids(values: Iterable[UUID | None]) -> Array:
    """`uuid[]`."""
    return _Uuids([_NULL if value is None else _UUID + value.bytes for value in values])


def uuid_bytes(values: Iterable[bytes]) -> Array:
    """`uuid[]`, from the 16 bytes of each."""
    return _Uuids([_UUID + value for value in values])


def texts(values: Iterable[str | None]) -> Array:
    """`text[]`. Text with a NUL is refused by the server, lone surrogates here (`UnicodeEncodeError`)."""
    parts = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            encoded = value.encode()
            parts.append(_LENGTH(len(encoded)) + encoded)
    return _Texts(parts)


class _Codes(dict[str | None, bytes]):
    """Texts by themselves, each encoded once."""

    def __missing__(self, value: str) -> bytes:
        encoded = value.encode()
        part = self[value] = _LENGTH(len(encoded)) + encoded
        return part


def codes(values: Iterable[str | None]) -> Array:
    """`texts` of which many are alike, in half the time."""
    known = _Codes({None: _NULL})
    return _Texts([known[value] for value in values])


def blobs(values: Iterable[bytes | None]) -> Array:
    """`bytea[]`."""
    return _Blobs([_NULL if value is None else _LENGTH(len(value)) + value for value in values])


def documents(values: Iterable[bytes | None]) -> Array:
    """`jsonb[]`, from JSON as bytes."""
    return _Documents([_NULL if value is None else _LENGTH(len(value) + 1) + b"\x01" + value for value in values])


def bools(values: Iterable[bool | None]) -> Array:
    """`bool[]`."""
    return _Bools([_NULL if value is None else _TRUE if value else _FALSE for value in values])


def small_ints(values: Iterable[int | None]) -> Array:
    """`int2[]`."""
    return _Smalls([_NULL if value is None else _SMALL(2, value) for value in values])


def ints(values: Iterable[int | None]) -> Array:
    """`int4[]`."""
    return _Ints([_NULL if value is None else _INT(4, value) for value in values])


def big_ints(values: Iterable[int | None]) -> Array:
    """`int8[]`."""
    return _Bigs([_NULL if value is None else _BIG(8, value) for value in values])


def moments(values: Iterable[datetime | None]) -> Array:
    """`timestamptz[]`, from datetimes with a zone."""
    known: dict[datetime | None, bytes] = {None: _NULL}  # a batch has few moments: when it was decided, mostly
    parts = []
    for value in values:
        part = known.get(value)
        if part is None and value is not None:
            part = known[value] = _BIG(8, (value - _EPOCH) // _MICROSECOND)
        parts.append(part or _NULL)
    return _Moments(parts)


def moments_of_micros(values: Iterable[int | None]) -> Array:
    """`timestamptz[]`, from microseconds since 1970-01-01 UTC."""
    return _Moments([_NULL if value is None else _BIG(8, value - _EPOCH_MICROS) for value in values])


def arrays_text(values: Iterable[Sequence[str]]) -> Array:
    """`text[]` of array literals, for a column that is itself an array of text: cast it in the statement."""
    quoted = (['"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value] for value in values)
    return texts("{" + ",".join(items) + "}" for items in quoted)


def copy(tx: Transaction, table: str, columns: Iterable[str], rows: Sequence[bytes]) -> None:
    """Insert rows as `fields` makes them, one field for each column: the server takes them in a fifth faster than `insert`'s columns."""
    names = tuple(columns)
    count = _COUNT(len(names))
    data = b"".join((_COPY_HEAD, count, count.join(rows), _COPY_END))
    tx.copy(f"copy {table} ({', '.join(names)}) from stdin (format binary)", data)


def fields(columns: Iterable[Array]) -> list[bytes]:
    """Rows, or a part of the fields of each, from columns; parts are put together by adding one to the other."""
    return [b"".join(parts) for parts in zip(*[column.parts for column in columns], strict=True)]


def uuid_field(value: UUID) -> bytes:
    """A field of a row."""
    return _UUID + value.bytes


def insert(
    tx: Transaction, table: str, columns: Mapping[str, Array], on_conflict: str = "", casts: Mapping[str, str] | None = None
) -> None:
    """Insert rows given by column. `casts`: the type of columns that PostgreSQL does not convert by itself (`text[]` from its literal)."""
    names = ", ".join(columns)
    given = ", ".join(f"%b::{column.type}[]" for column in columns.values())
    wanted = ", ".join(f"{name}::{casts[name]}" if casts and name in casts else name for name in columns)
    tx.execute(
        f"insert into {table} ({names}) select {wanted} from unnest({given}) as given({names}) {on_conflict}", tuple(columns.values())
    )
