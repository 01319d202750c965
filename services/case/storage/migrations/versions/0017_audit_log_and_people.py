"""Seals over the histories, who read what is sensitive, people who were erased, and cases whose texts are no longer kept (EDGE-17)."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = """
create table reads (
    id bigint generated always as identity,
    kind text not null,
    record_id uuid not null,
    reader text not null,
    read_at timestamptz not null
);
comment on table reads is 'Who looked at a record that its subject calls sensitive, and when; kind is case or communication.';
create index reads_by_record on reads (kind, record_id, id);

-- Ids grow with time, so a BRIN index finds the newest ones, and costs a write next to nothing.
create index history_by_id on history using brin (id) with (autosummarize = on);
create index record_history_by_id on record_history using brin (id) with (autosummarize = on);
create index reads_by_id on reads using brin (id) with (autosummarize = on);

alter table contacts add column erased_at timestamptz;
alter table cases add column forgotten_at timestamptz;
comment on column cases.forgotten_at is 'Since when nothing that was written about it is kept: its subject''s time was over.';
create index cases_to_forget on cases (subject, completed_at, id) where forgotten_at is null and completed_at is not null;

create table audit_seals (
    number bigint primary key,
    sealed_at timestamptz not null,
    entries int not null,
    previous bytea not null,
    root bytea not null,
    digest bytea not null
);
create table audit_entries (
    seal bigint not null references audit_seals,
    position int not null,
    source text not null,
    entry_id bigint not null,
    salt bytea,
    text_digest bytea not null,
    digest bytea not null,
    primary key (source, entry_id)
);
create index audit_entries_by_seal on audit_entries (seal, position);
comment on column audit_entries.salt is 'Null: the text was erased for privacy, and its salt with it.';

create table audit_marks (
    source text primary key,
    below bigint not null default 0,
    pending_below bigint,
    pending_until xid8
);
comment on table audit_marks is 'Of each history: all below is sealed, and all below pending_below seen once pending_until is over.';
insert into audit_marks (source) values ('history'), ('record_history'), ('reads');

-- Whatever changes an entry takes its salt: the erasure of its text must not leave a digest from which it could be guessed.
create function unsalt() returns trigger language plpgsql as $$
begin
    update audit_entries e set salt = null from changed c where e.source = tg_table_name and e.entry_id = c.id;
    return null;
end
$$;
-- Nothing is sealed while entries change: the sealer takes this lock too.
create function wait_for_sealing() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext(current_schema() || ' audit'));
    return null;
end
$$;
create trigger wait_for_sealing before update on history for each statement execute function wait_for_sealing();
create trigger wait_for_sealing before update on record_history for each statement execute function wait_for_sealing();
create trigger unsalt after update on history referencing new table as changed for each statement execute function unsalt();
create trigger unsalt after update on record_history referencing new table as changed for each statement execute function unsalt();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    for table in ("record_history", "history"):
        op.execute(f"drop trigger unsalt on {table}")
        op.execute(f"drop trigger wait_for_sealing on {table}")
    op.execute("drop function unsalt")
    op.execute("drop function wait_for_sealing")
    op.execute("drop table audit_marks")
    op.execute("drop table audit_entries")
    op.execute("drop table audit_seals")
    op.execute("drop index record_history_by_id")
    op.execute("drop index history_by_id")
    op.execute("drop index cases_to_forget")
    op.execute("alter table cases drop column forgotten_at")
    op.execute("alter table contacts drop column erased_at")
    op.execute("drop table reads")
