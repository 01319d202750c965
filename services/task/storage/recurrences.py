"""How far task rules have been worked off, and the accounts that they are for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.storage import Transaction, arrays


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task rule has been worked off; the columns of `recurrences`."""

    rule: str
    config_version: int
    facts: str
    since: datetime
    done_until: date | None = None
    account: UUID | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account as its newest event described it."""

    id: UUID
    revision: int
    number: str
    name: str
    kind: str
    area: str
    classification: str
    credit_rating: str

    def facts(self) -> dict[str, object]:
        """What conditions may ask of it."""
        return {
            "account.number": self.number,
            "account.name": self.name,
            "account.kind": self.kind,
            "account.area": self.area,
            "account.classification": self.classification,
            "account.credit_rating": self.credit_rating,
        }


def known_rules(tx: Transaction) -> dict[str, str]:
    """Facts by rule, of all that were ever switched on."""
    return {row[0]: row[1] for row in tx.rows("select rule, facts from recurrences")}


def progress_of(tx: Transaction, rules: Collection[str]) -> dict[str, Progress]:
    """How far these rules are, as far as they were ever switched on."""
    rows = tx.rows(
        "select rule, config_version, facts, since, done_until, account from recurrences where rule = any(%b)", (arrays.texts(rules),)
    )
    return {row[0]: Progress(*row) for row in rows}


def begin(tx: Transaction, rule: str, config_version: int, facts: str, since: datetime) -> None:
    """A rule is new; if another replica was faster, nothing."""
    tx.execute(
        "insert into recurrences (rule, config_version, facts, since) values (%s, %s, %s, %s) on conflict do nothing",
        (rule, config_version, facts, since),
    )


def lock(tx: Transaction, rule: str) -> Progress | None:
    """The rule's progress, locked. None: another replica is at it."""
    row = tx.row(
        "select rule, config_version, facts, since, done_until, account from recurrences where rule = %s for update skip locked", (rule,)
    )
    return None if row is None else Progress(*row)


def keep(tx: Transaction, progress: Progress) -> None:
    """Write it."""
    tx.execute(
        "update recurrences set config_version = %s, facts = %s, since = %s, done_until = %s, account = %s where rule = %s",
        (progress.config_version, progress.facts, progress.since, progress.done_until, progress.account, progress.rule),
    )


def accounts_after(tx: Transaction, after: UUID | None, limit: int) -> list[Account]:
    """The next accounts in the order of their ids."""
    rows = tx.rows(
        "select id, revision, number, name, kind, area, classification, credit_rating from accounts"
        " where id > coalesce(%s::uuid, '00000000-0000-0000-0000-000000000000') order by id limit %s",
        (after, limit),
    )
    return [Account(*row) for row in rows]


def existing(tx: Transaction, task_ids: Collection[UUID]) -> set[UUID]:
    """Those of these tasks that there are."""
    return {row[0] for row in tx.rows("select id from tasks where id = any(%b)", (arrays.uuids(task_ids),))}


def save_accounts(tx: Transaction, accounts: Collection[Account]) -> None:
    """Insert, or overwrite what is older; in the order of their ids, so that no two replicas wait for each other."""
    if not accounts:
        return
    ordered = sorted(accounts, key=lambda account: account.id)
    columns = {
        "id": arrays.uuids(account.id for account in ordered),
        "revision": arrays.big_ints(account.revision for account in ordered),
        **{
            name: arrays.texts(getattr(account, name) for account in ordered)
            for name in ("number", "name", "kind", "area", "classification", "credit_rating")
        },
    }
    arrays.insert(
        tx,
        "accounts",
        columns,
        "on conflict (id) do update set revision = excluded.revision, number = excluded.number, name = excluded.name,"
        " kind = excluded.kind, area = excluded.area, classification = excluded.classification, credit_rating = excluded.credit_rating"
        " where accounts.revision < excluded.revision",
    )
