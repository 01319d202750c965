"""Life-cycle states of a case, and the organisation's statuses that stand for them (CASE-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class LifeCycle(StrEnum):
    """Where a case stands. The values are those of the events."""

    PENDING = "pending"
    RESPONDED = "responded"
    TEMPORARILY_RESOLVED = "temporarily_resolved"
    FINALLY_RESOLVED = "finally_resolved"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        """Completed or cancelled: the case is locked."""
        return self in _CLOSED


_CLOSED = frozenset({LifeCycle.COMPLETED, LifeCycle.CANCELLED})

STEPS: Mapping[LifeCycle, frozenset[LifeCycle]] = {
    LifeCycle.PENDING: frozenset({LifeCycle.RESPONDED, LifeCycle.CANCELLED}),
    LifeCycle.RESPONDED: frozenset({LifeCycle.TEMPORARILY_RESOLVED, LifeCycle.FINALLY_RESOLVED}),
    LifeCycle.TEMPORARILY_RESOLVED: frozenset({LifeCycle.FINALLY_RESOLVED}),
    LifeCycle.FINALLY_RESOLVED: frozenset({LifeCycle.COMPLETED}),
    LifeCycle.COMPLETED: frozenset(),
    LifeCycle.CANCELLED: frozenset(),
}
"""The way forward. Going back is for a transition rule to allow."""

ORDER: Mapping[LifeCycle, int] = {state: place for place, state in enumerate(LifeCycle)}


@dataclass(frozen=True, slots=True)
class Status:
    """A label of the organisation for a life-cycle state; `waiting_for_customer` pauses clocks."""

    code: str
    state: LifeCycle
    waiting_for_customer: bool = False


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """Who may set `to_status` on a case in `from_status`; without units and users anybody with the permission may."""

    from_status: str
    to_status: str
    units: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    reopens: bool = False

    def permits(self, user: str, unit: str) -> bool:
        """Whether this user, of this unit, is among those who may."""
        return (not self.units and not self.users) or user in self.users or unit in self.units


@dataclass(frozen=True, slots=True)
class LifeCycleRules:
    """What a subject says about the life cycle of its cases.

    `statuses` are the allowed ones by code, `defaults` the status a state gets when none is chosen. Without `transitions` the life
    cycle's own steps are open to anybody with the permission; with some, only those listed are.
    """

    statuses: Mapping[str, Status]
    defaults: Mapping[LifeCycle, str]
    transitions: tuple[TransitionRule, ...] = ()
    has_temporary_resolution: bool = False
