"""Task rules, the events and the recurring rules that they hang on (TASK-5, EDGE-7), and what must hold for them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from shared.calendars import Calendar, CalendarError
from shared.recurrence import RecurrenceError, parse
from shared.schemas.configuration.automation import AtMost, Happening
from shared.schemas.configuration.conditions import Condition, check_fields
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import DurationText, Named, Text
from shared.schemas.events.texts import Code

ACCOUNT_FIELDS: Final = {
    "account.number": "its number",
    "account.name": "its name",
    "account.kind": "code of its kind",
    "account.area": "code of its area",
    "account.classification": "code of its classification",
    "account.credit_rating": "code of its credit rating",
}
"""What a task rule may ask of accounts."""


class RecurringRule(Named):
    """When something recurs; what is made then, the task rules say that name it."""

    rrule: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """A rule of RFC 5545 by days, weeks, months or years: `FREQ=MONTHLY;BYDAY=2TU`."""
    starts: date
    """The first day that it may fall on, and that its intervals are counted from."""
    at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "09:00"
    """Local time in its zone."""
    time_zone: Text | None = None
    """None: the organisation's."""
    calendar: Code | None = None
    """Whose closed days and working time count; none: the organisation's."""
    on_closed: Literal["keep", "skip", "next", "previous"] = "keep"
    """On a day on which the calendar is closed: whatever, not at all, on the next open day, or on the one before."""
    lead: DurationText = "0 days"
    """How long before the occurrence its tasks are made."""
    excluded: tuple[date, ...] = ()
    """Days by the rule, before any is moved, that are left out."""


class TaskRule(Named):
    """Makes tasks of a definition: at each occurrence of a `recurring` rule, or whenever an event (`on`) fulfils the condition (`if`)."""

    definition: Code
    """One with a message for the stage `contact`. Several rules may share one."""
    recurring: Code | None = None
    accounts: Condition | None = None
    """Of a recurring one: one task for each account that fulfils it; none: one task, about no account."""
    on: Happening | None = None
    condition: Condition | None = Field(default=None, alias="if")
    """Of one on an event; none: always."""
    after: DurationText | None = None
    """How long after the event the task starts, on the organisation's calendar; none: at once."""
    at_most: AtMost | None = None
    """How often it makes a task for one case or lead (or task without either) within a time; none: as automation rules."""
    active: bool = True

    @model_validator(mode="after")
    def _one_cause(self) -> Self:
        if (self.recurring is None) == (self.on is None):
            raise ValueError("say when it makes tasks: give either `recurring`, a recurring rule, or `on`, an event")
        of_events = {"if": self.condition, "after": self.after, "at_most": self.at_most}
        if self.on is None and (given := [name for name, value in of_events.items() if value is not None]):
            raise ValueError(f"`{given[0]}` is for a rule on an event; give `on`, or remove it")
        if self.on is not None and self.accounts is not None:
            raise ValueError("`accounts` is for a recurring rule: on an event the task is about whom the event is about; remove it")
        return self


def check_task_rules(document: Document) -> None:
    """Recurring rules can be followed; task rules have definitions that direct the user, and ask of accounts what is known of them."""
    for item in find(document.data, "recurring_rules[]"):
        if isinstance(item.value, dict):
            _check_recurring(document, item.path, item.value)
    messages = {
        item.value.get("code"): item.value.get("messages")
        for item in find(document.data, "task_definitions[]")
        if isinstance(item.value, dict)
    }
    for item in find(document.data, "task_rules[]"):
        if not isinstance(item.value, dict):
            continue
        code = item.value.get("definition")
        stages = messages.get(code) if isinstance(code, str) else None
        if code in messages and not (isinstance(stages, dict) and stages.get("contact")):
            document.problem((*item.path, "definition"), f"the task definition {code!r} has no message for the stage contact; give it one")
        check_fields(document, (*item.path, "accounts"), item.value.get("accounts"), ACCOUNT_FIELDS)


def _check_recurring(document: Document, path: Path, rule: dict[str, Any]) -> None:
    zone = rule.get("time_zone")
    if isinstance(zone, str):
        try:
            Calendar(code="rule", zone=zone)
        except CalendarError:
            document.problem((*path, "time_zone"), f"there is no time zone {zone!r}; write one such as Europe/London")
    text, starts = rule.get("rrule"), rule.get("starts")
    if not isinstance(text, str) or not isinstance(starts, str):
        return
    try:
        begins = date.fromisoformat(starts)
    except ValueError:
        return  # its shape is reported already
    try:
        parse(text, begins)
    except RecurrenceError as error:
        is_start = str(error).startswith("it starts in")
        document.problem((*path, "starts" if is_start else "rrule"), str(error))
