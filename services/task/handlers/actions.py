"""What automation rules do: tasks are dealt with here; what concerns cases and messages is asked of others by the firing's event."""

from __future__ import annotations

from uuid import UUID

from services.task.domain.automation.rules import Action
from services.task.domain.case import Case
from services.task.domain.lifecycle import TransitionRefused
from services.task.domain.ownership import SYSTEM
from services.task.domain.task import Task
from services.task.handlers import approvals, commands
from services.task.handlers.making import make_task
from services.task.handlers.work import Cause, Work
from shared.calendars import due
from shared.ids import derive
from shared.schemas.events import RuleAction, RuleItem
from shared.schemas.parts import OwnerRef


class Doing:
    """The actions of one firing. `case`: the case or lead that it is for, None where there is none or it is not known here."""

    def __init__(self, work: Work, item: RuleItem, case: Case | None, task: Task | None, about: UUID, version: int, cause: Cause) -> None:
        self.work = work
        self.item = item
        self.case = case
        self.task = task
        self.about = about
        self.version = version
        """Of the configuration that the rule is from."""
        self.cause = cause
        """Its `id` is the firing's, its `by` the rule."""

    def do(self, position: int, action: Action) -> RuleAction:
        """Do the action at this position of the rule, and tell of it."""
        match action.do:
            case "schedule_task":
                return self._schedule(position, action)
            case "assign":
                return self._assign(action)
            case "set_urgency" | "set_impact":
                return _told(action, "asked", self._no_case())
            case "require_approval":
                return self._require_approval(action)
            case _:
                return self._tell(action)

    def _no_case(self) -> str:
        if self.case is not None:
            return f"it is about a {self.case.kind}" if self.case.is_lead else ""
        return "" if self.item.kind == "case" else "there is no case"

    def _schedule(self, position: int, action: Action) -> RuleAction:
        definition = action.definition or ""
        compiled = self.work.compiled(self.version)
        case = self.case
        if why := self._why_not_schedule(definition):
            return _told(action, "done", why)
        starts_at = None if action.after is None else due(action.after, self.cause.at, compiled.calendars[compiled.default_calendar])
        is_later = starts_at is not None and starts_at > self.work.now
        task = make_task(
            self.work,
            definition=definition,
            case=case,
            customer=self.task.customer if self.task and case is None else None,
            id=derive("rule task", self.cause.id, position),
            at=starts_at or self.cause.at,
            due_at=None,
            config_version=self.version,
            cause=self.cause,
            is_waiting=is_later,
            firing_id=self.cause.id,
        )
        return _told(action, "done", task_id=task.id, starts_at=starts_at if is_later else None)

    def _why_not_schedule(self, definition: str) -> str:
        case = self.case
        compiled = self.work.compiled(self.version)
        if case is None and self.about != (self.task.id if self.task else self.item.id):
            return "the case is not known to task"
        if case is not None and not case.may_be_followed_up:
            return f"the {case.kind} is {case.state}: nothing is added to it"
        allowed = compiled.activity_types.get(case.subject) if case is not None and case.is_lead else None
        if allowed and definition not in allowed:
            return f"leads of this type have no task {definition}"
        return "" if definition in compiled.definitions else f"there is no task definition {definition}"

    def _assign(self, action: Action) -> RuleAction:
        if action.item == "case":
            return _told(action, "asked", self._no_case())
        if self.task is None or action.owner is None:
            return _told(action, "done", "it is about no task that is known")
        try:
            commands.assign(self.work, self.task, action.owner, action.unit, SYSTEM, self.cause)
        except TransitionRefused as refusal:
            return _told(action, "done", str(refusal))
        return _told(action, "done")

    def _require_approval(self, action: Action) -> RuleAction:
        if self.task is None and self.case is None:
            return _told(action, "done", "there is neither a case nor a task that could be approved")
        if self.task is not None and not self.task.state.is_open:
            return _told(action, "done", f"the task is {self.task.state}")
        if self.case is not None and self.case.is_closed:
            return _told(action, "done", f"the {self.case.kind} is {self.case.state}")
        asked = approvals.ask(
            self.work,
            case_id=self.about,
            task=self.task,
            approver=action.user or "",
            what=action.what or "",
            cause=self.cause,
            asked_by=self.cause.by,
        )
        return _told(action, "done", approval_id=asked)

    def _tell(self, action: Action) -> RuleAction:
        if action.channel == "sms":
            is_known = action.do != "send" or (self.item.customer is not None and self.item.customer.contact_id is not None)
            return _told(action, "asked", "" if is_known else "it is not known who the customer is, so they have no telephone number")
        if action.do == "send" and not (self.item.customer and self.item.customer.email):
            return _told(action, "asked", "the customer has no email address")
        return _told(action, "asked")


def _told(action: Action, outcome: str, why: str = "", **more: object) -> RuleAction:
    """The action as the event has it; with a reason why not it is refused."""
    return RuleAction.model_validate(
        {
            "do": action.do,
            "outcome": "refused" if why else outcome,
            "why": why,
            "definition": action.definition,
            "item": action.item,
            "owner": OwnerRef(kind=action.owner.kind.value, code=action.owner.code) if action.owner else None,
            "unit": action.unit,
            "urgency": action.urgency,
            "impact": action.impact,
            "user": action.user,
            "what": action.what,
            "to": action.to,
            "template": action.template,
            "channel": action.channel,
            **more,
        }
    )
