"""Deleting a case (CASE-8): only while nothing refers to it.

That is one that staff opened by mistake, from a communication, before anything came of it:

- it is pending, and not on legal hold;
- staff opened it by hand. What routing opened is the customer's matter: it is cancelled, with a reason, and stays to be found;
- no other communication feeds it than the one that it was opened from, which loses nothing but this case;
- nobody has begun, completed or cancelled a task of it, or written a note on it; nothing else refers to it.

The tasks that its workflow planned by itself go with it. History stays, and tells who deleted it and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.case.domain.case import SYSTEM, Actor, Case, Change
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.refusals import DeletionRefused


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What deletion depends on. `referring`: what refers to the case, in words such as `2 notes`."""

    opened_by: str
    is_held: bool
    communications: int
    referring: Sequence[str] = ()


def delete(case: Case, around: Surroundings, actor: Actor, now: datetime, reason: str = "") -> tuple[Case, tuple[Change, ...]]:
    """The case as it is last told of, and what its history says. Raises `DeletionRefused`."""
    what = f"deletion of case {case.number}"
    if case.state is not LifeCycle.PENDING:
        raise DeletionRefused(what, f"a case is deleted only while pending, and this one is {case.state}")
    if around.is_held:
        raise DeletionRefused(what, "it is on legal hold")
    if around.opened_by == SYSTEM:
        raise DeletionRefused(what, "a customer's communication opened it by itself: cancel it instead")
    if around.communications > 1:
        raise DeletionRefused(what, f"{around.communications} communications belong to it: cancel it instead")
    if around.referring:
        raise DeletionRefused(what, f"it has {', '.join(around.referring)}: cancel it instead")
    last = case._replace(revision=case.revision + 1, reason=reason, changed_at=now, changed_by=actor.user)
    return last, (Change("deleted", case.number, reason or None),)
