"""The tables of the event path."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(messaging_tables("ingest_service"))


def downgrade() -> None:
    for table in ("commands", "dead_letters", "outbox", "inbox", "offsets"):
        op.execute(f"drop table {table}")
