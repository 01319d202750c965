"""Deliveries, and the tables of the event path."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DELIVERIES = """
create table deliveries (
    -- what has a fixed width stands first: the columns behind it are found faster, and nothing is padded
    id uuid primary key,
    cause uuid not null,
    item_id uuid not null,
    thread_id uuid not null,
    sequence bigint generated always as identity,
    revision bigint not null default 0,
    created_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    config_version int not null,
    attempts int not null default 0,
    takeovers int not null default 0,
    case_id uuid,
    item_kind text not null,
    unit text not null,
    assignee text not null,
    definition text not null,
    channel text not null,
    template text not null,
    recipient text not null,
    recipient_name text not null,
    audience text not null,
    message_id text not null,
    traceparent text not null,
    state text not null default 'queued' check (state in ('queued', 'claimed', 'sent', 'failed')),
    claimed_by text not null default '',
    error text not null default '',
    facts text not null,
    finished_at timestamptz
);
comment on table deliveries is 'A message to one recipient, from the event that caused it to the server that took it.';
comment on column deliveries.due_at is 'Queued: when to try next. Claimed: when the lease ends, and anybody may claim it again.';
comment on column deliveries.attempts is 'Claims so far; with the id it names one claim, so that only its holder can record how it ended.';
comment on column deliveries.takeovers is 'Claims made while another was still open: each of those may have sent the message unrecorded.';
comment on column deliveries.unit is 'With assignee: in whose hands the item was, and so who may see the delivery.';
comment on column deliveries.facts is 'JSON of what the tags are made from; only read whole, and as text cheapest to write.';
create index deliveries_due on deliveries (due_at) where state in ('queued', 'claimed');
create index deliveries_failed on deliveries (sequence) where state = 'failed';
create index deliveries_by_sequence on deliveries (sequence);
create index deliveries_by_item on deliveries (item_id);
create index deliveries_by_case on deliveries (case_id) where case_id is not null;
"""


def upgrade() -> None:
    op.execute(messaging_tables("notify_service"))
    op.execute(DELIVERIES)


def downgrade() -> None:
    for table in ("deliveries", "commands", "dead_letters", "outbox", "inbox", "offsets"):
        op.execute(f"drop table {table}")
