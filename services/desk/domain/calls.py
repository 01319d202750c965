"""Telephone calls as whoever answers them sees them: those of the last hours, and which of them to show (COM-5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import phonenumbers

KEPT = timedelta(hours=4)
"""Longer than calls take, as a rule; of a longer one, or one whose end nobody told, its page is still there."""
RINGS = timedelta(minutes=10)
"""What is said to ring for longer was given up, and nobody told."""
SHOWN_ENDED = timedelta(minutes=30)
MOST_KEPT = 5000
MOST_RINGING, MOST_GOING_ON, MOST_ENDED = 50, 100, 10

Stage = Literal["ringing", "answered", "ended"]
OUTCOMES = {
    "": "Ended",
    "completed": "Ended",
    "busy": "The line was busy",
    "no_answer": "Nobody answered",
    "cancelled": "The caller gave up",
    "failed": "The call failed",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was last heard of. `contact`: who the number belongs to; None: nobody known, or one of the `candidates`."""

    id: UUID
    revision: int
    direction: Literal["inbound", "outbound"]
    method: str
    line: str
    unit: str
    number: str
    caller_name: str
    contact: UUID | None
    contact_name: str
    candidates: tuple[tuple[UUID, str], ...]
    stage: Stage
    began_at: datetime
    answered_at: datetime | None
    answered_by: str
    ended_at: datetime | None
    outcome: str
    seconds: int | None

    @property
    def who(self) -> str:
        """The other party, by the best that is known."""
        return self.contact_name or self.caller_name or self.number_words

    @property
    def number_words(self) -> str:
        """The other party's number as people read it."""
        return number_words(self.number)

    @property
    def changed_at(self) -> datetime:
        """When it reached its stage."""
        moment = {"ringing": self.began_at, "answered": self.answered_at, "ended": self.ended_at}[self.stage]
        return moment or self.began_at

    @property
    def outcome_words(self) -> str:
        """How it ended."""
        return "Nobody answered" if self._we_gave_up else OUTCOMES.get(self.outcome, "Ended")

    @property
    def _we_gave_up(self) -> bool:
        return self.direction == "outbound" and self.outcome in ("no_answer", "cancelled")


def number_words(number: str) -> str:
    """A number as people read it; what is none stays as it is."""
    if not number:
        return "Withheld number"
    try:
        return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return number


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of the calls."""

    ringing: tuple[Call, ...]
    """Who has waited longest comes first."""
    going_on: tuple[Call, ...]
    ended: tuple[Call, ...]
    """The last that ended come first."""


def shown(calls: Iterable[Call], now: datetime) -> Shown:
    """Of `calls`, those to show."""
    by_stage: dict[Stage, list[Call]] = {"ringing": [], "answered": [], "ended": []}
    longest = {"ringing": RINGS, "answered": KEPT, "ended": SHOWN_ENDED}
    for call in calls:
        if now - call.changed_at < longest[call.stage]:
            by_stage[call.stage].append(call)
    ringing, going_on, ended = (sorted(found, key=lambda call: (call.changed_at, call.id)) for found in by_stage.values())
    return Shown(tuple(ringing[:MOST_RINGING]), tuple(going_on[-MOST_GOING_ON:]), tuple(reversed(ended[-MOST_ENDED:])))


def outdated(calls: Iterable[Call], now: datetime) -> list[UUID]:
    """Of `calls`, those to forget: the old ones, and the oldest where there are too many."""
    ordered = sorted(calls, key=lambda call: call.changed_at)
    too_many = max(0, len(ordered) - MOST_KEPT)
    return [call.id for place, call in enumerate(ordered) if place < too_many or now - call.changed_at >= KEPT]
