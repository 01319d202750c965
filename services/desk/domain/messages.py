"""A message to a customer: what it is about, what the form's fields say, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

LONGEST_LINE, LONGEST_TEXT = 900, 20_000
MOST_FILES, MOST_BYTES = 10, 10 * 1024 * 1024
"""Of a message; as case has them."""
MOST_OFFERED = 30
"""Files of the case's communications that can be chosen; the newest."""
_KEPT = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,4})")


Kind = Literal["case", "lead", "contact"]
NEEDS: Mapping[Kind, tuple[str, ...]] = {
    "case": ("message:send",),
    "lead": ("message:send", "lead:progress"),
    "contact": ("message:send", "case:read"),
}
"""What messages may be about, with the permissions that writing needs."""


@dataclass(frozen=True, slots=True)
class About:
    """What a message is about."""

    kind: Kind
    id: UUID

    @property
    def page(self) -> str:
        """Its page."""
        return f"/{self.kind}s/{self.id}"

    @property
    def api(self) -> str:
        """Where case's API has it."""
        return f"/{self.kind}s/{self.id}"

    @property
    def form(self) -> str:
        """Where one writes about it."""
        return f"/write/{self.id}" if self.kind == "case" else f"/write/{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Written:
    """What is said of it beside the form; a message to a contact has neither number nor title.

    `offered`: files that may go along: how the form names each, its name and its size.
    """

    number: str
    title: str
    customer: str
    offered: Sequence[tuple[str, str, str]] = ()


class Address(NamedTuple):
    """Where the customer can be written to. `came_back`: the last message did."""

    address: str
    came_back: bool


class Beginning(NamedTuple):
    """A template that a message may begin with."""

    code: str
    name: str


class Tag(NamedTuple):
    """What can be filled in: `#first_name`, what that is, and what it is here."""

    name: str
    means: str
    value: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the customer can be written to, how a message may begin, and what can be filled in."""

    addresses: tuple[Address, ...] = ()
    beginnings: tuple[Beginning, ...] = ()
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """What was filled in, as it was: to be sent, or to be shown again. `kept`: files of the case, as `communication:position`.
    `task`: that it is written for.
    """

    to: str = ""
    subject_line: str = ""
    text: str = ""
    kept: Sequence[str] = ()
    task: UUID | None = None


def errors_of(letter: Letter) -> dict[str, str]:
    """What is wrong, by field; a letter with errors is not to be sent."""
    errors: dict[str, str] = {}
    if not letter.subject_line.strip():
        errors["subject_line"] = "Say in a few words what it is about."
    elif len(letter.subject_line) > LONGEST_LINE:
        errors["subject_line"] = f"That is longer than {LONGEST_LINE} characters."
    if not letter.text.strip():
        errors["text"] = "Write the message."
    elif len(letter.text) > LONGEST_TEXT:
        errors["text"] = f"That is longer than {LONGEST_TEXT} characters."
    return errors


def kept_files(letter: Letter) -> list[dict[str, object]]:
    """The files of the case that go with it, as case takes them."""
    found = [match for value in letter.kept if (match := _KEPT.fullmatch(value))]
    return [{"communication_id": match[1], "position": int(match[2])} for match in found]
