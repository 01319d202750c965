"""What people do with tasks: routes that change them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.task.api.bodies import AssignBody, CancelBody, DueBody, FollowUpBody, HandOverBody
from services.task.api.reading import may_see_case
from services.task.api.views import TaskDetail, caller_of, task_detail
from services.task.domain.case import Case, Customer
from services.task.domain.lifecycle import Refusal, TransitionRefused
from services.task.domain.ownership import Actor, Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import commands, handing_over
from services.task.handlers.follow_ups import FollowUp, create
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import repository
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.events import StaffChanged
from shared.web import (
    Answer,
    Command,
    Conflict,
    NotFound,
    Principal,
    Problem,
    Unprocessable,
    answer_once,
    check_revision,
    command,
    requires,
)

Asking = Annotated[Command, Depends(command)]
Do = Callable[[Work, Task, Actor, Cause], None]


def commanding(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes that change tasks."""
    router = APIRouter(tags=["tasks"])
    progresses = Depends(requires("task:progress"))
    assigns = Depends(requires("task:assign"))

    def run(task_id: UUID, asking: Command, do: Do) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            task = commands.load_task(tx, work, task_id)
            caller = caller_of(asking.principal)
            if task is None or not caller.sees(task):
                raise NotFound
            check_revision(asking, task.revision)
            do(work, task, caller.actor_on(task), cause)
            work.save(tx)
            return _answer(work, task)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def _answer(work: Work, task: Task, status: int = 200) -> Answer:
        case = None if task.case_id is None else work.cases.get(task.case_id)
        return Answer(task_detail(task, case, work.configuration_of(task), work.now), status, task.revision)

    def begin(task_id: UUID, asking: Asking) -> Response:
        return run(task_id, asking, commands.begin)

    def pend(task_id: UUID, asking: Asking) -> Response:
        return run(task_id, asking, commands.put_back)

    def complete(task_id: UUID, asking: Asking) -> Response:
        return run(task_id, asking, commands.complete)

    def accept(task_id: UUID, asking: Asking) -> Response:
        return run(task_id, asking, commands.accept)

    for name, route, summary in (
        ("start", begin, "Set to work on a task; whoever starts one that nobody has takes it."),
        ("pend", pend, "Set a task back to pending: further action is needed."),
        ("complete", complete, "Complete a task; what waited for it starts."),
        ("accept", accept, "Take a task of one's own role or unit."),
    ):
        path = f"/tasks/{{task_id}}/{name}"
        router.post(path, response_model=TaskDetail, dependencies=[progresses], summary=summary)(route)

    @router.post("/tasks/{task_id}/cancel", response_model=TaskDetail, dependencies=[progresses], summary="Cancel a task for a reason.")
    def cancel(task_id: UUID, asking: Asking, body: CancelBody | None = None) -> Response:
        def do(work: Work, task: Task, actor: Actor, cause: Cause) -> None:
            known = work.configuration_of(task)
            reason = (body and body.reason) or known.default_cancellation_reason
            if known.cancellation_reasons and reason not in known.cancellation_reasons:
                raise Unprocessable(f"There is no cancellation reason {reason}.", reasons=sorted(known.cancellation_reasons))
            commands.cancel(work, task, actor, cause, reason)

        return run(task_id, asking, do)

    @router.post("/tasks/{task_id}/due", response_model=TaskDetail, dependencies=[progresses], summary="Move the due time of a task.")
    def set_due(task_id: UUID, body: DueBody, asking: Asking) -> Response:
        return run(task_id, asking, lambda work, task, actor, cause: commands.set_due(work, task, body.due_at, actor, cause))

    @router.post(
        "/tasks/{task_id}/assign", response_model=TaskDetail, dependencies=[assigns], summary="Give a task to a user, role or unit."
    )
    def assign(task_id: UUID, body: AssignBody, asking: Asking) -> Response:
        owner, unit = _owner(body)
        return run(task_id, asking, lambda work, task, actor, cause: commands.assign(work, task, owner, unit, actor, cause))

    @router.post("/tasks/hand-over", dependencies=[assigns], summary="Give everything that a user holds to another user, role or unit.")
    def hand_over(body: HandOverBody, asking: Asking) -> Response:
        owner, unit = _owner(body)
        now = clock()
        caller = caller_of(asking.principal)
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            tasks = [task for task in handing_over.load_held(tx, work, body.held_by) if caller.sees(task)]
            refused = handing_over.hand_over(work, tasks, owner, unit, caller, cause)
            work.save(tx)
            return Answer(
                {
                    "reassigned": len(tasks) - len(refused),
                    "refused": [{"id": task.id, "why": why} for task, why in refused],
                    "more": len(tasks) == handing_over.MOST,
                }
            )

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def _owner(body: AssignBody) -> tuple[Owner, str | None]:
        """The new owner, who must exist, and whose work the task is then; None: as before."""
        if body.user is not None:
            return Owner(OwnerKind.USER, body.user), _member(body.user).unit
        if body.role is not None:
            if body.role not in {role.code for role in reference.configuration().roles}:
                raise Unprocessable(f"There is no role {body.role}.")
            return Owner(OwnerKind.ROLE, body.role), None
        unit = body.unit or ""
        if unit not in reference.units:
            raise Unprocessable(f"There is no unit {unit}.")
        return Owner(OwnerKind.UNIT, unit), unit

    def _member(user: str) -> StaffChanged:
        member = reference.staff.get(user)
        if member is None or not member.active:
            raise Unprocessable(f"There is no active member of staff {user}.")
        return member

    @router.post(
        "/tasks",
        response_model=TaskDetail,
        status_code=201,
        dependencies=[Depends(requires("task:create"))],
        summary="Add a follow-up task, for oneself or a colleague.",
    )
    def follow_up(body: FollowUpBody, asking: Asking) -> Response:
        now = clock()
        member = _member(body.assignee or asking.principal.user)
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            case = None
            if body.case_id is not None:
                case = _case(work, body.case_id, asking.principal)
            wanted = FollowUp(
                body.subject_line,
                body.description,
                body.due_at,
                body.priority,
                member.user,
                member.unit,
                Customer(body.contact_id, body.account_id, body.customer_name, ""),
            )
            task = create(work, wanted, case, reference.version, cause)
            work.save(tx)
            return _answer(work, task, 201)

        def _case(work: Work, case_id: UUID, principal: Principal) -> Case:
            work.cases = repository.lock_cases(tx, (case_id,))
            case = work.cases.get(case_id)
            if case is None:
                raise NotFound
            work.add_tasks(repository.tasks_of_cases(tx, (case_id,)).values())
            if not may_see_case(caller_of(principal), case, work.tasks_of(case_id)):
                raise NotFound
            if case.is_closed:
                raise Conflict(f"The case is {case.state}: nothing is added to it.")
            return case

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


@contextmanager
def refusals() -> Iterator[None]:
    """Answer what the domain refuses as problems."""
    try:
        yield
    except TransitionRefused as error:
        status = 403 if error.why in (Refusal.NOT_YOURS, Refusal.NO_RULE) else 409
        raise Problem(status, f"{str(error)[:1].upper()}{str(error)[1:]}.", what=error.what, why=error.why.value) from error
