"""Mail that quotes a case's number: conversations that joined a case by it, and cases that strangers quote (EDGE-1)."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table communications add column suggested_case uuid")
    op.execute(
        """create table joined_conversations (
               conversation_id uuid not null,
               case_id uuid not null,
               primary key (conversation_id, case_id)
           )"""
    )


def downgrade() -> None:
    op.execute("drop table joined_conversations")
    op.execute("alter table communications drop column suggested_case")
