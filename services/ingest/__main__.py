"""`python -m services.ingest consume|poll|api|migrate`: wiring only."""

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


def api() -> None:
    """Serve the HTTP API."""
    from services.ingest.api import run
    from services.ingest.settings import Settings

    run(Settings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage import migrate as bring_up_to_date

    bring_up_to_date("ingest_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("ingest", {"consume": consume, "poll": poll, "api": api, "migrate": migrate})
