"""Approvals that a case waits for (EDGE-6), as task tells of them."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = """
create table case_approvals (
    approval_id uuid primary key,
    case_id uuid not null,
    revision bigint not null,       -- the approval's own
    blocks boolean not null,
    is_declined boolean not null,
    approver text not null,
    since timestamptz not null      -- that the approver is asked
);
create index case_approvals_by_case on case_approvals (case_id);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table case_approvals")
