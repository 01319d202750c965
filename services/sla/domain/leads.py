"""What an event on a lead does to its clock: its completion, by the time that its type gives it (SLA-1, LEAD-1).

A lead says itself by when it is expected to be complete, and when it was closed. So its clock follows from its newest revision alone, and
older ones that come late change nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Clock, ClockKind, Moment, start_clock
from services.sla.domain.ledger import stopped
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from services.sla.domain.telling import reconcile

CLOSED: Final = frozenset({"won", "lost", "cancelled"})


class LeadFact(Struct, frozen=True, gc=False):
    """A lead as an event tells it; `at` is the event's time. Its type is the `subject` of its facts."""

    lead_id: str
    """A UUID as text, in small letters."""
    revision: int
    config_version: int
    at: Moment
    state: str
    opened_at: Moment
    due_at: Moment | None
    """By when it is expected to be complete; None: its type does not say."""
    closed_at: Moment | None
    facts: Facts


def apply_lead(record: Record | None, fact: LeadFact, policy: Policy, now: Moment) -> Outcome | None:
    """The lead's record after `fact`; None: it changes nothing (an older revision, or one that is known).

    One that is first seen closed has its clock too, which has stopped: whether it was in time counts whenever sla began to read. One that
    is not due has a record without a clock, so that nothing older gives it one.
    """
    if record is not None and fact.revision <= record.revision:
        return None
    before = record.clock(ClockKind.COMPLETION) if record is not None else None
    told = record.told if record is not None else 0
    clock, alerts = reconcile(before, _clock(fact, policy, now), min(fact.at, now), now, policy, told)
    if clock is None and before is not None:
        told = max(told, before.events + len(alerts))
    clocks = () if clock is None else (clock,)
    facts, forget_at = (NO_FACTS, now + RETENTION) if fact.state in CLOSED else (fact.facts, None)
    return Outcome(Record(ItemKind.LEAD, fact.revision, fact.config_version, clocks, facts, forget_at, told=told), alerts, fact.facts)


def _clock(fact: LeadFact, policy: Policy, now: Moment) -> Clock | None:
    """What the lead's clock is by this fact: it runs from the opening, and has stopped since the lead was closed."""
    if fact.due_at is None:
        return None
    clock = start_clock(ClockKind.COMPLETION, fact.opened_at, fact.due_at, policy.lead_calendar(fact.facts.subject), policy.ladder)
    clock = replace(clock, target="lead")
    if fact.state not in CLOSED:
        return clock
    closed_at = min(fact.at if fact.closed_at is None else fact.closed_at, now)
    return stopped(clock, max(closed_at, fact.opened_at), fact.state == "cancelled")
