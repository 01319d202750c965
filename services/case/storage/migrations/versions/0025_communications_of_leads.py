"""Which communications belong to what is no case: to leads; and which are about a task of their case (NOTE-2)."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UP = """
create table communication_items (
    communication_id uuid not null,
    kind text not null check (kind in ('lead', 'task')),
    item_id uuid not null,
    primary key (communication_id, kind, item_id)
);
comment on table communication_items is 'What a communication is about besides cases: it stands among those of that lead or task.';
create index communication_items_by_item on communication_items (kind, item_id);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table communication_items")
