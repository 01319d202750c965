"""Settings of the task service: those that every process has, and few of its own."""

from __future__ import annotations

from pydantic import Field

from shared.settings import LinkPageSettings, ProcessSettings
from shared.storage.inbox import RETENTION_DAYS


class TaskSettings(ProcessSettings):
    """`CASESTREAM_*`."""

    recurring_catch_up: int = Field(
        default=100,
        ge=1,
        description="Most occurrences of one task rule that are made late after an outage, the newest; older ones are logged and counted.",
    )
    firings_keep_days: int = Field(
        default=400,
        ge=RETENTION_DAYS,
        le=3650,
        description="How long it is kept what rules did and from what they were kept; longer where a rule counts its firings over a longer "
        "time. Not shorter than events may come again: a firing that is kept is not repeated.",
    )


class ApiSettings(LinkPageSettings):
    """Settings of the role `api`."""
