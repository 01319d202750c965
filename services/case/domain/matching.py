"""What a communication does to cases, and whose it is (CASE-1, COM-7, CON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID


class Effect(StrEnum):
    """What a communication does."""

    OPENS = "opens"
    """It starts a matter: one case per subject."""
    JOINS = "joins"
    """It belongs to the cases of its conversation."""
    HISTORY = "history"
    """It is an old one, shown with the cases of its conversation; nothing depends on it."""
    RECORDED = "recorded"
    """It is kept, and that is all."""


def effect(
    *, direction: str, robot: str, has_cases: bool, has_references: bool, is_threaded: bool, opens_case: bool = True, old: bool = False
) -> Effect:
    """What a communication does.

    `has_cases`: its conversation has cases already. `has_references`: it names earlier messages. `is_threaded`: its channel names
    messages at all (mail); elsewhere the source says which conversation it continues. Somebody whose program reuses one Message-ID
    for every mail names no earlier message, so each of those mails is a matter of its own. `opens_case`: whether its source lets it open
    one, as it does not for a call. `old`: whether it was imported from before our time.
    """
    if has_cases and (has_references or not is_threaded):
        return Effect.HISTORY if old else Effect.JOINS
    if direction == "outbound" or robot != "none" or not opens_case or old:
        return Effect.RECORDED
    return Effect.OPENS


def whose(candidates: Sequence[UUID], conversation: Sequence[UUID | None]) -> UUID | None:
    """The contact among those who share a handle: the only one, or the one of the conversation; else nobody, and staff choose.

    `conversation` are the contacts of the conversation's cases.
    """
    if len(candidates) == 1:
        return candidates[0]
    known = {contact for contact in conversation if contact is not None}.intersection(candidates)
    return next(iter(known)) if len(known) == 1 else None
