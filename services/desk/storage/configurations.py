"""Versions of the configuration. Each is kept; the newest is the one in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Version:
    """A version, without its content."""

    version: int
    digest: str
    applied_by: str
    applied_at: datetime


def newest(tx: Transaction) -> Version | None:
    """The version in force; None before the first."""
    row = tx.row("select version, digest, applied_by, applied_at from configurations order by version desc limit 1")
    return None if row is None else Version(*row)


def in_force(tx: Transaction) -> frozenset[int]:
    """The versions of the text in force: the newest, and those that differ from it in the days of feeds alone. Before the first: 0."""
    rows = tx.rows("select version from configurations where digest = (select digest from configurations order by version desc limit 1)")
    return frozenset(row[0] for row in rows) or frozenset({0})


def versions(tx: Transaction, limit: int, before: int | None) -> list[Version]:
    """Up to `limit` versions, the newest first, older than `before`."""
    rows = tx.rows(
        "select version, digest, applied_by, applied_at from configurations"
        " where %s::int is null or version < %s order by version desc limit %s",
        (before, before, limit),
    )
    return [Version(*row) for row in rows]


def add(tx: Transaction, version: Version, source: str, document: dict[str, Any]) -> None:
    """Keep a new version."""
    tx.execute(
        "insert into configurations (version, digest, source, document, applied_by, applied_at) values (%s, %s, %s, %s::jsonb, %s, %s)",
        (version.version, version.digest, source, orjson.dumps(document).decode(), version.applied_by, version.applied_at),
    )


def source(tx: Transaction, version: int | None = None) -> tuple[int, str] | None:
    """Version and YAML text of a version, or of the newest."""
    row = tx.row(
        "select version, source from configurations where %s::int is null or version = %s order by version desc limit 1",
        (version, version),
    )
    return None if row is None else (row[0], row[1])


def document(tx: Transaction, version: int | None = None) -> tuple[int, dict[str, Any]] | None:
    """Version and content of a version, or of the newest, as data."""
    row = tx.row(
        "select version, document from configurations where %s::int is null or version = %s order by version desc limit 1",
        (version, version),
    )
    return None if row is None else (row[0], row[1])
