"""Settings of the desk."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ProcessSettings


class DeskSettings(ProcessSettings):
    """`CASESTREAM_*`, as every process has them, and these."""

    signing_key: Path = Field(description="File with the Ed25519 private key (PEM) that access tokens are signed with.")
    desk_url: str = Field(default="", description="Where browsers reach the desk; with https the session cookie is Secure.")
    ingest_url: str = Field(default="", description="ingest's API.")
    case_url: str = Field(default="", description="case's API.")
    task_url: str = Field(default="", description="task's API.")
    sla_url: str = Field(default="", description="sla's API.")
    notify_url: str = Field(default="", description="notify's API.")
    processes: dict[str, str] = Field(
        default={}, description="Further processes for the health page, as JSON: name to the URL of its health port."
    )
    token_minutes: int = Field(default=60, ge=1, le=24 * 60, description="Life of an access token.")
    session_hours: int = Field(default=10, ge=1, le=24 * 7, description="Life of a browser session, at most.")
    session_idle_minutes: int = Field(default=60, ge=1, description="A browser session ends after this long without a page.")
