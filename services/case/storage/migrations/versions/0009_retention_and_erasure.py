"""Files and texts that are no longer kept, cases on legal hold, and where the sweep of the object store stands (EDGE-17)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = """
alter table communications add column files_removed_at timestamptz, add column erased_at timestamptz;
comment on column communications.files_removed_at is 'Since when it refers to no content any more: retention, or erasure.';
alter table attachments alter column sha256 drop not null;
alter table cases add column legal_hold boolean not null default false;
-- A hash index has no order to keep, so its price for every mail is small.
create index communications_by_raw on communications using hash (raw_sha256) where raw_sha256 is not null;
create index communications_with_files on communications (method, received_at, id) where files_removed_at is null;

create table sweeps (
    only_one boolean primary key default true check (only_one),
    holder text not null default '',
    held_until timestamptz not null default '-infinity',
    phase text not null default 'empty' check (phase in ('empty', 'condemn', 'settle')),
    position text not null default '',
    begun_at timestamptz,
    ended_at timestamptz
);
insert into sweeps default values;
comment on table sweeps is 'The round of retention and of the object store: who sweeps, and how far the round has come.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table sweeps")
    op.execute("drop index communications_with_files")
    op.execute("drop index communications_by_raw")
    op.execute("alter table cases drop column legal_hold")
    op.execute("delete from attachments where sha256 is null")
    op.execute("alter table attachments alter column sha256 set not null")
    op.execute("alter table communications drop column files_removed_at, drop column erased_at")
