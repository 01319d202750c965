"""Channels that are polled: who polls each, and how far it was read."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SOURCES = """
create table sources (
    name text primary key,
    holder text not null default '',
    lease_until timestamptz not null default '-infinity',
    read_at timestamptz,
    cursor jsonb not null default '{}'
);
comment on table sources is 'An account of a channel that is polled. A name that the configuration no longer has keeps its cursor.';
comment on column sources.holder is 'The process that polls it, while the lease lasts.';
comment on column sources.read_at is 'When it was last read to its end.';
create table pollers (
    name text primary key,
    seen_at timestamptz not null
);
comment on table pollers is 'The processes that poll, each with its last sign of life: they share the sources evenly.';
"""


def upgrade() -> None:
    op.execute(SOURCES)


def downgrade() -> None:
    op.execute("drop table sources; drop table pollers")
