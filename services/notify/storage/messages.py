"""SQL on messages that staff wrote. Their texts are kept here only until they are sent: case has them (decision 0021)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.notify.storage.deliveries import FINISHED, Finished
from shared.storage import Transaction, arrays

_LET_GO = "(facts::jsonb - array['subject_line', 'text', 'files', 'in_reply_to'])::text"


def let_go(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Forget the texts of these messages, which have reached their end."""
    tx.execute(
        f"update deliveries set facts = {_LET_GO} where id = any(%b) and definition = 'by-hand' and template = ''", (arrays.uuids(ids),)
    )


def erase(tx: Transaction, ids: Sequence[UUID]) -> list[Finished]:
    """Those of these messages that wait have failed, and are returned; what is just being sent goes out. The recipients of those that
    belong to no case are forgotten.
    """
    rows = tx.rows(
        f"""with waiting as (
                select id from deliveries where id = any(%b) and definition = 'by-hand' and template = '' and state = 'queued'
                order by id for update)
            update deliveries d set state = 'failed', revision = revision + 1, finished_at = now(), error = 'not sent: it was erased'
            from waiting where d.id = waiting.id returning {FINISHED}""",
        (arrays.uuids(ids),),
    )
    # Of a case its customer's erasure takes these away; whom a message went to that belongs to no case, nothing else tells.
    tx.execute(
        """update deliveries set recipient = '', recipient_name = '',
               facts = (facts::jsonb || '{"customer": "[erased]"}')::text
           where id = any(%b) and definition = 'by-hand' and template = '' and case_id is null""",
        (arrays.uuids(ids),),
    )
    finished = [Finished(*row) for row in rows]
    return [one._replace(recipient="") if one.case_id is None else one for one in finished]
