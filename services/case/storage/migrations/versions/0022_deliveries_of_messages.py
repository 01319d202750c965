"""What became of our messages to customers, and files that are handed in to be sent with one (NOTE-2)."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UP = """
create table deliveries (
    communication_id uuid primary key,
    revision bigint not null,
    changed_at timestamptz not null,
    state text not null check (state in ('queued', 'sent', 'failed', 'bounced')),
    error text not null,
    definition text not null
);
comment on table deliveries is 'What became of a message of ours, which is the outbound communication of this id.';
comment on column deliveries.revision is 'That of the delivery, as notify counts it: an older word changes nothing.';
comment on column deliveries.definition is 'The communication definition that made it; empty: somebody wrote it.';

create table message_files (
    id uuid primary key,
    size bigint not null,
    handed_in_at timestamptz not null,
    handed_in_by text not null,
    sha256 text not null,
    filename text not null,
    content_type text not null
);
comment on table message_files is 'Files that somebody has handed in and will send with a message; forgotten after a day.';
create index message_files_by_time on message_files (handed_in_at);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table message_files")
    op.execute("drop table deliveries")
