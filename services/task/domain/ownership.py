"""Whom a task is for, and who has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.ids import UserId


class OwnerKind(StrEnum):
    """What an owner is: one user, or anybody of a role or unit."""

    USER = "user"
    ROLE = "role"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a task is for: a user by login name, or a role or unit by code."""

    kind: OwnerKind
    code: str

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"

    @property
    def assignee(self) -> UserId | None:
        """The one user whom naming this owner gives the task to; None when a member has to accept it first."""
        return UserId(self.code) if self.kind is OwnerKind.USER else None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a member of staff, or (`is_system`) the product itself, by a rule or on an event."""

    user: UserId
    roles: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    oversees: bool = False
    """Whether their permissions reach this task although they do not own it: a team leader, a manager."""
    is_system: bool = False


SYSTEM = Actor(UserId("system"), is_system=True)
"""The product itself."""


def is_member(owner: Owner, actor: Actor) -> bool:
    """Whether the actor is the user, or one of the role or unit, that the task is for."""
    if owner.kind is OwnerKind.USER:
        return owner.code == actor.user
    return owner.code in (actor.roles if owner.kind is OwnerKind.ROLE else actor.units)


def may_accept(owner: Owner, assignee: UserId | None, actor: Actor) -> bool:
    """Whether the actor may take the task: as a member, while nobody else has it."""
    return not actor.is_system and is_member(owner, actor) and assignee in (None, actor.user)


def may_work_on(assignee: UserId | None, actor: Actor) -> bool:
    """Whether the actor may move the task on, once somebody has it: that user, an overseer, or the system."""
    return assignee is not None and (assignee == actor.user or actor.oversees or actor.is_system)


def may_reassign(owner: Owner, assignee: UserId | None, actor: Actor) -> bool:
    """Whether the actor may give the task to somebody else.

    The user who has it may hand it on; while nobody has it, any member may pass it on; overseers and rules always may.
    """
    if actor.oversees or actor.is_system:
        return True
    return is_member(owner, actor) if assignee is None else assignee == actor.user
