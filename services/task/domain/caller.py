"""Who calls the API, as far as tasks are concerned: which they reach, and how they act on one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.task.domain.ownership import Actor, Owner, OwnerKind, is_member
from services.task.domain.task import Task
from shared.ids import UserId


@dataclass(frozen=True, slots=True)
class Caller:
    """A member of staff or a machine, with the reach of their permissions."""

    user: str
    roles: frozenset[str] = frozenset()
    unit: str = ""
    scope: Literal["own", "unit", "all"] = "own"
    may_assign: bool = False

    def oversees(self, unit: str) -> bool:
        """Whether they act on what others of this unit hold: a leader on the unit's, one who reaches all on everything."""
        return self.scope == "all" or (self.may_assign and self.scope == "unit" and bool(unit) and unit == self.unit)

    def actor_on(self, task: Task) -> Actor:
        """How they act on this task."""
        return Actor(UserId(self.user), self.roles, self._units, self.oversees(task.unit))

    def sees(self, task: Task) -> bool:
        """Whether the task is within reach."""
        return self.reaches(task.owner, task.assignee, task.unit)

    def reaches(self, owner: Owner, assignee: str | None, unit: str) -> bool:
        """Whether a task of these is within reach: theirs, one they could accept, their unit's, or any. As `storage.lists` lists them."""
        if self.scope == "all" or assignee == self.user or (self.scope == "unit" and unit == self.unit):
            return True
        if owner.kind is OwnerKind.USER:
            return owner.code == self.user
        return assignee is None and is_member(owner, Actor(UserId(self.user), self.roles, self._units))

    @property
    def _units(self) -> frozenset[str]:
        return frozenset({self.unit}) if self.unit else frozenset()
