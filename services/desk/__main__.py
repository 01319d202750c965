"""`python -m services.desk api|migrate|hash-password`: wiring only."""

from __future__ import annotations

import sys
from pathlib import Path

from shared.roles import database_url, run_role


def api() -> None:
    """Serve the pages and the HTTP API."""
    from services.desk.api import run
    from services.desk.settings import DeskSettings

    run(DeskSettings.load())


def migrate() -> None:
    """Bring the schema up to date."""
    from shared.storage.migration import migrate as bring_up_to_date

    bring_up_to_date("desk_service", Path(__file__).parent / "storage" / "migrations", database_url())


def hash_password() -> None:
    """Ask for a password (or read a line of standard input) and print its hash, for a configuration's `password_hash`."""
    from getpass import getpass

    from services.desk.handlers.passwords import hash_password as hashed

    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    sys.stdout.write(hashed(password) + "\n")


if __name__ == "__main__":
    run_role("desk", {"api": api, "migrate": migrate, "hash-password": hash_password})
