"""What staff do with a case on its page: answer it, record the customer's word on the answer, complete it, cancel it.

The page itself is that of `record_pages`: it shows `case_actions.html` with the `CaseActions` of `case_actions_of`, and is shown again when
a step is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.domain.records import STAGE_WORDS, Case
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.case_steps import CaseStep, CaseSteps
from shared.web import Forbidden


class ShowCase(Protocol):
    """Shows the page of a case, with what went wrong."""

    def __call__(self, visitor: Visitor, case: UUID, *, error: str, status: int) -> Response: ...


@dataclass(frozen=True, slots=True)
class StageChoice:
    """A stage that can be answered now: its heading, and its categories with what each brings along."""

    stage: str
    heading: str
    categories: tuple[tuple[str, bool], ...]
    """Codes, and whether the customer has to accept; without categories there is one, the empty code."""


@dataclass(frozen=True, slots=True)
class CaseActions:
    """What the visitor may do with a case. `awaits`: the stage whose answer waits for the customer's word; empty: none."""

    case: UUID
    revision: int
    key: UUID
    stages: tuple[StageChoice, ...]
    awaits: str
    awaits_words: str
    cancel_status: str
    """What cancels it; empty: it cannot be cancelled."""
    reasons: tuple[str, ...]
    reason: str
    complete_status: str
    """What completes it; empty: that is not its next step."""
    may_override: bool
    """Whether they may complete it in spite of open tasks and approvals."""


def case_actions_of(visitor: Visitor, case: Case, steps: CaseSteps) -> CaseActions | None:
    """What the visitor may do with the case; None: nothing. Raises `Away` or `Refused`."""
    if not visitor.may("case:progress") or not case.is_open:
        return None
    found = steps.choices(visitor.token.token, case.id)
    cancellation = found["cancellation"] or {"status": "", "reasons": (), "default": ""}
    return CaseActions(
        case.id,
        case.revision,
        uuid4(),
        tuple([_stage(item) for item in found["answers"]]),
        case.awaiting_acceptance,
        case.awaiting_words,
        cancellation["status"],
        tuple(cancellation["reasons"]),
        cancellation["default"],
        found["completion"] or "",
        visitor.may("case:assign"),
    )


def _stage(item: Mapping[str, Any]) -> StageChoice:
    stage, words = str(item["stage"]), STAGE_WORDS.get(item["stage"], item["stage"])
    categories = tuple([(str(one["code"]), bool(one["requires_acceptance"])) for one in item["categories"]])
    return StageChoice(stage, f"Amend the {words.lower()}" if item["amends"] else words, categories or (("", False),))


def case_actions_router(browser: Browser, steps: CaseSteps, show: ShowCase) -> APIRouter:
    """Where the forms of `case_actions.html` go to."""
    router = APIRouter(prefix="/cases/{case}", include_in_schema=False, dependencies=[Depends(from_our_own_page)])
    signed_in: Visitor = Depends(browser.visitor)

    def do(visitor: Visitor, step: CaseStep, action: str, content: Mapping[str, Any], done: str) -> Response:
        if not visitor.may("case:progress"):
            raise Forbidden("Your roles do not allow this; it needs the permission case:progress.")
        try:
            steps.take(visitor.token.token, step, action, content)
        except Away:
            return browser.page("case_away.html", visitor, 503, back=f"/cases/{step.case}")
        except Refused as refused:
            return show(visitor, step.case, error=str(refused), status=409)
        return see_other(f"/cases/{step.case}?done={done}")

    @router.post("/answers")
    def answer(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        answer: Annotated[str, Form(max_length=200, pattern=r"^[a-z_]+:[a-z0-9._-]*$")],
        text: Annotated[str, Form(max_length=20_000)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        stage, _, category = answer.partition(":")
        content = {"stage": stage, "category": category, "text": text.replace("\r\n", "\n").replace("\x00", "")}
        return do(visitor, CaseStep(case, revision, key), "answers", content, "answered")

    @router.post("/acceptance")
    def acceptance(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        stage: Annotated[str, Form(max_length=40)],
        word: Annotated[Literal["accepted", "declined"], Form()],
        comment: Annotated[str, Form(max_length=2000)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        content = {"stage": stage, "accepted": word == "accepted", "comment": comment.replace("\x00", "")}
        return do(visitor, CaseStep(case, revision, key), "acceptance", content, word)

    @router.post("/complete")
    def complete(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        status: Annotated[str, Form(max_length=64)],
        reason: Annotated[str, Form(max_length=2000)] = "",
        override: Annotated[Literal["", "yes"], Form()] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        said = " ".join(reason.replace("\x00", "").split())
        content = {"status": status, "reason": said} | ({"override": True} if override else {})
        return do(visitor, CaseStep(case, revision, key), "status", content, "completed")

    @router.post("/revoke-links")
    def revoke_links(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        reason: Annotated[str, Form(max_length=2000)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        said = " ".join(reason.replace("\x00", "").split())
        return do(visitor, CaseStep(case, revision, key), "revoke-links", {"reason": said}, "links-revoked")

    @router.post("/cancel")
    def cancel(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        status: Annotated[str, Form(max_length=64)],
        reason: Annotated[str, Form(max_length=64)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        return do(visitor, CaseStep(case, revision, key), "status", {"status": status, "reason": reason}, "cancelled")

    return router
