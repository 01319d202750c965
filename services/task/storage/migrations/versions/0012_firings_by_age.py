"""Cuts by their time, so that old ones are found when they are purged; firings have that index (AUTO-1)."""

from alembic import op

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index cuts_by_time on cuts (at)")


def downgrade() -> None:
    op.execute("drop index cuts_by_time")
