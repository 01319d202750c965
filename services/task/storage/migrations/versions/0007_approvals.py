"""Approvals: who is asked what, and what became of it (TASK-4, AUTO-1, EDGE-6)."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
create table approvals (
    id uuid primary key,
    case_id uuid,                    -- null: of a task that belongs to no case
    task_id uuid,                    -- null: about the case itself
    definition text,                 -- the task definition that requires it
    config_version integer not null,
    revision bigint not null,
    before text not null,            -- start, completion
    what text not null,
    approver text not null,
    asked_by text not null,
    asked_at timestamptz not null,
    held_since timestamptz not null, -- since when it is up to the approver
    state text not null,             -- asked, approved, declined, withdrawn
    decided_by text,
    decided_at timestamptz,
    comment text not null,
    delegated_from text,
    remind_every text not null,
    remind_times integer not null,
    reminders integer not null,
    remind_at timestamptz
);
create index approvals_by_case on approvals (case_id, asked_at, id) where case_id is not null;
create index approvals_by_task on approvals (task_id, asked_at, id) where task_id is not null;
-- What is decided leaves these: they hold what waits for somebody, however many there were.
create index asked_approvals_by_approver on approvals (approver, asked_at, id) where state = 'asked';
create index approvals_to_remind on approvals (remind_at) where remind_at is not null;
create index approvals_by_asker on approvals (asked_by, asked_at, id) where asked_by <> 'system';

create table approval_history (
    approval_id uuid not null,
    revision bigint not null,
    at timestamptz not null,
    changed_by text not null,
    event text not null,
    changes jsonb not null,          -- {field: [old, new]}
    note text not null,
    primary key (approval_id, revision)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table approval_history, approvals")
