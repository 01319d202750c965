"""What applying a configuration does to the directory of staff and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff, as the directory tells of them."""

    user: str
    name: str
    email: str
    unit: str
    roles: tuple[str, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """A business unit with the active members it has."""

    code: str
    name: str
    email: str
    leader: str | None
    manager: str | None
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Whom and what to tell of: only what differs."""

    members: tuple[Member, ...]
    units: tuple[Unit, ...]


def directory_changes(
    known_members: Mapping[str, Member],
    known_units: Mapping[str, Unit],
    members: Sequence[Member],
    units: Sequence[Unit],
) -> Changes:
    """What changes from the known directory to the given one.

    Who is not given any more stays known, but inactive: their name is on records. A unit that is gone stays, empty.
    """
    given_members = {member.user: member for member in members}
    given_units = {unit.code: unit for unit in units}
    for user, member in known_members.items():
        given_members.setdefault(user, replace(member, active=False))
    for code, unit in known_units.items():
        given_units.setdefault(code, replace(unit, leader=None, manager=None, members=()))
    return Changes(
        tuple(given_members[user] for user in sorted(given_members) if given_members[user] != known_members.get(user)),
        tuple(given_units[code] for code in sorted(given_units) if given_units[code] != known_units.get(code)),
    )
