"""Messages that came back, and addresses that are not written to any more."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BOUNCES = """
alter table deliveries drop constraint deliveries_state_check;
alter table deliveries add constraint deliveries_state_check check (state in ('queued', 'claimed', 'sent', 'failed', 'bounced'));
create index deliveries_bounced on deliveries (sequence) where state = 'bounced';
create table dead_addresses (
    address text primary key,
    status text not null,
    delivery_id uuid not null,
    since timestamptz not null default now()
);
comment on table dead_addresses is 'Addresses that refused a message for good. Nothing is sent there until something comes from there.';
comment on column dead_addresses.status is 'What was reported, as RFC 3463 has it.';
"""


def upgrade() -> None:
    op.execute(BOUNCES)


def downgrade() -> None:
    op.execute("drop table dead_addresses; update deliveries set state = 'failed' where state = 'bounced'; drop index deliveries_bounced")
    op.execute("alter table deliveries drop constraint deliveries_state_check")
    op.execute("alter table deliveries add constraint deliveries_state_check check (state in ('queued', 'claimed', 'sent', 'failed'))")
