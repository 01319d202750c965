"""Task rules and recurring rules over HTTP: which there are and how they stand, and what one would make (TASK-5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Literal, Self, TypeVar

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.task.api.trying import Compared, Trial, Trials, TrialVerdict, TriedEvent
from services.task.domain.automation.rules import Rule as EventRule
from services.task.domain.recurrence import Occurrence, Schedule, next_occurrence, occurrences
from services.task.domain.task import Task
from services.task.handlers.compile_rules import rule_of_task_rule
from services.task.handlers.recurring import Rule, compile_rule, rule_problems, schedule_in
from services.task.handlers.work import CompiledOf
from services.task.storage import firings, recurrences
from services.task.storage.firings import Count
from services.task.storage.recurrences import Progress
from shared.clock import Clock
from shared.messaging import ReferenceData
from shared.messaging.past import Past, PastUnavailable
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.task_rules import RecurringRule, TaskRule
from shared.schemas.parts import OwnerRef
from shared.schemas.topics import EVENT_RETENTION
from shared.storage import Database
from shared.web import Answer, PageRequest, Principal, Problem, Unprocessable, page_request, requires

Reader = Annotated[Principal, Depends(requires("task-rule:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Coded = TypeVar("Coded", TaskRule, RecurringRule)

MOST = 1000
"""Occurrences that a preview shows."""
LONGEST = timedelta(days=731)
NAMED = 20
PAGE = 5000


class PreviewBody(BaseModel):
    """A task rule as it would stand in the configuration, and what to try it on.

    A recurring one: the days by the rule to look at, both included. `recurring`: its recurring rule, as it would stand there; none: the one
    that is there. One on an event: `events`, as they were published.
    """

    model_config = ConfigDict(extra="forbid")

    rule: TaskRule
    recurring: RecurringRule | None = None
    since: Annotated[date, Field(ge=date(1970, 1, 1), le=date(2199, 1, 1))] | None = None
    until: Annotated[date, Field(ge=date(1970, 1, 1), le=date(2199, 1, 1))] | None = None
    events: Annotated[list[TriedEvent], Field(max_length=100)] = Field(default_factory=list)
    days: Annotated[int, Field(ge=1, le=EVENT_RETENTION.days)] | None = None

    @model_validator(mode="after")
    def _suits_the_rule(self) -> Self:
        if self.rule.on is None:
            if self.since is None or self.until is None:
                raise ValueError("of a recurring rule say which days to look at: give since and until")
            if self.events or self.days is not None:
                raise ValueError("events and days are for a rule on an event")
            if self.recurring is not None and self.recurring.code != self.rule.recurring:
                raise ValueError(f"the rule names the recurring rule {self.rule.recurring}, and another is given")
        elif bool(self.events) is (self.days is not None):
            raise ValueError("of a rule on an event give either events to try it on, or days to look back")
        elif (self.recurring, self.since, self.until) != (None, None, None):
            raise ValueError("recurring, since and until are for a recurring rule")
        return self


class OccurrenceView(BaseModel):
    """One time that the rule falls on. `nominal`: by the rule alone. `skipped`: why it does not take place; empty: it does."""

    nominal: date
    local: datetime
    at: datetime
    made_at: datetime
    moved: bool
    skipped: str


class TaskToBe(BaseModel):
    """A task that would be made. `starts_at`: when it would start, if not at once."""

    definition: str
    subject_line: str
    owner: OwnerRef
    unit: str
    priority: str
    starts_at: datetime | None
    due_at: datetime | None


class TriedOn(BaseModel):
    """What the rule makes of one event. `at`: when a past one happened. `number`: of the case or lead, where the rule fires. `why`: why
    nothing is made though it fires.
    """

    type: str
    at: datetime | None = None
    number: str = ""
    verdict: TrialVerdict
    compared: list[Compared]
    why: str = ""
    task: TaskToBe | None = None


class Preview(BaseModel):
    """What the rule would do.

    Of a recurring one: `tasks` of one occurrence; `accounts`, the first of those that they are for; `more`: not all occurrences are shown.
    Of one on an event: what it makes of each event, and `tasks` of all together. Looking back: of the events of its kind (`looked_at`)
    those that it fires on and that the caller reaches, the newest first; `more`: there are older ones; `complete`: all of the days were
    looked at.
    """

    occurrences: list[OccurrenceView] = Field(default_factory=list)
    more: bool = False
    tasks: int
    accounts: list[str] = Field(default_factory=list)
    events: list[TriedOn] = Field(default_factory=list)
    looked_at: int = 0
    complete: bool = True


class TaskRuleView(BaseModel):
    """A task rule as it stands in the newest configuration, and how it stands.

    `begun`: since when it makes tasks; none: one on an event, or a recurring one that is off, or that the role `work` has not met yet.
    `next`: of a recurring one that is on; none: it has ended. `done_until`: by the rule alone, the date of the last occurrence that was
    made, or passed over. `fired`: of one on an event.
    """

    rule: dict[str, Any]
    state: Literal["on", "off"]
    begun: datetime | None = None
    next: OccurrenceView | None = None
    done_until: date | None = None
    fired: int = Field(default=0, description="How often, as far as firings are kept.")
    last_fired_at: datetime | None = None


class TaskRulePage(BaseModel):
    """One page of task rules, by code."""

    items: list[TaskRuleView]
    next: str | None


class RecurringRuleView(BaseModel):
    """A recurring rule as it stands in the newest configuration, and how it stands. `on`: a task rule that is on names it.

    `next`: the next occurrence from now on, whether or not anything is made then; none: the rule has ended.
    """

    rule: dict[str, Any]
    state: Literal["on", "off"]
    task_rules: list[str]
    next: OccurrenceView | None


class RecurringRulePage(BaseModel):
    """One page of recurring rules, by code."""

    items: list[RecurringRuleView]
    next: str | None


def task_rules_router(
    database: Database, reference: ReferenceData, compiled: CompiledOf, clock: Clock, published: Past | None = None
) -> APIRouter:
    """The routes of task rules. None of them changes anything. `published`: what was published lately; None: that cannot be read here."""
    router = APIRouter(tags=["task rules"])
    trials = Trials(database, reference, compiled, clock, published)

    @router.get("/task-rules", response_model=TaskRulePage, summary="The task rules of the newest configuration, and how they stand.")
    def list_task_rules(_: Reader, page: Paging) -> Response:
        configuration, now = reference.configuration(), clock()
        found = _page(configuration.task_rules, page)
        shown = found[: page.limit]
        codes = [rule.code for rule in shown]
        with database.read() as tx:
            progress, fired = recurrences.progress_of(tx, codes), firings.fired(tx, codes)
        items = [_standing(configuration, rule, progress.get(rule.code), fired.get(rule.code, Count(0, None)), now) for rule in shown]
        return Answer(TaskRulePage(items=items, next=page.following(len(found), shown, _key)).model_dump(mode="json")).response()

    @router.get(
        "/recurring-rules", response_model=RecurringRulePage, summary="The recurring rules of the newest configuration, and how they stand."
    )
    def list_recurring_rules(_: Reader, page: Paging) -> Response:
        configuration, now = reference.configuration(), clock()
        found = _page(configuration.recurring_rules, page)
        items = []
        for rule in found[: page.limit]:
            attached = [each for each in configuration.task_rules if each.recurring == rule.code]
            schedule = schedule_in(configuration, rule)
            upcoming = next_occurrence(schedule, None, now)
            items.append(
                RecurringRuleView(
                    rule=_written(rule),
                    state="on" if any(each.active for each in attached) else "off",
                    task_rules=sorted(each.code for each in attached),
                    next=None if upcoming is None else _occurrence(upcoming, schedule),
                )
            )
        following = page.following(len(found), found[: page.limit], _key)
        return Answer(RecurringRulePage(items=items, next=following).model_dump(mode="json")).response()

    @router.post("/task-rules/preview", response_model=Preview, summary="What a task rule would make, before it is switched on.")
    def preview(body: PreviewBody, principal: Reader) -> Preview:
        configuration = reference.configuration()
        recurring = body.recurring or next((one for one in configuration.recurring_rules if one.code == body.rule.recurring), None)
        if problems := rule_problems(configuration, body.rule, recurring):
            raise Unprocessable("The rule is not sound.", problems=problems)
        if recurring is None:
            rule = rule_of_task_rule(body.rule)
            # That it is off does not matter: the question is what it would do.
            if body.days is not None:
                return _looked_back(rule, body.rule, body.days, principal)
            tried = [(each, trials.trial(rule, body.rule.condition, True, each, principal)) for each in body.events]
            events = [_tried_on(event.type, trial) for event, trial in tried]
            return Preview(tasks=sum(len(trial.tasks) for _, trial in tried), events=events, looked_at=len(tried))
        with_it = configuration.model_copy(update={"recurring_rules": (recurring,)})
        return _previewed(body, compile_rule(with_it, body.rule))

    def _looked_back(rule: EventRule, section: TaskRule, days: int, principal: Principal) -> Preview:
        try:
            found = trials.past(rule, section.condition, days, principal)
        except PastUnavailable as error:
            raise Problem(503, f"{str(error)[:1].upper()}{str(error)[1:]}.", headers={"Retry-After": "5"}) from error
        events = [_tried_on(event.type, trial, event.time) for event, trial in found.fired]
        tasks = sum(len(trial.tasks) for _, trial in found.fired)
        return Preview(tasks=tasks, events=events, more=found.more, looked_at=found.looked_at, complete=found.complete)

    def _previewed(body: PreviewBody, rule: Rule | None) -> Preview:
        since, until = body.since, body.until
        if rule is None or since is None or until is None or not timedelta(0) <= until - since <= LONGEST:
            raise Unprocessable(f"Give a span of at most {LONGEST.days} days, that ends after it begins.")
        found = list(islice(occurrences(rule.schedule, since - timedelta(days=1), until), MOST + 1))
        tasks = 1
        names: list[str] = []
        if rule.holds is not None:
            tasks, after = 0, None
            with database.read() as tx:
                while page := recurrences.accounts_after(tx, after, PAGE):
                    matching = [account.name for account in page if rule.holds(account.facts())]
                    tasks += len(matching)
                    names += matching[: NAMED - len(names)]
                    after = page[-1].id
        shown = [_occurrence(each, rule.schedule) for each in found[:MOST]]
        return Preview(occurrences=shown, more=len(found) > MOST, tasks=tasks, accounts=names)

    return router


def _page(rules: Sequence[Coded], page: PageRequest) -> list[Coded]:
    """The rules of this page by their codes, and one more if there is one."""
    keys = page.keys(1)
    after = "" if keys is None else str(keys[0])
    return sorted((rule for rule in rules if rule.code > after), key=lambda rule: rule.code)[: page.limit + 1]


def _key(rule: TaskRule | RecurringRule) -> tuple[str]:
    return (rule.code,)


def _written(rule: TaskRule | RecurringRule) -> dict[str, Any]:
    return rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _standing(configuration: Configuration, rule: TaskRule, progress: Progress | None, fired: Count, now: datetime) -> TaskRuleView:
    view = TaskRuleView(rule=_written(rule), state="on" if rule.active else "off")
    made = compile_rule(configuration, rule)
    if made is None:
        return view.model_copy(update={"fired": fired.times, "last_fired_at": fired.last_at})
    is_met = progress is not None and progress.facts == made.facts
    done_until = None if progress is None else progress.done_until
    begun = progress.since if rule.active and progress is not None and is_met else None
    upcoming = next_occurrence(made.schedule, done_until if is_met else None, begun or now) if rule.active else None
    shown = None if upcoming is None else _occurrence(upcoming, made.schedule)
    return view.model_copy(update={"begun": begun, "next": shown, "done_until": done_until})


def _occurrence(each: Occurrence, schedule: Schedule) -> OccurrenceView:
    return OccurrenceView(
        nominal=each.nominal,
        local=each.at.astimezone(schedule.zone),
        at=each.at,
        made_at=each.made_at,
        moved=each.moved,
        skipped=each.skipped,
    )


def _tried_on(type: str, trial: Trial, at: datetime | None = None) -> TriedOn:
    why = next((action.why for action in trial.actions if action.outcome == "refused"), "")
    task = _to_be(trial.tasks[0]) if trial.tasks else None
    return TriedOn(type=type, at=at, number=trial.number, verdict=trial.verdict, compared=trial.compared, why=why, task=task)


def _to_be(task: Task) -> TaskToBe:
    return TaskToBe(
        definition=task.definition or "",
        subject_line=task.subject_line,
        owner=OwnerRef(kind=task.owner.kind.value, code=task.owner.code),
        unit=task.unit,
        priority=task.priority,
        starts_at=task.starts_at,
        due_at=task.due_at,
    )
