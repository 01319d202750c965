"""The tables of the event path that every service's schema has, as SQL for its first migration."""

from __future__ import annotations

MESSAGING_TABLES = """
create table offsets (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    -- assignments since the last progress: a process that dies on a message comes back to the same offset again and again
    restarts int not null default 0,
    attempt_offset bigint,
    attempts int not null default 0,
    primary key (topic, partition)
);
comment on table offsets is 'The next message of each partition that this service will consume; moves in the transaction of its effects.';

create table inbox (
    event_day date not null,
    event_id uuid not null,
    primary key (event_day, event_id)
) partition by range (event_day);
create table inbox_default partition of inbox default;
comment on table inbox is 'Events already taken in, by the day of the event; a partition a day, dropped after the retention of the topics.';

create table outbox (
    sequence bigint generated always as identity primary key,
    created_at timestamptz not null default clock_timestamp(),
    aggregates text[] not null,
    events text not null
);
-- rows live for milliseconds: packing them would cost more than their bytes
alter table outbox alter column aggregates set storage external, alter column events set storage external;
comment on table outbox is 'Events committed and not yet known to be on Kafka: a row a transaction, its events a CloudEvents JSON batch.';
comment on column outbox.aggregates is 'The subjects of the events.';

create table dead_letters (
    id uuid primary key,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    key bytea,
    headers jsonb not null,
    value bytea,
    kind text not null check (kind in ('garbage', 'invalid', 'refused', 'failed')),
    error text not null,
    attempts int not null,
    state text not null default 'open' check (state in ('open', 'replaying', 'replayed', 'discarded')),
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    changed_by text not null default 'system',
    unique (topic, partition, "offset")
);
create index dead_letters_by_state on dead_letters (state, created_at);
comment on table dead_letters is 'Messages that could not be taken in, with their bytes and the reason; replayed to this service alone.';

create table commands (
    principal text not null,
    key text not null,
    request_digest text not null,
    status int not null,
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (principal, key)
);
comment on table commands is 'Answers to HTTP commands by Idempotency-Key: a repeat gets the same answer and does nothing.';
"""


def messaging_tables(schema: str) -> str:
    """SQL that creates the tables of the event path in `schema`."""
    return f"set local search_path = {schema};\n{MESSAGING_TABLES}"
