"""Feeds of closed days: when each was read."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        create table calendar_feeds (
            calendar text not null,
            url text not null,
            only_with text[] not null,              -- the texts that events had to hold when it was last asked
            known_since timestamptz not null,
            tried_at timestamptz not null,
            read_at timestamptz,                    -- when it was last read as a whole; what it said is in the configuration
            problem text not null,                  -- why that was not when it was last tried; empty: it was
            notes text[] not null,                  -- what of it was left out
            primary key (calendar, url)
        )
        """
    )


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table calendar_feeds")
