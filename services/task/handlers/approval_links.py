"""Links by which an approver decides without a login (EDGE-14): looking changes nothing, deciding uses the link up.

Nothing is kept of a link. It names the approval, its approver and when they were asked; it is good while just that is asked, so a decision,
another approver, a withdrawal or asking again each end it. Staff can also revoke those that were sent until now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.task.domain.approvals import Approval, ApprovalRefused, ApprovalState, Decider
from services.task.handlers import approvals as handling
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import approvals, queries
from shared.ids import derive
from shared.links import Link, Read
from shared.links.pages import LONGEST_TEXT, NO_LONGER_VALID, Choice, Given, LinkEnded, NotFilled, Page, Question
from shared.links.words import Said
from shared.messaging import ReferenceData
from shared.storage import Transaction

PURPOSE = "approval"
BY_LINK = "by link"
"""How it was decided, on the approval's history."""
APPROVE, DECLINE = Choice("approve", Said("Approve")), Choice("decline", Said("Decline"))
EXPIRED = Said("This link is too old to be used.")
NOT_HERE = Said("There is nothing to be decided by this link any more.")
ASKED_ANEW = Said("You were asked anew since. Please use the link in our latest message.")
_ABOUT = {"case": "Case {number}: {title}", "lead": "Lead {number}: {title}"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer."""

    thanks: Said


class ApprovalLinks:
    """What the links to approvals ask, and the taking of their answers."""

    def __init__(self, reference: ReferenceData, compiled: CompiledOf) -> None:
        self._reference = reference
        self._compiled = compiled

    def language(self, _tx: Transaction, read: Read) -> str | None:
        """The approver's; empty: the organisation's; None: they are nobody of ours."""
        users = self._reference.configuration(self._reference.version).users
        return next((user.language or "" for user in users if user.user == read.link.user), None)

    def page(self, tx: Transaction, read: Read, now: datetime) -> Page:
        """What is to be approved, and two buttons. Raises `LinkEnded`."""
        approval = self._asked(approvals.get(tx, read.link.record), read.link, now)
        case = queries.get_case(tx, approval.case_id) if approval.case_id else None
        task = queries.get_task(tx, approval.task_id) if approval.task_id else None
        about: list[str] = [approval.what]
        if case is not None:
            about.append(Said(_ABOUT[case.kind], number=case.number, title=case.title))
        if task is not None and task[0].subject_line != approval.what:
            about.append(Said("Task: {task}", task=task[0].subject_line))
        about.append(self._asker(approval))
        comment = Question("comment", Said("Why? Declining needs a reason."))
        return Page(Said("Do you approve this?"), tuple(about), (comment,), (APPROVE, DECLINE))

    def take(self, tx: Transaction, read: Read, given: Given, now: datetime, traceparent: str) -> Taken:
        """Decide it as the approver's own word. Raises `LinkEnded` and `NotFilled`."""
        comment = given.answers.get("comment", "").strip()
        if given.button not in (APPROVE.value, DECLINE.value):
            raise NotFilled({"": Said("Please press one of the two buttons.")})
        if len(comment) > LONGEST_TEXT:
            raise NotFilled({"comment": Said("This is longer than {most} characters.", most=LONGEST_TEXT)})
        approves = given.button == APPROVE.value
        if not approves and not comment:
            raise NotFilled({"comment": Said("Please say why you decline.")})
        work = Work(self._compiled, now)
        approval = self._asked(handling.load(tx, work, read.link.record), read.link, now)
        cause = Cause(derive("approval link", read.id.hex()), now, approval.approver, traceparent)
        try:
            handling.decide(work, approval, Decider(approval.approver), comment, cause, approves=approves, how=BY_LINK)
        except ApprovalRefused as error:
            raise LinkEnded(NOT_HERE) from error
        work.save(tx)
        return Taken(Said("Thank you. You have approved it.") if approves else Said("Thank you. You have declined it."))

    def _asked(self, approval: Approval | None, link: Link, now: datetime) -> Approval:
        """The approval, if it is what the link asks. Raises `LinkEnded`, which says why it is not."""
        if link.purpose != PURPOSE or not link.user or approval is None:
            raise LinkEnded(NOT_HERE)
        if approval.links_revoked_at is not None and link.issued_at <= approval.links_revoked_at:
            raise LinkEnded(NO_LONGER_VALID)
        if approval.state is not ApprovalState.ASKED:
            raise LinkEnded(self._done(approval, link.user))
        if now >= link.expires_at:
            raise LinkEnded(EXPIRED)
        if approval.approver != link.user:
            who, day = self._name(approval.approver), approval.held_since
            raise LinkEnded(Said("This was handed to {who} on {day}.", who=who, day=day))
        if link.issued_at < approval.held_since:
            raise LinkEnded(ASKED_ANEW)
        member = self._reference.staff.get(link.user)
        if member is None or not member.active:
            raise LinkEnded(NOT_HERE)
        return approval

    def _done(self, approval: Approval, user: str) -> Said:
        """What became of one that is not asked any more, for this user."""
        day = approval.decided_at or approval.held_since
        if approval.state is ApprovalState.WITHDRAWN:
            return Said("This was withdrawn on {day}: nobody waits for it any more.", day=day)
        is_approved, who = approval.state is ApprovalState.APPROVED, self._name(approval.decided_by or "")
        if approval.decided_by == user:
            approved = Said("You approved this on {day}; there is nothing more to do.", day=day)
            return approved if is_approved else Said("You declined this on {day}; there is nothing more to do.", day=day)
        approved = Said("{who} approved this on {day}; there is nothing more to do.", who=who, day=day)
        return approved if is_approved else Said("{who} declined this on {day}; there is nothing more to do.", who=who, day=day)

    def _asker(self, approval: Approval) -> Said:
        day = approval.held_since
        if approval.delegated_from:
            return Said("{who} handed it to you on {day}.", who=self._name(approval.delegated_from), day=day)
        if approval.asked_by == "system":
            return Said("You are asked since {day}.", day=day)
        return Said("{who} asks you since {day}.", who=self._name(approval.asked_by), day=day)

    def _name(self, user: str) -> str:
        member = self._reference.staff.get(user)
        return user if member is None else member.name
