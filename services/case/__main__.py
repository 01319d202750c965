"""`python -m services.case consume|api|migrate`: wiring only."""

from __future__ import annotations

from pathlib import Path

from shared.roles import database_url, run_role


def consume() -> None:
    """Take in communications, tasks and clocks."""
    from services.case.consumer import handlers
    from services.case.settings import Settings
    from shared.messaging.process import run_consumer

    run_consumer("case", Settings.load(), handlers)


def api() -> None:
    """Serve the HTTP API."""
    from services.case.api import run
    from services.case.settings import Settings

    run(Settings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage import migrate as bring_up_to_date

    bring_up_to_date("case_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("case", {"consume": consume, "api": api, "migrate": migrate})
