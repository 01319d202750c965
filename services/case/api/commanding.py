"""What staff ask of a case: a status, an answer and the customer's word on it, an assignment, a priority, a category, an estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import READS, Asking, Plain, may_see, refusals
from services.case.api.shapes.cases import ChangedCase
from services.case.api.shapes.declaring import gives
from services.case.api.showing import shown_case
from services.case.domain.answers import TEXT_LENGTH, Chosen
from services.case.domain.case import Actor, Case
from services.case.domain.life_cycle import Stage
from services.case.handlers.commands import Asked, Commands
from services.case.handlers.links import revoke_links
from services.case.handlers.rules import Rules
from services.case.storage import views
from shared.clock import Clock
from shared.messaging import EventPublisher, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    NotFound,
    answer_once,
    check_revision,
    requires,
)


class Body(BaseModel):
    """What a command is given; unknown members are errors."""

    model_config = ConfigDict(extra="forbid")


class StatusBody(Body):
    """Set this status. `override` completes a case in spite of open tasks; it needs a reason, and `case:assign`.

    One that cancels the case takes a cancellation reason's code; without one, the default reason.
    """

    status: Code = Field(examples=["closed"])
    reason: Plain = Field(default="", examples=["The plumber has been."])
    override: bool = False


class AssignBody(Body):
    """Give the case to a unit, a user, or both; a unit alone takes it from its user."""

    unit: Code | None = Field(default=None, examples=["repairs"])
    owner: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")] | None = Field(
        default=None, description="The user.", examples=["rita"]
    )
    reason: Plain = ""


class PriorityBody(Body):
    """Set urgency, impact, or both; the priority follows from the table."""

    urgency: Code | None = Field(default=None, examples=["high"])
    impact: Code | None = Field(default=None, examples=["high"])


class AnswerBody(Body):
    """The response or a resolution. `category`: from the stage's tree; empty takes its default. `status`: one of the stage's state."""

    stage: Stage = Field(examples=["response"])
    category: Code | Literal[""] = Field(default="", examples=["visit-booked"])
    text: Annotated[str, StringConstraints(max_length=TEXT_LENGTH, pattern=r"^[^\x00]*$")] = Field(
        default="", examples=["A plumber comes on Tuesday between 9 and 12."]
    )
    status: Code | None = None


class AcceptanceBody(Body):
    """What the customer said to the answer of this stage."""

    stage: Stage = Field(examples=["final_resolution"])
    accepted: bool = Field(examples=[True])
    comment: Plain = ""


class CategoryBody(Body):
    """Set this category."""

    category: Code = Field(examples=["plumbing"])


class EstimateBody(Body):
    """When the case is reckoned to be complete; null takes the estimate back."""

    estimated_completion_at: AwareDatetime | None = Field(examples=["2026-12-01T12:00:00+01:00"])
    reason: Plain = ""


class RevokeBody(Body):
    """Why; it stands in the case's history."""

    reason: Plain = Field(default="", examples=["It was sent to the wrong address."])


def commanding_router(publisher: EventPublisher, commands: Commands, rules: VersionCache[Rules], clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/cases/{case_id}", tags=["cases"])
    progresses = Depends(requires("case:progress"))
    assigns = Depends(requires("case:assign"))

    def do(case_id: UUID, asking: Command, work: Callable[[Transaction, Asked], Case], override: bool = False) -> Response:
        principal = asking.principal

        def permit(case: Case) -> None:
            if not may_see(principal, case.unit, case.owner):
                raise NotFound
            check_revision(asking, case.revision)

        actor = Actor(principal.user, principal.unit, may_override=override and principal.may("case:assign"))
        asked = Asked(case_id, actor, asking.cause, clock(), current_traceparent(), permit)

        def answer() -> Answer:
            case = work(tx, asked)
            found = views.show_case(tx, case.id, principal.may(READS))
            assert found is not None  # noqa: S101 - it is locked by this transaction
            return Answer(shown_case(tx, found, rules, asked.now), revision=case.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/status",
        responses=gives(ChangedCase, etag=True),
        dependencies=[progresses],
        summary="Set a status, and with it the life-cycle state.",
    )
    def set_status(case_id: UUID, body: StatusBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.set_status(tx, asked, body.status, body.reason), body.override)

    @router.post(
        "/answers",
        responses=gives(ChangedCase, etag=True),
        dependencies=[progresses],
        summary="Give the response or a resolution, or amend it until the next state.",
    )
    def give_answer(case_id: UUID, body: AnswerBody, asking: Asking) -> Response:
        chosen = Chosen(body.category, body.text)
        return do(case_id, asking, lambda tx, asked: commands.answer(tx, asked, body.stage, chosen, body.status))

    @router.post(
        "/acceptance",
        responses=gives(ChangedCase, etag=True),
        dependencies=[progresses],
        summary="Record that the customer accepted or declined the answer.",
    )
    def record_acceptance(case_id: UUID, body: AcceptanceBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.record_acceptance(tx, asked, body.stage, body.accepted, body.comment))

    @router.post("/category", responses=gives(ChangedCase, etag=True), dependencies=[progresses], summary="Set the category.")
    def set_category(case_id: UUID, body: CategoryBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.set_category(tx, asked, body.category))

    @router.post(
        "/revoke-links",
        responses=gives(ChangedCase, etag=True),
        dependencies=[progresses],
        summary="Make void what links by which the customer answers were sent until now; later ones are good.",
    )
    def revoke(case_id: UUID, asking: Asking, body: RevokeBody | None = None) -> Response:
        reason = body.reason.strip() if body else ""
        return do(case_id, asking, lambda tx, asked: revoke_links(tx, asked, reason))

    @router.post(
        "/estimate",
        responses=gives(ChangedCase, etag=True),
        dependencies=[progresses],
        summary="Say when the case is reckoned to be complete.",
    )
    def estimate(case_id: UUID, body: EstimateBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.estimate(tx, asked, body.estimated_completion_at, body.reason))

    @router.post(
        "/assign", responses=gives(ChangedCase, etag=True), dependencies=[assigns], summary="Give the case to a unit, a user, or both."
    )
    def assign(case_id: UUID, body: AssignBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.assign(tx, asked, body.unit, body.owner, body.reason))

    @router.post("/accept", responses=gives(ChangedCase, etag=True), dependencies=[progresses], summary="Take a case of one's own unit.")
    def accept(case_id: UUID, asking: Asking) -> Response:
        return do(case_id, asking, commands.accept)

    @router.post("/priority", responses=gives(ChangedCase, etag=True), dependencies=[progresses], summary="Set urgency or impact.")
    def set_priority(case_id: UUID, body: PriorityBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.set_priority(tx, asked, body.urgency, body.impact))

    return router
