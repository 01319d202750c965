"""Leads with their competitors and interests, the accounts that won ones create, and imports from files (LEAD-1, LEAD-2, LEAD-3)."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UP = """
create sequence lead_numbers;

create table leads (
    id uuid primary key,
    number text not null unique,
    revision bigint not null,
    config_version int not null,            -- a live lead keeps the configuration that it began with
    type text not null,
    title text not null,
    description text not null,
    source text not null,
    communication_id uuid,                  -- that it was opened from
    contact_id uuid,
    account_id uuid,
    customer_name text not null,
    customer_email text not null,
    customer_phone text not null,
    state text not null,
    status text not null,
    status_before text,
    priority int not null,
    importance int not null,
    category text not null,
    unit text not null,
    owner text,
    lost_reason text not null,
    reason text not null,
    opened_at timestamptz not null,
    started_at timestamptz,
    closed_at timestamptz,
    expected_completion_at timestamptz,
    estimated_completion_at timestamptz,
    changed_at timestamptz not null,
    changed_by text not null,
    import_id uuid
);
create index leads_by_time on leads (opened_at, id);
create index leads_by_change on leads (changed_at, id);
create index leads_by_unit on leads (unit, opened_at, id);
create index leads_by_owner on leads (owner, opened_at, id) where owner is not null;
create index leads_by_contact on leads (contact_id, opened_at) where contact_id is not null;
create index leads_by_communication on leads (communication_id) where communication_id is not null;
create index open_leads_by_priority on leads (priority, id) where state in ('pending', 'in_progress');
create index open_leads_by_due on leads ((coalesce(expected_completion_at, 'infinity')), id) where state in ('pending', 'in_progress');

create table lead_competitors (
    lead_id uuid not null references leads,
    position int not null,
    name text not null,
    website text not null,
    description text not null,
    primary key (lead_id, position)
);

create table lead_products (
    lead_id uuid not null references leads,
    position int not null,
    kind text not null,                     -- product, type, brand, family
    code text not null,
    primary key (lead_id, position)
);

create table lead_imports (
    id uuid primary key,
    sha256 text not null,                   -- of the file, which lies in the object store
    size bigint not null,
    filename text not null,
    format text not null,                   -- csv, xlsx
    default_type text not null,
    dry_run boolean not null,
    state text not null,                    -- waiting, running, done, failed, cancelled
    problem text not null default '',       -- why it failed as a whole
    total int,                              -- rows with anything in them; null: not counted yet
    done int not null default 0,            -- of these
    position int not null default 0,        -- number of the last row done: whoever goes on goes on behind it
    attempts int not null default 0,        -- begun so often without getting any further
    created int not null default 0,
    repeated int not null default 0,        -- rows that were leads already
    refused int not null default 0,         -- rows with problems
    requested_by text not null,
    unit text not null,
    requested_at timestamptz not null,
    finished_at timestamptz,
    traceparent text not null,
    held_by text,
    held_until timestamptz
);
create index lead_imports_by_time on lead_imports (requested_at, id);
create index lead_imports_to_do on lead_imports (requested_at) where state in ('waiting', 'running');
create index lead_imports_by_content on lead_imports (sha256) where state in ('waiting', 'running');

create table lead_import_problems (
    import_id uuid not null references lead_imports,
    row_number int not null,                -- as a spreadsheet counts: the header is row 1
    position int not null,
    column_name text not null,
    value text not null,
    problem text not null,
    primary key (import_id, row_number, position)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table lead_import_problems, lead_imports, lead_products, lead_competitors, leads")
    op.execute("drop sequence lead_numbers")
