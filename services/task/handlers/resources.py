"""Resources of a configuration as the handlers use them, and when they are free. Made once per version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from uuid import UUID

from services.task.domain.resources.slots import Span, slots_of_lanes
from services.task.storage import bookings as storage
from shared.calendars import ROUND_THE_CLOCK, Calendar, open_spans
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.storage import Transaction

AwayOf = Callable[[Transaction, Iterable[str], Span], Mapping[str, list[Span]]]
"""When users are away within a span, by user."""


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """Somebody or something that can be booked."""

    code: str
    name: str
    description: str
    kind: str
    unit: str
    calendar: Calendar
    services: frozenset[str]
    user: str | None
    capacity: int
    needs_confirmation: bool


@dataclass(frozen=True, slots=True, eq=False)
class Resources:
    """The active resources of one configuration, and the names of its services."""

    by_code: Mapping[str, Resource]
    services: Mapping[str, str]


def compile_resources(configuration: Configuration) -> Resources:
    """`configuration`'s resources; calendars are shared, since each keeps what was worked out of it."""
    calendars = {section.code: calendar_of(section) for section in configuration.calendars}
    calendars.setdefault(configuration.organisation.calendar, ROUND_THE_CLOCK)
    resources = {
        section.code: Resource(
            section.code,
            section.name,
            section.description,
            section.kind,
            section.unit,
            calendars[section.calendar or configuration.organisation.calendar],
            frozenset(section.services),
            section.user,
            section.capacity,
            section.needs_confirmation,
        )
        for section in configuration.resources
        if section.active
    }
    return Resources(resources, {service.code: service.name for service in configuration.services})


def free_at(
    tx: Transaction,
    resources: Iterable[Resource],
    span: Span,
    minutes: int,
    most: int | None,
    away: AwayOf,
    besides: UUID | None = None,
) -> list[tuple[Span, str]]:
    """Free (slot, resource) of `minutes` within `span`, in order of time, at most `most`; the booking `besides` is looked past."""
    listed = list(resources)
    taken = storage.taken(tx, [each.code for each in listed], span, besides)
    absent = away(tx, [each.user for each in listed if each.user], span)

    def slots(resource: Resource) -> Iterable[tuple[Span, str]]:
        openings = [Span(*found) for found in open_spans(resource.calendar, span.start, span.end)]
        off = absent.get(resource.user, []) if resource.user else []
        of_lanes = taken.get(resource.code, {})
        # Lanes without a booking are all alike: one stands for them.
        lanes = [[*spans, *off] for lane, spans in sorted(of_lanes.items()) if lane < resource.capacity]
        if len(lanes) < resource.capacity:
            lanes.append(list(off))
        return ((slot, resource.code) for slot in slots_of_lanes(openings, lanes, span, minutes))

    return list(islice(merge(*(slots(each) for each in listed)), most))
