"""Outgoing webhooks: what each subscriber is to be told, and how far it is; and text messages: the numbers of customers."""

from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

WEBHOOKS = """
create table webhooks (
    code text primary key,
    -- of the process that sends to it just now
    claims bigint not null default 0,
    claimed_by text not null default '',
    claimed_until timestamptz not null default '-infinity',
    -- of what it did with the last messages
    failures int not null default 0,
    failing_since timestamptz,
    due_at timestamptz not null default now(),
    status int not null default 0,
    error text not null default '',
    taken_at timestamptz,
    paused_at timestamptz,
    paused_by text not null default '',
    paused_why text not null default ''
);
comment on table webhooks is 'Subscribers that had events so far. One process at a time sends to one, in the order of the messages.';
comment on column webhooks.claims is 'Claims so far: the number names one, so that only its holder can record what came of it.';
comment on column webhooks.due_at is 'When to try next, after a failure.';
create table webhook_messages (
    sequence bigint generated always as identity,
    event_id uuid not null,
    created_at timestamptz not null default now(),
    taken_at timestamptz,
    attempts int not null default 0,
    webhook text not null,
    event_type text not null,
    item text not null,
    state text not null default 'waiting' check (state in ('waiting', 'taken', 'skipped', 'erased')),
    body text not null,
    primary key (webhook, event_id)
);
comment on table webhook_messages is 'An event for one subscriber. Sequence is the order of sending: of one item that of its events.';
comment on column webhook_messages.item is 'The key of the event on its topic, mostly the case: by it what was erased is found.';
create unique index webhook_messages_waiting on webhook_messages (webhook, sequence) where state = 'waiting';
create index webhook_messages_by_sequence on webhook_messages (webhook, sequence);
create index webhook_messages_by_item on webhook_messages (item);
create index webhook_messages_by_age on webhook_messages (created_at);
"""
TEXTS = """
create table phones (
    contact_id uuid primary key,
    number text not null
);
comment on table phones is 'Where customers get text messages, as case has told of their handles (E.164).';
create index deliveries_due_texts on deliveries (due_at) where channel = 'sms' and state in ('queued', 'claimed');
"""


def upgrade() -> None:
    op.execute(WEBHOOKS)
    op.execute(TEXTS)


def downgrade() -> None:
    op.execute("drop index deliveries_due_texts; drop table phones; drop table webhook_messages; drop table webhooks")
