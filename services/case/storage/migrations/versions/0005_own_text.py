"""How much of a communication's text is its sender's own, so that the history they quoted can be folded away."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table communications add column own_text_length int")


def downgrade() -> None:
    op.execute("alter table communications drop column own_text_length")
