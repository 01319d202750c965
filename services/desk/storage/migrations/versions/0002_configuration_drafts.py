"""Drafts of the configuration."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        create table configuration_drafts (
            name text primary key,
            revision int not null,
            source text not null,                   -- YAML as it was saved, perhaps with problems; without password hashes
            based_on int not null,                  -- the version that was in force when it was begun; 0: none
            saved_by text not null,
            saved_at timestamptz not null
        )
        """
    )


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table configuration_drafts")
