"""`python -m services.case consume|api|sweep|sweep-dry-run|audit-verify|migrate`: wiring only."""

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
    from services.case.settings import ApiSettings

    run(ApiSettings.load())


def sweep() -> None:
    """Let go what is no longer kept, and clear the object store."""
    from services.case.settings import SweepSettings
    from services.case.worker import run

    run(SweepSettings.load())


def sweep_dry_run() -> None:
    """Print what a round of sweeping would do now, as JSON."""
    import dataclasses
    import json
    import sys

    from services.case.settings import SweepSettings
    from services.case.worker import dry_run

    sys.stdout.write(json.dumps(dataclasses.asdict(dry_run(SweepSettings.load()))) + "\n")


def audit_verify() -> None:
    """Verify the audit log and print what was found, as JSON. Arguments: seals that were kept elsewhere, as `number:hex`."""
    import dataclasses
    import json
    import sys

    from services.case.handlers.sealing import verify
    from services.case.settings import SweepSettings
    from shared.storage import Database

    database = Database(SweepSettings.load().database, pool_size=1, service="case")
    try:
        sys.stdout.write(json.dumps(dataclasses.asdict(verify(database, sys.argv[2:]))) + "\n")
    finally:
        database.close()


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("case_service", Path(__file__).parent / "storage" / "migrations", database_url())


if __name__ == "__main__":
    roles = {
        "consume": consume,
        "api": api,
        "sweep": sweep,
        "sweep-dry-run": sweep_dry_run,
        "audit-verify": audit_verify,
        "migrate": migrate,
    }
    run_role("case", roles, with_arguments=("audit-verify",))
