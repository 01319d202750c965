"""Mandatory services that a task goes without, and bookings by the person booked (TASK-10)."""

from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

UP = """
create table waived_services (           -- as it is now; how it came to be is in the task's history
    task_id uuid not null,
    service text not null,
    reason text not null,
    waived_by text not null,
    waived_at timestamptz not null,
    primary key (task_id, service)
);
-- What falls into an absence.
create index bookings_of_user on bookings (resource_user, lower(during))
    where resource_user is not null and state in ('requested', 'booked');
-- Requests that wait for a unit.
create index bookings_requested on bookings (unit, lower(during), id) where state = 'requested';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table waived_services; drop index bookings_of_user, bookings_requested")
