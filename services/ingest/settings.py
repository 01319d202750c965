"""Every setting of ingest, from `CASESTREAM_*` environment variables."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of every role."""

    objects: str = Field(
        description="Object store for raw mails and files: `file:///folder`, `s3://bucket/prefix`, `az://...`, `gs://...`."
    )
    phone_region: str = Field(
        default="GB", pattern="^[A-Z]{2}$", description="Country (ISO 3166) of phone numbers that come without an international prefix."
    )
    mail_request_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Longest body of one delivery over HTTP.")
    mail_request_mails: int = Field(default=500, ge=1, description="Most mails in one delivery over HTTP.")
    acknowledge_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long Kafka may take to acknowledge before a delivery is refused (503) for its sender to repeat.",
    )


class PollSettings(Settings):
    """Settings of the role `poll`."""

    credentials: str = Field(default="", description="Folder with a file for each credential that the configuration names (`secret`).")
    maildirs: str = Field(default="", description="Folder of the Maildirs that the configuration names (`fetch: {by: maildir}`).")
    poll_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="How long a channel that tells nothing by itself is left alone when it has been read."
    )
    poll_lease_seconds: float = Field(
        default=10.0, ge=2, le=300, description="How long after a poller has died another takes its channels over."
    )
    poll_timeout_seconds: float = Field(default=30.0, gt=0, le=300, description="Longest wait for an answer of a channel.")
    poll_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that channels may have theirs from.")
