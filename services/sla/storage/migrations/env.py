"""Run by alembic."""

from shared.storage.migration import run

run()
