"""What cases have to do with each other (CASE-11)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction

_FOUND = """
    (select 'same_contact' as relation, c.id, null::uuid as undo
     from cases me join cases c on c.contact_id = me.contact_id and c.id <> me.id
     where me.id = %(me)s order by c.opened_at desc limit 100)
    union all
    (select 'merged_into', c.merged_into, m.id from cases c left join case_merges m on m.case_id = c.id and m.undone_at is null
     where c.id = %(me)s and c.merged_into is not null)
    union all
    (select 'merged', c.id, m.id from cases c left join case_merges m on m.case_id = c.id and m.undone_at is null
     where c.merged_into = %(me)s order by c.opened_at desc limit 100)
    union all
    (select 'split_off', new_id, id from case_splits where case_id = %(me)s and undone_at is null order by split_at desc limit 100)
    union all
    (select 'split_from', case_id, id from case_splits where new_id = %(me)s and undone_at is null)
    union all
    (select 'parent', parent_id, null from cases where id = %(me)s and parent_id is not null)
    union all
    (select 'child', id, null from cases where parent_id = %(me)s order by opened_at desc limit 100)
    union all
    (select case kind when 'follow_up' then 'follows_up' else kind end, other_id, null from case_links where case_id = %(me)s limit 200)
    union all
    (select case kind when 'follow_up' then 'followed_up_by' when 'caused_by' then 'cause_of' else kind end, case_id, null
     from case_links where other_id = %(me)s limit 200)"""


def related(tx: Transaction, case_id: UUID, rows: Rows) -> list[dict[str, Any]]:
    """The cases among these rows that have to do with this one, each with its relation; of the same contact the newest hundred.

    `undo`: the merge or split that made the relation.
    """
    conditions = Conditions()
    rows.restrict(conditions)
    return tx.dicts(
        f"""select relation, undo, cases.id, number, subject, title, state, status, opened_at
            from ({_FOUND}) as found join cases on cases.id = found.id {conditions.sql()}
            order by relation, opened_at desc, cases.id""",
        conditions.params | {"me": case_id},
    )
