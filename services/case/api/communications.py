"""What staff do with a communication, and what a communication's method says about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import Asking, Plain, may_see, refusals, rows_of
from services.case.api.shapes.communications import OpenedCases, ShownCommunication
from services.case.api.shapes.declaring import gives
from services.case.domain.case import Case
from services.case.handlers.rules import Rules
from services.case.handlers.staff import AskedOf, CommunicationCommands
from services.case.storage import views
from services.case.storage.communications import Kept
from shared.clock import Clock
from shared.messaging import EventPublisher, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, answer_once, check_revision, requires

Prompt = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenBody(_Body):
    """Open a case under each of these subjects. Urgency and impact, where given, are those of all of them."""

    subjects: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20, examples=[["leak", "noise"]])]
    urgency: Code | None = None
    impact: Code | None = None


class JoinBody(_Body):
    """Let the communication feed this case."""

    case_id: UUID = Field(examples=["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"])


class ContactBody(_Body):
    """Whose it is."""

    contact_id: UUID = Field(examples=["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"])


class ScriptAnswerBody(_Body):
    """What was answered to a prompt; nothing takes back what was answered before."""

    prompt: Prompt = Field(examples=["What is your address?"])
    answer: Plain = Field(examples=["12 Harbour Street"])


class AnswersBody(_Body):
    """Answers to prompts of the method's scripts; they replace those of the same prompts."""

    answers: Annotated[
        tuple[ScriptAnswerBody, ...],
        Field(min_length=1, max_length=50, examples=[[{"prompt": "What is your address?", "answer": "12 Harbour Street"}]]),
    ]


def communications_router(
    publisher: EventPublisher, commands: CommunicationCommands, rules: VersionCache[Rules], clock: Clock
) -> APIRouter:
    """The commands on `/communications/{id}`."""
    router = APIRouter(prefix="/communications/{communication_id}", tags=["communications"])
    creates = Depends(requires("case:create"))
    progresses = Depends(requires("case:progress"))

    def do(communication_id: UUID, asking: Command, work: Callable[[Transaction, AskedOf], Answer]) -> Response:
        rows = rows_of(asking.principal)

        def permit(tx: Transaction, kept: Kept) -> None:
            if not views.reaches(tx, communication_id, rows):
                raise NotFound
            check_revision(asking, kept.revision)

        who = asking.principal
        asked = AskedOf(communication_id, who.user, asking.cause, clock(), current_traceparent(), permit, who.unit)
        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, lambda: work(tx, asked))

    def shown(tx: Transaction, kept: Kept) -> Answer:
        found = views.show_communication(tx, kept.communication_id, views.Rows())
        assert found is not None  # noqa: S101 - it is locked by this transaction
        return Answer(described(found, rules), revision=kept.revision)

    @router.post(
        "/cases",
        responses=gives(OpenedCases, 201, etag=True),
        status_code=201,
        dependencies=[creates],
        summary="Open a case under each of some subjects.",
    )
    def open_cases(communication_id: UUID, body: OpenBody, asking: Asking) -> Response:
        def work(tx: Transaction, asked: AskedOf) -> Answer:
            kept, opened = commands.open_cases(tx, asked, body.subjects, body.urgency, body.impact)
            content = {"cases": [{"id": case.id, "number": case.number, "subject": case.subject} for case in opened]}
            return Answer(content, 201, kept.revision)

        return do(communication_id, asking, work)

    @router.post(
        "/join",
        responses=gives(ShownCommunication, etag=True),
        dependencies=[progresses],
        summary="Let it, and what comes later in its conversation, feed a case.",
    )
    def join(communication_id: UUID, body: JoinBody, asking: Asking) -> Response:
        def permit_case(case: Case) -> None:
            if not may_see(asking.principal, case.unit, case.owner):
                raise NotFound("There is no such case that you can see.")

        return do(communication_id, asking, lambda tx, asked: shown(tx, commands.join(tx, asked, body.case_id, permit_case)))

    @router.post(
        "/contact",
        responses=gives(ShownCommunication, etag=True),
        dependencies=[Depends(requires("contact:edit"))],
        summary="Say whose it is, where several share the handle.",
    )
    def choose_contact(communication_id: UUID, body: ContactBody, asking: Asking) -> Response:
        return do(communication_id, asking, lambda tx, asked: shown(tx, commands.choose_contact(tx, asked, body.contact_id)))

    @router.post(
        "/script-answers",
        responses=gives(ShownCommunication, etag=True),
        dependencies=[progresses],
        summary="Record what was answered to the scripts of its method.",
    )
    def record_answers(communication_id: UUID, body: AnswersBody, asking: Asking) -> Response:
        given = [(answer.prompt, answer.answer) for answer in body.answers]
        return do(communication_id, asking, lambda tx, asked: shown(tx, commands.record_answers(tx, asked, given)))

    return router


def described(found: dict[str, Any], rules: VersionCache[Rules]) -> dict[str, Any]:
    """A communication as it is shown, with what its method says: its name, locations, scripts and the prompts not answered yet,
    whether direction and location are the method's, and when it expires unless something happens.

    The configuration is that which it was recorded under.
    """
    known = rules.get(found["config_version"])
    method = known.methods.get(found["method"])
    if method is None:
        return found | {"method_name": found["method"], "scripts": [], "unanswered": [], "locations": [], "doubts": [], "expires_at": None}
    answers: dict[tuple[str, ...], str] = {(answer["script"], answer["prompt"]): answer["answer"] for answer in found["script_answers"]}
    # What was asked by a later version of the scripts belongs to them too.
    prompts = list(dict.fromkeys([*map(tuple, method.prompts), *answers]))
    doubts = []
    if found["direction"] not in method.directions:
        doubts.append(f"The method is not for {found['direction']} communications.")
    if found["location"] and method.locations and found["location"] not in method.locations:
        doubts.append("The location is none of the method's.")
    may_expire = found["direction"] == "inbound" and not found["old"] and found["expired_at"] is None
    return found | {
        "method_name": method.name,
        "locations": method.locations,
        "scripts": [{"script": script, "prompt": text, "answer": answers.get((script, text), "")} for script, text in prompts],
        "unanswered": [text for script, text in prompts if (script, text) not in answers],
        "doubts": doubts,
        "expires_at": known.expiry(found["method"], found["last_activity_at"]) if may_expire else None,
    }
