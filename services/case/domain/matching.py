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
    *,
    direction: str,
    robot: str,
    has_cases: bool,
    has_references: bool,
    is_threaded: bool,
    opens_case: bool = True,
    is_trusted: bool = False,
    quotes_own_case: bool = False,
    old: bool = False,
) -> Effect:
    """What a communication does.

    `has_cases`, `has_references`, `is_threaded`: as `continues` has them. `opens_case`: whether its source lets it open
    one, as it does not for a call. `is_trusted`: its sender is a robot whose mail opens cases; its bounces do not.
    `quotes_own_case`: it quotes the number of a case that knows its sender. `old`: whether it was imported from before our time.
    """
    if quotes_own_case or continues(has_cases=has_cases, has_references=has_references, is_threaded=is_threaded):
        return Effect.HISTORY if old else Effect.JOINS
    if direction == "outbound" or not opens_case or old or is_held(robot, is_trusted):
        return Effect.RECORDED
    return Effect.OPENS


def continues(*, has_cases: bool, has_references: bool, is_threaded: bool) -> bool:
    """Whether a communication belongs to the cases of its conversation, whoever sent it.

    `has_cases`: its conversation has cases already. `has_references`: it names earlier messages. `is_threaded`: its channel names
    messages at all (mail); elsewhere the source says which conversation it continues. Somebody whose program reuses one Message-ID
    for every mail names no earlier message, so each of those mails is a matter of its own.
    """
    return has_cases and (has_references or not is_threaded)


def is_held(robot: str, is_trusted: bool) -> bool:
    """Whether a machine sent it whose mail is kept without effect."""
    return robot != "none" and (robot == "bounce" or not is_trusted)


def is_among(senders: frozenset[str], address: str) -> bool:
    """Whether the configuration lists this address or, as `@example.org`, its whole domain; `senders` are in small letters."""
    if not senders:
        return False
    address = address.lower()
    return address in senders or f"@{address.rpartition('@')[2]}" in senders


def whose(candidates: Sequence[UUID], conversation: Sequence[UUID | None]) -> UUID | None:
    """The contact among those who share a handle: the only one, or the one of the conversation; else nobody, and staff choose.

    `conversation` are the contacts of the conversation's cases.
    """
    if len(candidates) == 1:
        return candidates[0]
    known = {contact for contact in conversation if contact is not None}.intersection(candidates)
    return next(iter(known)) if len(known) == 1 else None
