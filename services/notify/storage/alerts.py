"""SQL on the deliveries of alerts that are taken back. They are found by their item, which is indexed, and the event that caused them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.notify.domain.occasions import Recipient
from services.notify.storage.deliveries import FINISHED, Finished
from shared.storage import Transaction, arrays

_IN_A_DIGEST_UNDER_WAY = """exists (select from notifications t join deliveries g on g.id = t.digest_id
                                       where t.delivery_id = d.id and g.state = 'claimed')"""


def stop(tx: Transaction, causes: Sequence[UUID], items: Sequence[UUID]) -> list[Finished]:
    """Deliveries of these alerts that wait have failed; those. What is just being sent goes out."""
    rows = tx.rows(
        f"""with waiting as (
                select id from deliveries d where item_id = any(%b) and cause = any(%b)
                    and (state in ('queued', 'held') or (state = 'gathered' and not {_IN_A_DIGEST_UNDER_WAY})) order by id for update)
            update deliveries d set state = 'failed', revision = revision + 1, finished_at = now(),
                error = 'not sent: the alert was withdrawn'
            from waiting where d.id = waiting.id returning {FINISHED}""",
        (arrays.uuids(items), arrays.uuids(causes)),
    )
    return [Finished(*row) for row in rows]


def told(tx: Transaction, causes: Sequence[UUID], items: Sequence[UUID]) -> dict[UUID, list[Recipient]]:
    """By alert: who has had it, or is just being sent it."""
    rows = tx.rows(
        f"""select cause, recipient, recipient_name, audience, coalesce(n.username, '')
            from deliveries d left join notifications n on n.delivery_id = d.id
            where d.item_id = any(%b) and cause = any(%b)
                and (state in ('claimed', 'sent') or (state = 'gathered' and {_IN_A_DIGEST_UNDER_WAY})) order by cause, id""",
        (arrays.uuids(items), arrays.uuids(causes)),
    )
    found: dict[UUID, list[Recipient]] = {}
    for cause, *recipient in rows:
        found.setdefault(cause, []).append(Recipient(*recipient))
    return found
