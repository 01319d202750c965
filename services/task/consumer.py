"""What the service consumes: cases, and lags that are over."""

from __future__ import annotations

from services.task.handlers import cases, progress
from services.task.handlers.compile import compile_configuration
from services.task.handlers.work import Work
from shared.clock import Clock, utc_now
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas import topics
from shared.schemas.events import (
    CaseAssigned,
    CaseOpened,
    CasePriorityChanged,
    CaseRepublished,
    CaseStatusChanged,
    ClockLagOver,
)


def handlers(reference: ReferenceData, clock: Clock = utc_now) -> dict[str, Handler[Work]]:
    """Topic -> handler."""
    compiled = VersionCache(reference, compile_configuration).get
    return {
        topics.CASES: Handler(
            load=cases.load_cases(compiled, clock),
            apply={
                CaseOpened: cases.on_case_opened,
                CaseRepublished: cases.on_case_opened,
                CaseStatusChanged: cases.on_case_status_changed,
                CaseAssigned: cases.on_case_assigned,
                CasePriorityChanged: cases.on_case_changed,
            },
            save=cases.save,
        ),
        topics.SLA: Handler(
            load=progress.load_lags(compiled, clock),
            apply={ClockLagOver: progress.on_lag_over},
            save=cases.save,
        ),
    }
