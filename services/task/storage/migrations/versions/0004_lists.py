"""Open tasks in the order of their due time and of their priority: of a user, of a role, of a unit (TASK-9)."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Columns of their own rather than expressions: worked out once for a row, and counts are read from the indexes alone.
UP = """
-- A far time stands for none: Python has no infinite one.
alter table tasks
    add column due_order timestamptz not null generated always as (coalesce(due_at, '9999-01-01 00:00:00+00')) stored,
    add column rank smallint not null
        generated always as (case priority when 'high' then 0 when 'normal' then 1 when 'low' then 2 else 3 end) stored,
    add column waits boolean not null generated always as (state = 'planned') stored;
drop index open_tasks_by_assignee, open_tasks_by_unit, available_tasks;
-- One index of each kind, for both orders: by due time the ranks, of which there are four, are read beside each other.
create index open_tasks_by_assignee on tasks (assignee, waits, rank, due_order, id) include (state)
    where state in ('planned', 'pending', 'in_progress') and assignee is not null;
create index open_tasks_by_unit on tasks (unit, rank, due_order, id) include (assignee) where state in ('pending', 'in_progress');
create index available_tasks on tasks (owner_kind, owner_code, rank, due_order, id)
    where state in ('pending', 'in_progress') and assignee is null;
-- What somebody has in a user's stead: as good as empty, and spares a look at whatever that user has.
create index open_tasks_in_the_stead_of on tasks (owner_code, rank, due_order, id)
    where state in ('pending', 'in_progress') and owner_kind = 'user' and assignee is distinct from owner_code;
"""

DOWN = """
drop index open_tasks_in_the_stead_of, available_tasks, open_tasks_by_unit, open_tasks_by_assignee;
alter table tasks drop column due_order, drop column rank, drop column waits;
create index open_tasks_by_assignee on tasks (assignee, coalesce(due_at, 'infinity'), id)
    where state in ('planned', 'pending', 'in_progress') and assignee is not null;
create index open_tasks_by_unit on tasks (unit, coalesce(due_at, 'infinity'), id) where state in ('pending', 'in_progress');
create index available_tasks on tasks (owner_kind, owner_code, coalesce(due_at, 'infinity'), id)
    where state in ('pending', 'in_progress') and assignee is null;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
