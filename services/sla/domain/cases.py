"""What an event on a case does to its clocks: response, next word to the customer, temporary and final resolution, completion."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import CASE_CLOCKS, Alert, Clock, Moment
from services.sla.domain.journal import CaseTurn, enter
from services.sla.domain.ledger import FINISHED, case_clock
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from services.sla.domain.telling import reconcile


class CaseFact(Struct, frozen=True, gc=False):
    """A case as an event tells it; `at` is the event's time."""

    case_id: str
    """A UUID as text, in small letters."""
    revision: int
    config_version: int
    at: Moment
    state: str
    waiting_for_customer: bool
    opened_at: Moment
    responded_at: Moment | None
    resolved_at: Moment | None
    completed_at: Moment | None
    facts: Facts
    updated_at: Moment | None = None
    """When the customer last heard of it."""


def apply_case(record: Record | None, fact: CaseFact, policy: Policy, now: Moment) -> Outcome | None:
    """The case's record after `fact`; None: it changes nothing (a revision that is known).

    `policy`: of the configuration of the newest revision, be it this one's or that of the record.
    """
    at = min(fact.at, now)  # another host's clock may be ahead
    turn = _turn_of(fact, at)
    known: tuple[CaseTurn, ...] = record.case_turns if record is not None else ()
    turns = enter(known, turn)
    if turns is None:
        return None
    is_newest = record is None or fact.revision > record.revision
    is_finished = turns[-1].state in FINISHED
    forget_at = record.forget_at if record is not None and not is_newest else now + RETENTION if is_finished else None
    facts = record.facts if record is not None and not is_newest else NO_FACTS if is_finished else fact.facts
    revision, version = turns[-1].last, turns[-1].config_version
    if record is not None and len(turns) == len(known) and is_newest and record.reckoned_by == policy.mark:
        # It says what was known already, of all that clocks depend on.
        same = replace(record, revision=revision, facts=facts, forget_at=forget_at, turns=turns)
        return Outcome(same, [], fact.facts)
    clocks, alerts, told = told_anew(record, turns, policy, at, now)
    after = Record(ItemKind.CASE, revision, version, clocks, facts, forget_at, turns, told, policy.mark)
    return Outcome(after, alerts, fact.facts)


def recalculate(record: Record, policy: Policy, now: Moment) -> Outcome:
    """The case's record by calendars that are others than those that its clocks were last reckoned by."""
    clocks, alerts, told = told_anew(record, record.case_turns, policy, 0, now, is_other_calendar=True)
    return Outcome(replace(record, clocks=clocks, told=told, reckoned_by=policy.mark), alerts, record.facts)


def told_anew(
    record: Record | None,
    turns: tuple[CaseTurn, ...],
    policy: Policy,
    since: Moment,
    now: Moment,
    *,
    is_other_calendar: bool = False,
) -> tuple[tuple[Clock, ...], list[Alert], int]:
    """The clocks by a journal that has changed for what lies after `since`, the word of it, and what clocks that are gone have told."""
    clocks: list[Clock] = []
    alerts: list[Alert] = []
    told = record.told if record is not None else 0
    known = {clock.kind: clock for clock in record.clocks} if record is not None else {}
    now_is = turns[-1]
    targets = policy.targets(now_is.subject, now_is.method, now_is.priority, now_is.unit)
    is_same_ground = record is not None and not is_other_calendar and _is_same_ground(record, now_is, policy)
    for kind in CASE_CLOCKS:
        old, target = known.get(kind), targets.get(kind)
        if target is not None:
            new = case_clock(kind, target, turns, policy, old if is_same_ground else None)
        elif old is not None:
            new = None
        else:
            continue
        clock, word = reconcile(old, new, since, now, policy, told, is_other_calendar=is_other_calendar)
        alerts += word
        if clock is not None:
            clocks.append(clock)
        elif old is not None:
            told = max(told, old.events + len(word))
    return tuple(clocks), alerts, told


def _is_same_ground(record: Record, now: CaseTurn, policy: Policy) -> bool:
    """Whether the targets and calendars that made the record's clocks are those that hold now."""
    was = record.case_turns[-1] if record.turns else None
    return (
        was is not None
        and record.reckoned_by == policy.mark
        and (was.config_version, was.opened_at) == (now.config_version, now.opened_at)
        and (was.subject, was.method, was.priority, was.unit) == (now.subject, now.method, now.priority, now.unit)
    )


def _turn_of(fact: CaseFact, at: Moment) -> CaseTurn:
    facts = fact.facts
    return CaseTurn(
        fact.revision,
        fact.revision,
        at,
        fact.config_version,
        fact.state,
        fact.waiting_for_customer,
        facts.priority,
        facts.subject,
        facts.method,
        facts.unit,
        fact.opened_at,
        fact.responded_at,
        fact.resolved_at,
        fact.completed_at,
        fact.updated_at,
    )
