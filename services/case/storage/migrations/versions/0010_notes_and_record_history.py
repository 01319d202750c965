"""Notes on any record (CON-2, CASE-10), and the history of what is no case: contacts, accounts, leads."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
create table notes (
    id uuid primary key,
    kind text not null,
    record_id uuid not null,
    text text not null,
    author text not null,
    written_at timestamptz not null
);
create index notes_by_record on notes (kind, record_id, written_at, id);
comment on table notes is 'What staff noted on a record: kind is case, contact, account or lead. Never changed.';

create table record_history (
    id bigint generated always as identity,
    kind text not null,
    record_id uuid not null,
    revision bigint,
    field text not null,
    old_value text,
    new_value text,
    changed_by text not null,
    changed_at timestamptz not null
);
create index record_history_by_record on record_history (kind, record_id, id);
comment on table record_history is 'As table history, for records that are no case: kind is contact, account or lead.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table record_history")
    op.execute("drop table notes")
