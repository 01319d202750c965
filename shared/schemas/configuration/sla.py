"""Deadlines as the organisation sets them (SLA-1, SLA-2, EDGE-9): targets, and the ladders by which their clocks alert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shared.calendars import DurationError, parse_duration
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import TARGETS, Found, find
from shared.schemas.configuration.section import Named, Section, SpanText
from shared.schemas.events import Code
from shared.schemas.events.sla import Told

MOST_STEPS: Final = 16
"""A clock keeps one bit for each step of its ladder."""
TargetClock = Literal["response", "temporary_resolution", "resolution", "completion", "update"]
LADDERS: Final = ("sla.ladder", "sla.ladders[]")


class Target(Section):
    """How long a clock may take (SLA-1). `update`: until the customer next hears of the case, again and again.

    Of a subject's, a method's or the organisation's targets for a clock the first is taken of: for this priority and this unit, for this
    priority, for this unit, for all.
    """

    clock: TargetClock
    within: SpanText
    priority: Code | None = None
    """None: any."""
    unit: Code | None = None
    """For cases that this unit has; none: any."""
    calendar: Code | None = None
    """On which its working time passes; none: the organisation's."""
    pauses: bool = True
    """False: the clock runs on while we wait for the customer (statutory, emergency)."""
    ladder: Code | None = None
    """Of `sla.ladders`; none: `sla.ladder`."""


class Escalation(Section):
    """A step of the escalation chain (EDGE-9): when, by exactly one of `at`, `before` and `after`, and whom it tells."""

    at: Annotated[float, Field(gt=0, le=100)] | None = None
    """The share of its time that is used up then; 1: it falls due; 2: as much again is over."""
    before: SpanText | None = None
    """So long before it is due; `working` time is that of the clock's calendar."""
    after: SpanText | None = None
    """So long after it was due."""
    tell: Annotated[tuple[Told, ...], Field(min_length=1)]
    """`owner`: the assignee, else whom the item is for; `leader` and `manager`: those of its unit."""


class Ladder(Section):
    """When a clock alerts: due soon, overdue, again every so often, and step by step up the escalation chain."""

    due_soon_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Due soon once this share of its time is used up."""
    due_soon_before: SpanText | None = None
    """Due soon so long before it is due, instead."""
    repeat_overdue_every: SpanText | None = None
    repeat_overdue_times: Annotated[int, Field(ge=0, le=100)] = 0
    escalations: Annotated[tuple[Escalation, ...], Field(max_length=MOST_STEPS)] = ()


class NamedLadder(Ladder, Named):
    """A ladder that targets and task definitions name."""


class Sla(Section):
    """The organisation's default targets, its ladder, and others that targets and task definitions name."""

    targets: tuple[Target, ...] = ()
    ladder: Ladder = Ladder()
    """For every clock that names none."""
    ladders: tuple[NamedLadder, ...] = ()


def check_sla(document: Document) -> None:
    """What must hold of targets and ladders."""
    ladders = {item.value.get("code"): item.value for item in find(document.data, "sla.ladders[]") if isinstance(item.value, dict)}
    for pattern in TARGETS:
        for item in find(document.data, pattern):
            _check_targets(document, item)
            for index, target in _dicts(item.value):
                if isinstance(target.get("ladder"), str) and target["ladder"] in ladders:
                    _check_time(document, (*item.path, index, "ladder"), target, ladders[target["ladder"]])
    for pattern in LADDERS:
        for item in find(document.data, pattern):
            if isinstance(item.value, dict):
                _check_ladder(document, item.path, item.value)


def _check_targets(document: Document, listed: Found) -> None:
    """No target stands behind another for the same clock, priority and unit, where it would never be used (SLA-1)."""
    seen: set[tuple[str, str, str]] = set()
    for index, target in _dicts(listed.value):
        clock, priority, unit = (str(target.get(name) or "any") for name in ("clock", "priority", "unit"))
        if (clock, priority, unit) in seen:
            where = f"{clock} and priority {priority}" + (f" and unit {unit}" if unit != "any" else "")
            document.problem((*listed.path, index), f"there is a target for {where} before it; remove one")
        seen.add((clock, priority, unit))


def _check_time(document: Document, path: Path, target: dict[str, Any], ladder: dict[str, Any]) -> None:
    """A target has more time than its ladder looks ahead; a step before its beginning would be told as it begins."""
    steps = [(f"step {index + 1}", step.get("before")) for index, step in _dicts(ladder.get("escalations"))]
    for name, before in [("due_soon_before", ladder.get("due_soon_before")), *steps]:
        try:
            span, within = parse_duration(str(before)), parse_duration(str(target.get("within")))
        except DurationError:
            continue  # reported where it stands
        if span == within or span.is_surely_longer_than(within):
            document.problem(path, f"{name} of this ladder comes {span} before it is due, and it has only {within}; take another ladder")


def _check_ladder(document: Document, path: Path, ladder: dict[str, Any]) -> None:
    if ladder.get("due_soon_before") is not None and ladder.get("due_soon_share") is not None:
        document.problem((*path, "due_soon_share"), "say by this when it is due soon, or by `due_soon_before`; not by both")
    if ladder.get("repeat_overdue_times") and ladder.get("repeat_overdue_every") is None:
        document.problem((*path, "repeat_overdue_times"), "nothing is repeated without `repeat_overdue_every`; add that, or remove this")
    seen: dict[str, int] = {}
    for index, step in _dicts(ladder.get("escalations")):
        where = (*path, "escalations", index)
        given = [name for name in ("at", "before", "after") if step.get(name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            document.problem(where, f"say when by exactly one of at, before and after, not {got}")
            continue
        moment = f"{given[0]} {step[given[0]]}"
        if moment in seen:
            document.problem(where, f"step {seen[moment] + 1} is {moment} as well; list whom this one tells there")
        seen.setdefault(moment, index)


def _dicts(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((index, item) for index, item in enumerate(value if isinstance(value, list) else []) if isinstance(item, dict))
