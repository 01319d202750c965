"""The clock of a lead: until its type's time for it is over, or it is closed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla.domain.clocks import ClockKind
from services.sla.domain.leads import LeadFact
from services.sla.domain.packing import unpack
from services.sla.domain.records import RETENTION, ItemKind, key_of
from services.sla.handlers.policies import build_policy
from services.sla.stream.partition import Partition
from shared.calendars import ROUND_THE_CLOCK
from shared.ids import clock_id
from shared.schemas.envelope import decode
from shared.schemas.events import PAYLOADS, ClockState
from tests.support.configuration import a_configuration
from tests.unit.sla.rules import LEAD, POLICY, Life, a_lead_fact, at, hours

pytestmark = pytest.mark.requirement("SLA-1", "LEAD-1")
DUE = at("2026-03-03 13:00")
"""12 working hours after the opening, Monday 09:00."""


def outcomes(life: Life) -> list[tuple[str, str]]:
    return [(str(alert.type), alert.outcome) for alert in life.told]


@pytest.mark.requirement("SLA-2")
def test_it_alerts_by_the_organisations_ladder_in_working_hours() -> None:
    life = Life()
    life.event(a_lead_fact())
    life.until(at("2026-04-01 00:00"))
    assert life.rungs() == [("due-soon", 0), ("overdue", 0), ("overdue", 1), ("overdue", 2), ("overdue", 3)]
    assert [alert.fired_at for alert in life.told][:3] == [at("2026-03-03 10:00"), DUE, at("2026-03-03 14:00")]
    assert life.record is not None
    (clock,) = life.record.clocks
    assert (clock.kind, clock.started_at, clock.target) == (ClockKind.COMPLETION, at("2026-03-02 09:00"), "lead")


@pytest.mark.parametrize(
    ("state", "closed_at", "outcome"),
    [
        ("won", at("2026-03-03 12:59"), "met"),
        ("lost", at("2026-03-03 13:00"), "met"),
        ("won", at("2026-03-03 13:01"), "missed"),
        ("lost", at("2026-03-20 09:00"), "missed"),
        ("cancelled", at("2026-03-02 10:00"), "cancelled"),
        ("cancelled", at("2026-03-20 09:00"), "cancelled"),
    ],
)
def test_its_end_closes_it_also_where_that_is_the_first_that_is_seen(state: str, closed_at: int, outcome: str) -> None:
    lived, late = Life(), Life()
    closed = a_lead_fact(3, state=state, at=closed_at, closed_at=closed_at)
    lived.event(a_lead_fact())
    lived.until(closed_at)
    lived.event(closed)
    late.event(a_lead_fact(3, state=state, at=at("2026-04-30 00:00"), closed_at=closed_at), now=at("2026-05-01 00:00"))  # republished
    assert outcomes(lived)[-1] == outcomes(late)[-1] == ("closed", outcome)
    assert len(late.told) == 1
    for life in (lived, late):
        assert life.record is not None
        assert (life.record.clocks[0].closed_at, life.record.facts.number) == (closed_at, "")
        told = len(life.told)
        life.until(at("2026-05-01 00:00") + RETENTION)
        assert (life.record, len(life.told)) == (None, told), "forgotten, without another word"


def test_an_end_that_is_read_after_the_alert_takes_it_back() -> None:
    life = Life()
    life.event(a_lead_fact())
    life.until(DUE)
    life.event(a_lead_fact(2, state="won", at=DUE - hours(1), closed_at=DUE - hours(1)), now=DUE + 60_000_000)
    assert outcomes(life)[2:] == [("withdrawn", ""), ("closed", "met")]
    assert [alert.rung for alert in life.told][2] == "overdue"
    assert [alert.revision for alert in life.told] == [1, 2, 3, 4]


def test_it_moves_with_the_expected_completion() -> None:
    life = Life()
    life.event(a_lead_fact())
    life.until(at("2026-03-03 11:00"))
    life.event(a_lead_fact(2, at=at("2026-03-03 11:00"), due_at=at("2026-03-04 17:00")))
    life.until(at("2026-03-04 17:00"))
    assert [(alert.type, alert.due_at) for alert in life.told] == [
        ("due-soon", DUE),
        ("due-soon", at("2026-03-04 17:00")),
        ("overdue", at("2026-03-04 17:00")),
    ]
    life.event(a_lead_fact(3, at=at("2026-03-05 09:00"), due_at=None))
    assert life.record is not None
    assert life.record.clocks == ()


def test_a_move_that_is_read_after_the_alert_takes_it_back() -> None:
    life = Life()
    life.event(a_lead_fact())
    life.until(DUE)
    life.event(a_lead_fact(2, at=at("2026-03-03 11:00"), due_at=at("2026-03-04 17:00")), now=DUE + 60_000_000)
    assert life.rungs() == [("due-soon", 0), ("overdue", 0), ("withdrawn", 0)]
    assert life.told[2].rung == "overdue"


def test_a_lost_lead_that_is_taken_up_again_runs_on_and_is_closed_again() -> None:
    life = Life()
    life.event(a_lead_fact())
    life.until(at("2026-03-03 10:00"))
    life.event(a_lead_fact(2, state="lost", at=at("2026-03-03 11:00"), closed_at=at("2026-03-03 11:00")))
    life.event(a_lead_fact(3, state="in_progress", at=at("2026-03-03 12:00")))
    life.until(at("2026-03-03 13:30"))
    life.event(a_lead_fact(4, state="won", at=at("2026-03-03 13:30"), closed_at=at("2026-03-03 13:30")))
    assert outcomes(life) == [("due-soon", ""), ("closed", "met"), ("overdue", ""), ("closed", "missed")]
    assert [alert.revision for alert in life.told] == [1, 2, 3, 4]


def test_a_lead_whose_type_gives_it_no_time_has_no_clock() -> None:
    life = Life()
    life.event(a_lead_fact(2, due_at=None))
    life.event(a_lead_fact(1))  # what is older gives it none
    assert life.record is not None
    assert (life.record.clocks, life.record.next_at, life.told) == ((), None, [])
    life.event(a_lead_fact(3, due_at=None, state="won", closed_at=at("2026-03-02 10:00")))
    assert life.told == []


_COURSES = st.lists(
    st.tuples(
        st.sampled_from(["pending", "in_progress", "won", "lost", "cancelled"]),
        st.sampled_from([None, DUE, DUE + hours(24)]),
        st.integers(0, 96),
    ),
    min_size=1,
    max_size=5,
)


@given(course=_COURSES, order=st.randoms(use_true_random=False))
def test_the_order_in_which_events_come_does_not_matter(course: list[tuple[str, int | None, int]], order: object) -> None:
    begun, now = at("2026-03-02 09:00"), at("2026-03-20 09:00")
    moments = sorted(begun + hours(after) for _, _, after in course)
    facts: list[LeadFact] = []
    for revision, ((state, due_at, _), moment) in enumerate(zip(course, moments, strict=True), 1):
        closed_at = moment if state in ("won", "lost", "cancelled") else None
        facts.append(a_lead_fact(revision, at=moment, state=state, due_at=due_at, closed_at=closed_at))
    shuffled = [*facts, facts[0]]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    straight, mixed = Life(), Life()
    for life, told in ((straight, facts), (mixed, shuffled)):
        for fact in told:
            life.event(fact, now=now)

    def ledger(life: Life) -> object:
        assert life.record is not None
        clocks = [
            (c.kind, c.started_at, c.due_at, c.soon_at, c.next_at, c.budget, c.closed_at, c.outcome, c.rung) for c in life.record.clocks
        ]
        return life.record.revision, life.record.facts, life.record.forget_at, clocks

    assert ledger(straight) == ledger(mixed)
    for life in (straight, mixed):
        assert all(after.revision == before.revision + 1 for before, after in pairwise(life.told))


def test_a_time_in_plain_days_passes_round_the_clock() -> None:
    kinds = [
        {"name": "Garage", "complete_within": "30 days"},
        {"name": "Home", "complete_within": "10 working days"},
        {"name": "Shed"},
    ]
    statuses = [{"code": state, "name": state, "state": state} for state in ("pending", "in_progress", "won", "lost", "cancelled")]
    defaults = {state: state for state in ("pending", "in_progress", "won", "lost", "cancelled")}
    policy = build_policy(a_configuration(leads={"types": kinds, "statuses": statuses, "default_statuses": defaults}))
    assert policy.lead_calendar("garage") == ROUND_THE_CLOCK
    assert [policy.lead_calendar(kind) for kind in ("home", "shed", "gone")] == [policy.calendar] * 3


def test_a_partition_takes_it_in_and_tells_of_it_under_the_leads_own_key() -> None:
    partition = Partition(0, lambda _version: POLICY, at("2026-03-02 09:00"))
    partition.take(a_lead_fact(), b"", at("2026-03-02 09:00"))
    partition.take(a_lead_fact(), b"", at("2026-03-02 09:00"))
    partition.launch()
    partition.settle()
    assert unpack(partition.timers.records[key_of(ItemKind.LEAD, str(LEAD))]).facts.number == "L-1"
    assert partition.fire(DUE, DUE, 0, 10) == 1
    for (key, value, headers), rung in zip(partition.work.alerts, ("due-soon", "overdue"), strict=True):
        plain = {name: text for name, text in headers if isinstance(text, bytes)}
        event = decode(key, plain, value, PAYLOADS[plain["ce_type"].decode()])
        state = event.data
        assert isinstance(state, ClockState)
        assert (event.key, state.item_kind, state.item_id, state.case_id) == (str(LEAD), "lead", LEAD, None)
        assert (state.rung, state.kind, state.clock_id) == (rung, "completion", clock_id(LEAD, "completion"))
        assert (state.number, state.title, state.unit, state.assignee) == ("L-1", "A garage", "sales", "sam")
        assert state.owner is not None
        assert (state.owner.kind, state.owner.code, state.subject, state.priority) == ("user", "sam", "garage", "6")
        assert state.due_at == datetime.fromisoformat("2026-03-03T13:00:00Z")
