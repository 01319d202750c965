"""Adding tasks by hand: follow-ups, and tasks of a case by definition (TASK-3)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.task.api.bodies import FollowUpBody
from services.task.api.commanding import Asking, member_of, refusals
from services.task.api.reading import may_see_case
from services.task.api.views import TaskDetail, caller_of, task_detail
from services.task.domain.assignment.absences import Meanwhile
from services.task.domain.case import Case, Customer
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import follow_ups, giving
from services.task.handlers.follow_ups import Defined, FollowUp
from services.task.handlers.making import Otherwise
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import queries
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.parts import OwnerRef
from shared.storage import Transaction
from shared.web import Answer, Conflict, NotFound, Principal, Unprocessable, answer_once, requires

Creator = Annotated[Principal, Depends(requires("task:create"))]


class DefinitionView(BaseModel):
    """A task definition that can be added to a case. `owner`: whom its task is for; none: the case's unit."""

    code: str
    subject_line: str
    description: str
    priority: str
    owner: OwnerRef | None


class DefinitionList(BaseModel):
    """All of them, in the order of the configuration."""

    items: list[DefinitionView]


def adding(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["tasks"])

    @router.post(
        "/tasks",
        response_model=TaskDetail,
        status_code=201,
        dependencies=[Depends(requires("task:create"))],
        summary="Add a follow-up task, for oneself or a colleague; or a task of a case by its definition.",
    )
    def add_task(body: FollowUpBody, asking: Asking) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            case = None
            if (about := body.case_id or body.lead_id) is not None:
                case = _case(tx, work, about, asking.principal, is_lead=body.lead_id is not None)
            if case is not None and body.definition is not None and body.is_defined:
                task = _defined(tx, work, body, body.definition, case, cause)
            else:
                task = _follow_up(tx, work, body, case, cause)
            if body.although_away:
                work.although_away.add(task.id)
            work.save(tx)
            return Answer(task_detail(task, case, work.configuration_of(task), now), 201, task.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get(
        "/task-definitions", response_model=DefinitionList, summary="The task definitions that can still be added to a case by hand."
    )
    def definitions(
        case_id: Annotated[UUID, Query(description="The case; of one that is closed there are none.")], principal: Creator
    ) -> Response:
        work = Work(compiled, clock())
        with publisher.database.read() as tx:
            case = queries.get_case(tx, case_id)
            work.add_tasks(queries.tasks_of_case(tx, case_id))
        if case is None or case.is_lead or not may_see_case(caller_of(principal), case, work.tasks_of(case_id)):
            raise NotFound
        found = [] if case.is_closed else follow_ups.possible(work, case)
        items = [
            {
                "code": each.code,
                "subject_line": each.subject_line,
                "description": each.description,
                "priority": each.priority,
                "owner": None if each.owner is None else {"kind": each.owner.kind.value, "code": each.owner.code},
            }
            for each in found
        ]
        return Answer({"items": items}).response()

    def _follow_up(tx: Transaction, work: Work, body: FollowUpBody, case: Case | None, cause: Cause) -> Task:
        member = member_of(reference, body.assignee or cause.by)
        if body.subject_line is None or body.due_at is None:
            raise Unprocessable("Give subject_line and due_at.")
        wanted = FollowUp(
            body.subject_line,
            body.description,
            body.due_at,
            body.priority or "normal",
            member.user,
            member.unit,
            Customer(body.contact_id, body.account_id, body.customer_name, ""),
            body.note_id,
            body.definition,
        )
        problem = follow_ups.why_not(wanted, case, compiled(case.config_version if case else reference.version))
        if problem:
            raise Unprocessable(problem)
        away = _away(tx, work, body, member.user, cause)
        if away is not None and away.takes(body.due_at):
            giving.require_stand_in(away)
        return follow_ups.create(work, wanted, case, reference.version, cause)

    def _defined(tx: Transaction, work: Work, body: FollowUpBody, definition: str, case: Case, cause: Cause) -> Task:
        if (there := follow_ups.already_there(work, case, definition)) is not None:
            raise Conflict(f"The case has its task {definition} already, which is {there.state}.", task=there.id)
        if why := follow_ups.why_not_possible(work, case, definition):
            raise Unprocessable(why)
        member = None if body.assignee is None else member_of(reference, body.assignee)
        if member is not None:
            # One of a definition is lent whenever it is due, so somebody has to be there.
            away = _away(tx, work, body, member.user, cause)
            if away is not None:
                giving.require_stand_in(away)
        otherwise = Otherwise(
            body.subject_line or "",
            body.description,
            body.priority,
            None if member is None else member.user,
            "" if member is None else member.unit,
            body.note_id,
        )
        return follow_ups.add(work, Defined(definition, body.due_at, otherwise), case, cause)

    def _away(tx: Transaction, work: Work, body: FollowUpBody, user: str, cause: Cause) -> Meanwhile | None:
        """Who has the task meanwhile; None: the user is here, or is to have it all the same."""
        return None if body.although_away else giving.meanwhile(tx, work, Owner(OwnerKind.USER, user), cause.by)

    return router


def _case(tx: Transaction, work: Work, case_id: UUID, principal: Principal, *, is_lead: bool) -> Case:
    """The case or lead, locked, with all its tasks: of two who add the same task at once the second sees the first one's."""
    work.lock_cases(tx, (case_id,))
    case = work.cases.get(case_id)
    if case is None or case.is_lead is not is_lead or not may_see_case(caller_of(principal), case, work.tasks_of(case_id)):
        raise NotFound
    if case.is_closed:
        raise Conflict(f"The {case.kind} is {case.state}: nothing is added to it.")
    return case
