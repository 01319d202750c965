"""When links to an approval that were sent before became void (EDGE-14)."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table approvals add column links_revoked_at timestamptz")
    op.execute(
        "comment on column approvals.links_revoked_at is 'Links that were made at this moment or before it are void; null: none is.'"
    )


def downgrade() -> None:
    op.execute("alter table approvals drop column links_revoked_at")
