"""Cases as far as tasks need them, tasks, and their history; with the tables that messaging keeps in every service."""

from alembic import op

from shared.storage import messaging_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(messaging_tables("task_service"))
    op.execute(
        """
        create table cases (
            id uuid primary key,
            revision bigint not null,       -- of the case, newest seen
            number text not null,
            title text not null,
            subject text not null,
            unit text not null,
            owner text,
            state text not null,
            customer jsonb not null,
            config_version integer not null, -- of the plan: a live case keeps the configuration that it began with
            plan_revision bigint not null,   -- 0: not planned
            planned_at timestamptz
        )
        """
    )
    op.execute(
        """
        create table tasks (
            id uuid primary key,
            case_id uuid,                   -- null: a follow-up without a case, which keeps its customer itself
            definition text,
            config_version integer not null,
            revision bigint not null,
            subject_line text not null,
            description text not null,
            state text not null,
            status text not null,
            owner_kind text not null,
            owner_code text not null,
            assignee text,
            unit text not null,
            priority text not null,
            customer jsonb,
            planned_at timestamptz not null,
            starts_at timestamptz,           -- while it waits for a lag: when that is over
            start_by timestamptz,            -- deadline for its start, from a maximum lag
            triggered_at timestamptz,
            due_at timestamptz,
            in_progress_at timestamptz,      -- first
            ended_at timestamptz,
            cancellation_reason text,
            changed_by text not null
        )
        """
    )
    # Only what is open is listed by person or unit, so only that is in these indexes: they stay small however old we get.
    op.execute("create index tasks_by_case on tasks (case_id)")
    op.execute(
        "create index open_tasks_by_assignee on tasks (assignee, coalesce(due_at, 'infinity'), id)"
        " where state in ('planned', 'pending', 'in_progress') and assignee is not null"
    )
    op.execute(
        "create index open_tasks_by_unit on tasks (unit, coalesce(due_at, 'infinity'), id) where state in ('pending', 'in_progress')"
    )
    op.execute(
        "create index available_tasks on tasks (owner_kind, owner_code, coalesce(due_at, 'infinity'), id)"
        " where state in ('pending', 'in_progress') and assignee is null"
    )
    op.execute(
        """
        create table history (
            task_id uuid not null,
            revision bigint not null,
            at timestamptz not null,
            changed_by text not null,
            event text not null,
            changes jsonb not null,          -- {field: [old, new]}
            primary key (task_id, revision)
        )
        """
    )


def downgrade() -> None:
    op.execute("drop table history, tasks, cases")
