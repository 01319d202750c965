"""`python -m services.task consume|api|work|migrate`: wiring only."""

from __future__ import annotations

from pathlib import Path

from shared.roles import database_url, run_role


def consume() -> None:
    """Take in cases and lags that are over."""
    from services.task.consumer import handlers
    from services.task.settings import TaskSettings
    from shared.messaging.process import run_consumer

    run_consumer("task", TaskSettings.load(), handlers)


def api() -> None:
    """Serve the HTTP API."""
    from services.task.api import run
    from services.task.settings import ApiSettings

    run(ApiSettings.load())


def work() -> None:
    """Do what tasks need in the background."""
    from services.task.settings import TaskSettings
    from services.task.worker import run

    run(TaskSettings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("task_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("task", {"consume": consume, "api": api, "work": work, "migrate": migrate})
