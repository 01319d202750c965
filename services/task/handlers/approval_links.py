"""Links by which an approver decides without a login (EDGE-14): looking changes nothing, deciding uses the link up.

Nothing is kept of a link. It names the approval, its approver and when they were asked; it is good while just that is asked, so a decision,
another approver, a withdrawal or asking again each end it. Staff can also revoke those that were sent until now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.task.domain.approvals import Approval, ApprovalRefused, ApprovalState, Decider
from services.task.handlers import approvals as handling
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import approvals, queries
from shared.ids import derive
from shared.links import Link, Read
from shared.links.pages import LONGEST_TEXT, NO_LONGER_VALID, Choice, Given, LinkEnded, NotFilled, Page, Question
from shared.messaging import ReferenceData
from shared.storage import Transaction

PURPOSE = "approval"
BY_LINK = "by link"
"""How it was decided, on the approval's history."""
APPROVE, DECLINE = Choice("approve", "Approve"), Choice("decline", "Decline")
EXPIRED = "This link is too old to be used."
NOT_HERE = "There is nothing to be decided by this link any more."
ASKED_ANEW = "You were asked anew since. Please use the link in our latest message."


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer."""

    thanks: str


class ApprovalLinks:
    """What the links to approvals ask, and the taking of their answers."""

    def __init__(self, reference: ReferenceData, compiled: CompiledOf) -> None:
        self._reference = reference
        self._compiled = compiled

    def page(self, tx: Transaction, read: Read, now: datetime) -> Page:
        """What is to be approved, and two buttons. Raises `LinkEnded`."""
        approval = self._asked(approvals.get(tx, read.link.record), read.link, now)
        case = queries.get_case(tx, approval.case_id) if approval.case_id else None
        task = queries.get_task(tx, approval.task_id) if approval.task_id else None
        about = [approval.what]
        if case is not None:
            about.append(f"{case.kind.capitalize()} {case.number}: {case.title}")
        if task is not None and task[0].subject_line != approval.what:
            about.append(f"Task: {task[0].subject_line}")
        about.append(f"{self._asker(approval)} {self._day(approval.held_since)}.")
        comment = Question("comment", "Why? Declining needs a reason.")
        return Page("Do you approve this?", tuple(about), (comment,), (APPROVE, DECLINE))

    def take(self, tx: Transaction, read: Read, given: Given, now: datetime, traceparent: str) -> Taken:
        """Decide it as the approver's own word. Raises `LinkEnded` and `NotFilled`."""
        comment = given.answers.get("comment", "").strip()
        if given.button not in (APPROVE.value, DECLINE.value):
            raise NotFilled({"": "Please press one of the two buttons."})
        if len(comment) > LONGEST_TEXT:
            raise NotFilled({"comment": f"This is longer than {LONGEST_TEXT:,} characters."})
        approves = given.button == APPROVE.value
        if not approves and not comment:
            raise NotFilled({"comment": "Please say why you decline."})
        work = Work(self._compiled, now)
        approval = self._asked(handling.load(tx, work, read.link.record), read.link, now)
        cause = Cause(derive("approval link", read.id.hex()), now, approval.approver, traceparent)
        try:
            handling.decide(work, approval, Decider(approval.approver), comment, cause, approves=approves, how=BY_LINK)
        except ApprovalRefused as error:
            raise LinkEnded(NOT_HERE) from error
        work.save(tx)
        return Taken(f"Thank you. You have {'approved' if approves else 'declined'} it.")

    def _asked(self, approval: Approval | None, link: Link, now: datetime) -> Approval:
        """The approval, if it is what the link asks. Raises `LinkEnded`, which says why it is not."""
        if link.purpose != PURPOSE or not link.user or approval is None:
            raise LinkEnded(NOT_HERE)
        if approval.links_revoked_at is not None and link.issued_at <= approval.links_revoked_at:
            raise LinkEnded(NO_LONGER_VALID)
        decided = self._day(approval.decided_at) if approval.decided_at else ""
        if approval.state is ApprovalState.WITHDRAWN:
            raise LinkEnded(f"This was withdrawn {decided}: nobody waits for it any more.")
        if approval.state is not ApprovalState.ASKED:
            who = "You" if approval.decided_by == link.user else self._name(approval.decided_by or "")
            raise LinkEnded(f"{who} {approval.state} this {decided}; there is nothing more to do.")
        if now >= link.expires_at:
            raise LinkEnded(EXPIRED)
        if approval.approver != link.user:
            raise LinkEnded(f"This was handed to {self._name(approval.approver)} {self._day(approval.held_since)}.")
        if link.issued_at < approval.held_since:
            raise LinkEnded(ASKED_ANEW)
        member = self._reference.staff.get(link.user)
        if member is None or not member.active:
            raise LinkEnded(NOT_HERE)
        return approval

    def _asker(self, approval: Approval) -> str:
        if approval.delegated_from:
            return f"{self._name(approval.delegated_from)} handed it to you"
        if approval.asked_by == "system":
            return "You are asked since"
        return f"{self._name(approval.asked_by)} asks you since"

    def _name(self, user: str) -> str:
        member = self._reference.staff.get(user)
        return user if member is None else member.name

    def _day(self, at: datetime) -> str:
        zone = ZoneInfo(self._reference.configuration(self._reference.version).organisation.time_zone)
        local = at.astimezone(zone)
        return f"on {local.day} {local:%B %Y}"
