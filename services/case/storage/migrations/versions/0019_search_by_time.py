"""Searches read less: the index of words has the time of documents too, and words one slip away have an index of their own."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UP = """
-- The cells of time that a moment lies in, each level's eight times as long as those below. A level's cells begin a microsecond later than
-- those below, so that a cell's beginning says which level it is of.
create function search_times(at timestamptz) returns timestamptz[] language sql immutable strict parallel safe
begin atomic
    select array[
        date_bin('1 hour', at, to_timestamp(0)),
        date_bin('8 hours', at, to_timestamp(0.000001)),
        date_bin('64 hours', at, to_timestamp(0.000002)),
        date_bin('512 hours', at, to_timestamp(0.000003)),
        date_bin('4096 hours', at, to_timestamp(0.000004))];
end;
drop index search_documents_by_words;
create index search_documents_by_words on search_documents using gin (words, search_times(at), (array[kind]))
    with (gin_pending_list_limit = 1024);

-- What is left of a word without one of its letters, and the word itself, as numbers. Words that are one slip apart have one in common.
create function search_slips(word text) returns int[] language sql immutable strict parallel safe
begin atomic
    select array_agg(distinct hashtext(left(word, n) || substr(word, n + 2))) from generate_series(0, length(word)) as n;
end;
create index search_words_by_slips on search_words using gin (search_slips(word)) with (gin_pending_list_limit = 256)
    where word !~ '[0-9@]' and length(word) <= 20;
"""

DOWN = """
drop index search_words_by_slips;
drop function search_slips;
drop index search_documents_by_words;
create index search_documents_by_words on search_documents using gin (words) with (gin_pending_list_limit = 1024);
drop function search_times;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
