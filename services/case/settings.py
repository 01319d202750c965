"""Settings of the case service: those that every process has."""

from __future__ import annotations

from pydantic import Field

from shared.schemas.topics import EVENT_RETENTION
from shared.settings import LinkPageSettings, ObjectSettings, ProcessSettings


class Settings(ProcessSettings):
    """`CASESTREAM_*`, as every process has them; nothing of its own so far."""


class ApiSettings(LinkPageSettings, ObjectSettings):
    """Settings of the role `api`; the object store is where ingest keeps raw mails and files."""


class SweepSettings(ObjectSettings):
    """Settings of the role `sweep`."""

    sweep_grace_days: int = Field(
        default=EVENT_RETENTION.days + 1,
        ge=EVENT_RETENTION.days + 1,
        le=3650,
        description="How long a content that nothing refers to is left alone, and then lies aside before it is deleted: longer than Kafka "
        "keeps events, which may refer to it. A backup of the database that is no older than this finds all its files.",
    )
    sweep_every_hours: float = Field(default=24.0, gt=0, le=8760, description="How long after a round the next begins.")
