"""Trying a rule on an event, as it was or might be published: whether it fires, why not, and what it does (AUTO-1, TASK-5).

Nothing is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.task.api.reading import may_see_case
from services.task.api.views import caller_of
from services.task.domain.automation.rules import Rule, Verdict, judge
from services.task.domain.task import Task
from services.task.handlers.automation import Happened, fire, happened, outcome_of
from services.task.handlers.happenings import HAPPENINGS, item_id, task_of
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import queries
from shared.clock import Clock
from shared.conditions import compile_condition
from shared.messaging import ReferenceData
from shared.messaging.past import Past, PastUnavailable
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration.conditions import Condition
from shared.schemas.envelope import Event
from shared.schemas.events import CaseState, LeadState, RuleAction
from shared.storage import Database
from shared.web import NotFound, Principal, Unprocessable

TYPES = {payload.event_type: payload for payload in HAPPENINGS}
"""The types of events that rules may be for."""
MOST_TRIED: Final = 200
"""Past events on which a rule is tried to the end."""
TrialVerdict = Literal["fires", "inactive", "another-event", "does-not-hold", "own-change"]


class TriedEvent(BaseModel):
    """An event as it was, or might be, published."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(examples=["casestream.case.opened.v1"])
    data: dict[str, Any]


class Compared(BaseModel):
    """A field that the condition asks for, what the event has there, and whether the comparison holds."""

    field: str
    value: Any
    holds: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: of a rule that fires also what it does, and the tasks that it makes."""

    verdict: TrialVerdict
    compared: list[Compared] = field(default_factory=list)
    actions: list[RuleAction] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    number: str = ""
    """Of the case or lead that it is about."""

    def shown(self) -> dict[str, Any]:
        """Verdict, comparisons and outcome, as the API shows them."""
        outcome = {"outcome": outcome_of(self.actions)} if self.verdict == "fires" else {}
        return {"verdict": self.verdict, "compared": [one.model_dump() for one in self.compared]} | outcome


class PastTrials(NamedTuple):
    """What a rule would have done: on which events it would have fired, as far as the caller sees what they are about, the newest first."""

    looked_at: int
    """Events of the rule's kind."""
    fired: list[tuple[Event, Trial]]
    more: bool
    """Whether it would have fired on older ones too, which are not tried."""
    complete: bool
    """Whether all of the time asked for was looked at."""


class Trials:
    """Tries rules on events, for a caller who sees the case or task that the event is about."""

    def __init__(
        self, database: Database, reference: ReferenceData, compiled: CompiledOf, clock: Clock, published: Past | None = None
    ) -> None:
        """`published`: what was published lately; None: that cannot be read here."""
        self._database = database
        self._reference = reference
        self._compiled = compiled
        self._clock = clock
        self._published = published

    def trial(self, rule: Rule, condition: Condition | None, is_active: bool, event: TriedEvent, principal: Principal) -> Trial:
        """Try it. `condition`: the rule's, as it stands in the configuration. Raises `Unprocessable` for an event that is none, and
        `NotFound` where the caller may not see what it is about.
        """
        payload = TYPES.get(event.type)
        if payload is None:
            raise Unprocessable(f"Rules are not for events of type {event.type}.", types=sorted(TYPES))
        try:
            data: Any = payload.model_validate(event.data)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)[:5]]
            raise Unprocessable(f"The data is none of {event.type}.", problems=problems) from error
        told = [one for one in happened(uuid4(), data, self._clock(), current_traceparent(), 0) if one.occurrence.on == rule.on]
        if not told:
            return Trial("another-event")
        compared = _compared(condition, told[0].occurrence.facts)
        match judge(rule, told[0].occurrence):
            case Verdict.DOES_NOT_HOLD:
                return Trial("does-not-hold", compared)
            case Verdict.OWN_CHANGE:
                return Trial("own-change", compared)
        return self._fired(rule, condition, told[0], principal) if is_active else Trial("inactive", compared)

    def past(self, rule: Rule, condition: Condition | None, days: int, principal: Principal) -> PastTrials:
        """Try it on what was published in these last days. How often it fires for one item is counted as it would have been; that rules
        follow from one another is not. Raises `PastUnavailable`.
        """
        about = f"casestream.{rule.on.partition('.')[0]}."
        if self._published is None:
            raise PastUnavailable("past events cannot be read here")
        kinds = [payload for payload in HAPPENINGS if payload.event_type.startswith(about)]
        read = self._published.read(kinds, self._clock() - timedelta(days=days))
        looked_at = 0
        firing: list[tuple[Event, Happened]] = []
        fired: dict[UUID, list[datetime]] = defaultdict(list)
        seen: set[UUID] = set()
        for event in sorted(read.events, key=lambda event: (event.time, event.revision)):
            if event.id in seen:
                continue  # Kafka may have an event twice
            seen.add(event.id)
            for one in happened(event.id, event.data, event.time, event.traceparent, 0, (rule.on,)):
                looked_at += 1
                earlier = fired[one.occurrence.item]
                if judge(rule, one.occurrence, sum(at > event.time - rule.within for at in earlier)) is Verdict.FIRES:
                    earlier.append(event.time)
                    firing.append((event, one))
        newest = firing[: -MOST_TRIED - 1 : -1]
        tried = []
        for event, one in newest:
            with suppress(NotFound):
                tried.append((event, self._fired(rule, condition, one, principal, is_past=True)))
        return PastTrials(looked_at, tried, len(firing) > len(newest), read.complete)

    def _fired(self, rule: Rule, condition: Condition | None, one: Happened, principal: Principal, is_past: bool = False) -> Trial:
        work = Work(self._compiled, self._clock())
        is_known = self._load(work, one, principal)
        if is_past and not is_known and principal.scope != "all":
            raise NotFound
        cause = Cause(one.occurrence.id, one.occurrence.at, rule.actor, one.traceparent)
        # Done in memory, and never saved.
        actions, fired = fire(work, rule, one, self._reference.version, cause, 1)
        tasks = [work.tasks[action.task_id] for action in actions if action.task_id is not None]
        return Trial("fires", _compared(condition, one.occurrence.facts), actions, tasks, fired.item.number)

    def _load(self, work: Work, one: Happened, principal: Principal) -> bool:
        """Whether what it is about is known here. Raises `NotFound` where the caller may not see it."""
        about = item_id(one.data)
        with self._database.read() as tx:
            case = queries.get_case(tx, about)
            if case is not None:
                work.cases[about] = case
                if isinstance(one.data, CaseState | LeadState):
                    case.state = one.data.state.value  # what is done depends on how it was then
                work.add_tasks(queries.tasks_of_case(tx, about))
                if not may_see_case(caller_of(principal), case, work.tasks_of(about)):
                    raise NotFound
                return True
            if (task_id := task_of(one.data)) is not None and (found := queries.get_task(tx, task_id)) is not None:
                if not caller_of(principal).sees(found[0]):
                    raise NotFound
                work.add_tasks((found[0],))
                return True
        return False


def _leaves(condition: Condition | None) -> Iterator[Condition]:
    if condition is None:
        return
    for inner in (*(condition.all_of or ()), *(condition.any_of or ()), *((condition.none_of,) if condition.none_of else ())):
        yield from _leaves(inner)
    if condition.field is not None:
        yield condition


def fields_of(condition: Condition | None) -> list[str]:
    """The fields that it asks for."""
    return [leaf.field or "" for leaf in _leaves(condition)]


def _compared(condition: Condition | None, facts: Any) -> list[Compared]:
    return [
        Compared(field=leaf.field or "", value=facts.get(leaf.field), holds=compile_condition(leaf)(facts)) for leaf in _leaves(condition)
    ]
