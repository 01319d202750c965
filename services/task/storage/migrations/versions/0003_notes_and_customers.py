"""The note that a follow-up came from (CASE-10), and open tasks by their customer (CON-2)."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
alter table tasks add column note_id uuid;
-- A hash index has no order to keep, so its price for every case is small.
create index cases_by_contact on cases using hash ((customer ->> 'contact_id'));
create index tasks_by_contact on tasks using hash ((customer ->> 'contact_id')) where case_id is null;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("drop index tasks_by_contact")
    op.execute("drop index cases_by_contact")
    op.execute("alter table tasks drop column note_id")
