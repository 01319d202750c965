"""Limits on what is sent, the suppression list, and messages that are useless after a while."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SUPPRESSIONS = """
create table suppressions (
    address text primary key,
    reason text not null default 'bounced' check (reason in ('bounced', 'complained', 'unsubscribed', 'by_hand')),
    status text not null default '',
    note text not null default '',
    added_by text not null default '',
    delivery_id uuid,
    applied boolean not null default false,
    since timestamptz not null default now(),
    until timestamptz
);
create index suppressions_new on suppressions (address) where not applied;
comment on table suppressions is 'Addresses, and whole domains as *@domain, that are not written to.';
comment on column suppressions.status is 'Of one that bounced: what was reported, as RFC 3463 has it.';
comment on column suppressions.added_by is 'Which user put it there; empty: the service itself.';
comment on column suppressions.applied is 'Whether what waited for it was ended.';
comment on column suppressions.until is 'From when on it does not count any more; none: until somebody takes it off.';
insert into suppressions (address, status, delivery_id, applied, since)
    select address, status, delivery_id, true, since from dead_addresses;
drop table dead_addresses;
-- for services of the release before, which are updated after the schema
create view dead_addresses as select address, status, delivery_id, since from suppressions where reason = 'bounced';
create table suppression_changes (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    by_user text not null,
    what text not null check (what in ('added', 'removed')),
    address text not null,
    reason text not null,
    note text not null default '',
    until timestamptz
);
comment on table suppression_changes is 'What operators did to the suppression list. Lines stay; an erased customer''s address is blank.';
"""
LIMITS = """
alter table deliveries add column expires_at timestamptz;
alter table deliveries add column pressing boolean not null default false;
alter table deliveries add column limited boolean not null default false;
comment on column deliveries.expires_at is 'From when on it is of no use, and is not sent any more; none: always of use.';
comment on column deliveries.pressing is 'It escalates something: a higher limit for its recipient is for it.';
comment on column deliveries.limited is 'Queued, but its recipient has had enough for now; due_at: when it is looked at again in any case.';
create index deliveries_expiring on deliveries (expires_at) where expires_at is not null and state in ('queued', 'claimed');
create index deliveries_limited on deliveries (lower(recipient), pressing, sequence) where limited and state = 'queued';
create index deliveries_reached on deliveries (lower(recipient), coalesce(finished_at, timestamptz 'infinity'))
    where state in ('claimed', 'sent');
create table sending_seconds (
    channel text not null,
    second timestamptz not null,
    attempts int not null,
    primary key (channel, second)
);
comment on table sending_seconds is 'How many attempts all senders together took up in each second; only where there is a limit.';
"""


def upgrade() -> None:
    op.execute(SUPPRESSIONS)
    op.execute(LIMITS)


def downgrade() -> None:
    op.execute("drop table sending_seconds; drop index deliveries_reached; drop index deliveries_limited; drop index deliveries_expiring")
    op.execute("alter table deliveries drop column limited, drop column pressing, drop column expires_at")
    op.execute("drop view dead_addresses; drop table suppression_changes")
    op.execute(
        """create table dead_addresses (
               address text primary key, status text not null, delivery_id uuid not null, since timestamptz not null default now())"""
    )
    op.execute(
        """insert into dead_addresses select address, status, delivery_id, since from suppressions
           where reason = 'bounced' and delivery_id is not null"""
    )
    op.execute("drop table suppressions")
