"""Every setting of notify, from `CASESTREAM_*` environment variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

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
    desk_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Where staff reach the desk, for `#desk_link` and the links in digests; empty: messages have none.",
    )
    notifications_kept_days: int = Field(default=90, ge=7, le=3650, description="How long the desk lists what somebody was told.")

    mail_by: Literal["smtp", "graph"] = Field(
        default="smtp", description="How mail is sent: to a relay by SMTP, or by Microsoft Graph from a mailbox of Microsoft 365."
    )
    smtp_host: str = Field(default="", validate_default=True, description="The organisation's mail relay; needed for `smtp`.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for starttls, 465 for tls, 25 for none.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(default="none", description="How the connection is encrypted.")
    smtp_ca_file: Path | None = Field(default=None, description="Certificates to trust, PEM; none: the system's.")
    smtp_user: str = Field(default="", description="Whom to log in as; empty: no login.")
    smtp_password_file: Path | None = Field(default=None, description="File with the password, so that it is in no environment.")
    smtp_login: Literal["password", "oauth2"] = Field(
        default="password", description="How to log in: with the password, or with an access token (XOAUTH2 or OAUTHBEARER)."
    )
    smtp_oauth_endpoint: str = Field(
        default="",
        validate_default=True,
        pattern=r"^(https://[^\s?#]+)?$",
        description="Where access tokens come from, by client credentials; needed for `oauth2`, as are the next two. Its certificate "
        "is checked against `CASESTREAM_SMTP_OAUTH_CA_FILE`.",
    )
    smtp_oauth_client_id: str = Field(default="", validate_default=True, description="The registered application.")
    smtp_oauth_secret_file: Path | None = Field(
        default=None, validate_default=True, description="File with the client's secret. Read whenever a token is asked for."
    )
    smtp_oauth_scope: str = Field(
        default="", description="What the token is to allow, as in `https://outlook.office365.com/.default`; empty: not said."
    )
    smtp_oauth_ca_file: Path | None = Field(default=None, description="Certificates of the endpoint to trust, PEM; none: the system's.")
    smtp_connections: int = Field(
        default=4,
        ge=1,
        le=50,
        description="Connections to the relay, or to Graph (which wants at most 4), each with a thread and a message at a time.",
    )
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, description="How long one step of SMTP may take.")
    smtp_accept_seconds: float = Field(
        default=600.0,
        gt=0,
        description="How long the relay may take to accept a message that it has been given whole. Given up sooner, it is sent twice.",
    )
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
    send_journal: Path | None = Field(
        default=None,
        description="Folder where a sender notes what it has sent and not yet recorded; must outlive the process. None: each message is "
        "recorded before the next one, which is slower.",
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

    @field_validator("smtp_oauth_endpoint", "smtp_oauth_client_id", "smtp_oauth_secret_file")
    @classmethod
    def _is_given_for_tokens(cls, value: str | Path | None, info: ValidationInfo) -> str | Path | None:
        if info.data.get("mail_by") != "smtp" or info.data.get("smtp_login") != "oauth2":
            return value
        if not value:
            raise ValueError("must be given where CASESTREAM_SMTP_LOGIN is oauth2")
        # Whoever reads the token on the way can write in our name.
        if info.data.get("smtp_security") == "none" or not info.data.get("smtp_user"):
            raise ValueError("CASESTREAM_SMTP_LOGIN oauth2 needs CASESTREAM_SMTP_SECURITY starttls or tls, and CASESTREAM_SMTP_USER")
        return value

    @property
    def lease(self) -> timedelta:
        """How long a claim holds without being prolonged."""
        return timedelta(seconds=self.send_lease_seconds)

    def password(self) -> str:
        """The password for the relay; empty without a file."""
        return self.smtp_password_file.read_text().strip() if self.smtp_password_file else ""


class HookSettings(ProcessSettings):
    """Settings of the role `hooks`."""

    webhook_keys: Path | None = Field(
        default=None,
        description="Folder with a file for each webhook, named by its code, with the secret that signs (`whsec_` and base64 of 24 to 64 "
        "bytes); while one is replaced two, a line each. Read whenever needed.",
    )
    webhook_connections: int = Field(default=8, ge=1, le=50, description="Webhooks that are told of events at the same time.")
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=40, description="How long a webhook may take for one event.")
    webhook_give_up_days: float = Field(
        default=3.0, gt=0, description="After failing for so long a webhook is paused until somebody resumes it."
    )
    webhook_keep_days: int = Field(
        default=30, ge=1, description="How long events for webhooks are kept, taken or not; for so long they can be told again."
    )
    webhook_private_hosts: str = Field(
        default="", description="Hosts of webhooks that may be in our own network, with commas between; others must not."
    )
    webhook_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that those hosts may have theirs from.")
    webhook_retry_speed: float = Field(default=1.0, gt=0, description="Divides the pauses between attempts; tests use a high one.")

    @property
    def private_hosts(self) -> frozenset[str]:
        """The hosts of `webhook_private_hosts`."""
        return frozenset(part.strip() for part in self.webhook_private_hosts.split(",") if part.strip())


class SmsSettings(ProcessSettings):
    """Settings of text messages; of the roles `send`, which sends them, and `api`, which hears what became of them."""

    sms_by: Literal["none", "twilio", "http"] = Field(
        default="none", description="What text messages are handed to: Twilio, or a gateway that takes JSON over HTTPS; none: they wait."
    )
    sms_from: str = Field(
        default="",
        max_length=64,
        validate_default=True,
        description="Whom messages come from: a number, a name, or the id of a messaging service of Twilio (`MG...`); needed for `twilio`.",
    )
    sms_secret_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="File with Twilio's auth token, or the gateway's bearer token or password. Read whenever needed.",
    )
    sms_account: str = Field(
        default="", pattern=r"^(AC[0-9a-fA-F]{32})?$", validate_default=True, description="The account's id (`AC...`); needed for `twilio`."
    )
    sms_twilio_endpoint: str = Field(
        default="https://api.twilio.com", pattern=r"^https://[^\s?#]+$", description="Where Twilio is; its regions have their own."
    )
    sms_status_url: str = Field(
        default="",
        pattern=r"^(https://[^\s?#]+)?$",
        description="Where Twilio finds notify's API from outside, as in `https://answer.housing.example/sms/twilio`, to tell what became "
        "of messages; empty: it does not tell. The same for the roles `send` and `api`.",
    )
    sms_url: str = Field(
        default="",
        pattern=r"^(https://[^\s#]+)?$",
        validate_default=True,
        description="Where the gateway takes messages; needed for `http`.",
    )
    sms_user: str = Field(default="", description="Whom to log in as at the gateway; empty: the secret is a bearer token.")
    sms_fields: dict[str, str] = Field(
        default={"to": "to", "text": "text", "from": "from", "reference": "reference"},
        description="What the gateway calls the number, the text, whom it is from, and our reference, as JSON; the rest is not sent.",
    )
    sms_more: dict[str, Any] = Field(default_factory=dict, description="What else the gateway wants in each message, as JSON.")
    sms_id_pointer: str = Field(
        default="",
        pattern=r"^(/.*)?$",
        description="Where in its answer the gateway's own id of the message is (JSON pointer), for the log.",
    )
    sms_most_segments: int = Field(
        default=4, ge=1, le=10, description="A text that takes more messages than this is refused: each is paid for."
    )
    sms_connections: int = Field(
        default=2, ge=1, le=50, description="Connections to the gateway, each with a thread and a message at a time."
    )
    sms_timeout_seconds: float = Field(default=15.0, gt=0, le=40, description="How long the gateway may take for a message.")
    sms_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that the gateway may have its own from.")
    sms_retry_speed: float = Field(default=1.0, gt=0, description="Divides the pauses between attempts; tests use a high one.")

    @field_validator("sms_from", "sms_account", "sms_secret_file", "sms_url")
    @classmethod
    def _is_given(cls, value: str | Path | None, info: ValidationInfo) -> str | Path | None:
        by = info.data.get("sms_by")
        needed = {"twilio": ("sms_from", "sms_account", "sms_secret_file"), "http": ("sms_url", "sms_secret_file")}.get(str(by), ())
        if not value and info.field_name in needed:
            raise ValueError(f"must be given where CASESTREAM_SMS_BY is {by}")
        return value
