"""Every setting of notify, from `CASESTREAM_*` environment variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.settings import LinkSettings, ObjectSettings, ProcessSettings


class Settings(ProcessSettings):
    """Settings of the roles `consume` and `api`."""


class SendSettings(LinkSettings, ObjectSettings):
    """Settings of the role `send`."""

    objects: str = Field(
        default="",
        description="Object store that case and ingest keep files in, as they name it; needed where staff send files with messages.",
    )

    answer_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Where customers reach the pages behind their links, case's `/answer`, as in `https://answer.housing.example/answer`. "
        "Needed where a template has such a link.",
    )
    decide_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Where approvers reach the pages behind their links, task's `/decide`, as in "
        "`https://answer.housing.example/decide`. Needed where a template has such a link.",
    )

    mail_by: Literal["smtp", "graph"] = Field(
        default="smtp", description="How mail is sent: to a relay by SMTP, or by Microsoft Graph from a mailbox of Microsoft 365."
    )
    smtp_host: str = Field(default="", validate_default=True, description="The organisation's mail relay; needed for `smtp`.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for starttls, 465 for tls, 25 for none.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(default="none", description="How the connection is encrypted.")
    smtp_ca_file: Path | None = Field(default=None, description="Certificates to trust, PEM; none: the system's.")
    smtp_user: str = Field(default="", description="Whom to log in as; empty: no login.")
    smtp_password_file: Path | None = Field(default=None, description="File with the password, so that it is in no environment.")
    smtp_connections: int = Field(
        default=4,
        ge=1,
        le=50,
        description="Connections to the relay, or to Graph (which wants at most 4), each with a thread and a message at a time.",
    )
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, description="How long one step of SMTP may take.")
    graph_tenant: str = Field(default="", validate_default=True, description="The directory's id or domain; needed for `graph`.")
    graph_client_id: str = Field(default="", validate_default=True, description="The registered application; needed for `graph`.")
    graph_credential: Literal["secret", "certificate"] = Field(default="secret", description="What the application proves itself with.")
    graph_secret_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="File with the client's secret, or the certificate with its key (PEM); needed for `graph`. Read whenever needed.",
    )
    graph_endpoint: str = Field(
        default="https://graph.microsoft.com/v1.0",
        pattern=r"^https://[^\s?#]+$",
        description="Where Graph is; national clouds have their own.",
    )
    graph_authority: str = Field(
        default="https://login.microsoftonline.com",
        pattern=r"^https://[^\s?#]+$",
        description="Where tokens come from, without the tenant.",
    )
    graph_ca_file: Path | None = Field(default=None, description="Certificates to trust, PEM; none: the system's.")
    graph_timeout_seconds: float = Field(default=30.0, gt=0, description="How long a call to Graph may make no progress.")
    mail_from: str = Field(description="Address that messages come from, where bounces go.")
    mail_domain: str = Field(
        default="localhost", description="Name by which we greet the relay. Message-IDs use the configuration's mail domain."
    )
    send_lease_seconds: float = Field(default=60.0, ge=1, description="How long a claim holds without being prolonged.")
    send_retry_speed: float = Field(default=1.0, gt=0, description="Divides the pauses between attempts; tests use a high one.")

    @field_validator("objects")
    @classmethod
    def _is_known_place(cls, value: str) -> str:
        return super()._is_known_place(value) if value else value

    @field_validator("smtp_host", "graph_tenant", "graph_client_id", "graph_secret_file")
    @classmethod
    def _is_given(cls, value: str | Path | None, info: ValidationInfo) -> str | Path | None:
        by = info.data.get("mail_by")
        if not value and info.field_name is not None and info.field_name.partition("_")[0] == by:
            raise ValueError(f"must be given where CASESTREAM_MAIL_BY is {by}")
        return value

    @property
    def lease(self) -> timedelta:
        """How long a claim holds without being prolonged."""
        return timedelta(seconds=self.send_lease_seconds)

    def password(self) -> str:
        """The password for the relay; empty without a file."""
        return self.smtp_password_file.read_text().strip() if self.smtp_password_file else ""
