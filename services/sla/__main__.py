"""`python -m services.sla stream|api|migrate`: wiring only."""

from __future__ import annotations

from pathlib import Path

from shared.roles import database_url, run_role


def stream() -> None:
    """Keep the clocks: take in cases and tasks, fire what falls due."""
    from services.sla.settings import Settings
    from services.sla.stream.process import run

    run(Settings.load())


def api() -> None:
    """Serve the HTTP API, and follow the changelog into its read model."""
    from services.sla.api import run
    from services.sla.settings import Settings

    run(Settings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("sla_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("sla", {"stream": stream, "api": api, "migrate": migrate})
