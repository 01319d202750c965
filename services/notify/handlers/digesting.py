"""Digests: what is due for one becomes a delivery, and that a message.

To gather is one transaction of one process at a time. The digest's id is made of its recipient and its time, so it is one however often
that is tried; it is sent as every delivery is, by lease and under a Message-ID of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson

from services.notify.domain.digest import DIGEST, Digest, Item, word_digest
from services.notify.domain.news import about
from services.notify.domain.occasions import Delivery, Occasion, Recipient
from services.notify.domain.preferences import NOTHING_CHOSEN, Rules, next_digest
from services.notify.domain.recipients import message_id
from services.notify.domain.tags import Names
from services.notify.handlers.preferring import rules_of
from services.notify.handlers.refusing import suppressed
from services.notify.storage import deliveries, digests, preferences
from services.notify.storage.deliveries import Claimed, Finished
from services.notify.storage.digests import Waiting
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.events import StaffChanged
from shared.storage import Transaction

MOST_USERS = 200
"""Digests of one transaction."""


class NothingToTell(Exception):
    """Everything that the digest was to tell of was taken back."""


class Gatherer:
    """Gathers what is due. For one thread."""

    def __init__(self, reference: ReferenceData, desk_url: str) -> None:
        """`desk_url`: where the desk is, for links; empty: there are none."""
        self._reference = reference
        self._desk_url = desk_url
        self._policies = VersionCache(reference, _policy_of)

    def gather(self, tx: Transaction, now: datetime) -> tuple[int, list[Finished]]:
        """Make the digests that are due by now of up to `MOST_USERS` people: how many, and deliveries that have come to their end."""
        if not digests.may_gather(tx):
            return 0, []
        of: dict[str, list[Waiting]] = {}
        for waiting in digests.due(tx, now, MOST_USERS):
            of.setdefault(waiting.user, []).append(waiting)
        if not of:
            return 0, []
        ids = {user: digest_id(user, max(one.until for one in found)) for user, found in of.items()}
        existing = digests.existing(tx, list(ids.values()))
        rules, mail_domain = self._policies.get()
        made, gone = [], []
        for user in list(of):
            person = self._reference.staff.get(user)
            if person is None or not person.active or not person.email:
                gone += [one.delivery_id for one in of.pop(user)]
            elif ids[user] not in existing:
                made.append(self._delivery(ids[user], person, mail_domain))
        # Who comes after a digest was made goes to the next.
        late = {user: of.pop(user) for user in list(of) if ids[user] in existing}
        self._put_off(tx, late, rules, now)
        failed = deliveries.queue(tx, made, suppressed(tx, made))
        digests.collect(tx, [one.delivery_id for found in of.values() for one in found], [ids[user] for user in of for _ in of[user]])
        outcomes = digests.told(tx, failed) + digests.give_up(tx, gone, "not sent: its recipient is no longer among the staff")
        return len(made), failed + outcomes

    def _put_off(self, tx: Transaction, late: Mapping[str, Sequence[Waiting]], rules: Rules, now: datetime) -> None:
        if not late:
            return
        chosen = preferences.of(tx, late.keys())
        until = {user: next_digest(chosen.get(user, NOTHING_CHOSEN), rules, now) for user in late}
        digests.put_off(
            tx, [one.delivery_id for found in late.values() for one in found], [until[user] for user in late for _ in late[user]]
        )

    def _delivery(self, digest: UUID, person: StaffChanged, mail_domain: str) -> Delivery:
        occasion = Occasion(
            on=DIGEST,
            cause=digest,
            item_kind=DIGEST,
            item_id=digest,
            case_id=None,
            facts={"unit": person.unit, "desk_url": self._desk_url},
            assignee=person.user,
            unit="",
            config_version=self._reference.version,
        )
        recipient = Recipient(person.email, person.name, "staff", person.user)
        return Delivery(digest, DIGEST, "email", "", recipient, digest, message_id(digest, digest, mail_domain), occasion)


def _policy_of(configuration: Configuration) -> tuple[Rules, str]:
    return rules_of(configuration), configuration.organisation.mail_domain


def digest_id(user: str, at: datetime) -> UUID:
    """The one digest of this user for this time."""
    return derive("digest", user, int(at.timestamp()))


def digest_of(claimed: Claimed, names: Names) -> Digest:
    """A digest that was claimed with its items, in words. Raises `NothingToTell`."""
    found = orjson.loads(claimed.facts.get("items", "[]"))
    if not found:
        raise NothingToTell("everything in it was settled before it was sent")
    items = [
        Item(
            on=one["on"],
            about=about(one["facts"]),
            number=one["facts"].get("number", ""),
            title=one["facts"].get("title", ""),
            item_kind=one["item_kind"],
            item_id=UUID(one["item_id"]),
            case_id=UUID(one["case_id"]) if one["case_id"] else None,
            at=datetime.fromisoformat(one["at"]),
            due_at=one["facts"].get("due_at", ""),
        )
        for one in found
    ]
    more = int(claimed.facts["count"]) - len(items)
    return word_digest(items, more, claimed.facts.get("desk_url", ""), names)
