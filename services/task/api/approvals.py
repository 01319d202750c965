"""Approvals: asked, shown, decided, handed on, withdrawn (TASK-4, AUTO-1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.task.api.bodies import AskBody, CommentBody, DelegateBody
from services.task.api.commanding import Asking, member_of, refusal
from services.task.api.reading import in_sight, may_see_case
from services.task.api.views import caller_of
from services.task.domain.approvals import Approval, ApprovalRefused, Decider, Refusal
from services.task.domain.task import Task
from services.task.handlers import approvals as handling
from services.task.handlers import commands
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import approvals
from services.task.storage.approvals import About, Wanted
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.events import ApprovalLifeCycle
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    Conflict,
    NotFound,
    PageRequest,
    Principal,
    answer_once,
    check_revision,
    page_request,
    requires,
)

Reader = Annotated[Principal, Depends(requires("task:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
MOST_COUNTED = 100
Do = Callable[[Work, Approval, Decider, Cause], Approval]


class ApprovalView(BaseModel):
    """An approval. `blocks`: what it is for cannot go on."""

    id: UUID
    revision: int
    case_id: UUID | None
    case_number: str
    case_title: str
    task_id: UUID | None
    subject_line: str
    """Of the task."""
    definition: str | None
    before: Literal["start", "completion"]
    what: str
    approver: str
    asked_by: str
    asked_at: datetime
    held_since: datetime
    state: ApprovalLifeCycle
    blocks: bool
    decided_by: str | None
    decided_at: datetime | None
    comment: str
    delegated_from: str | None
    reminders: int
    remind_at: datetime | None


class ApprovalStep(BaseModel):
    """One entry of an approval's history."""

    revision: int
    at: datetime
    changed_by: str
    event: str
    changes: dict[str, tuple[Any, Any]]
    note: str


class ApprovalDetail(ApprovalView):
    """An approval with its history, the oldest first. `in_sight`: the caller sees its task or case as well."""

    in_sight: bool
    history: list[ApprovalStep]


class ApprovalCounts(BaseModel):
    """How many wait for oneself, counted up to 100."""

    waiting: int


class ApprovalPage(BaseModel):
    """One page of approvals, the oldest first; `next` goes into `cursor`."""

    items: list[ApprovalView]
    next: str | None


_PLAIN = [name for name in ApprovalView.model_fields if name not in {"blocks", *About._fields}]


def approvals_router(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes of approvals."""
    router = APIRouter(tags=["approvals"])
    reads = Depends(requires("task:read"))
    asks = Depends(requires("approval:ask"))

    @router.get("/approvals", response_model=ApprovalPage, summary="Approvals asked of me, by me, or in a case or task that I see.")
    def list_approvals(
        principal: Reader,
        page: Paging,
        approver: Annotated[Literal["me"] | None, Query(description="Those that I am to decide.")] = None,
        asker: Annotated[Literal["me"] | None, Query(description="Those that I asked for.")] = None,
        case_id: UUID | None = None,
        task_id: UUID | None = None,
        state: ApprovalLifeCycle | None = None,
    ) -> Response:
        if not (approver or asker or case_id or task_id):
            approver = "me"
        me = principal.user
        wanted = Wanted(me if approver else None, me if asker else None, case_id, task_id, state.value if state else None)
        with publisher.database.read() as tx:
            if not (approver or asker) and not in_sight(tx, caller_of(principal), case_id, task_id):
                raise NotFound
            found = approvals.of_list(tx, wanted, page.limit + 1, page.place())
            shown = found[: page.limit]
            about = approvals.about(tx, [each.id for each in shown])
        following = page.following(len(found), shown, lambda row: (row.asked_at.isoformat(), row.id))
        return Answer({"items": [_view(each, about[each.id]) for each in shown], "next": following}).response()

    @router.get("/approvals/counts", response_model=ApprovalCounts, summary="How many approvals wait for me.")
    def count(principal: Reader) -> Response:
        with publisher.database.read() as tx:
            return Answer({"waiting": approvals.waiting(tx, principal.user, MOST_COUNTED)}).response()

    @router.get("/approvals/{approval_id}", response_model=ApprovalDetail, summary="An approval and its history.")
    def show(approval_id: UUID, principal: Reader) -> Response:
        with publisher.database.read() as tx:
            approval = approvals.get(tx, approval_id)
            if approval is None:
                raise NotFound
            sees = in_sight(tx, caller_of(principal), approval.case_id, approval.task_id)
            if not sees and principal.user not in (approval.approver, approval.asked_by, approval.delegated_from):
                raise NotFound
            steps = approvals.history_of(tx, approval_id)
            view = approval_view(tx, approval)
        names = ("revision", "at", "changed_by", "event", "changes", "note")
        history = [dict(zip(names, step, strict=True)) for step in steps]
        return Answer(view | {"in_sight": sees, "history": history}, revision=approval.revision).response()

    def change(approval_id: UUID, asking: Command, do: Do) -> Response:
        now = clock()
        principal = asking.principal
        cause = Cause(asking.cause, now, principal.user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            approval = handling.load(tx, work, approval_id)
            if approval is None:
                raise NotFound
            sees = _sees(work, approval, principal)
            if not sees and principal.user not in (approval.approver, approval.asked_by):
                raise NotFound
            check_revision(asking, approval.revision)
            after = do(work, approval, Decider(principal.user, sees and principal.may("approval:decide-for-others")), cause)
            work.save(tx)
            return Answer(approval_view(tx, after), revision=after.revision)

        with refused(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post("/approvals/{approval_id}/approve", response_model=ApprovalView, dependencies=[reads], summary="Approve it.")
    def approve(approval_id: UUID, asking: Asking, body: CommentBody | None = None) -> Response:
        comment = body.comment if body else ""
        return change(approval_id, asking, lambda work, each, by, cause: handling.decide(work, each, by, comment, cause, approves=True))

    @router.post("/approvals/{approval_id}/decline", response_model=ApprovalView, dependencies=[reads], summary="Decline it, and say why.")
    def decline(approval_id: UUID, asking: Asking, body: CommentBody) -> Response:
        return change(
            approval_id, asking, lambda work, each, by, cause: handling.decide(work, each, by, body.comment, cause, approves=False)
        )

    @router.post("/approvals/{approval_id}/delegate", response_model=ApprovalView, dependencies=[reads], summary="Hand it to another user.")
    def delegate(approval_id: UUID, asking: Asking, body: DelegateBody) -> Response:
        member_of(reference, body.to)
        return change(approval_id, asking, lambda work, each, by, cause: handling.delegate(work, each, body.to, by, body.note, cause))

    @router.post("/approvals/{approval_id}/withdraw", response_model=ApprovalView, dependencies=[reads], summary="Nobody waits for it now.")
    def withdraw(approval_id: UUID, asking: Asking, body: CommentBody | None = None) -> Response:
        comment = body.comment if body else ""
        return change(approval_id, asking, lambda work, each, by, cause: handling.withdraw(work, each, by, comment, cause))

    @router.post(
        "/approvals/{approval_id}/revoke-links",
        response_model=ApprovalView,
        dependencies=[reads],
        summary="Make void what links to it were sent until now; later ones are good.",
    )
    def revoke_links(approval_id: UUID, asking: Asking, body: CommentBody | None = None) -> Response:
        reason = body.comment if body else ""
        return change(approval_id, asking, lambda work, each, by, cause: handling.revoke_links(work, each, by, reason, cause))

    @router.post(
        "/approvals/{approval_id}/ask-again", response_model=ApprovalView, dependencies=[asks], summary="Ask for what was declined again."
    )
    def ask_again(approval_id: UUID, asking: Asking) -> Response:
        return change(approval_id, asking, lambda work, each, _by, cause: handling.ask_again(work, each, cause))

    def ask(asking: Command, body: AskBody, load: Callable[[Transaction, Work], tuple[UUID, Task | None]]) -> Response:
        member_of(reference, body.approver)
        now, user = clock(), asking.principal.user
        cause = Cause(asking.cause, now, user, current_traceparent())

        def answer() -> Answer:
            work = Work(compiled, now)
            case_id, task = load(tx, work)
            id = handling.ask(work, case_id=case_id, task=task, approver=body.approver, what=body.what, cause=cause, asked_by=user)
            work.save(tx)
            return Answer(approval_view(tx, work.approvals[id]), 201, 1)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/cases/{case_id}/approvals",
        response_model=ApprovalView,
        status_code=201,
        dependencies=[asks],
        summary="Ask a colleague to approve something before the case is completed.",
    )
    def ask_for_case(case_id: UUID, body: AskBody, asking: Asking) -> Response:
        def load(tx: Transaction, work: Work) -> tuple[UUID, Task | None]:
            work.lock_cases(tx, (case_id,))
            case = work.cases.get(case_id)
            if case is None or case.is_lead or not may_see_case(caller_of(asking.principal), case, work.tasks_of(case_id)):
                raise NotFound
            if case.is_closed:
                raise Conflict(f"The case is {case.state}: nothing waits for an approval any more.")
            return case_id, None

        return ask(asking, body, load)

    @router.post(
        "/tasks/{task_id}/approvals",
        response_model=ApprovalView,
        status_code=201,
        dependencies=[asks],
        summary="Ask a colleague to approve something before the task is completed.",
    )
    def ask_for_task(task_id: UUID, body: AskBody, asking: Asking) -> Response:
        def load(tx: Transaction, work: Work) -> tuple[UUID, Task | None]:
            task = commands.load_task(tx, work, task_id)
            if task is None or not caller_of(asking.principal).sees(task):
                raise NotFound
            if not task.state.is_open:
                raise Conflict(f"The task is {task.state}: nothing waits for an approval any more.")
            return task.case_id or task.id, task

        return ask(asking, body, load)

    return router


def approval_view(tx: Transaction, approval: Approval) -> dict[str, Any]:
    """The members of an `ApprovalView` of one that is stored."""
    return _view(approval, approvals.about(tx, (approval.id,))[approval.id])


def _view(approval: Approval, about: About) -> dict[str, Any]:
    shown = {name: getattr(approval, name) for name in _PLAIN}
    return shown | about._asdict() | {"before": approval.before.value, "state": approval.state.value, "blocks": approval.state.blocks}


def _sees(work: Work, approval: Approval, principal: Principal) -> bool:
    caller = caller_of(principal)
    task = work.tasks.get(approval.task_id) if approval.task_id else None
    case = work.cases.get(approval.case_id) if approval.case_id else None
    if task is not None:
        return caller.sees(task)
    return case is not None and may_see_case(caller, case, work.tasks_of(case.id))


@contextmanager
def refused() -> Iterator[None]:
    """Answer what the domain refuses as problems."""
    try:
        yield
    except ApprovalRefused as error:
        status = {Refusal.NOT_YOURS: 403, Refusal.NO_REASON: 422}.get(error.why, 409)
        raise refusal(status, error, what=error.what, why=error.why.value) from error
