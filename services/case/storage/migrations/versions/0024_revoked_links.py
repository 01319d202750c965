"""When all links of a case that were sent before became void (EDGE-14)."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UP = """
create table revoked_links (
    case_id uuid primary key references cases (id) on delete cascade,
    revoked_at timestamptz not null
);
comment on table revoked_links is 'Links of a case that were made at this moment or before it are void; later ones are not.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop table revoked_links")
