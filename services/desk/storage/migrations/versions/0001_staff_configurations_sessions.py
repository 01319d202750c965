"""Staff, units, configuration versions, sessions and failed sign-ins; with the tables that messaging keeps."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None

TABLES = """
create table staff (
    "user" text primary key,
    revision bigint not null,
    name text not null,
    email text not null,
    unit text not null,
    roles text[] not null,
    active boolean not null,
    -- the hash that is asked for, and the one that the configuration last gave: a password that
    -- was changed since is not set back by applying the same file again
    password_hash text,
    configured_hash text
);

create table units (
    code text primary key,
    revision bigint not null,
    name text not null,
    email text not null,
    leader text,
    manager text,
    members text[] not null
);

create table configurations (
    version int primary key,
    digest text not null,
    source text not null,                   -- YAML as it was handed in, without password hashes
    document jsonb not null,                -- the same as data
    applied_by text not null,
    applied_at timestamptz not null
);

create table sessions (
    digest bytea primary key,               -- SHA-256 of the cookie: who reads this table cannot use it
    "user" text not null references staff,
    created_at timestamptz not null,
    seen_at timestamptz not null
);

create table sign_in_failures (
    who text primary key,                   -- user:NAME or address:IP
    count int not null,
    last_at timestamptz not null
);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(messaging_tables("desk_service"))
    op.execute(TABLES)


def downgrade() -> None:
    """Drop what is the desk's own."""
    op.execute("drop table sign_in_failures, sessions, configurations, units, staff")
