"""Life-cycle states of a case, and the organisation's statuses that stand for them (CASE-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.case.domain.cancellation import CancellationReasons
from services.case.domain.key_dates import CompletionRule


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


class Stage(StrEnum):
    """The steps that are made by choosing a category (CASE-4): each is an answer to the customer's matter."""

    RESPONSE = "response"
    TEMPORARY_RESOLUTION = "temporary_resolution"
    FINAL_RESOLUTION = "final_resolution"

    @property
    def state(self) -> LifeCycle:
        """The life-cycle state that giving this answer leads to."""
        return _STATE_OF[self]


_STATE_OF: Mapping[Stage, LifeCycle] = {
    Stage.RESPONSE: LifeCycle.RESPONDED,
    Stage.TEMPORARY_RESOLUTION: LifeCycle.TEMPORARILY_RESOLVED,
    Stage.FINAL_RESOLUTION: LifeCycle.FINALLY_RESOLVED,
}
STAGE_OF: Mapping[LifeCycle, Stage] = {state: stage for stage, state in _STATE_OF.items()}
"""The stage whose answer leads to a state; pending, completed and cancelled have none."""


@dataclass(frozen=True, slots=True)
class AnswerCategories:
    """The categories of one stage that a subject's cases may choose: by code, whether each requires the customer's acceptance.

    `default`: what is taken when a status makes the step and none is chosen; empty: one has to be chosen.
    """

    requires_acceptance: Mapping[str, bool]
    default: str = ""


NO_CATEGORIES = AnswerCategories({})


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
    cancellation: CancellationReasons = field(default_factory=CancellationReasons)
    answers: Mapping[Stage, AnswerCategories] = field(default_factory=dict)
    """By stage; a stage without categories is made by a status alone, and its answer has no category."""
    completion: CompletionRule = field(default_factory=CompletionRule)
