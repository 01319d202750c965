"""What a customer answered to the method's scripts, with the communication (COM-2)."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table communications add column script_answers jsonb not null default '[]'")


def downgrade() -> None:
    op.execute("alter table communications drop column script_answers")
