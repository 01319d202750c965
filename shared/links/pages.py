"""What is seen behind a link and may be answered there (EDGE-14), whatever it is for. Texts of ours and of the configuration are `Said`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.links.words import Said

CUSTOMER = "customer"
"""Who acts when a customer answers by a link: we know whom it was sent to, not who opened it."""
LONGEST_TEXT = 2000
NO_LONGER_VALID = Said("This link is no longer valid.")
"""Of one that was revoked: whoever has it is told nothing else."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be chosen, or without `choices` written."""

    name: str
    label: str
    choices: tuple[Choice, ...] = ()
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked."""

    title: str
    intro: tuple[str, ...]
    questions: tuple[Question, ...]
    buttons: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What was sent: which button was pressed, and the answers by the questions' names."""

    button: str
    answers: Mapping[str, str]


class LinkEnded(Exception):
    """Nothing can be answered by this link any more; `why`, for whoever opened it."""

    def __init__(self, why: Said) -> None:
        super().__init__(why)
        self.why = why


class NotFilled(Exception):
    """What was sent is no answer; `errors` tell why, by the question's name."""

    def __init__(self, errors: Mapping[str, Said]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors
