"""Settings every process has, read from `CASESTREAM_*` environment variables. A missing one stops the process with its name."""

from __future__ import annotations

import sys
from typing import Self

from pydantic import Field, ValidationError
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
