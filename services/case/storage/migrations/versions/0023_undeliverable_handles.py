"""Handles that nothing arrives at any more (EDGE-2)."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

UP = """
create table undeliverable_handles (
    kind text not null,
    value text not null,
    since timestamptz not null,
    status text not null,
    delivery_id uuid not null,
    restored_at timestamptz,
    restored_by text,
    primary key (kind, value)
);
comment on table undeliverable_handles is 'Handles that a message came back from for good: of the handle, whoever has it.';
comment on column undeliverable_handles.status is 'What was reported: as RFC 3463 has it, or by the gateway of text messages.';
comment on column undeliverable_handles.delivery_id is 'The message that came back.';
comment on column undeliverable_handles.restored_at is 'Since when it is taken to work again; what came back before then marks it no more.';
create index undeliverable_handles_now on undeliverable_handles (kind, value) where restored_at is null;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table undeliverable_handles")
