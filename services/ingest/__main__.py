"""`python -m services.ingest consume|poll|receive|api|migrate`: wiring only."""

from __future__ import annotations

from pathlib import Path

from shared.roles import database_url, run_role


def consume() -> None:
    """Take in contact events of other systems."""
    from services.ingest.consumer import run
    from services.ingest.settings import Settings

    run(Settings.load())


def poll() -> None:
    """Fetch mail and posts from their channels."""
    from services.ingest.settings import PollSettings
    from services.ingest.worker.poll import run

    run(PollSettings.load())


def receive() -> None:
    """Receive mail from the organisation's mail server by LMTP or SMTP."""
    from services.ingest.settings import ReceiveSettings
    from services.ingest.worker.receive import run

    run(ReceiveSettings.load())


def api() -> None:
    """Serve the HTTP API."""
    from services.ingest.api import run
    from services.ingest.settings import ApiSettings

    run(ApiSettings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("ingest_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("ingest", {"consume": consume, "poll": poll, "receive": receive, "api": api, "migrate": migrate})
