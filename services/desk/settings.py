"""Settings of the desk."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from shared.settings import ProcessSettings

FORM_BYTES = 2 * 1024 * 1024
"""What a form takes besides its files."""


class DeskSettings(ProcessSettings):
    """`CASESTREAM_*`, as every process has them, and these."""

    signing_key: Path = Field(description="File with the Ed25519 private key (PEM) that access tokens are signed with.")
    desk_url: str = Field(default="", description="Where browsers reach the desk; with https the session cookie is Secure.")
    ingest_url: str = Field(default="", description="ingest's API.")
    case_url: str = Field(default="", description="case's API.")
    task_url: str = Field(default="", description="task's API.")
    sla_url: str = Field(default="", description="sla's API.")
    notify_url: str = Field(default="", description="notify's API.")
    calendar_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Where calendar programs reach task's `/feeds`, as in `https://answer.housing.example/feeds`; empty: pages"
        " show a feed's path alone.",
    )
    processes: dict[str, str] = Field(
        default={}, description="Further processes for the health page, as JSON: name to the URL of its health port."
    )
    token_minutes: int = Field(default=60, ge=1, le=24 * 60, description="Life of an access token.")
    session_hours: int = Field(default=10, ge=1, le=24 * 7, description="Life of a browser session, at most.")
    session_idle_minutes: int = Field(default=60, ge=1, description="A browser session ends after this long without a page.")
    contact_files: int = Field(default=20, ge=1, le=30, description="Most files of a contact entered by hand; as ingest has it.")
    contact_file_bytes: int = Field(default=25 * 1024 * 1024, ge=1, description="Longest file of such a contact; as ingest has it.")
    contact_files_bytes: int = Field(
        default=60 * 1024 * 1024, ge=1, description="Longest the files of such a contact may be together; as ingest has it."
    )
    contact_held_bytes: int = Field(
        default=128 * 1024 * 1024, ge=1, description="Most bytes of such contacts that are worked on at once; more are put off (503)."
    )

    feeds_every_hours: float = Field(
        default=24.0,
        ge=0,
        le=24 * 30,
        description="How often feeds of closed days are read; 0: only when somebody asks for it. One that could not be read is tried again"
        " after an hour, or that time if it is shorter.",
    )
    feeds_private_hosts: str = Field(
        default="", description="Hosts of feeds that may be in our own network, with commas between; others must not."
    )
    feeds_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that those hosts may have theirs from.")

    @property
    def feed_private_hosts(self) -> frozenset[str]:
        """Hosts that feeds may be fetched from although they are in our own network."""
        return frozenset(part.strip() for part in self.feeds_private_hosts.split(",") if part.strip())

    @field_validator("contact_held_bytes")
    @classmethod
    def _holds_the_longest_contact(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("contact_files_bytes", 0) + FORM_BYTES:
            raise ValueError("less than the longest contact with its files, which could then never be entered")
        return value

    @property
    def contact_bytes(self) -> int:
        """Longest form of a contact, with its files."""
        return self.contact_files_bytes + FORM_BYTES
