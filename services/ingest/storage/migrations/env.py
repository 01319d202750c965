"""Where alembic begins: everything is in `shared.storage.migration`."""

from shared.storage.migration import run

run()
