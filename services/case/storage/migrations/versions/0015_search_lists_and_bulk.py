"""Search documents kept by a worker, indexes for lists of open cases, and bulk changes."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Whoever owns the database may have put them into a schema of their own, which the migration's search path lacks. Both are trusted
# extensions: where they are missing, the right to create in the database is enough.
EXTENSIONS = """
create extension if not exists pg_trgm;
create extension if not exists unaccent;
select set_config('search_path', current_setting('search_path') || ', ' || string_agg(distinct quote_ident(n.nspname), ', '), true)
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname in ('pg_trgm', 'unaccent');
"""

LISTS = """
-- In indexes it stands for the state, so that a step from one open state to another need not touch them.
alter table cases add column is_open boolean generated always as (state not in ('completed', 'cancelled')) stored;
-- With all that the figures of open cases count by, so that they need not look into the table.
create index cases_open_by_time on cases (opened_at, id)
    include (priority, category, unit, owner, state, subject, waiting_for_customer, expected_completion_at) where is_open;
create index cases_open_by_unit_and_time on cases (unit, opened_at, id) where is_open;
create index cases_open_by_due on cases (expected_completion_at, id) where is_open;
create index cases_open_by_unit_and_due on cases (unit, expected_completion_at, id) where is_open;
create index cases_open_by_owner_and_due on cases (owner, expected_completion_at, id) where is_open and owner is not null;
create index cases_open_by_priority on cases (priority, opened_at, id) where is_open;
create index cases_open_by_unit_and_priority on cases (unit, priority, opened_at, id) where is_open;
create index cases_open_unassigned on cases (opened_at, id) where is_open and owner is null;
create index cases_by_completion on cases (completed_at) where completed_at is not null;
"""

SEARCH = """
create text search configuration words (copy = pg_catalog.simple);
alter text search configuration words alter mapping for hword, hword_part, word with unaccent, simple;

create table search_documents (
    kind text not null,
    record_id uuid not null,
    at timestamptz not null,
    words tsvector not null,
    primary key (kind, record_id)
);
create index search_documents_by_kind_and_time on search_documents (kind, at, record_id);
create index search_documents_by_time on search_documents (at, record_id);
-- What is not sorted in yet is a list that every search reads: a megabyte is short, and spares nine tenths of the writing.
create index search_documents_by_words on search_documents using gin (words) with (gin_pending_list_limit = 1024);
comment on table search_documents is 'What is found by words: kind is case, contact or communication. Written by the role sweep alone.';

create table search_words (
    word text primary key,
    documents bigint not null
) with (fillfactor = 70);
create index search_words_alike on search_words using gin (word gin_trgm_ops);
comment on table search_words is 'The words of all search documents, and in how many each stands: for misspelt ones.';

create table search_queue (
    sequence bigint generated always as identity primary key,
    kind text not null,
    record_id uuid not null
);
comment on table search_queue is 'Records whose search document is to be made again; triggers fill it, so that no writer can forget.';

create function search_added() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id) select tg_argv[0], id from new_rows;
    return null;
end $$;
create function search_removed() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id) select tg_argv[0], id from old_rows;
    return null;
end $$;
create function search_case_changed() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id)
    select 'case', n.id from new_rows n join old_rows o using (id)
    where (n.number, n.title, n.customer_name, n.customer_email) is distinct from (o.number, o.title, o.customer_name, o.customer_email);
    return null;
end $$;
create function search_contact_changed() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id)
    select 'contact', n.id from new_rows n join old_rows o using (id) where (n.name, n.email) is distinct from (o.name, o.email);
    return null;
end $$;
create function search_communication_changed() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id)
    select 'communication', n.id from new_rows n join old_rows o using (id)
    where (n.subject_line, n.body, n.sender, n.sender_name, n.erased_at)
          is distinct from (o.subject_line, o.body, o.sender, o.sender_name, o.erased_at);
    return null;
end $$;
create function search_handle_changed() returns trigger language plpgsql as $$
begin
    insert into case_service.search_queue (kind, record_id) select distinct 'contact', contact_id from changed_rows;
    return null;
end $$;

create trigger search_added after insert on cases
    referencing new table as new_rows for each statement execute function search_added('case');
create trigger search_changed after update on cases
    referencing new table as new_rows old table as old_rows for each statement execute function search_case_changed();
create trigger search_removed after delete on cases
    referencing old table as old_rows for each statement execute function search_removed('case');
create trigger search_added after insert on contacts
    referencing new table as new_rows for each statement execute function search_added('contact');
create trigger search_changed after update on contacts
    referencing new table as new_rows old table as old_rows for each statement execute function search_contact_changed();
create trigger search_removed after delete on contacts
    referencing old table as old_rows for each statement execute function search_removed('contact');
create trigger search_added after insert on communications
    referencing new table as new_rows for each statement execute function search_added('communication');
create trigger search_changed after update on communications
    referencing new table as new_rows old table as old_rows for each statement execute function search_communication_changed();
create trigger search_removed after delete on communications
    referencing old table as old_rows for each statement execute function search_removed('communication');
create trigger search_handle_added after insert on handles
    referencing new table as changed_rows for each statement execute function search_handle_changed();
create trigger search_handle_changed after update on handles
    referencing new table as changed_rows for each statement execute function search_handle_changed();
create trigger search_handle_removed after delete on handles
    referencing old table as changed_rows for each statement execute function search_handle_changed();

insert into search_queue (kind, record_id) select 'contact', id from contacts;
insert into search_queue (kind, record_id) select 'case', id from cases order by opened_at desc;
insert into search_queue (kind, record_id) select 'communication', id from communications order by received_at desc;
"""

BULK = """
create table bulk_jobs (
    id uuid primary key,
    asked_by text not null,
    asked_unit text not null,
    scope text not null,                    -- whose rows the asker reached: own, unit, all
    change jsonb not null,
    state text not null check (state in ('running', 'done', 'cancelled')),
    total bigint not null,
    done bigint not null default 0,
    unchanged bigint not null default 0,
    refused bigint not null default 0,
    created_at timestamptz not null,
    worked_at timestamptz not null,         -- who has waited longest is next
    ended_at timestamptz
);
create index bulk_jobs_running on bulk_jobs (worked_at, id) where state = 'running';
comment on table bulk_jobs is 'Changes of many cases at once, as they were asked for, and how far each has come.';

create table bulk_items (
    job_id uuid not null,
    position bigint not null,
    case_id uuid not null,
    outcome text check (outcome in ('done', 'unchanged', 'refused')),   -- null: still to do
    why text not null default '',
    primary key (job_id, position)
);
create index bulk_items_to_do on bulk_items (job_id, position) where outcome is null;
"""

DOWN = """
drop table bulk_items;
drop table bulk_jobs;
drop trigger search_added on cases;
drop trigger search_changed on cases;
drop trigger search_removed on cases;
drop trigger search_added on contacts;
drop trigger search_changed on contacts;
drop trigger search_removed on contacts;
drop trigger search_added on communications;
drop trigger search_changed on communications;
drop trigger search_removed on communications;
drop trigger search_handle_added on handles;
drop trigger search_handle_changed on handles;
drop trigger search_handle_removed on handles;
drop function search_added, search_removed, search_case_changed, search_contact_changed, search_communication_changed,
    search_handle_changed;
drop table search_queue;
drop table search_words;
drop table search_documents;
drop text search configuration words;
drop index cases_by_completion;
alter table cases drop column is_open;
"""


def upgrade() -> None:
    op.execute(EXTENSIONS)
    op.execute(LISTS)
    op.execute(SEARCH)
    op.execute(BULK)


def downgrade() -> None:
    op.execute(DOWN)
