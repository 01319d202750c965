"""A telephone call as it goes on (COM-5): what its gateway reports, put together so that order and repeats do not matter.

Gateways report late, twice, not at all, and, where a call is passed on to several people at once, of each of its legs.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

_LEG_WITHOUT_ANSWER, _LEG, _CALL = 1, 2, 3
"""What ended, the more telling the higher: a leg that nobody answered may be one of several, and the call goes on."""


class Stage(StrEnum):
    """How far a call has got."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class Report(NamedTuple):
    """One word of a gateway on a call. `outcome`: how it ended, empty: not told. `is_leg`: told of one leg that it was passed on by."""

    stage: Stage
    at: datetime
    outcome: str = ""
    seconds: int | None = None
    answered_by: str = ""
    is_leg: bool = False


class CallState(NamedTuple):
    """What is known of a call. `ending`: what of it has ended, 0: nothing yet."""

    rang_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str = ""
    ended_at: datetime | None = None
    ending: int = 0
    outcome: str = ""
    seconds: int | None = None

    @property
    def stage(self) -> Stage:
        """How far it has got: what was answered goes on although other legs of it ended."""
        if self.ending > _LEG_WITHOUT_ANSWER or (self.ending and self.answered_at is None):
            return Stage.ENDED
        return Stage.RINGING if self.answered_at is None else Stage.ANSWERED


def told(state: CallState, report: Report) -> CallState:
    """The call with one more report. Whatever their order, and however often each comes, the reports of a call give one result."""
    match report.stage:
        case Stage.RINGING:
            return state._replace(rang_at=report.at if state.rang_at is None else min(state.rang_at, report.at))
        case Stage.ANSWERED:
            return _answered(state, report)
        case Stage.ENDED:
            return _ended(state, report)


def _answered(state: CallState, report: Report) -> CallState:
    """The first to answer; somebody who is named before a machine that took the call to pass it on."""
    if state.answered_at is not None:
        known = (state.answered_by == "", state.answered_at, state.answered_by)
        if known <= (report.answered_by == "", report.at, report.answered_by):
            return state
    return state._replace(answered_at=report.at, answered_by=report.answered_by)


def _ended(state: CallState, report: Report) -> CallState:
    """The end of the call itself before that of a leg. Of legs that nobody answered the last, since so long it rang."""
    ending = _CALL if not report.is_leg else _LEG if report.outcome in ("completed", "") else _LEG_WITHOUT_ANSWER
    if state.ended_at is not None:
        later = (report.at > state.ended_at) - (report.at < state.ended_at)
        moment = later if ending == _LEG_WITHOUT_ANSWER else -later
        new = (ending, moment, report.outcome, -1 if report.seconds is None else report.seconds)
        if new <= (state.ending, 0, state.outcome, -1 if state.seconds is None else state.seconds):
            return state
    return state._replace(ended_at=report.at, ending=ending, outcome=report.outcome, seconds=report.seconds)
