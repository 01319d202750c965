"""Drafts of the configuration: saved as far as they are, with what is wrong with them, and published as the next version."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from services.desk.handlers.configuration import Applied, apply_configuration
from services.desk.storage import configurations, drafts
from services.desk.storage.drafts import Draft
from shared.messaging import EventPublisher
from shared.schemas.configuration.check import Problem, check_configuration
from shared.storage import Transaction

MOST = 100
"""Drafts that are kept at a time."""
_COMMENTS = re.compile(r"(?m)^[ \t]*#[^\n]*")


class DraftRefused(Exception):
    """What was asked for a draft is not possible; the message is for people."""


class NoSuchDraft(Exception):
    """There is no draft of this name."""


class DraftChanged(Exception):
    """The draft is not at the revision that was expected: it is at this one."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"The draft was changed since; it is at revision {revision}.")
        self.revision = revision


class Outdated(DraftRefused):
    """Another version is in force than the draft was made from."""

    def __init__(self, based_on: int, newest: int) -> None:
        super().__init__(
            f"Version {newest} is in force since, and the draft was made from version {based_on or '(none)'}: publishing it would undo what"
            f" changed. Bring that in, and save it with based_on={newest}."
        )
        self.newest = newest


def problems_of(source: str) -> tuple[Problem, ...]:
    """What keeps a draft from being published."""
    return check_configuration(source).problems


def save_draft(
    publisher: EventPublisher, name: str, source: str, by: str, now: datetime, *, based_on: int | None = None, expected: int | None = None
) -> Draft:
    """Keep `source` as the draft of this name. `based_on`: the version that it is made from, by default the one that it was made from
    before, or the one in force. `expected`: the revision that it has; None: any.

    Raises `DraftRefused`, `DraftChanged`.
    """
    # Whole lines of comment may speak of it; anywhere else it may be a key, however it is written.
    if "password_hash" in _COMMENTS.sub("", source):
        raise DraftRefused("A draft is shown as it is, so it may hold no password_hash: leave them out, and accounts keep their passwords.")
    if "\x00" in source:
        raise DraftRefused("The text holds a NUL character.")
    with publisher.transaction() as tx:
        drafts.lock(tx)
        before = _expected(tx, name, expected)
        if before is None and drafts.count(tx) >= MOST:
            raise DraftRefused(f"There are {MOST} drafts already; discard one first.")
        newest = _newest(tx)
        if based_on is not None and based_on > newest:
            raise DraftRefused(f"There is no version {based_on} of the configuration.")
        base = based_on if based_on is not None else before.based_on if before is not None else newest
        draft = Draft(name, 1 if before is None else before.revision + 1, source, base, by, now)
        drafts.save(tx, draft)
    return draft


def discard_draft(publisher: EventPublisher, name: str, expected: int | None = None) -> None:
    """Let a draft go. Raises `NoSuchDraft`, `DraftChanged`."""
    with publisher.transaction() as tx:
        drafts.lock(tx)
        if _expected(tx, name, expected) is None:
            raise NoSuchDraft(name)
        drafts.remove(tx, name)


def publish_draft(publisher: EventPublisher, name: str, by: str, cause: UUID, now: datetime, expected: int | None = None) -> Applied:
    """Make a draft the newest version; it is a draft no more. Raises `NoSuchDraft`, `DraftChanged`, `Outdated`, `Invalid`."""
    with publisher.database.read() as tx:
        draft = _expected(tx, name, expected)
    if draft is None:
        raise NoSuchDraft(name)

    def publishing(tx: Transaction) -> None:
        drafts.lock(tx)
        if _expected(tx, name, draft.revision) is None:  # published or discarded meanwhile
            raise NoSuchDraft(name)
        if draft.based_on not in configurations.in_force(tx):
            raise Outdated(draft.based_on, _newest(tx))
        drafts.remove(tx, name)

    return apply_configuration(publisher, draft.source, by, cause, now, first=publishing)


def _expected(tx: Transaction, name: str, expected: int | None) -> Draft | None:
    found = drafts.one(tx, name)
    if found is not None and expected is not None and found.revision != expected:
        raise DraftChanged(found.revision)
    return found


def _newest(tx: Transaction) -> int:
    newest = configurations.newest(tx)
    return 0 if newest is None else newest.version
