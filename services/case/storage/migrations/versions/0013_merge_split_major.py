"""Cases merged, split, linked and gathered under a major case (CASE-11, EDGE-11, EDGE-15)."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UP = """
alter table cases add column merged_into uuid, add column parent_id uuid;
create index cases_by_survivor on cases (merged_into) where merged_into is not null;
create index cases_by_parent on cases (parent_id, opened_at, id) where parent_id is not null;

create table case_merges (
    id uuid primary key,
    case_id uuid not null,
    into_id uuid not null,
    reason text not null,
    before jsonb not null,
    linked uuid[] not null,
    open_tasks uuid[] not null,
    merged_by text not null,
    merged_at timestamptz not null,
    undone_by text,
    undone_at timestamptz
);
create unique index merges_in_force on case_merges (case_id) where undone_at is null;
create index case_merges_by_case on case_merges (case_id, merged_at);
create index case_merges_by_survivor on case_merges (into_id, merged_at);
comment on table case_merges is 'Which case was merged into which. before: its row as it was; linked: the communications that the survivor
got by it and had not before; open_tasks: those of the case, which come back when it is undone.';

create table case_splits (
    id uuid primary key,
    case_id uuid not null,
    new_id uuid not null unique,
    reason text not null,
    left_conversations uuid[] not null,
    split_by text not null,
    split_at timestamptz not null,
    undone_by text,
    undone_at timestamptz
);
create index case_splits_by_case on case_splits (case_id, split_at);
comment on table case_splits is 'Which case was split off which. left_conversations: those that the old case had joined, and that lead to
the new one only.';

create table moved_communications (
    communication_id uuid not null,
    case_id uuid not null,
    position int not null,
    split_id uuid not null,
    primary key (communication_id, case_id, split_id)
);
create index moved_communications_by_split on moved_communications (split_id);
comment on table moved_communications is 'Rows of case_communications that a split took from the old case, as they were.';

create table case_links (
    case_id uuid not null,
    other_id uuid not null,
    kind text not null check (kind in ('related', 'follow_up', 'caused_by')),
    created_by text not null,
    created_at timestamptz not null,
    primary key (case_id, other_id, kind),
    check (case_id <> other_id)
);
create index case_links_by_other on case_links (other_id);
comment on table case_links is 'The case follows up, or was caused by, the other one; related has no direction, smaller id first.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table case_links, moved_communications, case_splits, case_merges")
    op.execute("alter table cases drop column merged_into, drop column parent_id")
