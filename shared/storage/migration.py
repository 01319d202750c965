"""Migrations by alembic: plain SQL files of revisions, a version table in the service's own schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import create_engine, pool


def migrate(schema: str, migrations: Path, url: str) -> None:
    """Bring `schema` to the newest revision in the folder `migrations`. Safe to run by several processes at once."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["schema"] = schema
    config.attributes["url"] = url
    command.upgrade(config, "head")


def run() -> None:
    """The body of every service's `migrations/env.py`."""
    schema: str = context.config.attributes["schema"]
    url: str = context.config.attributes["url"]
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext(%s))", (f"migrate {schema}",))
        # "if not exists" would need the right to create one even where the platform has made it already.
        if connection.exec_driver_sql("select to_regnamespace(%s)", (schema,)).scalar() is None:
            connection.exec_driver_sql(f"create schema {schema}")
        connection.exec_driver_sql(f"set local search_path = {schema}")
        context.configure(connection=connection, version_table_schema=schema, transactional_ddl=True)
        context.run_migrations()
    engine.dispose()
