"""Alerts that proved wrong: what of them waits is not sent, and who had them is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.notify.domain.occasions import Definition, Delivery, Occasion
from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.storage import alerts, notifications
from services.notify.storage.deliveries import Finished
from shared.storage import Transaction


class TakenBack(NamedTuple):
    """An alert that proved wrong: its event, the occasion that this is, and the definitions for that."""

    alert_id: UUID
    occasion: Occasion
    definitions: tuple[Definition, ...]
    mail_domain: str


def taken_back(tx: Transaction, withdrawals: Sequence[TakenBack], directory: Directory) -> tuple[list[Finished], list[Delivery]]:
    """Stop what waits of these alerts; what was stopped, and the messages to those who had got one before."""
    causes = [one.alert_id for one in withdrawals]
    items = [one.occasion.item_id for one in withdrawals]
    stopped = alerts.stop(tx, causes, items)
    notifications.remove(tx, [one.id for one in stopped])
    told = alerts.told(tx, causes, items)
    corrections: list[Delivery] = []
    for one in withdrawals:
        if recipients := told.get(one.alert_id):
            occasion = one.occasion._replace(told=tuple(recipients))
            corrections += plan_deliveries(occasion, one.definitions, directory, one.mail_domain)
    return stopped, corrections
