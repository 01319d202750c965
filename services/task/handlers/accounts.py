"""Events of accounts: each is kept as it is now, for the task rules that are for accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.task.handlers.work import Work
from services.task.storage import recurrences
from services.task.storage.recurrences import Account
from shared.schemas.envelope import Event
from shared.schemas.events import AccountChanged
from shared.storage import Transaction

Load = Callable[[Transaction, Sequence[Event]], Work]


def beside_accounts(load: Load) -> Load:
    """`load` for the other events of a batch: accounts need nothing loaded."""

    def loaded(tx: Transaction, events: Sequence[Event]) -> Work:
        return load(tx, [event for event in events if not isinstance(event.data, AccountChanged)])

    return loaded


def on_account_changed(work: Work, event: Event) -> None:
    """Keep it, unless what is known is newer."""
    data: AccountChanged = event.data
    known = work.accounts.get(data.account_id)
    if known is None or known.revision < event.revision:
        work.accounts[data.account_id] = Account(
            data.account_id, event.revision, data.number, data.name, data.kind, data.area, data.classification, data.credit_rating
        )


def save(tx: Transaction, work: Work) -> None:
    """Write and emit."""
    work.save(tx)
    recurrences.save_accounts(tx, work.accounts.values())
