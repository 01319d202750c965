"""Approvals: what waits for oneself, the page of one, and those of a case or a task on its page (TASK-4, AUTO-1, EDGE-6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.approvals import Approval, may
from services.desk.domain.choices import Choices, Person
from services.desk.domain.organisation import Organisation
from services.desk.domain.records import Case
from services.desk.domain.tasks import Task
from services.desk.gateways.approvals import ApprovalList, Approvals, Show
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.tasks import Tasks
from services.desk.handlers.waiting import Waiting
from shared.clock import Clock

DECIDE_FOR_OTHERS, ASK = "approval:decide-for-others", "approval:ask"
LONGEST_REASON, LONGEST_WHAT = 2000, 500
Deed = Literal["approve", "decline", "delegate", "withdraw", "ask-again", "revoke-links"]
DONE = {
    "approve": "You approved it.",
    "decline": "You declined it. It goes on blocking until it is asked again or withdrawn.",
    "delegate": "It is handed on.",
    "withdraw": "It is withdrawn: nobody waits for it any more.",
    "ask-again": "It is asked again.",
    "revoke-links": "The links that were sent until now are no longer valid.",
}
TRIES: Mapping[Deed, Literal["decide", "delegate", "withdraw", "ask", "revoke"]] = {
    "approve": "decide",
    "decline": "decide",
    "delegate": "delegate",
    "withdraw": "withdraw",
    "ask-again": "ask",
    "revoke-links": "revoke",
}
"""In which form of the page a deed stands."""
Reason = Annotated[str, Form(max_length=4 * LONGEST_REASON)]
User = Annotated[str, Form(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class ShowPage(Protocol):
    """Shows the page of a case or task, with what went wrong."""

    def __call__(self, visitor: Visitor, id: UUID, /, *, error: str, status: int) -> Response: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What `approvals_of.html` shows. `approvals` None: they cannot be read just now."""

    path: str
    """Of the page that it is on."""
    approvals: tuple[Approval, ...] | None
    more: bool
    staff: tuple[Person, ...]
    """Who may be asked; empty: the visitor may not ask, or nothing waits for an approval any more."""
    key: UUID
    override: str
    """What of the task the visitor may do in spite of them: `start` or `complete`; empty: nothing."""
    revision: int

    @property
    def is_case(self) -> bool:
        """Whether it is on the page of a case, which shows those of its tasks too."""
        return self.path.startswith("/cases/")

    @property
    def blocking(self) -> tuple[Approval, ...]:
        """Those that hold something up."""
        return tuple([each for each in self.approvals or () if each.blocks])


class ApprovalsOf:
    """Reads the approvals of a case or task for its page."""

    def __init__(self, approvals: Approvals, choices: Callable[[], Choices]) -> None:
        self._approvals = approvals
        self._choices = choices

    def case(self, visitor: Visitor, case: Case) -> Mapping[str, Any]:
        """Those of a case and of its tasks, as its page takes them."""
        found = self._read(visitor, lambda token: self._approvals.of_case(token, case.id))
        return {"approvals": self._shown(visitor, f"/cases/{case.id}", found, is_open=case.is_open)}

    def task(self, visitor: Visitor, task: Task) -> Mapping[str, Any]:
        """Those of a task, as its page takes them."""
        found = self._read(visitor, lambda token: self._approvals.of_task(token, task.id))
        override = ""
        if task.is_open and visitor.may("task:progress") and visitor.may(DECIDE_FOR_OTHERS) and found:
            blocking = [each.before for each in found.approvals if each.blocks]
            if "start" in blocking and task.state == "pending":
                override = "start"
            elif blocking:
                override = "complete"
        is_open = task.state not in ("completed", "cancelled")
        return {"approvals": self._shown(visitor, f"/tasks/{task.id}", found, is_open=is_open, override=override, revision=task.revision)}

    def _read(self, visitor: Visitor, read: Callable[[str], ApprovalList]) -> ApprovalList | None:
        if not visitor.may("task:read"):
            return ApprovalList(())
        try:
            return read(visitor.token.token)
        except Refused:
            return ApprovalList(())
        except Away:
            return None

    def _shown(
        self, visitor: Visitor, path: str, found: ApprovalList | None, *, is_open: bool, override: str = "", revision: int = 0
    ) -> Shown:
        staff = self._choices().staff if is_open and visitor.may(ASK) else ()
        shown = None if found is None else found.approvals
        return Shown(path, shown, bool(found and found.next), staff, uuid4(), override, revision)


def approval_pages(
    browser: Browser,
    approvals: Approvals,
    waiting: Waiting,
    organisation: Callable[[], Organisation],
    choices: Callable[[], Choices],
    clock: Clock,
) -> APIRouter:
    """`/approvals` and `/approvals/{id}`."""
    router = APIRouter(prefix="/approvals", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("")
    def list_approvals(
        visitor: Visitor = signed_in,
        show: Show = "waiting",
        after: Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
    ) -> Response:
        require(visitor, "task:read")
        found: ApprovalList | None
        try:
            found = approvals.listed(visitor.token.token, show, after)
        except Away:
            found = None
        except Refused as refused:
            return unread(browser, visitor, "/approvals", str(refused))
        around = organisation()
        return browser.page(
            "approvals.html",
            visitor,
            503 if found is None else 200,
            found=found,
            show=show,
            is_first=not after,
            names=around,
            when=when_of(clock, around),
        )

    def page(visitor: Visitor, approval: UUID, *, error: str = "", status: int = 200, message: str = "", **kept: str) -> Response:
        try:
            found = approvals.one(visitor.token.token, approval)
        except Away:
            return unread(browser, visitor, f"/approvals/{approval}")
        except Refused as refused:
            return unread(browser, visitor, "/approvals", str(refused))
        around, user = organisation(), visitor.token.member.user
        allowed = may(found, user, for_others=visitor.may(DECIDE_FOR_OTHERS), asks=visitor.may(ASK))
        return browser.page(
            "approval.html",
            visitor,
            status,
            approval=found,
            may=allowed,
            me=user,
            staff=[person for person in choices().staff if person.user != found.approver] if allowed.delegate else [],
            key=uuid4(),
            longest=LONGEST_REASON,
            names=around,
            when=when_of(clock, around),
            error=error,
            message=message,
            tried=kept.get("tried", ""),
            said=kept.get("said", ""),
        )

    @router.get("/{approval}")
    def one_approval(approval: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        require(visitor, "task:read")
        return page(visitor, approval, message=DONE.get(done, ""))

    @router.post("/{approval}/{deed}", dependencies=[Depends(from_our_own_page)])
    def do(
        approval: UUID,
        deed: Deed,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        reason: Reason = "",
        to: Annotated[str, Form(max_length=64)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "task:read")
        said = cleaned(reason)
        content = {of: {"comment": said} for of in ("approve", "decline", "withdraw", "revoke-links")}
        content["delegate"] = {"to": to, "note": said}
        try:
            approvals.take(visitor.token.token, approval, deed, revision, key, content.get(deed, {}))
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, approval, error=str(refused), status=409, tried=TRIES[deed], said=said)
        waiting.forget(visitor.token.member.user, to)
        return see_other(f"/approvals/{approval}?done={deed}")

    return router


def approval_steps(
    browser: Browser, approvals: Approvals, waiting: Waiting, tasks: Tasks, show_case: ShowPage, show_task: ShowPage
) -> APIRouter:
    """Where the forms of `approvals_of.html` go to. Before the routes of tasks' other steps."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(from_our_own_page)])
    signed_in: Visitor = Depends(browser.visitor)

    def ask(visitor: Visitor, of: Literal["cases", "tasks"], id: UUID, approver: str, what: str, key: UUID, show: ShowPage) -> Response:
        require(visitor, ASK)
        line = " ".join(cleaned(what).split())
        if not line:
            return show(visitor, id, error="Say what is to be approved.", status=422)
        try:
            approvals.ask(visitor.token.token, of, id, approver, line, key)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return show(visitor, id, error=str(refused), status=409)
        waiting.forget(approver)
        return see_other(f"/{of}/{id}?done=approval-asked")

    @router.post("/cases/{case}/approvals")
    def ask_for_case(
        case: UUID,
        approver: User,
        key: Annotated[UUID, Form()],
        what: Annotated[str, Form(max_length=LONGEST_WHAT)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        return ask(visitor, "cases", case, approver, what, key, show_case)

    @router.post("/tasks/{task}/approvals")
    def ask_for_task(
        task: UUID,
        approver: User,
        key: Annotated[UUID, Form()],
        what: Annotated[str, Form(max_length=LONGEST_WHAT)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        return ask(visitor, "tasks", task, approver, what, key, show_task)

    @router.post("/tasks/{task}/override")
    def override(
        task: UUID,
        action: Annotated[Literal["start", "complete"], Form()],
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        reason: Reason = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, DECIDE_FOR_OTHERS)
        why = cleaned(reason)
        if not why:
            return show_task(visitor, task, error="Say why it goes on without being approved.", status=422)
        try:
            tasks.act(visitor.token.token, task, action, revision, f"desk-{key}", {"override": why})
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return show_task(visitor, task, error=str(refused), status=409)
        return see_other(f"/tasks/{task}?done={action}")

    return router


def cleaned(text: str) -> str:
    """What was written in a form, with line ends as one character and without what no text needs."""
    return text.replace("\r\n", "\n").replace("\x00", "").strip()
