"""Absences, what is lent meanwhile, and whose turn it is in each group (TASK-7, EDGE-13)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A trusted extension; whoever owns the database may have put it into a schema of its own, which the search path here lacks.
EXTENSION = """
create extension if not exists btree_gist;
select set_config('search_path', current_setting('search_path') || ', ' || quote_ident(n.nspname), true)
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'btree_gist';
"""

UP = """
create table absences (
    id uuid primary key,
    user_name text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,             -- null: not known yet
    stand_in text,
    hand_over text not null,
    give_back boolean not null,
    note text not null,
    made_by text not null,
    made_at timestamptz not null,
    begun_at timestamptz,            -- when all that was to be handed over had been
    ended_at timestamptz,            -- when all that was lent had been given back
    cancelled_at timestamptz,
    check (ends_at > starts_at),
    constraint absences_of_one_user_apart
        exclude using gist (user_name with =, tstzrange(starts_at, ends_at) with &&) where (cancelled_at is null)
);
-- Only what is to come or lasts: it stays small however old we get.
create index absences_open on absences (starts_at) where cancelled_at is null and ended_at is null;
create index absences_by_user on absences (user_name, starts_at, id);

create table loans (
    task_id uuid not null,
    absence_id uuid not null references absences (id) on delete cascade,
    owner_kind text not null,        -- before
    owner_code text not null,
    assignee text,
    lent_owner_kind text not null,   -- where it was lent to
    lent_owner_code text not null,
    lent_assignee text,
    number bigint generated always as identity,  -- a task that was lent on has several: the later one builds on the earlier one
    primary key (task_id, absence_id)
);
create index loans_by_absence on loans (absence_id, task_id);

-- Who of a group was given a task last. Whoever gives out locks the rows of all groups concerned.
create table assignment_turns (
    owner_kind text not null,
    owner_code text not null,
    last_user text not null,
    primary key (owner_kind, owner_code)
);
"""


def upgrade() -> None:
    op.execute(EXTENSION)
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table loans, absences, assignment_turns")
