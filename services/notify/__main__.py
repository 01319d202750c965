"""`python -m services.notify consume|send|hooks|api|migrate`: wiring only."""

from __future__ import annotations

from pathlib import Path

from shared.roles import database_url, run_role


def consume() -> None:
    """Queue deliveries for what happens to cases, tasks and clocks."""
    from services.notify.consumer import handlers
    from services.notify.settings import Settings
    from shared.messaging.process import run_consumer

    run_consumer("notify", Settings.load(), handlers)


def send() -> None:
    """Send due deliveries by SMTP or Microsoft Graph."""
    from services.notify.settings import SendSettings
    from services.notify.worker import run

    run(SendSettings.load())


def hooks() -> None:
    """Tell webhooks of events."""
    from services.notify.handlers.webhook_telling import tell_webhooks
    from services.notify.settings import HookSettings
    from shared.processes import run_worker

    settings = HookSettings.load()
    run_worker("notify", "hooks", settings, lambda publisher, reference, stop: tell_webhooks(publisher, reference, settings, stop))


def api() -> None:
    """Serve the HTTP API."""
    from services.notify.api import run
    from services.notify.settings import Settings

    run(Settings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("notify_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    run_role("notify", {"consume": consume, "send": send, "hooks": hooks, "api": api, "migrate": migrate})
