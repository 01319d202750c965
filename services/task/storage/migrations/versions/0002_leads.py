"""Leads beside cases: what tasks need to know of either is the same (LEAD-2)."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table cases add column kind text not null default 'case'")  # case, lead


def downgrade() -> None:
    op.execute("delete from tasks where case_id in (select id from cases where kind = 'lead')")
    op.execute("delete from cases where kind = 'lead'")
    op.execute("alter table cases drop column kind")
