"""Settings of the sla service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.settings import ProcessSettings


class Settings(ProcessSettings):
    """`CASESTREAM_*`: those of every process, and the stream's own."""

    stream_batch_size: int = Field(default=20_000, ge=1, description="Most messages the stream takes in at once.")
    stream_linger_seconds: float = Field(
        default=0.5,
        ge=0,
        le=5,
        description="How long at most the stream gathers messages, while more come, before it commits them: each transaction costs Kafka "
        "the same however little is in it. Timers do not wait for that.",
    )
    changelog_format: Literal[1, 2] = Field(
        default=2,
        description="The format that the stream writes its records in. 1 while replicas of the release before run beside this one, which "
        "cannot read 2; until it is 2, events that come late change nothing, and leads and updates to customers have no clocks.",
    )
    clock_retention_days: int = Field(
        default=1_100,
        ge=30,
        le=36_500,
        description="Days for which finished clocks are kept for reports and simulations, in the read model of role api.",
    )
