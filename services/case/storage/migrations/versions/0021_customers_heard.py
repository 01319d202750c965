"""When the customer of each case last heard of it (SLA-1), with what is known of the cases so far."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ADD = """
alter table cases add column customer_updated_at timestamptz, add column customer_told_at timestamptz;
comment on column cases.customer_updated_at is 'When the customer last heard of the case from us; null: not yet.';
comment on column cases.customer_told_at is 'The same, as far as it was by what staff did with the case itself.';
"""

FILL = """
-- Staff told them: by news, but for the major cases that these were written on; and by answers.
with told as (
    select case_id, max(at) as at from (
        select h.case_id, h.changed_at as at from history h
        where h.field = 'broadcast' and not exists (select from history p where p.case_id = h.case_id and p.field = 'child')
        union all
        select h.case_id, h.changed_at from history h
        where h.field = 'state' and h.new_value in ('responded', 'temporarily_resolved', 'finally_resolved') and h.changed_by <> 'system'
        union all
        select a.case_id, a.given_at from answers a where a.given_by <> 'system') every
    group by case_id),
-- They heard by outbound communications: of a telephone call, when it was answered.
heard as (
    select l.case_id, least(now(), max(case when a.communication_id is null then c.occurred_at
                                            when a.answered_at is not null then a.answered_at
                                            when a.outcome = 'completed' then a.ended_at end)) as at
    from communications c
    join case_communications l on l.communication_id = c.id
    left join calls a on a.communication_id = c.id
    where c.direction = 'outbound' and c.robot = 'none' and not c.old and not exists (select from cases k where k.id = c.conversation_id)
      and (a.communication_id is null or a.answered_at is not null or a.outcome = 'completed')
    group by l.case_id)
update cases set customer_told_at = found.told_at, customer_updated_at = greatest(found.told_at, found.heard_at),
    revision = revision + case when state in ('completed', 'cancelled') then 0 else 1 end
from (select case_id as id, told.at as told_at, heard.at as heard_at from told full join heard using (case_id)) found
where found.id = cases.id;
"""

# An open case has another revision by it, so that sla heeds it when the case is sent again.
TELL = """
insert into history (case_id, revision, field, old_value, new_value, changed_by, changed_at)
select id, revision, 'customer_updated_at', null, to_jsonb(customer_updated_at) #>> '{}', 'system', now()
from cases where customer_updated_at is not null and state not in ('completed', 'cancelled') order by id;
"""


def upgrade() -> None:
    op.execute(ADD)
    op.execute(FILL)
    op.execute("set local time zone 'UTC'")  # in which the history has its times
    op.execute(TELL)


def downgrade() -> None:
    op.execute("alter table cases drop column customer_told_at, drop column customer_updated_at")
