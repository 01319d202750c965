"""What staff do with a communication on its page: open cases, join it to one, record script answers,
say whose it is.

The page itself is that of `record_pages`: it shows `communication_actions.html` with the `Actions` of `actions_of`, and is shown again
when a step is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.domain.choices import Choice, Choices
from services.desk.domain.records import SCRIPT_WORDS
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.communications import Communications, Step
from shared.ids import case_id
from shared.web import Forbidden


class Show(Protocol):
    """Shows the page of a communication, with what went wrong."""

    def __call__(self, visitor: Visitor, communication: UUID, *, error: str, status: int) -> Response: ...


@dataclass(frozen=True, slots=True)
class SubjectChoice:
    """A subject to open a case under; `is_open`: this communication has done so."""

    code: str
    name: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt of a script, and what was answered; empty: nothing yet."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Actions:
    """What the visitor may do with a communication. `scripts`: heading and prompts."""

    communication: UUID
    revision: int
    key: UUID
    subjects: tuple[SubjectChoice, ...]
    urgencies: tuple[Choice, ...]
    impacts: tuple[Choice, ...]
    suggested: str
    """The number of the case that it may belong to; empty: none."""
    scripts: tuple[tuple[str, tuple[Question, ...]], ...]
    unanswered: int
    may_open: bool
    may_progress: bool
    candidates: tuple[tuple[UUID, str], ...]
    """Contacts among whom the visitor may choose whose it is: id and name."""


def actions_of(visitor: Visitor, found: Mapping[str, Any], choices: Choices, communications: Communications) -> Actions:
    """What the visitor may do with the communication `found`, which is as the case service shows it. Raises `Away`."""
    communication, suggested = UUID(found["id"]), found.get("suggested_case")
    fed = {str(id) for id in found["case_ids"]}
    may_progress = visitor.may("case:progress")
    number = ""
    if suggested and str(suggested) not in fed and may_progress:
        number = communications.number_of(visitor.token.token, UUID(str(suggested)))
    asked = found.get("scripts") or []
    scripts = [
        (heading, tuple([Question(item["prompt"], item["answer"]) for item in asked if item["script"] == script]))
        for script, heading in SCRIPT_WORDS.items()
    ]
    return Actions(
        communication,
        int(found["revision"]),
        uuid4(),
        tuple([SubjectChoice(code, name, str(case_id(communication, code)) in fed) for code, name, _ in choices.subjects]),
        choices.urgencies,
        choices.impacts,
        number,
        tuple([(heading, questions) for heading, questions in scripts if questions]),
        len(found.get("unanswered") or ()),
        visitor.may("case:create"),
        may_progress,
        _candidates(found) if visitor.may("contact:edit") else (),
    )


def _candidates(found: Mapping[str, Any]) -> tuple[tuple[UUID, str], ...]:
    if found.get("contact_id") is not None:
        return ()
    return tuple((UUID(str(one["id"])), str(one["name"])) for one in found.get("candidates") or ())


def communication_actions_router(browser: Browser, communications: Communications, show: Show) -> APIRouter:
    """Where the forms of `communication_actions.html` go to."""
    router = APIRouter(prefix="/communications/{communication}", include_in_schema=False, dependencies=[Depends(from_our_own_page)])
    signed_in: Visitor = Depends(browser.visitor)

    def do(visitor: Visitor, permission: str, communication: UUID, done: str, work: Callable[[str], None]) -> Response:
        if not visitor.may(permission):
            raise Forbidden(f"Your roles do not allow this; it needs the permission {permission}.")
        try:
            work(visitor.token.token)
        except Away:
            return browser.page("case_away.html", visitor, 503, back=f"/communications/{communication}")
        except Refused as refused:
            return show(visitor, communication, error=str(refused), status=409)
        return see_other(f"/communications/{communication}?done={done}")

    @router.post("/cases")
    def open_cases(
        communication: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        subjects: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
        urgency: Annotated[str, Form(max_length=64)] = "",
        impact: Annotated[str, Form(max_length=64)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        step = Step(communication, revision, key)

        def work(token: str) -> None:
            if not subjects:
                raise Refused("Choose at least one subject; each one opens a case.")
            communications.open_cases(token, step, subjects, urgency, impact)

        return do(visitor, "case:create", communication, "opened", work)

    @router.post("/join")
    def join(
        communication: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        number: Annotated[str, Form(max_length=40)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        step, wanted = Step(communication, revision, key), number.strip().upper()

        def work(token: str) -> None:
            if not wanted or "\x00" in wanted:
                raise Refused("Say which case, by its number, like C-2026-000123.")
            communications.join(token, step, wanted)

        return do(visitor, "case:progress", communication, "joined", work)

    @router.post("/contact")
    def choose_contact(
        communication: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        contact: Annotated[UUID | None, Form()] = None,
        visitor: Visitor = signed_in,
    ) -> Response:
        step = Step(communication, revision, key)

        def work(token: str) -> None:
            if contact is None:
                raise Refused("Choose who of them it is.")
            communications.choose_contact(token, step, contact)

        return do(visitor, "contact:edit", communication, "chosen", work)

    @router.post("/script-answers")
    def record_answers(
        communication: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        prompt: Annotated[list[str], Form(max_length=50)] = [],  # noqa: B006 - FastAPI copies it
        answer: Annotated[list[str], Form(max_length=50)] = [],  # noqa: B006 - FastAPI copies it
        visitor: Visitor = signed_in,
    ) -> Response:
        step = Step(communication, revision, key)

        def work(token: str) -> None:
            if not prompt or len(prompt) != len(answer):
                raise Refused("The form was not whole. Look at the page again.")
            communications.record_answers(token, step, list(zip(prompt, answer, strict=True)))

        return do(visitor, "case:progress", communication, "answered", work)

    return router
