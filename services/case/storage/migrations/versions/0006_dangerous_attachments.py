"""Why an attachment may harm whoever opens it."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table attachments add column danger text not null default ''")


def downgrade() -> None:
    op.execute("alter table attachments drop column danger")
