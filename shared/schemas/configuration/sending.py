"""Who is told what when (NOTE-1, NOTE-2), as far as it is more than one field, and how much is sent (EDGE-2)."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from shared.schemas.configuration.automation import Fact, facts_on
from shared.schemas.configuration.automation_rules import check_condition
from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import codes, find, unknown
from shared.schemas.configuration.section import Section
from shared.schemas.configuration.tags import WROTE

RECIPIENTS: Final = ("assignee", "owner", "unit", "leader", "manager", "customer", "approver", "asker", "escalation", "told")
"""Words for whom a message goes to. Beside them `role:CODE`: those of the item's unit who have the role, and `user:NAME`."""
RecipientText = Annotated[str, StringConstraints(min_length=1, max_length=120)]
UsefulText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3} (minute|hour|day|week)s?$")]
Most = Annotated[int, Field(ge=1, le=1_000_000)]

_NAMED: Final = {"role": "role", "user": "user"}
_APPROVAL: Final = {
    "approval.state": Fact("state"),
    "approval.what": Fact("what"),
    "approval.approver": Fact("approver", "user"),
    "approval.asked_by": Fact("asked_by", "user"),
    "approval.unit": Fact("unit", "unit"),
    "case.number": Fact("case_number"),
    "case.title": Fact("case_title"),
}
_CONCERNED: Final = {
    "{}.number": Fact("number"),
    "{}.title": Fact("title"),
    "{}.status": Fact("status"),
    "{}.priority": Fact("priority"),
    "{}.unit": Fact("unit", "unit"),
    "{}.owner": Fact("owner", "user"),
}
"""Of a case or lead that a customer wrote about."""


class SendingLimits(Section):
    """How much is sent; what is above a rate waits, in its order."""

    a_minute: dict[Literal["email", "sms"], Most] = Field(default_factory=dict)
    """By channel: attempts that all senders together make in a minute, such as a mail relay allows; none: no limit."""
    to_one_an_hour: Most | None = None
    """Messages that one address gets within any hour; none: no limit."""
    escalated_to_one_an_hour: Most | None = None
    """The same for steps of an escalation chain, all other messages counted in; none: twice `to_one_an_hour`."""
    automatic_per_case_a_day: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Messages by rules and definitions that one address gets about one case within a day; what is above is not sent at all."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, second = self.to_one_an_hour, self.escalated_to_one_an_hour
        if second is not None and (first is None or second < first):
            raise ValueError("escalated_to_one_an_hour is a higher limit than to_one_an_hour, which has to be given too")
        return self


def facts_told(on: str) -> dict[str, Fact]:
    """What the condition of a communication definition can ask for on this event; nothing for what is none."""
    kind, _, what = on.partition(".")
    if what == WROTE:
        return {name.format(kind): fact for name, fact in _CONCERNED.items()}
    return _APPROVAL if kind == "approval" else facts_on(on)


def check_sending(document: Document) -> None:
    """Communication definitions go to recipients that there are, under conditions that their event can fulfil."""
    known: dict[str, dict[str, Path]] = {}
    for item in find(document.data, "communications[]"):
        definition = item.value
        if not isinstance(definition, dict):
            continue
        for position, to in _texts(definition.get("to")):
            problem = _recipient_problem(document, to, known)
            if problem:
                document.problem((*item.path, "to", position), problem)
        facts = facts_told(str(definition.get("on")))
        if facts:  # else the models report the event
            check_condition(document, (*item.path, "when"), definition.get("when"), facts, known)


def _recipient_problem(document: Document, to: str, known: dict[str, dict[str, Path]]) -> str:
    """What is wrong with a recipient; empty: nothing."""
    if to in RECIPIENTS:
        return ""
    word, colon, name = to.partition(":")
    kind = _NAMED.get(word) if colon else None
    if kind is None:
        near = get_close_matches(to, RECIPIENTS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(RECIPIENTS)}, role:CODE and user:NAME"
        return f"nobody is known as {to!r}; {hint}"
    there = known.setdefault(kind, codes(document, kind))
    if name not in there:
        return unknown(kind, name, there)
    return ""


def _texts(value: Any) -> Iterator[tuple[int, str]]:
    if isinstance(value, list):
        yield from ((position, each) for position, each in enumerate(value) if isinstance(each, str))
