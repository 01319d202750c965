"""Services of tasks that were added by hand, and time spent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.task.domain.resources.time_spent import Entry, Waiver
from shared.storage import Transaction, arrays

_COLUMNS = "id, task_id, service, minutes, user_name, spent_at, note, corrects, automatic, recorded_by, recorded_at"


def entries_of(tx: Transaction, task_ids: Collection[UUID]) -> list[Entry]:
    """All entries of these tasks, in the order in which they were recorded."""
    rows = tx.rows(
        f"select {_COLUMNS} from time_entries where task_id = any(%b) order by task_id, recorded_at, id", (arrays.uuids(task_ids),)
    )
    return [Entry(*row) for row in rows]


def insert_entries(tx: Transaction, entries: Collection[Entry]) -> None:
    """Append. The lock of each entry's task must be held."""
    columns = {
        "id": arrays.uuids(entry.id for entry in entries),
        "task_id": arrays.uuids(entry.task_id for entry in entries),
        "service": arrays.texts(entry.service for entry in entries),
        "minutes": arrays.ints(entry.minutes for entry in entries),
        "user_name": arrays.texts(entry.user for entry in entries),
        "spent_at": arrays.moments(entry.spent_at for entry in entries),
        "note": arrays.texts(entry.note for entry in entries),
        "corrects": arrays.uuids(entry.corrects for entry in entries),
        "automatic": arrays.bools(entry.automatic for entry in entries),
        "recorded_by": arrays.texts(entry.recorded_by for entry in entries),
        "recorded_at": arrays.moments(entry.recorded_at for entry in entries),
    }
    arrays.insert(tx, "time_entries", columns)


def added_services(tx: Transaction, task_id: UUID) -> dict[str, str]:
    """Services that were added by hand, and who added each, in order."""
    rows = tx.rows("select service, added_by from task_services where task_id = %s order by added_at, service", (task_id,))
    return {row[0]: row[1] for row in rows}


def add_service(tx: Transaction, task_id: UUID, service: str, by: str, at: datetime) -> None:
    """Add a service to a task; one that is there stays."""
    tx.execute(
        "insert into task_services (task_id, service, added_by, added_at) values (%s, %s, %s, %s) on conflict do nothing",
        (task_id, service, by, at),
    )


def waivers_of(tx: Transaction, task_ids: Collection[UUID]) -> dict[UUID, dict[str, Waiver]]:
    """The mandatory services that these tasks go without, by task and service."""
    rows = tx.rows(
        "select task_id, service, reason, waived_by, waived_at from waived_services where task_id = any(%b)", (arrays.uuids(task_ids),)
    )
    found: dict[UUID, dict[str, Waiver]] = {}
    for task_id, service, *waiver in rows:
        found.setdefault(task_id, {})[service] = Waiver(*waiver)
    return found


def waive(tx: Transaction, task_id: UUID, service: str, waiver: Waiver) -> None:
    """The task goes without the service, which was not waived. The lock of the task must be held."""
    tx.execute("insert into waived_services values (%s, %s, %s, %s, %s)", (task_id, service, waiver.reason, waiver.by, waiver.at))


def require_again(tx: Transaction, task_id: UUID, service: str) -> None:
    """The service is mandatory again."""
    tx.execute("delete from waived_services where task_id = %s and service = %s", (task_id, service))


def forget_notes(tx: Transaction, task_ids: Collection[UUID], case_ids: Collection[UUID]) -> None:
    """Empty what staff wrote with time and bookings of these tasks and cases, and in the answers kept for repeated commands."""
    ids = {
        "tasks": arrays.uuids(sorted(task_ids)),
        "cases": arrays.uuids(sorted(case_ids)),
        "texts": arrays.texts(str(id) for id in sorted({*task_ids, *case_ids})),
    }
    tx.execute("update waived_services set reason = '' where task_id = any(%(tasks)b) and reason <> ''", ids)
    tx.execute(
        "update history set changes = changes - 'reason' where task_id = any(%(tasks)b) and event = 'casestream.task.service-waived.v1'",
        ids,
    )
    tx.execute("update time_entries set note = '' where task_id = any(%(tasks)b) and note <> ''", ids)
    tx.execute(
        """update bookings set note = '', reason = '' where (task_id = any(%(tasks)b) or case_id = any(%(cases)b))
           and (note <> '' or reason <> '')""",
        ids,
    )
    tx.execute(
        """update commands set response = jsonb_set(response, '{content}', (response -> 'content') || '{"note": "", "reason": ""}')
           where response -> 'content' ? 'note'
             and (response -> 'content' ->> 'task_id' = any(%(texts)b) or response -> 'content' ->> 'case_id' = any(%(texts)b))""",
        ids,
    )
    # Answers that list all the time and services of a task.
    tx.execute(
        """update commands set response = jsonb_set(
               jsonb_set(response, '{content,items}', coalesce(
                   (select jsonb_agg(entry || '{"note": ""}') from jsonb_array_elements(response #> '{content,items}') entry), '[]')),
               '{content,services}', coalesce(
                   (select jsonb_agg(case when each -> 'waiver' ? 'reason' then jsonb_set(each, '{waiver,reason}', '""') else each end)
                    from jsonb_array_elements(response #> '{content,services}') each), '[]'))
           where response -> 'content' ? 'may_add' and response -> 'content' ->> 'task_id' = any(%(texts)b)""",
        ids,
    )
