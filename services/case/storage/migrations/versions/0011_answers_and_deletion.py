"""Responses and resolutions with their acceptance (CASE-4, CASE-12), estimates (CASE-9), and what was deleted (CASE-8)."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = """
alter table cases
    add column response_category text not null default '',
    add column temporary_category text not null default '',
    add column final_category text not null default '',
    add column awaiting_acceptance text not null default '',
    add column estimated_completion_at timestamptz;
create index cases_awaiting_acceptance on cases (awaiting_acceptance, opened_at, id) where awaiting_acceptance <> '';
comment on column cases.awaiting_acceptance is 'The stage (as in answers) that waits for the customer''s acceptance; empty: none.';

create table answers (
    case_id uuid not null,
    stage text not null,
    category text not null,
    text text not null,
    requires_acceptance boolean not null,
    given_by text not null,
    given_at timestamptz not null,
    accepted boolean,
    accepted_by text,
    accepted_at timestamptz,
    comment text not null,
    primary key (case_id, stage)
);
comment on table answers is 'stage: response, temporary_resolution or final_resolution. What the case went back from is in history only.';

create table deleted_cases (
    id uuid primary key,
    number text not null unique,
    subject text not null,
    unit text not null,
    owner text,
    communication_id uuid not null,
    revision bigint not null,
    deleted_by text not null,
    deleted_at timestamptz not null,
    reason text not null
);
create index deleted_cases_by_time on deleted_cases (deleted_at, id);
create index deleted_cases_by_communication on deleted_cases (communication_id);
comment on table deleted_cases is 'What is left of a case that was deleted; its history stays in table history.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table deleted_cases")
    op.execute("drop table answers")
    op.execute(
        "alter table cases drop column response_category, drop column temporary_category, drop column final_category,"
        " drop column awaiting_acceptance, drop column estimated_completion_at"
    )
