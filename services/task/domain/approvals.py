"""Approvals (TASK-4, AUTO-1, EDGE-6): somebody is asked whether something may go on, and until they say so it does not.

An approval is asked of one user, who approves or declines it, or hands it to a colleague. An approved one is done with. A declined one
still blocks: until it is asked again, or withdrawn. Every asking is decided once at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ApprovalState(StrEnum):
    """Where an approval stands. The values are those of the events."""

    ASKED = "asked"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def blocks(self) -> bool:
        """Whether what it is for cannot go on."""
        return self in (ApprovalState.ASKED, ApprovalState.DECLINED)


class Before(StrEnum):
    """What an approval comes before. Of a case there is only completion."""

    START = "start"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Approval:
    """One thing that is to be approved. Field names are those of the table `approvals`, in its order."""

    id: UUID
    case_id: UUID | None
    """None: of a task that belongs to no case."""
    task_id: UUID | None
    """None: it is about the case itself."""
    definition: str | None
    """The task definition that requires it; None: it was asked by hand or by a rule."""
    config_version: int
    revision: int
    before: Before
    what: str
    approver: str
    """The user who is to decide."""
    asked_by: str
    asked_at: datetime
    """Last, where it was asked again."""
    held_since: datetime
    """Since when it is up to this approver."""
    state: ApprovalState = ApprovalState.ASKED
    decided_by: str | None = None
    decided_at: datetime | None = None
    """When it was approved, declined or withdrawn."""
    comment: str = ""
    """What was said to the decision or the withdrawal."""
    delegated_from: str | None = None
    """The user who handed it to the approver."""
    remind_every: str = ""
    """Duration; empty: nobody is reminded."""
    remind_times: int = 0
    reminders: int = 0
    """How often the approver was reminded since `held_since`."""
    remind_at: datetime | None = None
    """When they are reminded next; None: not any more."""
    links_revoked_at: datetime | None = None
    """Links that were made until then are void; None: none is."""


@dataclass(frozen=True, slots=True)
class Decider:
    """Who does something about an approval; `for_others`: whether their permissions let them stand in for its approver."""

    user: str
    for_others: bool = False


class Refusal(StrEnum):
    """Why something asked of an approval does not happen."""

    NOT_ASKED = "not_asked"
    NOT_DECLINED = "not_declined"
    DONE_WITH = "done_with"
    NOT_YOURS = "not_yours"
    NO_REASON = "no_reason"
    THEIRS_ALREADY = "theirs_already"


class ApprovalRefused(Exception):
    """Nothing has changed; `what` was asked for, `why` it is refused, the message is for people."""

    def __init__(self, what: str, why: Refusal, message: str) -> None:
        super().__init__(f"cannot {what}: {message}")
        self.what = what
        self.why = why


def decide(approval: Approval, by: Decider, comment: str, now: datetime, *, approves: bool) -> Approval:
    """The approval approved or declined. Declining needs a comment; so does deciding in somebody's stead, which is not for everybody."""
    what = "approve it" if approves else "decline it"
    _require_asked(approval, what)
    if by.user != approval.approver:
        if not by.for_others:
            raise ApprovalRefused(what, Refusal.NOT_YOURS, f"it is asked of {approval.approver}")
        _require_reason(comment, what, f"deciding for {approval.approver} needs a reason")
    if not approves:
        _require_reason(comment, what, "declining needs a reason")
    state = ApprovalState.APPROVED if approves else ApprovalState.DECLINED
    return _next(approval, state=state, decided_by=by.user, decided_at=now, comment=comment.strip(), remind_at=None)


def delegate(approval: Approval, to: str, by: Decider, now: datetime, remind_at: datetime | None, note: str = "") -> Approval:
    """The approval in the hands of another user, who is reminded from `remind_at` on. It may come back to who had it before.

    `note`: a word to them; handing it on in its approver's stead needs one.
    """
    what = "hand it on"
    _require_asked(approval, what)
    if by.user != approval.approver:
        if not by.for_others:
            raise ApprovalRefused(what, Refusal.NOT_YOURS, f"it is asked of {approval.approver}")
        _require_reason(note, what, f"handing it on for {approval.approver} needs a reason")
    if to == approval.approver:
        raise ApprovalRefused(what, Refusal.THEIRS_ALREADY, f"it is asked of {to} already")
    return _next(approval, approver=to, delegated_from=approval.approver, held_since=now, reminders=0, remind_at=remind_at)


def withdraw(approval: Approval, by: Decider, comment: str, now: datetime) -> Approval:
    """The approval that nobody waits for any more: by who asked for it, or in their stead, with a reason."""
    what = "withdraw it"
    if not approval.state.blocks:
        raise ApprovalRefused(what, Refusal.DONE_WITH, f"it is {approval.state}")
    if by.user != approval.asked_by:
        if not by.for_others:
            raise ApprovalRefused(what, Refusal.NOT_YOURS, f"{approval.asked_by} asked for it")
        _require_reason(comment, what, f"withdrawing what {approval.asked_by} asked needs a reason")
    return withdrawn(approval, by.user, comment.strip(), now)


def revoke_links(approval: Approval, by: Decider, reason: str, now: datetime) -> Approval:
    """The approval whose links are void, as far as they were sent until now. Its approver and asker may do that, others with a reason."""
    what = "revoke its links"
    _require_asked(approval, what)
    if by.user not in (approval.approver, approval.asked_by):
        if not by.for_others:
            raise ApprovalRefused(what, Refusal.NOT_YOURS, f"it is asked of {approval.approver}")
        _require_reason(reason, what, f"revoking the links of {approval.approver} needs a reason")
    return _next(approval, links_revoked_at=now)


def withdrawn(approval: Approval, by: str, comment: str, now: datetime) -> Approval:
    """The approval that has lost its purpose, or was overridden; one that blocks nothing stays as it is."""
    if not approval.state.blocks:
        return approval
    return _next(approval, state=ApprovalState.WITHDRAWN, decided_by=by, decided_at=now, comment=comment, remind_at=None)


def brought_back(approval: Approval, before: Mapping[str, object], remind_at: datetime | None) -> Approval:
    """The withdrawn approval as it was `before`: what it was withdrawn for was undone. `before` has what the withdrawal changed.

    Times may be ISO text. What is missing in it (an erased comment) stays as it is.
    """
    decided_at = before.get("decided_at", approval.decided_at)
    return _next(
        approval,
        state=ApprovalState(str(before["state"])),
        decided_by=before.get("decided_by", approval.decided_by),
        decided_at=datetime.fromisoformat(decided_at) if isinstance(decided_at, str) else decided_at,
        comment=before.get("comment", approval.comment),
        remind_at=remind_at,
    )


def ask_again(approval: Approval, by: str, now: datetime, remind_at: datetime | None) -> Approval:
    """The declined approval, asked anew of the same user."""
    if approval.state is not ApprovalState.DECLINED:
        raise ApprovalRefused("ask again", Refusal.NOT_DECLINED, f"it is {approval.state}, not declined")
    return _next(
        approval,
        state=ApprovalState.ASKED,
        asked_by=by,
        asked_at=now,
        held_since=now,
        decided_by=None,
        decided_at=None,
        comment="",
        reminders=0,
        remind_at=remind_at,
    )


def remind(approval: Approval, remind_at: datetime | None) -> Approval:
    """The approval whose approver was reminded now; `remind_at`: when they are next, if they are to be."""
    reminders = approval.reminders + 1
    return _next(approval, reminders=reminders, remind_at=remind_at if reminders < approval.remind_times else None)


def is_reminder_due(approval: Approval, now: datetime) -> bool:
    """Whether the approver is to be reminded now."""
    return approval.state is ApprovalState.ASKED and approval.remind_at is not None and approval.remind_at <= now


def blocking(approvals: Iterable[Approval], before: Before) -> tuple[Approval, ...]:
    """Those that this step waits for, the oldest first. What was to be approved before the start is so before completion too."""
    found = [each for each in approvals if each.state.blocks and (before is Before.COMPLETION or each.before is Before.START)]
    return tuple(sorted(found, key=lambda each: (each.asked_at, each.id)))


def is_missing(approvals: Iterable[Approval], definition: str, before: Before) -> bool:
    """Whether an approval that the definition requires before this step was not asked yet, or was asked and withdrawn."""
    mine = [each.state for each in approvals if each.definition == definition and each.before is before]
    return all(state is ApprovalState.WITHDRAWN for state in mine)


def told(approval: Approval) -> str:
    """Why it blocks, for people."""
    if approval.state is ApprovalState.DECLINED:
        said = f": {approval.comment}" if approval.comment else ""
        day = approval.decided_at.date().isoformat() if approval.decided_at else ""
        return f"{approval.decided_by} declined it on {day}{said}; it is blocked until that is asked again or withdrawn"
    return f"it waits for approval by {approval.approver}, who is asked since {approval.held_since.isoformat(timespec='minutes')}"


def _require_asked(approval: Approval, what: str) -> None:
    if approval.state is not ApprovalState.ASKED:
        raise ApprovalRefused(what, Refusal.NOT_ASKED, f"it is {approval.state}")


def _require_reason(comment: str, what: str, message: str) -> None:
    if not comment.strip():
        raise ApprovalRefused(what, Refusal.NO_REASON, message)


def _next(approval: Approval, **changes: object) -> Approval:
    return replace(approval, revision=approval.revision + 1, **changes)  # type: ignore[arg-type]
