"""Every setting of notify, from `CASESTREAM_*` environment variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the roles `consume` and `api`."""


class SendSettings(ProcessSettings):
    """Settings of the role `send`."""

    smtp_host: str = Field(description="The organisation's mail relay.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for starttls, 465 for tls, 25 for none.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(default="none", description="How the connection is encrypted.")
    smtp_ca_file: Path | None = Field(default=None, description="Certificates to trust, PEM; none: the system's.")
    smtp_user: str = Field(default="", description="Whom to log in as; empty: no login.")
    smtp_password_file: Path | None = Field(default=None, description="File with the password, so that it is in no environment.")
    smtp_connections: int = Field(
        default=4, ge=1, le=50, description="Connections to the relay that are kept open, each with a thread and a message at a time."
    )
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, description="How long one step of SMTP may take.")
    mail_from: str = Field(description="Address that messages come from, where bounces go.")
    mail_domain: str = Field(
        default="localhost", description="Name by which we greet the relay. Message-IDs use the configuration's mail domain."
    )
    send_lease_seconds: float = Field(default=60.0, ge=1, description="How long a claim holds without being prolonged.")
    send_retry_speed: float = Field(default=1.0, gt=0, description="Divides the pauses between attempts; tests use a high one.")

    @property
    def lease(self) -> timedelta:
        """How long a claim holds without being prolonged."""
        return timedelta(seconds=self.send_lease_seconds)

    def password(self) -> str:
        """The password for the relay; empty without a file."""
        return self.smtp_password_file.read_text().strip() if self.smtp_password_file else ""
