"""A row for each clock, so that lists and reports of clocks are reads of indexes."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CLOCKS = """
create table clocks (
    clock_id uuid primary key,
    item_id uuid not null,
    kind smallint not null,
    item_kind smallint not null,
    unit text,
    assignee text,
    priority text,
    method text,
    subject text,
    started_at timestamptz not null,
    soon_at timestamptz,
    due_at timestamptz not null,
    suspended_at timestamptz,
    closed_at timestamptz,
    outcome text not null,
    notice smallint not null,
    rung smallint not null,
    budget bigint not null,
    used bigint,
    suspended bigint not null,
    target text not null
) with (fillfactor = 80);
comment on table clocks is 'The clocks of items. What depends on the time it is (due soon, overdue) is worked out when somebody asks.';
comment on column clocks.clock_id is 'Follows from item and kind, so that an item''s clocks are found by their ids.';
comment on column clocks.notice is 'Class of the time between due soon and due: powers of four, in seconds; 0: it is never due soon.';
comment on column clocks.used is 'Microseconds on its calendar from start to end, where it has ended.';
comment on column clocks.suspended is 'Microseconds of plain time that it did not run, where it has ended.';
create index clocks_running on clocks (notice, due_at, clock_id)
    where closed_at is null and suspended_at is null and kind not in (5, 6);
create index clocks_running_by_unit on clocks (unit, notice, due_at, clock_id)
    where closed_at is null and suspended_at is null and kind not in (5, 6);
create index clocks_running_by_assignee on clocks (assignee, notice, due_at, clock_id)
    where closed_at is null and suspended_at is null and kind not in (5, 6) and assignee <> '';
create index clocks_suspended on clocks (due_at) where closed_at is null and suspended_at is not null;
create index clocks_closed on clocks (closed_at) where closed_at is not null and kind not in (5, 6);
"""

ITEMS = """
drop index items_by_clock;
alter table items drop column clock_ids;
alter table items add column number text, add column title text, add column finished_at timestamptz;
create index items_by_number on items (number) where item_kind in (1, 5);
comment on column items.title is 'Empty once the stream has forgotten the item: what customers wrote goes with it.';
comment on table items is
    'An item as the changelog has it. Those still open are made again by reading the changelog; finished ones outlive their record there.';
"""

# The changelog has every record that still counts: it is read once more, which fills the new table.
READ_AGAIN = "delete from offsets where topic = 'casestream.sla.timers'"


def upgrade() -> None:
    op.execute(CLOCKS)
    op.execute(ITEMS)
    op.execute(READ_AGAIN)


def downgrade() -> None:
    op.execute("drop table clocks")
    op.execute("alter table items drop column number, drop column title, drop column finished_at")
    op.execute("alter table items add column clock_ids uuid[] not null default '{}'")
    op.execute("create index items_by_clock on items using gin (clock_ids)")
    op.execute(READ_AGAIN)
