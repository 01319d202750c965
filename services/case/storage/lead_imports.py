"""Imports of leads from files: what is to be done, how far it has come, and what was wrong with which row (LEAD-3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.storage.records import insert
from services.case.storage.views import Rows
from shared.storage import Transaction

MOST_ATTEMPTS = 3
"""Begun so often without getting any further, an import is given up."""
_SHOWN = """id, filename, format, size, sha256, default_type, dry_run, state, problem, total, done, created, repeated, refused,
    requested_by, requested_at, finished_at"""


class Request(NamedTuple):
    """What somebody wants imported. Field names are those of the table `lead_imports`, whose first columns they are."""

    id: UUID
    sha256: str
    size: int
    filename: str
    format: str
    default_type: str
    dry_run: bool
    state: str
    requested_by: str
    unit: str
    requested_at: datetime
    traceparent: str


class Job(NamedTuple):
    """An import that somebody works on. `position`: the number of the last row that is done."""

    id: UUID
    sha256: str
    size: int
    format: str
    default_type: str
    dry_run: bool
    requested_by: str
    unit: str
    traceparent: str
    position: int


class Step(NamedTuple):
    """What became of some rows."""

    position: int
    done: int
    created: int
    repeated: int
    refused: int


class ProblemRow(NamedTuple):
    """What is wrong with a cell. Field names are those of the table `lead_import_problems`."""

    import_id: UUID
    row_number: int
    position: int
    column_name: str
    value: str
    problem: str


def add(tx: Transaction, request: Request) -> None:
    """Ask for an import."""
    insert(tx, "lead_imports", [request])


def take(tx: Transaction, me: str, hold_seconds: float) -> Job | None:
    """Take the import that has waited longest, or that nobody works on any more; None: there is nothing to do.

    An import that was begun too often without getting further, as it kills or breaks whoever works on it, has failed.
    """
    tx.execute(
        """update lead_imports set state = 'failed', finished_at = now(), held_by = null,
               problem = 'it could not be worked on: it stopped at the same place again and again'
           where state = 'running' and attempts >= %s and held_until < now()""",
        (MOST_ATTEMPTS,),
    )
    row = tx.row(
        """update lead_imports set state = 'running', held_by = %s, held_until = now() + make_interval(secs => %s),
               attempts = attempts + 1
           where id = (select id from lead_imports
                       where state in ('waiting', 'running') and (held_until is null or held_until < now()) and attempts < %s
                       order by requested_at, id limit 1 for update skip locked)
           returning id, sha256, size, format, default_type, dry_run, requested_by, unit, traceparent, position""",
        (me, hold_seconds, MOST_ATTEMPTS),
    )
    return None if row is None else Job(*row)


def hold(tx: Transaction, id: UUID, me: str, hold_seconds: float, total: int | None = None) -> bool:
    """Go on holding it, and say how many rows it has. False: it is held by another by now, or was cancelled."""
    row = tx.row(
        """update lead_imports set held_until = now() + make_interval(secs => %s), total = coalesce(%s, total)
           where id = %s and held_by = %s and state = 'running' returning 1""",
        (hold_seconds, total, id, me),
    )
    return row is not None


def advance(tx: Transaction, id: UUID, me: str, step: Step, hold_seconds: float) -> bool:
    """Note what became of some rows, in the transaction that did it. False: as `hold` has it, and nothing may be kept."""
    row = tx.row(
        """update lead_imports set position = %s, done = done + %s, created = created + %s, repeated = repeated + %s,
               refused = refused + %s, attempts = 1, held_until = now() + make_interval(secs => %s)
           where id = %s and held_by = %s and state = 'running' returning 1""",
        (*step, hold_seconds, id, me),
    )
    return row is not None


def finish(tx: Transaction, id: UUID, me: str, problem: str = "") -> None:
    """It is done; or with a problem, it has failed as a whole."""
    tx.execute(
        """update lead_imports set state = %s, problem = %s, finished_at = now(), held_by = null, held_until = null
           where id = %s and held_by = %s and state = 'running'""",
        ("failed" if problem else "done", problem, id, me),
    )


def leave(tx: Transaction, me: str) -> None:
    """Let another go on at once."""
    tx.execute("update lead_imports set held_until = now(), attempts = attempts - 1 where held_by = %s and state = 'running'", (me,))


def cancel(tx: Transaction, id: UUID) -> None:
    """Nothing more of it is done; what is done stays."""
    tx.execute(
        """update lead_imports set state = 'cancelled', finished_at = now(), held_by = null
           where id = %s and state in ('waiting', 'running')""",
        (id,),
    )


def add_problems(tx: Transaction, problems: Sequence[ProblemRow]) -> None:
    """Keep what was wrong."""
    insert(tx, "lead_import_problems", problems, "on conflict do nothing")


def show(tx: Transaction, id: UUID, rows: Rows, *, lock: bool = False) -> dict[str, Any] | None:
    """One import, if it is among `rows`."""
    found = tx.dicts(f"select {_SHOWN}, unit from lead_imports where id = %s{' for update' if lock else ''}", (id,))
    if not found:
        return None
    unit, requested_by = found[0].pop("unit"), found[0]["requested_by"]
    is_seen = rows.owner is None or requested_by == rows.owner or (rows.unit is not None and unit == rows.unit)
    return found[0] if is_seen else None


def list_imports(tx: Transaction, rows: Rows, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` imports among `rows`, the newest first, after time and id of the last one seen."""
    at, id = after or (None, None)
    return tx.dicts(
        f"""select {_SHOWN} from lead_imports
            where (%(owner)s::text is null or requested_by = %(owner)s or unit = %(unit)s)
              and (%(at)s::timestamptz is null or (requested_at, id) < (%(at)s, %(id)s::uuid))
            order by requested_at desc, id desc limit {int(limit)}""",
        {"owner": rows.owner, "unit": rows.unit, "at": at, "id": id},
    )


def problems(tx: Transaction, id: UUID, after: tuple[int, int], limit: int) -> list[dict[str, Any]]:
    """What was wrong, in the order of the file, after this row number and position."""
    return tx.dicts(
        f"""select row_number as row, position, column_name as column, value, problem from lead_import_problems
            where import_id = %s and (row_number, position) > (%s, %s) order by row_number, position limit {int(limit)}""",
        (id, *after),
    )
