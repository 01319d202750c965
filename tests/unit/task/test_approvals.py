"""The life cycle of an approval: who decides, what blocks, and that no asking is decided twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.task.domain import approvals
from services.task.domain.approvals import Approval, ApprovalRefused, ApprovalState, Before, Decider, Refusal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EVA, OTTO, LENA = Decider("eva"), Decider("otto"), Decider("lena", for_others=True)


def an_approval(before: Before = Before.COMPLETION, **more: object) -> Approval:
    asked = Approval(UUID(int=1), UUID(int=2), UUID(int=3), "repair", 1, 1, before, "The offer", "eva", "paul", NOW, NOW, remind_times=2)
    return replace(asked, **more)  # type: ignore[arg-type]


@pytest.mark.requirement("AUTO-1", "TASK-4")
def test_only_the_approver_decides_or_an_overseer_with_a_reason() -> None:
    with pytest.raises(ApprovalRefused, match="asked of eva") as refused:
        approvals.decide(an_approval(), OTTO, "", LATER, approves=True)
    assert refused.value.why is Refusal.NOT_YOURS
    with pytest.raises(ApprovalRefused, match="deciding for eva needs a reason"):
        approvals.decide(an_approval(), LENA, " ", LATER, approves=True)
    decided = approvals.decide(an_approval(), LENA, "Eva is ill", LATER, approves=True)
    assert (decided.state, decided.decided_by, decided.comment, decided.remind_at) == (ApprovalState.APPROVED, "lena", "Eva is ill", None)
    assert approvals.decide(an_approval(), EVA, "", LATER, approves=True).decided_by == "eva"
    with pytest.raises(ApprovalRefused, match="handing it on for eva needs a reason"):
        approvals.delegate(an_approval(), "otto", LENA, LATER, None, " ")
    assert approvals.delegate(an_approval(), "otto", LENA, LATER, None, "Eva is ill").approver == "otto"


@pytest.mark.requirement("EDGE-14")
def test_links_are_revoked_by_who_asks_and_who_is_asked_and_by_an_overseer_with_a_reason() -> None:
    for by in (EVA, Decider("paul")):
        assert approvals.revoke_links(an_approval(), by, "", LATER) == an_approval(revision=2, links_revoked_at=LATER)
    with pytest.raises(ApprovalRefused, match="asked of eva"):
        approvals.revoke_links(an_approval(), OTTO, "why not", LATER)
    with pytest.raises(ApprovalRefused, match="needs a reason"):
        approvals.revoke_links(an_approval(), LENA, " ", LATER)
    assert approvals.revoke_links(an_approval(), LENA, "Eva's telephone is lost", LATER).links_revoked_at == LATER
    with pytest.raises(ApprovalRefused, match="it is approved"):
        approvals.revoke_links(an_approval(state=ApprovalState.APPROVED), EVA, "", LATER)


@pytest.mark.requirement("EDGE-6")
def test_a_declined_one_blocks_until_it_is_asked_again_or_withdrawn() -> None:
    with pytest.raises(ApprovalRefused, match="declining needs a reason"):
        approvals.decide(an_approval(), EVA, "", LATER, approves=False)
    declined = approvals.decide(an_approval(), EVA, "too dear", LATER, approves=False)
    assert approvals.blocking([declined], Before.COMPLETION) == (declined,)
    assert "too dear" in approvals.told(declined)
    assert approvals.ask_again(declined, "paul", LATER, None).state is ApprovalState.ASKED
    assert not approvals.blocking([approvals.withdraw(declined, Decider("paul"), "", LATER)], Before.COMPLETION)
    with pytest.raises(ApprovalRefused, match="paul asked for it"):
        approvals.withdraw(declined, OTTO, "why not", LATER)


@pytest.mark.requirement("EDGE-6")
def test_what_comes_before_the_start_comes_before_completion_too() -> None:
    start, completion = an_approval(Before.START), an_approval()
    assert approvals.blocking([start, completion], Before.START) == (start,)
    assert len(approvals.blocking([start, completion], Before.COMPLETION)) == 2


@pytest.mark.requirement("TASK-4")
def test_a_required_approval_that_was_withdrawn_is_missing_again() -> None:
    asked = an_approval()
    assert approvals.is_missing([], "repair", Before.COMPLETION)
    assert not approvals.is_missing([asked], "repair", Before.COMPLETION)
    assert approvals.is_missing([asked], "repair", Before.START)
    assert approvals.is_missing([approvals.withdrawn(asked, "system", "", LATER)], "repair", Before.COMPLETION)


def test_reminders_end_with_their_number_and_begin_anew_with_another_approver() -> None:
    once = approvals.remind(an_approval(remind_at=NOW), LATER)
    assert (once.reminders, once.remind_at) == (1, LATER)
    twice = approvals.remind(once, LATER)
    assert (twice.reminders, twice.remind_at) == (2, None)
    assert not approvals.is_reminder_due(twice, LATER)
    handed = approvals.delegate(twice, "otto", EVA, LATER, LATER)
    assert (handed.approver, handed.delegated_from, handed.reminders, handed.held_since) == ("otto", "eva", 0, LATER)
    back = approvals.delegate(handed, "eva", OTTO, LATER, None)
    assert (back.approver, back.delegated_from, back.revision) == ("eva", "otto", handed.revision + 1)


class Life(RuleBasedStateMachine):
    """Whatever is tried in whatever order."""

    users = st.sampled_from((EVA, OTTO, LENA, Decider("paul")))

    def __init__(self) -> None:
        super().__init__()
        self.approval = an_approval()
        self.decisions = 0  # of the present asking

    def _try(self, after: Approval | None) -> None:
        if after is not None and after is not self.approval:
            assert after.revision == self.approval.revision + 1
            self.approval = after

    @rule(by=users, approves=st.booleans(), comment=st.sampled_from(("", "so")))
    def decide(self, by: Decider, approves: bool, comment: str) -> None:
        try:
            after = approvals.decide(self.approval, by, comment, LATER, approves=approves)
        except ApprovalRefused:
            return
        assert by.user == self.approval.approver or (by.for_others and comment)
        self.decisions += 1
        self._try(after)

    @rule(by=users, to=st.sampled_from(("eva", "otto", "lena")))
    def delegate(self, by: Decider, to: str) -> None:
        try:
            self._try(approvals.delegate(self.approval, to, by, LATER, None))
        except ApprovalRefused:
            return
        assert self.approval.approver == to

    @rule(by=users, comment=st.sampled_from(("", "so")))
    def withdraw(self, by: Decider, comment: str) -> None:
        try:
            self._try(approvals.withdraw(self.approval, by, comment, LATER))
        except ApprovalRefused:
            return
        assert self.approval.state is ApprovalState.WITHDRAWN

    @rule()
    def ask_again(self) -> None:
        try:
            self._try(approvals.ask_again(self.approval, "paul", LATER, None))
        except ApprovalRefused:
            assert self.approval.state is not ApprovalState.DECLINED
            return
        self.decisions = 0

    @invariant()
    def is_decided_once_an_asking(self) -> None:
        assert self.decisions <= 1

    @invariant()
    def blocks_only_while_asked_or_declined(self) -> None:
        blocks = bool(approvals.blocking([self.approval], Before.COMPLETION))
        assert blocks == (self.approval.state in (ApprovalState.ASKED, ApprovalState.DECLINED))
        assert self.approval.remind_at is None or self.approval.state is ApprovalState.ASKED


TestLife = Life.TestCase
