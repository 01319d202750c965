"""A customer accepts or declines a response or resolution by a link (CASE-12, EDGE-14)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from services.case.domain.case import Actor, Case
from services.case.domain.life_cycle import Stage
from services.case.domain.refusals import CaseRefusal
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.links import NOT_HERE, Step, Taken
from services.case.storage import answers, cases
from shared.links import Link
from shared.links.pages import CUSTOMER, LONGEST_TEXT, Choice, Given, LinkEnded, NotFilled, Page, Question
from shared.links.words import Said
from shared.storage import Transaction

PURPOSE = "acceptance"
BUTTONS = (Choice("accept", Said("I accept")), Choice("decline", Said("I do not accept")))
_ASKED = {
    Stage.RESPONSE: (Said("Do you accept our response?"), Said("This is our response:")),
    Stage.TEMPORARY_RESOLUTION: (Said("Do you accept our temporary resolution?"), Said("This is our temporary resolution:")),
    Stage.FINAL_RESOLUTION: (Said("Do you accept our final resolution?"), Said("This is our final resolution:")),
}


class Waiting(NamedTuple):
    """The answer to a customer that waits for acceptance. `stage`: `response`, `temporary_resolution` or `final_resolution`."""

    stage: Stage
    text: str
    given_at: datetime


class Recording(Protocol):
    """The command that records an acceptance, or that it was declined. Raises a `CaseRefusal`."""

    def __call__(self, tx: Transaction, asked: Asked, stage: Stage, accepted: bool, comment: str) -> Case: ...


class Acceptance:
    """`waiting`: what of this case waits for acceptance now (None: nothing)."""

    def __init__(self, waiting: Callable[[Transaction, UUID], Waiting | None], record: Recording) -> None:
        self._waiting = waiting
        self._record = record

    def page(self, tx: Transaction, link: Link) -> Page:
        """The answer that was given, and two buttons."""
        case, waiting = self._found(tx, link)
        title, here = _ASKED[waiting.stage]
        intro = (Said("Case {number}: {title}", number=case.number, title=case.title), here, waiting.text or Said("(see our message)"))
        comment = Question("comment", Said("Do you want to tell us why, or anything else?"))
        return Page(title, intro, (comment,), BUTTONS)

    def take(self, tx: Transaction, link: Link, given: Given, step: Step) -> Taken:
        """Record it as the customer's own word."""
        answer, comment = given.button, given.answers.get("comment", "").strip()
        if answer not in [button.value for button in BUTTONS]:
            raise NotFilled({"": Said("Please press one of the two buttons.")})
        if len(comment) > LONGEST_TEXT:
            raise NotFilled({"comment": Said("This is longer than {most} characters.", most=LONGEST_TEXT)})
        case, waiting = self._found(tx, link)
        asked = Asked(case.id, Actor(CUSTOMER, ""), step.cause, step.now, step.traceparent, lambda _case: None)
        try:
            self._record(tx, asked, waiting.stage, answer == "accept", comment)
        except (CaseRefusal, UnknownCase) as error:
            raise LinkEnded(NOT_HERE) from error
        accepted, declined = Said("Thank you. We have recorded that you accept."), Said("Thank you. We will look at it again.")
        thanks = accepted if answer == "accept" else declined
        return Taken(f"{waiting.stage}: {answer}", thanks)

    def _found(self, tx: Transaction, link: Link) -> tuple[Case, Waiting]:
        case, waiting = cases.get(tx, link.record), self._waiting(tx, link.record)
        if case is None or waiting is None:
            raise LinkEnded(Said("Nothing of this waits for your answer any more."))
        if waiting.given_at > link.issued_at:
            # What was sent with this link was replaced: nobody must accept what they have not read.
            raise LinkEnded(Said("We have sent you a newer answer since. Please use the link in our latest message."))
        return case, waiting


def waiting_answer(tx: Transaction, case_id: UUID) -> Waiting | None:
    """The answer of this case that waits for the customer's word now."""
    case = cases.get(tx, case_id)
    if case is None or not case.awaiting_acceptance:
        return None
    answer = answers.of_case(tx, case_id)[Stage(case.awaiting_acceptance)]
    return Waiting(answer.stage, answer.text, answer.given_at)
