"""What staff chose about being told, what they were told, and what waits for a digest or the end of quiet hours."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PREFERENCES = """
alter table deliveries drop constraint deliveries_state_check;
alter table deliveries add constraint deliveries_state_check
    check (state in ('queued', 'held', 'gathered', 'claimed', 'sent', 'failed', 'bounced'));
comment on column deliveries.state is
    'Held: waits for its digest. Gathered: is in a digest that waits to be sent. Only queued and claimed ones are sent themselves.';
create table preferences (
    username text primary key,
    choices jsonb not null,
    quiet jsonb,
    digest jsonb,
    zone text not null default '',
    revision bigint not null default 1,
    changed_at timestamptz not null,
    changed_by text not null
);
comment on table preferences is 'How a member of staff is told of things. What is missing or null is as the organisation has it.';
create table notifications (
    delivery_id uuid primary key,
    item_id uuid not null,
    sequence bigint generated always as identity,
    created_at timestamptz not null default now(),
    read_at timestamptz,
    hold_until timestamptz,
    digest_id uuid,
    hold text not null default '' check (hold in ('', 'quiet', 'digest')),
    username text not null,
    occasion text not null
);
comment on table notifications is 'What a member of staff was told: the desk lists it. What it says is in its delivery.';
comment on column notifications.hold is 'Why its message waits, until hold_until; empty once it does no more.';
create index notifications_of_user on notifications (username, sequence desc);
create index notifications_unread on notifications (username) where read_at is null;
create index notifications_held on notifications (item_id) where hold <> '';
create index notifications_due on notifications (hold_until) where hold <> '';
create index notifications_of_digest on notifications (digest_id) where digest_id is not null;
create index notifications_by_age on notifications using brin (created_at);
"""


def upgrade() -> None:
    op.execute(PREFERENCES)


def downgrade() -> None:
    op.execute("drop table notifications; drop table preferences")
    op.execute("update deliveries set state = 'queued' where state in ('held', 'gathered')")
    op.execute("alter table deliveries drop constraint deliveries_state_check")
    op.execute(
        "alter table deliveries add constraint deliveries_state_check check (state in ('queued', 'claimed', 'sent', 'failed', 'bounced'))"
    )
