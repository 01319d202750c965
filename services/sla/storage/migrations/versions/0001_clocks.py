"""The read model of clocks, and the tables of the event path."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ITEMS = """
create table items (
    item_id uuid primary key,
    item_kind smallint not null,
    case_id uuid,
    unit text not null default '',
    assignee text not null default '',
    open_clocks int not null,
    clock_ids uuid[] not null,
    record bytea not null
) with (fillfactor = 70);
comment on table items is 'An item and its clocks as the changelog has them; rebuilt by reading the changelog from its beginning.';
create index items_by_clock on items using gin (clock_ids);
create index items_by_case on items (case_id);
"""


def upgrade() -> None:
    op.execute(messaging_tables("sla_service"))
    op.execute(ITEMS)


def downgrade() -> None:
    op.execute("drop table items, commands, dead_letters, outbox, inbox, offsets")
