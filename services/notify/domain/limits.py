"""How much is sent: through a channel, to one recipient, about one case."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.occasions import PRESSING, Delivery

TOO_MANY = "not sent: too many messages to this address about one case in a day"
"""The error of what is above the cap for a case."""
SELDOM = 5
"""An address that had no more than that about a case is far from every cap of `SMALL_CAP` or more."""
SMALL_CAP = 20
MOST_PAIRS = 100_000
"""So many are remembered; of more, those for which nothing was planned for longest are forgotten."""
NOBODY: Mapping[str, int] = MappingProxyType({})


class Limits(NamedTuple):
    """The limits of a version of the configuration; None: there is none."""

    a_minute: Mapping[str, int] = NOBODY
    """By channel: attempts of all senders together."""
    to_one_an_hour: int | None = None
    pressing_to_one_an_hour: int = 0
    """The cap on messages that escalate something, all others counted in."""
    automatic_per_case_a_day: int = 50


Pair = tuple[UUID, str]
"""A case and an address, in small letters."""


class Earlier(NamedTuple):
    """Messages of the last day to an address about a case: how many there are, and whether one was too many already."""

    messages: int
    is_told: bool


def pair_of(delivery: Delivery) -> Pair | None:
    """What the cap counts a delivery by; None: it is about no case."""
    case = delivery.occasion.case_id
    return None if case is None else (case, delivery.recipient.address.lower())


class Frequent:
    """Tells which addresses this process has planned so much for about a case that the cap may matter: only those are asked for.

    What other replicas planned, or this one before it started, is not seen: each may let `SELDOM` messages more pass.
    """

    def __init__(self) -> None:
        self._planned: OrderedDict[Pair, int] = OrderedDict()

    def cases(self, deliveries: Iterable[Delivery], cap: int) -> set[UUID]:
        """The cases of these deliveries that have to be asked for; counts them."""
        found: set[UUID] = set()
        for delivery in deliveries:
            pair = pair_of(delivery)
            if pair is None:
                continue
            planned = self._planned[pair] = self._planned.get(pair, 0) + 1
            self._planned.move_to_end(pair)
            if planned > SELDOM or cap < SMALL_CAP:
                found.add(pair[0])
        while len(self._planned) > MOST_PAIRS:
            self._planned.popitem(last=False)
        return found


def too_many(deliveries: Iterable[Delivery], earlier: Mapping[Pair, Earlier], cap: int) -> tuple[set[UUID], set[Pair]]:
    """Which of these are above the cap, in their order; and for which pairs that is new, so that it is told once.

    An escalation counts, and is never too many: it must reach somebody, and no answer brings the next one about.
    """
    counts: Counter[Pair] = Counter({pair: known.messages for pair, known in earlier.items()})
    above: set[UUID] = set()
    new: set[Pair] = set()
    for delivery in deliveries:
        pair = pair_of(delivery)
        if pair is None:
            continue
        if counts[pair] >= cap and delivery.occasion.on not in PRESSING:
            above.add(delivery.id)
            if pair not in earlier or not earlier[pair].is_told:
                new.add(pair)
        else:
            counts[pair] += 1
    return above, new
