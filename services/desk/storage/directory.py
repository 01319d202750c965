"""Staff and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.desk.domain.directory import Member, Unit
from shared.storage import Transaction

_MEMBER = '"user", name, email, unit, roles, active'
_UNIT = "code, name, email, leader, manager, members"


def lock_all(tx: Transaction) -> None:
    """Hold the directory and the configuration against others until this transaction ends; applying is rare and short."""
    tx.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ' configuration'))")


def _member(row: Sequence[Any]) -> Member:
    return Member(row[0], row[1], row[2], row[3], tuple(row[4]), row[5])


def _unit(row: Sequence[Any]) -> Unit:
    return Unit(row[0], row[1], row[2], row[3], row[4], tuple(row[5]))


def members(tx: Transaction) -> dict[str, Member]:
    """Everybody, by user."""
    return {row[0]: _member(row) for row in tx.rows(f'select {_MEMBER} from staff order by "user"')}


def page_of_members(tx: Transaction, limit: int, after: str | None) -> list[Member]:
    """Up to `limit` members of staff after this user."""
    return [
        _member(row)
        for row in tx.rows(
            f'select {_MEMBER} from staff where %s::text is null or "user" > %s order by "user" limit %s', (after, after, limit)
        )
    ]


def member(tx: Transaction, user: str) -> Member | None:
    """One member of staff."""
    row = tx.row(f'select {_MEMBER} from staff where "user" = %s', (user,))
    return None if row is None else _member(row)


def units(tx: Transaction) -> dict[str, Unit]:
    """All units, by code."""
    return {row[0]: _unit(row) for row in tx.rows(f"select {_UNIT} from units order by code")}


@dataclass(frozen=True, slots=True)
class Revised:
    """The new revision of each row that was written, by its key."""

    members: Mapping[str, int]
    units: Mapping[str, int]


def save(tx: Transaction, changed: Sequence[Member], changed_units: Sequence[Unit]) -> Revised:
    """Write these, one revision further each."""
    user_rows = tx.rows(
        """insert into staff as s ("user", revision, name, email, unit, roles, active)
           select u, 1, name, email, unit, string_to_array(roles, ' '), active
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[]) as t(u, name, email, unit, roles, active)
           on conflict ("user") do update set revision = s.revision + 1, name = excluded.name, email = excluded.email,
                  unit = excluded.unit, roles = excluded.roles, active = excluded.active
           returning "user", revision""",
        (
            [m.user for m in changed],
            [m.name for m in changed],
            [m.email for m in changed],
            [m.unit for m in changed],
            [" ".join(m.roles) for m in changed],
            [m.active for m in changed],
        ),
    )
    unit_rows = tx.rows(
        """insert into units as u (code, revision, name, email, leader, manager, members)
           select code, 1, name, email, leader, manager, string_to_array(members, ' ')
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                as t(code, name, email, leader, manager, members)
           on conflict (code) do update set revision = u.revision + 1, name = excluded.name, email = excluded.email,
                  leader = excluded.leader, manager = excluded.manager, members = excluded.members
           returning code, revision""",
        (
            [u.code for u in changed_units],
            [u.name for u in changed_units],
            [u.email for u in changed_units],
            [u.leader for u in changed_units],
            [u.manager for u in changed_units],
            [" ".join(u.members) for u in changed_units],
        ),
    )
    return Revised(dict(user_rows), dict(unit_rows))


def set_configured_hashes(tx: Transaction, hashes: Mapping[str, str]) -> None:
    """Take these users' password hashes over where they differ from what the configuration gave before."""
    tx.execute(
        """update staff set password_hash = given.hash, configured_hash = given.hash
           from unnest(%s::text[], %s::text[]) as given(u, hash)
           where staff."user" = given.u and staff.configured_hash is distinct from given.hash""",
        (list(hashes), list(hashes.values())),
    )


def password_hash(tx: Transaction, user: str) -> str | None:
    """The hash of an active user's password; None where there is no such user, or they have none."""
    row = tx.row('select password_hash from staff where "user" = %s and active', (user,))
    return None if row is None else row[0]


def set_password_hash(tx: Transaction, user: str, hashed: str) -> None:
    """Change a user's password."""
    tx.execute('update staff set password_hash = %s where "user" = %s', (hashed, user))
