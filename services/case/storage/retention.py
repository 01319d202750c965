"""What refers to contents, which communications may lose theirs, and texts that are erased."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.retention import ERASED
from shared.schemas import topics
from shared.storage import Transaction, arrays

_IS_HELD = """exists (select from case_communications l join cases k on k.id = l.case_id
                      where l.communication_id = c.id and k.legal_hold)"""
_IS_DUE = f"""exists (select from unnest(%(methods)b::text[], %(befores)b::timestamptz[]) as w (method, before)
                      where c.method = w.method and c.received_at < w.before) and not {_IS_HELD}"""


class Erasable(NamedTuple):
    """A communication that is locked to be erased."""

    id: UUID
    revision: int
    is_erased: bool
    case_ids: tuple[UUID, ...]
    held_by: str | None
    """The number of a case on legal hold that it feeds."""
    notices: tuple[UUID, ...] = ()
    """Messages that went out by themselves about the cases that it opened: they quote its subject line."""


def _limits(befores: Mapping[str, datetime]) -> dict[str, arrays.Array]:
    return {"methods": arrays.texts(befores), "befores": arrays.moments(befores.values())}


def empty_due(tx: Transaction, befores: Mapping[str, datetime], now: datetime, most: int) -> list[UUID]:
    """Let up to `most` communications, the oldest first, refer to no content any more; their ids.

    `befores`: for each method the time before which communications were received that have to. Those of cases on legal hold are left
    alone, and those that another replica has in hand. Cases cannot be put on hold meanwhile.
    """
    # One look into the index for each method: over all at once it would be read from its beginning.
    rows = tx.rows(
        f"""select c.id from unnest(%(methods)b::text[], %(befores)b::timestamptz[]) as w (method, before)
            cross join lateral (
                select id from communications c
                where c.method = w.method and c.received_at < w.before and c.files_removed_at is null and not {_IS_HELD}
                order by c.received_at, c.id limit %(most)s) c
            limit %(most)s""",
        _limits(befores) | {"most": most},
    )
    if not rows:
        return []
    ids = [row[0] for row in rows]
    # One that is put on hold now waits for us, or makes us leave its communications. We in turn wait for no communication.
    tx.execute(
        """select id from cases where id in (select case_id from case_communications where communication_id = any(%s))
           order by id for share""",
        (ids,),
    )
    ours = [
        row[0]
        for row in tx.rows(
            f"""select id from communications c where id = any(%s) and files_removed_at is null and not {_IS_HELD}
                order by id for update skip locked""",
            (ids,),
        )
    ]
    _remove_files(tx, ours, now)
    return ours


def count_due(tx: Transaction, befores: Mapping[str, datetime]) -> dict[str, int]:
    """For each method how many communications `empty_due` would empty."""
    rows = tx.rows(
        f"select method, count(*) from communications c where files_removed_at is null and {_IS_DUE} group by method", _limits(befores)
    )
    return {row[0]: row[1] for row in rows}


def _remove_files(tx: Transaction, ids: Sequence[UUID], now: datetime) -> None:
    tx.execute("update attachments set sha256 = null where communication_id = any(%s) and sha256 is not null", (list(ids),))
    tx.execute(
        "update communications set raw_sha256 = null, files_removed_at = coalesce(files_removed_at, %s) where id = any(%s)",
        (now, list(ids)),
    )


def referred(tx: Transaction, digests: Collection[str], without: Mapping[str, datetime]) -> set[str]:
    """Which of these contents a communication refers to, or an import of leads that is not done. `without`: as if `empty_due` had been
    done with it.
    """
    rows = tx.rows(
        f"""select d.digest from unnest(%(digests)b::text[]) as d (digest)
            where exists (select from communications c where c.raw_sha256 = d.digest and not ({_IS_DUE}))
               or exists (select from attachments a join communications c on c.id = a.communication_id
                          where a.sha256 = d.digest and not ({_IS_DUE}))
               or exists (select from lead_imports i where i.sha256 = d.digest and i.state in ('waiting', 'running'))""",
        _limits(without) | {"digests": arrays.texts(sorted(digests))},
    )
    return {row[0] for row in rows}


def oldest_dead_letter(tx: Transaction) -> datetime | None:
    """When the oldest dead letter came that waits and may refer to contents."""
    row = tx.row(
        "select min(created_at) from dead_letters where state in ('open', 'replaying') and topic like %s", (f"%{topics.COMMUNICATIONS}",)
    )
    return row[0] if row else None


def lock_erasable(tx: Transaction, communication_id: UUID) -> Erasable | None:
    """Lock a communication and then, as expiry does, the cases that it feeds."""
    locked = tx.rows(
        """select id from communications where id = %(id)s or id in (
               select n.id from cases k join case_communications l on l.case_id = k.id join communications n on n.id = l.communication_id
               where k.conversation_id = (select conversation_id from communications where id = %(id)s)
                 and k.communication_id = %(id)s and n.robot = 'notice' and n.erased_at is null)
           order by id for update""",
        {"id": communication_id},
    )
    tx.execute(
        """select id from cases where id in (select case_id from case_communications where communication_id = %s)
           order by id for update""",
        (communication_id,),
    )
    row = tx.row(
        """select id, revision, erased_at is not null,
                  array(select case_id from case_communications where communication_id = c.id order by position),
                  (select min(k.number) from case_communications l join cases k on k.id = l.case_id
                   where l.communication_id = c.id and k.legal_hold)
           from communications c where id = %s""",
        (communication_id,),
    )
    if row is None:
        return None
    notices = tuple([id for (id,) in locked if id != communication_id])
    return Erasable(row[0], row[1], row[2], tuple(row[3]), row[4], notices)


def erase(tx: Transaction, communication_ids: Sequence[UUID], now: datetime) -> None:
    """Erase the texts of locked communications, whom they came from and went to, and what they refer to. Times and codes stay."""
    values = {"ids": arrays.uuids(communication_ids), "mark": ERASED, "now": now}
    # Both values go, also where only one is a text of it: an entry is erased as a whole, or stands as it was sealed.
    tx.execute(
        """update history h set old_value = case when h.old_value is null then null else %(mark)s end,
                               new_value = case when h.new_value is null then null else %(mark)s end
           from (select l.case_id, array[c.subject_line, btrim(c.subject_line), c.body, c.sender, c.sender_name]
                        || array(select a ->> 'answer' from jsonb_array_elements(c.script_answers) a) as texts
                 from communications c join (select communication_id, case_id from case_communications
                                             union all select communication_id, id from deleted_cases) l on l.communication_id = c.id
                 where c.id = any(%(ids)b)) t
           where h.case_id = t.case_id
             and (h.old_value <> '' and h.old_value = any(t.texts) or h.new_value <> '' and h.new_value = any(t.texts))""",
        values,
    )
    tx.execute(
        """update record_history h set old_value = case when h.old_value is null then null else %(mark)s end,
                                      new_value = case when h.new_value is null then null else %(mark)s end
           from (select l.id, array[c.subject_line, btrim(c.subject_line), c.body, c.sender, c.sender_name] as texts
                 from communications c join leads l on l.communication_id = c.id where c.id = any(%(ids)b)) t
           where h.kind = 'lead' and h.record_id = t.id
             and (h.old_value <> '' and h.old_value = any(t.texts) or h.new_value <> '' and h.new_value = any(t.texts))""",
        values,
    )
    # What was answered earlier, or taken back, stands there alone: all answers in the history of their cases go.
    tx.execute(
        """update history set old_value = case when old_value is null then null else %(mark)s end,
                              new_value = case when new_value is null then null else %(mark)s end
           where field = 'script_answer'
             and case_id in (select case_id from case_communications where communication_id = any(%(ids)b)
                             union all select id from deleted_cases where communication_id = any(%(ids)b))""",
        values,
    )
    # Answers that are kept for repeated commands show the communication, or the case with its communications.
    tx.execute(
        """update commands set response = jsonb_set(response, '{content}', jsonb_build_object('id', response -> 'content' -> 'id'))
           where response -> 'content' ->> 'id' in (
               select id::text from unnest(%(ids)b::uuid[]) as t (id)
               union select case_id::text from case_communications where communication_id = any(%(ids)b)
               union select id::text from leads where communication_id = any(%(ids)b))""",
        values,
    )
    tx.execute("update attachments set filename = %(mark)s where communication_id = any(%(ids)b)", values)
    # A mail server's answer may name the address.
    tx.execute("update deliveries set error = '' where communication_id = any(%(ids)b)", values)
    _remove_files(tx, communication_ids, now)
    tx.execute(
        """update communications set subject_line = %(mark)s, body = %(mark)s, body_truncated = false, own_text_length = null,
                  sender = '', sender_name = '', recipients = '{}', message_id = '', in_reply_to = '', reference_ids = '{}',
                  script_answers = '[]', erased_at = %(now)s, revision = revision + 1
           where id = any(%(ids)b)""",
        values,
    )


def set_hold(tx: Transaction, case_id: UUID, is_held: bool) -> bool:
    """Put a locked case on legal hold, or end that. False: it was so already."""
    done = tx.execute("update cases set legal_hold = %s where id = %s and legal_hold <> %s", (is_held, case_id, is_held))
    return done.rowcount == 1


class Round(NamedTuple):
    """How far a round has come. `phase`: empty, condemn, settle."""

    phase: str
    position: str


def take_round(tx: Transaction, me: str, seconds: float, every_seconds: float) -> Round | None:
    """Hold the round for some seconds more. None: another has it, or the next is not due yet. By the database's clock."""
    row = tx.row(
        """update sweeps set holder = %(me)s, held_until = clock_timestamp() + make_interval(secs => %(seconds)s),
                  phase = case when ended_at is null then phase else 'empty' end,
                  position = case when ended_at is null then position else '' end,
                  begun_at = case when ended_at is null and begun_at is not null then begun_at else clock_timestamp() end,
                  ended_at = null
           where (holder = %(me)s or held_until < clock_timestamp())
             and (ended_at is null or ended_at + make_interval(secs => %(every)s) <= clock_timestamp())
           returning phase, position""",
        {"me": me, "seconds": seconds, "every": every_seconds},
    )
    return None if row is None else Round(*row)


def save_round(tx: Transaction, me: str, at: Round | None) -> bool:
    """Keep how far we have come; None: the round is done. False: another has taken it over."""
    done = tx.execute(
        """update sweeps set phase = coalesce(%(phase)s, phase), position = coalesce(%(position)s, position),
                  ended_at = case when %(phase)s::text is null then clock_timestamp() end,
                  holder = case when %(phase)s::text is null then '' else holder end,
                  held_until = case when %(phase)s::text is null then '-infinity' else held_until end
           where holder = %(me)s""",
        {"me": me, "phase": at.phase if at else None, "position": at.position if at else None},
    )
    return done.rowcount == 1


def leave_round(tx: Transaction, me: str) -> None:
    """Let another go on."""
    tx.execute("update sweeps set holder = '', held_until = '-infinity' where holder = %s", (me,))
