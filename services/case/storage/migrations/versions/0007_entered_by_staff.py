"""Who of staff entered a communication, and whether it is from before our time."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table communications
               add column old boolean not null default false,
               add column entered_by text not null default ''"""
    )
    op.execute("update communications set old = true where effect = 'history'")


def downgrade() -> None:
    op.execute("alter table communications drop column old, drop column entered_by")
