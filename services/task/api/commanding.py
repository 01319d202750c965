"""What people do with tasks: routes that change them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.task.api.bodies import AssignBody, CancelBody, DueBody, HandOverBody, OverrideBody, ReassignBody, ReopenBody
from services.task.api.views import Reassigned, TaskDetail, caller_of, task_detail
from services.task.domain.assignment.absences import Meanwhile
from services.task.domain.lifecycle import Refusal, TransitionRefused
from services.task.domain.ownership import Actor, Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import commands, giving, handing_over
from services.task.handlers.approvals import NotApproved
from services.task.handlers.progress import TooEarly
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import reassigning
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.events import StaffChanged
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    Forbidden,
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
DoWith = Callable[[Transaction, Work, Task, Actor, Cause], None]


def commanding(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes that change tasks."""
    router = APIRouter(tags=["tasks"])
    progresses = Depends(requires("task:progress"))
    assigns = Depends(requires("task:assign"))

    def run(task_id: UUID, asking: Command, do: Do) -> Response:
        return run_with(task_id, asking, lambda _tx, work, task, actor, cause: do(work, task, actor, cause))

    def run_with(task_id: UUID, asking: Command, do: DoWith) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            task = commands.load_task(tx, work, task_id)
            caller = caller_of(asking.principal)
            if task is None or not caller.sees(task):
                raise NotFound
            check_revision(asking, task.revision)
            do(tx, work, task, caller.actor_on(task), cause)
            has_asked = work.has_asked
            work.save(tx)
            return _answer(work, task, 202 if has_asked else 200)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def _answer(work: Work, task: Task, status: int = 200) -> Answer:
        case = None if task.case_id is None else work.cases.get(task.case_id)
        return Answer(task_detail(task, case, work.configuration_of(task), work.now), status, task.revision)

    def begin(task_id: UUID, asking: Asking, body: OverrideBody | None = None) -> Response:
        override = overriding(asking.principal, body)
        return run(task_id, asking, lambda work, task, actor, cause: commands.begin(work, task, actor, cause, override))

    def pend(task_id: UUID, asking: Asking) -> Response:
        return run(task_id, asking, commands.put_back)

    def complete(task_id: UUID, asking: Asking, body: OverrideBody | None = None) -> Response:
        override = overriding(asking.principal, body)
        return run(task_id, asking, lambda work, task, actor, cause: commands.complete(work, task, actor, cause, override))

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

    @router.post(
        "/tasks/{task_id}/reopen",
        response_model=TaskDetail,
        dependencies=[assigns],
        summary="Take up a completed task again; what started after it, and nobody works on, waits for it again.",
    )
    def reopen(task_id: UUID, body: ReopenBody, asking: Asking) -> Response:
        return run(task_id, asking, lambda work, task, actor, cause: commands.reopen(work, task, actor, cause, body.reason))

    @router.post("/tasks/{task_id}/due", response_model=TaskDetail, dependencies=[progresses], summary="Move the due time of a task.")
    def set_due(task_id: UUID, body: DueBody, asking: Asking) -> Response:
        return run(task_id, asking, lambda work, task, actor, cause: commands.set_due(work, task, body.due_at, actor, cause))

    @router.post(
        "/tasks/{task_id}/assign", response_model=TaskDetail, dependencies=[assigns], summary="Give a task to a user, role or unit."
    )
    def assign(task_id: UUID, body: AssignBody, asking: Asking) -> Response:
        owner, unit = _owner(body)

        def do(tx: Transaction, work: Work, task: Task, actor: Actor, cause: Cause) -> None:
            commands.assign(work, task, owner, unit, actor, cause, _away(tx, work, body, owner, cause))

        return run_with(task_id, asking, do)

    def _away(tx: Transaction, work: Work, body: AssignBody, owner: Owner, cause: Cause) -> Meanwhile | None:
        return None if body.although_away else giving.meanwhile(tx, work, owner, cause.by)

    @router.post("/tasks/hand-over", dependencies=[assigns], summary="Give everything that a user holds to another user, role or unit.")
    def hand_over(body: HandOverBody, asking: Asking) -> Response:
        owner, unit = _owner(body)
        now = clock()
        caller = caller_of(asking.principal)
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            tasks = [task for task in handing_over.load_held(tx, work, body.held_by) if caller.sees(task)]
            refused = handing_over.hand_over(work, tasks, owner, unit, caller, cause, _away(tx, work, body, owner, cause))
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

    @router.post("/tasks/reassign", response_model=Reassigned, dependencies=[assigns], summary="Give many tasks to a user, role or unit.")
    def reassign(body: ReassignBody, asking: Asking) -> Response:
        owner, unit = _owner(body.to)
        now = clock()
        caller = caller_of(asking.principal)
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            if body.filter is not None:
                wanted = reassigning.Wanted(**body.filter.model_dump())
                listed = reassigning.matching(tx, wanted, caller, body.after, handing_over.MOST)
                asked = [task_id for task_id, _ in listed]
            else:
                asked = list(dict.fromkeys(body.ids or ()))
                listed = reassigning.cases_of(tx, asked)
            tasks = handing_over.load_listed(tx, work, listed)
            there = _away(tx, work, body.to, owner, cause)
            results = handing_over.reassign(work, asked, tasks, owner, unit, caller, cause, there)
            work.save(tx)
            more = body.filter is not None and len(asked) == handing_over.MOST
            return Answer({"items": [result._asdict() for result in results], "next": asked[-1] if more else None})

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def _owner(body: AssignBody) -> tuple[Owner, str | None]:
        """The new owner, who must exist, and whose work the task is then; None: as before."""
        if body.user is not None:
            return Owner(OwnerKind.USER, body.user), member_of(reference, body.user).unit
        if body.role is not None:
            if body.role not in {role.code for role in reference.configuration().roles}:
                raise Unprocessable(f"There is no role {body.role}.")
            return Owner(OwnerKind.ROLE, body.role), None
        unit = body.unit or ""
        if unit not in reference.units:
            raise Unprocessable(f"There is no unit {unit}.")
        return Owner(OwnerKind.UNIT, unit), unit

    return router


def member_of(reference: ReferenceData, user: str) -> StaffChanged:
    """The active member of staff; `Unprocessable` if there is none."""
    member = reference.staff.get(user)
    if member is None or not member.active:
        raise Unprocessable(f"There is no active member of staff {user}.")
    return member


def overriding(principal: Principal, body: OverrideBody | None) -> str:
    """Why approvals are passed over; empty: they are not. Not everybody may."""
    if body is None or not body.override:
        return ""
    if not principal.may("approval:decide-for-others"):
        raise Forbidden("Passing over an approval needs the permission approval:decide-for-others.")
    return body.override


def refusal(status: int, error: Exception, **members: Any) -> Problem:
    """What the domain refused, as a problem: its message as a sentence."""
    text = str(error)
    return Problem(status, f"{text[:1].upper()}{text[1:]}.", **members)


@contextmanager
def refusals() -> Iterator[None]:
    """Answer what the domain refuses as problems."""
    try:
        yield
    except NotApproved as error:
        waits = [{"id": each.id, "state": each.state, "approver": each.approver, "since": each.held_since} for each in error.blocking]
        raise refusal(409, error, what=error.what, why=error.why.value, approvals=waits) from error
    except TooEarly as error:
        holds = [{"task_id": task_id, "until": until} for task_id, until in error.holds]
        raise refusal(409, error, what=error.what, why=error.why.value, waits_for=holds) from error
    except TransitionRefused as error:
        status = 403 if error.why in (Refusal.NOT_YOURS, Refusal.NO_RULE) else 409
        raise refusal(status, error, what=error.what, why=error.why.value) from error
