"""The HTTP API of cases, communications and contacts: decode, call, encode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.domain.case import Actor, Case
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.refusals import CaseRefusal, PriorityRefused
from services.case.handlers.commands import Asked, Commands, UnknownCase, republish
from services.case.handlers.rules import Rules, rules_of
from services.case.storage import contacts, views
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher, Reference, ReferenceData, VersionCache
from shared.observability import configure_logging
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.settings import ProcessSettings
from shared.storage import Database, Transaction
from shared.web import (
    Answer,
    Command,
    Conflict,
    NotFound,
    PageRequest,
    Principal,
    Problem,
    Unprocessable,
    answer_once,
    check_revision,
    command,
    create_app,
    dead_letters_router,
    page_request,
    requires,
    serve,
)

# PostgreSQL cannot hold a NUL in text, so none gets that far.
Plain = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Name = Annotated[str | None, Query(max_length=998, pattern=r"^[^\x00]*$")]
CaseReader = Annotated[Principal, Depends(requires("case:read"))]
CommunicationReader = Annotated[Principal, Depends(requires("communication:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Asking = Annotated[Command, Depends(command)]


class Body(BaseModel):
    """What a command is given; unknown members are errors."""

    model_config = ConfigDict(extra="forbid")


class StatusBody(Body):
    """Set this status. `override` completes a case in spite of open tasks; it needs a reason, and `case:assign`."""

    status: Code
    reason: Plain = ""
    override: bool = False


class AssignBody(Body):
    """Give the case to a unit, a user, or both; a unit alone takes it from its user."""

    unit: Code | None = None
    owner: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")] | None = Field(
        default=None, description="The user."
    )
    reason: Plain = ""


class PriorityBody(Body):
    """Set urgency, impact, or both; the priority follows from the table."""

    urgency: Code | None = None
    impact: Code | None = None


def routers(publisher: EventPublisher, reference: ReferenceData, clock: Clock = utc_now) -> list[APIRouter]:
    """Every route of the service; `publisher` gives the transactions."""
    rules = VersionCache(reference, rules_of)
    return [
        _reading(publisher, rules),
        _commanding(publisher, Commands(reference, rules), clock),
        _operating(publisher, clock),
        dead_letters_router("case", publisher.database),
    ]


def run(settings: ProcessSettings) -> None:
    """Serve the API until the process is told to stop."""
    configure_logging("case", "api", settings.log_level)
    database = Database(settings.database, pool_size=8, service="case")
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "case")
    stop = threading.Event()
    # Health has to answer while the configuration is still awaited.
    starting = threading.Thread(target=reference.start, args=(stop,), name="reference-start", daemon=True)
    try:
        starting.start()
        publisher.start_sweeper()
        app = create_app(
            "case",
            settings,
            routers(publisher, reference),
            ready=reference.problems,
            facts=lambda: {"config_version": reference.version},
        )
        serve(app, settings)
    finally:
        stop.set()
        starting.join()
        publisher.close()
        reference.close()
        database.close()


def _reading(publisher: EventPublisher, rules: VersionCache[Rules]) -> APIRouter:
    router = APIRouter()
    database = publisher.database

    @router.get("/cases", tags=["cases"], summary="Cases, the newest first.")
    def list_cases(
        principal: CaseReader,
        page: Paging,
        state: LifeCycle | None = None,
        unit: Name = None,
        owner: Name = None,
        subject: Name = None,
        number: Name = None,
        communication_id: UUID | None = None,
        contact_id: UUID | None = None,
        needs_review: Annotated[bool, Query(description="Only those that expiry left for staff to judge.")] = False,
    ) -> Response:
        filters = {
            "state": state.value if state else None,
            "unit": unit,
            "owner": owner,
            "subject": subject,
            "number": number,
            "communication_id": communication_id,
            "contact_id": contact_id,
        }
        with database.read() as tx:
            found = views.list_cases(tx, filters, _rows(principal), _after(page), page.limit + 1, needs_review)
        return _page([_case(row) for row in found], page, "opened_at")

    @router.get("/cases/{case_id}", tags=["cases"], summary="A case with its customer, communications and history.")
    def show_case(case_id: UUID, principal: CaseReader) -> Response:
        with database.read() as tx:
            found = _visible_case(tx, case_id, principal)
            past = views.history(tx, case_id, 0, 500)
        return Answer(_case(found) | {"history": past}, revision=found["revision"]).response()

    @router.get("/cases/{case_id}/history", tags=["cases"], summary="Every change of a case, the oldest first.")
    def show_history(case_id: UUID, principal: CaseReader, page: Paging) -> Response:
        after = page.keys(1)
        with database.read() as tx:
            _visible_case(tx, case_id, principal)
            found = views.history(tx, case_id, _number(after[0]) if after else 0, page.limit + 1)
        shown = found[: page.limit]
        return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["id"],))}).response()

    @router.get("/communications", tags=["communications"], summary="Communications without their text, the newest first.")
    def list_communications(
        principal: CommunicationReader,
        page: Paging,
        conversation_id: UUID | None = None,
        contact_id: UUID | None = None,
        method: Name = None,
        message_id: Name = None,
        reason: Annotated[Literal["loop"] | None, Query(description="Only those that were left without effect for this reason.")] = None,
    ) -> Response:
        filters = {
            "conversation_id": conversation_id,
            "contact_id": contact_id,
            "method": method,
            "message_id": message_id,
            "reason": reason,
        }
        with database.read() as tx:
            found = views.list_communications(tx, filters, _rows(principal), _after(page), page.limit + 1)
        return _page(found, page, "received_at")

    @router.get("/communications/{communication_id}", tags=["communications"], summary="A communication with text and files.")
    def show_communication(communication_id: UUID, principal: CommunicationReader) -> Response:
        with database.read() as tx:
            found = views.show_communication(tx, communication_id, _rows(principal))
        if found is None:
            raise NotFound
        return Answer(found).response()

    @router.get("/contacts/{contact_id}", tags=["contacts"], summary="A contact with handles and open cases, high priority first.")
    def show_contact(contact_id: UUID, principal: CaseReader) -> Response:
        with database.read() as tx:
            found = contacts.shown(tx, contact_id)
            own = views.list_cases(tx, {"contact_id": contact_id}, _rows(principal), None, 500)
        if found is None or (principal.scope == "own" and not own):
            raise NotFound
        ranks = {code: rank for rank, code in enumerate(rules.get().priorities.priorities)}
        is_open = [_case(row) for row in own if not LifeCycle(row["state"]).is_closed]
        is_open.sort(key=lambda case: -ranks.get(case["priority"], -1))
        return Answer(found | {"open_cases": is_open}).response()

    return router


def _commanding(publisher: EventPublisher, commands: Commands, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/cases/{case_id}", tags=["cases"])
    progresses = Depends(requires("case:progress"))
    assigns = Depends(requires("case:assign"))

    def do(case_id: UUID, asking: Command, work: Callable[[Transaction, Asked], Case], override: bool = False) -> Response:
        principal = asking.principal

        def permit(case: Case) -> None:
            if not _may_see(principal, case.unit, case.owner):
                raise NotFound
            check_revision(asking, case.revision)

        actor = Actor(principal.user, principal.unit, may_override=override and principal.may("case:assign"))
        asked = Asked(case_id, actor, asking.cause, clock(), current_traceparent(), permit)

        def answer() -> Answer:
            case = work(tx, asked)
            found = views.show_case(tx, case.id)
            assert found is not None  # noqa: S101 - it is locked by this transaction
            return Answer(_case(found), revision=case.revision)

        with _refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post("/status", dependencies=[progresses], summary="Set a status, and with it the life-cycle state.")
    def set_status(case_id: UUID, body: StatusBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.set_status(tx, asked, body.status, body.reason), body.override)

    @router.post("/assign", dependencies=[assigns], summary="Give the case to a unit, a user, or both.")
    def assign(case_id: UUID, body: AssignBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.assign(tx, asked, body.unit, body.owner, body.reason))

    @router.post("/accept", dependencies=[progresses], summary="Take a case of one's own unit.")
    def accept(case_id: UUID, asking: Asking) -> Response:
        return do(case_id, asking, commands.accept)

    @router.post("/priority", dependencies=[progresses], summary="Set urgency or impact.")
    def set_priority(case_id: UUID, body: PriorityBody, asking: Asking) -> Response:
        return do(case_id, asking, lambda tx, asked: commands.set_priority(tx, asked, body.urgency, body.impact))

    return router


def _operating(publisher: EventPublisher, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/counts", dependencies=[Depends(requires("status:read"))], summary="How many records there are.")
    def counts() -> dict[str, int]:
        with publisher.database.read() as tx:
            return views.counts(tx)

    @router.post("/republish", status_code=202, dependencies=[Depends(requires("republish"))], summary="Publish every case as it is now.")
    def republish_all(asking: Asking) -> dict[str, int]:
        count, after = 0, None
        while True:
            with publisher.transaction() as tx:
                ids = republish(tx, after, asking.cause, clock(), current_traceparent())
            if not ids:
                return {"republished": count}
            count, after = count + len(ids), ids[-1]

    return router


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer what the domain refuses as problems."""
    try:
        yield
    except UnknownCase as error:
        raise NotFound from error
    except PriorityRefused as error:
        raise Unprocessable(str(error), what=error.what, why=error.why) from error
    except CaseRefusal as error:
        raise Conflict(str(error), what=error.what, why=error.why) from error


def _rows(principal: Principal) -> views.Rows:
    if principal.scope == "all":
        return views.Rows()
    return views.Rows(principal.unit if principal.scope == "unit" else None, principal.user)


def _may_see(principal: Principal, unit: str, owner: str | None) -> bool:
    if principal.scope == "all" or owner == principal.user:
        return True
    return principal.scope == "unit" and unit == principal.unit


def _visible_case(tx: Transaction, case_id: UUID, principal: Principal) -> dict[str, Any]:
    found = views.show_case(tx, case_id)
    if found is None or not _may_see(principal, found["unit"], found["owner"]):
        raise NotFound
    return found


def _case(row: dict[str, Any]) -> dict[str, Any]:
    """A case as the API shows it: with the customer as one member."""
    shown = dict(row)
    shown["customer"] = {
        "contact_id": shown.pop("contact_id"),
        "account_id": shown.pop("account_id"),
        "name": shown.pop("customer_name"),
        "email": shown.pop("customer_email"),
    }
    return shown


def _page(found: list[dict[str, Any]], page: PageRequest, time: str) -> Response:
    shown = found[: page.limit]
    following = page.following(len(found), shown, lambda row: (row[time].isoformat(), str(row["id"])))
    return Answer({"items": shown, "next": following}).response()


def _after(page: PageRequest) -> tuple[datetime, UUID] | None:
    keys = page.keys(2)
    if keys is None:
        return None
    try:
        return datetime.fromisoformat(str(keys[0])), UUID(str(keys[1]))
    except ValueError as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error


def _number(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise Problem(400, "The cursor is not one that this list gave; start without it.")
    return value
