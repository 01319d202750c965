"""Time spent by service, bookings of resources, and the feeds of calendar programs (TASK-10)."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Whoever owns the database may have put it into a schema of its own, which the migration's search path lacks. It is a trusted extension:
# where it is missing, the right to create in the database is enough.
EXTENSION = """
create extension if not exists btree_gist;
select set_config('search_path', current_setting('search_path') || ', ' || quote_ident(n.nspname), true)
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'btree_gist';
"""

TIME = """
create table task_services (             -- added by hand; the definition's mandatory ones have no row
    task_id uuid not null,
    service text not null,
    added_by text not null,
    added_at timestamptz not null,
    primary key (task_id, service)
);
create table time_entries (
    id uuid primary key,
    task_id uuid not null,
    service text not null,
    minutes integer not null check (minutes >= 0),
    user_name text not null,             -- who spent it
    spent_at timestamptz not null,
    note text not null,
    corrects uuid unique,                -- the entry that this one takes the place of
    automatic boolean not null,
    recorded_by text not null,
    recorded_at timestamptz not null
);
create index time_entries_by_task on time_entries (task_id, recorded_at, id);
"""

BOOKINGS = """
create table bookings (
    id uuid primary key,
    revision bigint not null,
    resource text not null,
    resource_name text not null,
    resource_user text,                  -- of a person
    unit text not null,                  -- the resource's
    lane integer not null check (lane >= 0),
    during tstzrange not null check (not isempty(during) and lower_inc(during) and not upper_inc(during)),
    state text not null,                 -- requested, booked, cancelled
    task_id uuid,
    case_id uuid,                        -- the task's too
    note text not null,
    made_by text not null,
    made_at timestamptz not null,
    changed_by text not null,
    changed_at timestamptz not null,
    confirmed_by text,
    reason text not null,
    check (task_id is not null or case_id is not null),
    -- The promise that nothing is booked twice, whatever two transactions do at once. A request holds its time as well.
    constraint booked_once exclude using gist (resource with =, lane with =, during with &&) where (state in ('requested', 'booked'))
);
create index bookings_by_start on bookings (resource, lower(during), id);
create index bookings_of_task on bookings (task_id) where state in ('requested', 'booked');
create index bookings_of_case on bookings (case_id) where state in ('requested', 'booked');
"""

FEEDS = """
create table feeds (
    id uuid primary key,
    token_digest bytea not null unique,  -- SHA-256: the token itself is with its user alone
    kind text not null,                  -- tasks, resources
    code text not null,                  -- of the resource; empty: the user's tasks
    made_by text not null,
    made_at timestamptz not null,
    unique (made_by, kind, code)
);
"""


def upgrade() -> None:
    op.execute(EXTENSION)
    for part in (TIME, BOOKINGS, FEEDS):
        op.execute(part)


def downgrade() -> None:
    op.execute("drop table feeds, bookings, time_entries, task_services")
