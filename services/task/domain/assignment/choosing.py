"""Choosing the member of a group who gets a task: present, with its skills, below their capacity; by turns or by load (EDGE-13)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.task.domain.ownership import Owner, OwnerKind


class Policy(StrEnum):
    """How a member of the role or unit that a task is for gets it."""

    ACCEPT = "accept"
    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"

    @property
    def in_words(self) -> str:
        """As a task's history gives the reason."""
        return {"accept": "accepted", "round_robin": "round robin", "least_loaded": "fewest open tasks"}[self.value]


@dataclass(frozen=True, slots=True)
class Member:
    """An active member of staff, as far as giving them work is concerned."""

    user: str
    unit: str
    roles: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    capacity: int | None = None
    """Open tasks up to which more are given; None: no limit."""

    @property
    def groups(self) -> tuple[Owner, ...]:
        """The unit and the roles that they are of."""
        return (Owner(OwnerKind.UNIT, self.unit), *(Owner(OwnerKind.ROLE, role) for role in sorted(self.roles)))


@dataclass(frozen=True, slots=True)
class Staff:
    """The active members of staff of one configuration."""

    members: Mapping[str, Member]
    """By user."""
    groups: Mapping[Owner, tuple[str, ...]]
    """The users of each unit and role, sorted."""

    def bound_with(self, group: Owner) -> frozenset[Owner]:
        """The group, and every group that one of its members with a capacity is of.

        Whoever gives out tasks of one of two groups with such a member in common must see what is given out of the other meanwhile.
        """
        limited = (self.members[user] for user in self.groups.get(group, ()))
        return frozenset({group}).union(*(member.groups for member in limited if member.capacity is not None))


def staff_of(members: Collection[Member]) -> Staff:
    """The members with their groups."""
    groups: dict[Owner, list[str]] = {}
    for member in members:
        for group in member.groups:
            groups.setdefault(group, []).append(member.user)
    return Staff({member.user: member for member in members}, {group: tuple(sorted(users)) for group, users in groups.items()})


class Chooser:
    """Chooses for one task after the other; each choice counts for the next."""

    def __init__(self, staff: Staff, absent: Collection[str], loads: Mapping[str, int], turns: Mapping[Owner, str]) -> None:
        """`loads`: open tasks of each user, at least of those with a capacity, and of groups that are chosen from by load.

        `turns`: who was chosen last, by group.
        """
        self._staff = staff
        self._absent = frozenset(absent)
        self._loads = dict(loads)
        self._turns = dict(turns)

    @property
    def turns(self) -> Mapping[Owner, str]:
        """Who was chosen last, by group, after all choices."""
        return self._turns

    def choose(self, group: Owner, skills: frozenset[str], policy: Policy) -> str | None:
        """Who gets the next task of this group; None: it stays with the group, since nobody is there, able and below their capacity."""
        if policy is Policy.ACCEPT:
            return None
        users = self._in_turn(group)
        fit = (user for user in users if self._fits(self._staff.members[user], skills))
        # Of those with equally few, the one whose turn it is.
        least = min(fit, key=lambda user: self._loads.get(user, 0), default=None) if policy is Policy.LEAST_LOADED else None
        chosen = least or next(fit, None)
        if chosen is not None:
            self._loads[chosen] = self._loads.get(chosen, 0) + 1
            self._turns[group] = chosen
        return chosen

    def _in_turn(self, group: Owner) -> Sequence[str]:
        users = self._staff.groups.get(group, ())
        place = bisect_right(users, self._turns.get(group, ""))
        return users[place:] + users[:place]

    def _fits(self, member: Member, skills: frozenset[str]) -> bool:
        if member.user in self._absent or not skills <= member.skills:
            return False
        return member.capacity is None or self._loads.get(member.user, 0) < member.capacity
