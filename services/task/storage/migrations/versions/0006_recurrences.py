"""How far recurring rules have been worked off (TASK-5, EDGE-7), and the accounts that task rules make tasks for."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
create table recurrences (
    rule text primary key,               -- code of the task rule
    config_version integer not null,     -- by which its occurrences are made
    facts text not null,                 -- digest of the rule as it was then; empty: it was switched off
    since timestamptz not null,          -- what took place before is not made
    done_until date,                     -- nominal date of the last occurrence that is made
    account uuid                         -- of the next occurrence: the last account that was looked at; null: it is not begun
);
create table accounts (
    id uuid primary key,
    revision bigint not null,
    number text not null,
    name text not null,
    kind text not null,
    area text not null,
    classification text not null,
    credit_rating text not null
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table accounts, recurrences")
