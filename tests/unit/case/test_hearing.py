"""When the customer last heard of a case: what counts, and what it changes (SLA-1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.case.domain.calls import CallState
from services.case.domain.case import Change
from services.case.domain.hearing import answered, heard, heard_by, heard_in, settled, told
from services.case.domain.life_cycle import LifeCycle
from tests.support.case import NOW, a_case

pytestmark = pytest.mark.requirement("SLA-1")
EARLIER, LATER = NOW - timedelta(hours=2), NOW + timedelta(hours=2)


def test_only_a_persons_word_that_goes_out_counts() -> None:
    assert heard_by("outbound", "none", EARLIER, NOW, old=False, is_with_staff=False) == EARLIER
    assert heard_by("outbound", "none", LATER, NOW, old=False, is_with_staff=False) == NOW, "another host's clock is ahead"
    assert heard_by("inbound", "none", EARLIER, NOW, old=False, is_with_staff=False) is None
    assert heard_by("outbound", "auto_reply", EARLIER, NOW, old=False, is_with_staff=False) is None
    assert heard_by("outbound", "none", EARLIER, NOW, old=True, is_with_staff=False) is None
    assert heard_by("outbound", "none", EARLIER, NOW, old=False, is_with_staff=True) is None


@pytest.mark.parametrize(
    ("call", "at"),
    [
        (CallState(rang_at=EARLIER), None),
        (CallState(rang_at=EARLIER, ended_at=NOW, ending=3, outcome="no_answer"), None),
        (CallState(answered_at=EARLIER, ended_at=NOW, ending=3, outcome="completed"), EARLIER),
        (CallState(ended_at=EARLIER, ending=3, outcome="completed"), EARLIER),
        (CallState(answered_at=LATER), NOW),
    ],
)
def test_a_call_counts_once_it_is_answered(call: CallState, at: object) -> None:
    assert heard_in(call, NOW) == at


def test_what_was_heard_later_stands() -> None:
    case = a_case(customer_updated_at=NOW)
    assert heard(case, EARLIER, "rita", LATER) == (case, ())
    assert heard(case, NOW, "rita", LATER) == (case, ())
    after, changes = heard(case, LATER, "rita", LATER)
    assert (after.customer_updated_at, after.revision, after.changed_by, after.changed_at) == (LATER, case.revision + 1, "rita", LATER)
    assert changes == (Change("customer_updated_at", NOW.isoformat(), LATER.isoformat()),)
    assert after.customer_told_at is None


def test_it_may_go_back_where_communications_went_away() -> None:
    after, changes = settled(a_case(customer_updated_at=NOW), None, "rita", LATER)
    assert (after.customer_updated_at, after.revision) == (None, 2)
    assert changes == (Change("customer_updated_at", NOW.isoformat(), None),)
    assert told(a_case(customer_updated_at=LATER), "rita", NOW)[0].customer_updated_at == LATER


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (LifeCycle.PENDING, LifeCycle.RESPONDED, True),
        (LifeCycle.RESPONDED, LifeCycle.FINALLY_RESOLVED, True),
        (LifeCycle.PENDING, LifeCycle.COMPLETED, True),
        (LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED, False),
        (LifeCycle.PENDING, LifeCycle.CANCELLED, False),
        (LifeCycle.FINALLY_RESOLVED, LifeCycle.RESPONDED, False),
        (LifeCycle.COMPLETED, LifeCycle.RESPONDED, False),
    ],
)
def test_a_step_to_an_answer_counts(before: LifeCycle, after: LifeCycle, counts: bool) -> None:
    old = a_case(state=before)
    step = (Change("state", before, after),)
    case, changes = answered(old, old._replace(state=after, revision=2, changed_by="rita"), step, NOW)
    assert case.revision == 2, "one step is one revision"
    assert (case.customer_updated_at, case.customer_told_at) == ((NOW, NOW) if counts else (None, None))
    assert len(changes) == 1 + counts


def test_an_answer_that_is_amended_counts_and_one_that_is_taken_back_or_accepted_does_not() -> None:
    old = a_case(state=LifeCycle.RESPONDED)
    new = old._replace(revision=2)
    assert answered(old, new, (Change("response_text", "Soon.", "Tomorrow."),), NOW)[0].customer_updated_at == NOW
    assert answered(old, new, (Change("response_text", "Soon.", None),), NOW)[0].customer_updated_at is None
    assert answered(old, new, (Change("response_accepted", None, "yes"), Change("owner", None, "rita")), NOW)[0].customer_updated_at is None
