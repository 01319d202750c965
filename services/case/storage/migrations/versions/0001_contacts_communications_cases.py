"""Contacts, communications, cases and their history; with the tables that messaging keeps in every service."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None

TABLES = """
create table contacts (
    id uuid primary key,
    revision bigint not null,
    account_id uuid,
    name text not null,
    email text not null,
    created_at timestamptz not null
);

create table handles (
    kind text not null,
    value text not null,
    contact_id uuid not null references contacts,
    primary key (kind, value, contact_id)   -- a household shares a phone: one handle, several contacts
);
create index handles_by_contact on handles (contact_id);

create table communications (
    id uuid primary key,
    revision bigint not null,
    config_version int not null,
    conversation_id uuid not null,
    effect text not null,                   -- opens, joins, recorded
    direction text not null,
    method text not null,
    channel_account text not null,
    location text not null,
    sender_kind text not null,
    sender text not null,
    sender_name text not null,
    recipients text[] not null,
    contact_id uuid,                        -- null: nobody known, or several share the handle and staff choose
    subject_line text not null,
    body text not null,
    body_truncated boolean not null,
    message_id text not null,
    in_reply_to text not null,
    reference_ids text[] not null,
    robot text not null,
    raw_sha256 text,
    raw_size bigint,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    expired_at timestamptz
);
create index communications_by_time on communications (received_at, id);
create index communications_by_contact on communications (contact_id, received_at);

create table attachments (
    communication_id uuid not null,
    position int not null,
    sha256 text not null,
    size bigint not null,
    filename text not null,
    content_type text not null,
    is_inline boolean not null,
    primary key (communication_id, position)
);
create index attachments_by_content on attachments (sha256);

create sequence case_numbers;

create table cases (
    id uuid primary key,
    number text not null unique,
    revision bigint not null,
    config_version int not null,            -- a live case keeps the configuration that it began with
    subject text not null,
    title text not null,
    communication_id uuid not null,
    conversation_id uuid not null,
    method text not null,
    contact_id uuid,
    account_id uuid,
    customer_name text not null,
    customer_email text not null,
    state text not null,
    status text not null,
    status_before text,
    urgency text not null,
    impact text not null,
    priority text not null,
    category text not null,
    unit text not null,
    owner text,
    waiting_for_customer boolean not null,
    needs_review boolean not null,
    reason text not null,
    opened_at timestamptz not null,
    responded_at timestamptz,
    resolved_at timestamptz,
    completed_at timestamptz,
    expected_completion_at timestamptz,
    changed_at timestamptz not null,
    changed_by text not null
);
create index cases_by_conversation on cases (conversation_id);
create index cases_by_contact on cases (contact_id, opened_at);
create index cases_by_time on cases (opened_at, id);
create index cases_by_unit on cases (unit, opened_at, id);
create index cases_by_owner on cases (owner, opened_at, id) where owner is not null;
create index cases_for_review on cases (opened_at, id) where needs_review;

create table case_communications (
    communication_id uuid not null,
    case_id uuid not null,
    position int not null,
    primary key (communication_id, case_id)
);
create index case_communications_by_case on case_communications (case_id);

create table history (
    id bigint generated always as identity,
    case_id uuid not null,
    revision bigint,                        -- null: the case itself did not change, as when a communication joins it
    field text not null,
    old_value text,
    new_value text,
    changed_by text not null,
    changed_at timestamptz not null
);
create index history_by_case on history (case_id, id);

-- What completion waits for (CASE-8). A plan names its tasks; a task has a row of its own once it has changed.
create table case_plans (
    case_id uuid primary key,
    task_ids uuid[] not null
);
create table case_tasks (
    task_id uuid primary key,
    case_id uuid not null,
    revision bigint not null,
    is_open boolean not null
);
create index case_tasks_by_case on case_tasks (case_id);
"""


def upgrade() -> None:
    op.execute(messaging_tables("case_service"))
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop schema case_service cascade")
