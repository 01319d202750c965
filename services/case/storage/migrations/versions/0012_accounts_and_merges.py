"""Accounts, what contacts are to us, and merges of contacts with all that undoing them takes (CON-1, CON-2, EDGE-11)."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = """
create table if not exists accounts (
    id uuid primary key,
    revision bigint not null,
    number text not null unique,
    name text not null,
    kind text not null default '',
    area text not null default '',
    classification text not null default '',
    credit_rating text not null default '',
    created_at timestamptz not null
);
comment on table accounts is 'A tenancy, a household, a company: what contacts belong to.';
create sequence if not exists account_numbers;

alter table contacts add column if not exists state text not null default 'prospect',
    add column if not exists area text not null default '',
    add column if not exists merged_into uuid;
comment on column contacts.merged_into is 'The contact that this one turned out to be; its row stays, so that the merge can be undone.';
-- Whoever writes for the first time has neither, so these cost the way of a mail nothing.
create index contacts_by_account on contacts (account_id) where account_id is not null;
create index contacts_by_survivor on contacts (merged_into) where merged_into is not null;

create table contact_merges (
    id uuid primary key,
    source uuid not null,                   -- the contact that was merged
    target uuid not null,                   -- the one that it was merged into
    merged_by text not null,
    merged_at timestamptz not null,
    undone_by text,
    undone_at timestamptz
);
create unique index contact_merges_by_source on contact_merges (source) where undone_at is null;
create index contact_merges_by_target on contact_merges (target);

create table contact_merge_records (
    merge_id uuid not null references contact_merges,
    record_table text not null,
    record_id uuid not null,
    old_values jsonb not null,
    new_values jsonb not null,              -- the same as old_values: it was the survivor's already
    primary key (merge_id, record_table, record_id)
);
comment on table contact_merge_records is 'Which row a merge changed, and what it was before: what undoing it restores.';

create table contact_merge_handles (
    merge_id uuid not null references contact_merges,
    kind text not null,
    value text not null,
    was_own boolean not null,               -- the survivor had this handle itself
    primary key (merge_id, kind, value)
);
create index contact_merge_handles_by_handle on contact_merge_handles (kind, value);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table contact_merge_handles, contact_merge_records, contact_merges")
    op.execute("drop index contacts_by_survivor, contacts_by_account")
    op.execute("alter table contacts drop column merged_into, drop column area, drop column state")
    op.execute("drop sequence account_numbers")
    op.execute("drop table accounts")
