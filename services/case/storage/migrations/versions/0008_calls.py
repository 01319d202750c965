"""Telephone calls as they go on. A table of its own, so that mails need no columns for it, and a call's changes lock no communication."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table calls (
               communication_id uuid primary key,
               revision bigint not null,
               stage text not null,             -- ringing, answered, ended: follows from the rest
               rang_at timestamptz,
               answered_at timestamptz,
               answered_by text not null,
               ended_at timestamptz,
               ending int not null,             -- what has ended: 0 nothing, 1 a leg without answer, 2 a leg, 3 the call
               outcome text not null,
               seconds bigint
           )"""
    )


def downgrade() -> None:
    op.execute("drop table calls")
