"""Firings of automation rules, and rules that were cut (AUTO-1)."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
alter table tasks add column firing_id uuid;
create table firings (
    id uuid primary key,                    -- derived from rule and event: a rule fires once for an event
    rule text not null,
    item_id uuid not null,                  -- case or lead; of a task or communication without one its own
    task_id uuid,
    happening text not null,
    cause_id uuid not null,
    depth smallint not null,                -- firings that led here, this one included
    at timestamptz not null,
    outcome text not null,                  -- done, partly, refused
    actions jsonb not null
);
create index firings_by_item on firings (item_id, rule, at);
create index firings_by_rule on firings (rule, at, id);
create index firings_by_time on firings (at, id);
create table cuts (
    id uuid primary key,                    -- derived from rule, item, reason and time: told once
    rule text not null,
    item_id uuid not null,
    task_id uuid,
    happening text not null,
    cause_id uuid not null,
    depth smallint not null,
    at timestamptz not null,
    reason text not null
);
create index cuts_by_rule on cuts (rule, at);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table cuts, firings")
    op.execute("alter table tasks drop column firing_id")
