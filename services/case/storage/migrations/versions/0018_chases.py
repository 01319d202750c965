"""Customers for whom cases wait, and how often they were reminded (EDGE-10)."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UP = """
create table chases (
    case_id uuid primary key,
    since timestamptz,
    reminded int not null,
    due_at timestamptz,
    revision bigint not null,
    is_over boolean not null
);
comment on column chases.since is 'Since when the customer is silent; null: nobody has looked yet.';
comment on column chases.due_at is 'When to look at it next; null: not before the case has another revision.';
create index chases_due on chases (due_at) where due_at is not null;
create index chases_at_rest on chases (case_id) where due_at is null;

-- Without the state, so that a change of it alone is no reason to write this index.
create index cases_waiting on cases (id) where waiting_for_customer or awaiting_acceptance <> '';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop index cases_waiting")
    op.execute("drop table chases")
