"""Goods of cases and accounts with the checks made on them (CASE-14), links that customers used (EDGE-14), feedback (CASE-13)."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

GOODS = """
create table {holder}_products (
    id uuid primary key,
    revision bigint not null,
    {holder}_id uuid not null,
    product text not null,
    serial_number text not null,
    issued_on date,
    warranty_until date,
    return_policy text not null,
    replaced_by uuid,
    changed_at timestamptz not null,
    changed_by text not null
);
create index {holder}_products_by_{holder} on {holder}_products ({holder}_id, id);
comment on column {holder}_products.issued_on is 'When it left the warehouse; warranty and return are reckoned from this day.';
comment on column {holder}_products.replaced_by is 'The task by which it is replaced under warranty; null: it is not.';
"""
UP = """
alter table case_products add foreign key (case_id) references cases (id) on delete cascade;

create table product_checks (
    id uuid primary key,
    holder text not null,
    holder_id uuid not null,
    item_id uuid not null,
    kind text not null,
    product text not null,
    serial_number text not null,
    asked_on date not null,
    issued_on date,
    last_day date,
    return_policy text not null,
    reason text not null,
    outcome text not null,
    why text not null,
    reckoning text not null,
    replacement_task uuid,
    checked_by text not null,
    checked_at timestamptz not null
);
create index product_checks_by_item on product_checks (item_id, checked_at, id);
comment on table product_checks is 'Decisions on warranty and returns, and how they were reckoned. Never changed.';

create table customer_links (
    id bytea primary key,
    purpose text not null,
    record_id uuid not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz not null,
    used_for text not null
);
create index customer_links_by_record on customer_links (record_id);
comment on table customer_links is 'Links that customers used. id is the SHA-256 of what the link signs: no link can be made from it.';

create table feedback (
    id uuid primary key,
    case_id uuid not null references cases (id) on delete cascade,
    form text not null,
    subject text not null,
    unit text not null,
    method text not null,
    given_by text not null,
    given_at timestamptz not null
);
create index feedback_by_time on feedback (given_at, id);
create index feedback_by_case on feedback (case_id);
comment on table feedback is 'What a customer thought of a case, with the subject, unit and method that it had then.';

create table feedback_answers (
    feedback_id uuid not null references feedback (id) on delete cascade,
    position smallint not null,
    question text not null,
    wording text not null,
    rating smallint,
    best smallint,
    satisfied boolean,
    comment text,
    primary key (feedback_id, question)
);
"""


def upgrade() -> None:
    for holder in ("case", "account"):
        op.execute(GOODS.format(holder=holder))
    op.execute(UP)


def downgrade() -> None:
    for table in ("feedback_answers", "feedback", "customer_links", "product_checks", "account_products", "case_products"):
        op.execute(f"drop table {table}")
