"""An approval as the pages show it: what it holds up, and what who looks may do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

SYSTEM = "system"
STATE_WORDS = {"asked": "Asked", "approved": "Approved", "declined": "Declined", "withdrawn": "Withdrawn"}
EVENT_WORDS = {
    "asked": "Asked",
    "decided": "Decided",
    "delegated": "Handed on",
    "links-revoked": "Links revoked",
    "reminded": "Reminded",
    "withdrawn": "Withdrawn",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of an approval's history. `state`: what it became, where that changed."""

    at: datetime
    by: str
    event: str
    state: str
    approver: str
    """Whom it was handed to; empty: nobody."""
    comment: str
    note: str

    @property
    def words(self) -> str:
        """What happened."""
        return STATE_WORDS.get(self.state, "") or EVENT_WORDS.get(self.event, self.event)


@dataclass(frozen=True, slots=True)
class Approval:
    """What a page knows of an approval."""

    id: UUID
    revision: int
    case: UUID | None
    case_number: str
    case_title: str
    task: UUID | None
    subject_line: str
    before: str
    what: str
    approver: str
    asked_by: str
    asked_at: datetime
    held_since: datetime
    state: str
    blocks: bool
    decided_by: str
    decided_at: datetime | None
    comment: str
    delegated_from: str
    reminders: int
    in_sight: bool = False
    """Whether who looks sees its task or case as well; known of one that is opened."""
    history: tuple[Step, ...] = ()

    @property
    def state_word(self) -> str:
        """Where it stands."""
        return STATE_WORDS.get(self.state, self.state)

    @property
    def holds_up(self) -> str:
        """What cannot go on before it is approved."""
        thing = "task" if self.task else "case"
        return f"the {thing} cannot be {'started' if self.before == 'start' else 'completed'}"


@dataclass(frozen=True, slots=True)
class May:
    """What somebody may do about an approval. `stands_in`: they would decide in its approver's stead."""

    decide: bool
    stands_in: bool
    delegate: bool
    withdraw: bool
    withdraws_for: bool
    """In the asker's stead."""
    ask_again: bool
    revoke_links: bool
    revokes_for: bool
    """As one who neither asked nor is asked."""


def may(approval: Approval, user: str, *, for_others: bool, asks: bool) -> May:
    """What `user` may do; `for_others` and `asks`: whether they may act in others' stead, and ask for approvals."""
    for_others = for_others and approval.in_sight
    is_asked = approval.state == "asked"
    decides = is_asked and (for_others or approval.approver == user)
    withdraws = approval.blocks and (for_others or approval.asked_by == user)
    is_ones_own = user in (approval.approver, approval.asked_by)
    revokes = is_asked and (for_others or is_ones_own)
    return May(
        decides,
        decides and approval.approver != user,
        decides,
        withdraws,
        withdraws and approval.asked_by != user,
        asks and approval.state == "declined",
        revokes,
        revokes and not is_ones_own,
    )
