"""Settings every process has, read from `CASESTREAM_*` environment variables. A missing one stops the process with its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """What every role of every service needs. Services add their own in `services/<name>/settings.py`."""

    model_config = SettingsConfigDict(env_prefix="CASESTREAM_", extra="ignore", frozen=True)

    kafka: str = Field(description="Kafka bootstrap servers, `host:port,...`.")
    database: str = Field(description="PostgreSQL URL of this service's own database role.")
    host: str = Field(default="127.0.0.1", description="Address that the process listens on.")
    port: int = Field(description="Port for the API (where the role has one), health and metrics.")
    instance: str = Field(default="0", description="Replica ordinal, stable over restarts (a StatefulSet's).")
    topic_prefix: str = Field(
        default="",
        description="Put before every topic, group and transactional id: several installations on one cluster.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    jwks_url: str = Field(default="", description="Where the public keys of access tokens are; needed by every role with an API.")
    issuer: str = Field(default="casestream", description="The `iss` that access tokens must carry.")
    batch_size: int = Field(default=1000, ge=1, description="Most messages in one consumed batch.")
    bad_in_a_row: int = Field(
        default=100,
        ge=1,
        description="So many messages in a row that a bad release may have failed on stop the process; no more are set aside.",
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment; on a bad or missing setting print one line for each and exit with code 2."""
        try:
            return cls()
        except ValidationError as error:
            for problem in error.errors():
                name = "CASESTREAM_" + "_".join(str(part) for part in problem["loc"]).upper()
                sys.stderr.write(f"setting {name}: {problem['msg']}\n")
            sys.exit(2)


class LinkSettings(ProcessSettings):
    """What every role needs that makes or reads links by which customers and staff answer."""

    link_keys: Path | None = Field(
        default=None,
        description="File with the keys that sign links, one a line, the first signs and all of them read (`openssl rand -hex 32`); "
        "the same for case and task (roles api) and notify (role send), and read again when it changes. None: no links.",
    )


class LinkPageSettings(LinkSettings):
    """What every role needs that has the pages behind links."""

    wrong_links_per_hour: int = Field(
        default=60, ge=1, description="Most links that are none, taken from one address in an hour, by each replica."
    )


class ObjectSettings(ProcessSettings):
    """What every role needs that keeps or reads files, beside what every process needs."""

    objects: str = Field(
        description="Object store for raw mails and files: `file:///folder`, `s3://bucket/prefix`, `az://account/container`, `gs://bucket`."
    )
    objects_credentials: Path | None = Field(
        default=None,
        description="File with the credentials of an S3 store as AWS's tools write it (section `default`), read again every few minutes; "
        "none: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or what the cloud gives the process.",
    )
    objects_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of private authorities that the object store may have its own from."
    )
    objects_sync: bool = Field(
        default=True,
        description="Whether a content in a folder is on the disk, not only with the operating system, before its mail counts as taken. "
        "A bucket does that anyhow.",
    )
    objects_timeout_seconds: float = Field(default=60.0, gt=0, le=600, description="How long one request to the object store may take.")
    objects_retry_seconds: float = Field(
        default=20.0,
        ge=0,
        le=240,
        description="How long a request that the object store fails on or throttles is repeated, before the sender is asked to come back.",
    )

    @field_validator("objects")
    @classmethod
    def _is_known_place(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("file", "s3", "az", "gs"):
            raise ValueError("none of file:///folder, s3://bucket/prefix, az://account/container, gs://bucket")
        if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
            raise ValueError("a folder is written file:///the/folder, with three slashes")
        if parts.scheme != "file" and not parts.netloc:
            raise ValueError(f"no bucket: {parts.scheme}://bucket/prefix")
        return value
