"""Which planned deliveries are not sent at all: their address is suppressed, or it has had too much about the case (EDGE-2)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.notify.domain.limits import TOO_MANY, Frequent, Pair, pair_of, too_many
from services.notify.domain.occasions import Delivery
from services.notify.handlers import by_hand
from services.notify.metrics import FLOODS, UNSENT
from services.notify.storage import floods, suppressions
from shared.observability import get_logger
from shared.storage import Transaction

log = get_logger(__name__)


def refusals(tx: Transaction, planned: Sequence[Delivery], most_per_case: int, frequent: Frequent) -> dict[UUID, str]:
    """Those of the deliveries that are not to be sent, with what is said of each. Tells the operator of a flood, once in a day for each
    case and address.
    """
    refused = suppressed(tx, planned)
    # What somebody writes floods nobody: it is machines that answer each other.
    counted = [one for one in planned if one.id not in refused and not by_hand.is_by_hand(one.definition, one.template)]
    cases = frequent.cases(counted, most_per_case)
    known = floods.earlier(tx, cases, [delivery.id for delivery in planned])
    above, new = too_many(counted, known, most_per_case)
    if above:
        UNSENT.labels("too_many").inc(len(above))
        refused.update(dict.fromkeys(above, TOO_MANY))
        _tell(counted, new)
    return refused


def suppressed(tx: Transaction, planned: Sequence[Delivery]) -> dict[UUID, str]:
    """Those of the deliveries whose address is on the suppression list, with what is said of each."""
    if not planned or not suppressions.is_any(tx):
        return {}
    found = suppressions.found(tx, {delivery.recipient.address.lower() for delivery in planned})
    refused = {one.id: found[address].error for one in planned if (address := one.recipient.address.lower()) in found}
    UNSENT.labels("suppressed").inc(len(refused))
    return refused


def _tell(deliveries: Sequence[Delivery], new: set[Pair]) -> None:
    """By case and definition: an address is nothing for a log."""
    for delivery in deliveries:
        pair = pair_of(delivery)
        if pair in new:
            new.discard(pair)
            FLOODS.inc()
            log.warning(
                "too many messages about a case", case_id=str(pair[0]), definition=delivery.definition, delivery_id=str(delivery.id)
            )
