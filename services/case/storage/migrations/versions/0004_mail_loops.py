"""Why a communication was recorded without effect: a mail loop (EDGE-2)."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table communications add column reason text not null default ''")
    op.execute("create index communications_by_reason on communications (received_at, id) where reason <> ''")


def downgrade() -> None:
    op.execute("alter table communications drop column reason")
