"""Leads: listed, shown, created, and moved on (LEAD-1, LEAD-2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.case.api.lead_bodies import AssignBody, EditBody, LeadBody, LoseBody, NewLeadBody, NoteBody, ReasonBody, StatusBody
from services.case.api.reach import READS, Asking, described_case, may_see, refusals, rows_of
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.leads import LeadTypes, ListedLead, ShownLead
from services.case.api.shapes.records import HistoryEntry, Note
from services.case.domain.case import Actor
from services.case.domain.leads.customer import Customer
from services.case.domain.leads.lead import Lead, LeadLifeCycle, Opened
from services.case.domain.leads.life_cycle import Move
from services.case.domain.notes import RecordKind
from services.case.handlers.leads.commands import AskedOfLead, LeadCommands
from services.case.handlers.leads.creating import Entry, LeadEntry
from services.case.handlers.leads.rules import LeadRules, lead_rules_of
from services.case.handlers.staff import AskedOf
from services.case.storage import lead_views, notes, views
from services.case.storage.communications import Kept
from services.case.storage.lead_views import SORTS, Sort
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import LeadSource
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    NotFound,
    PageRequest,
    Principal,
    Problem,
    answer_once,
    check_revision,
    page_request,
    requires,
)

Name = Annotated[str | None, Query(description="Only those that have this.", max_length=998, pattern=r"^[^\x00]*$")]
Record = Annotated[UUID | None, Query(description="Only those that came of it, or belong to it.")]
Reader = Annotated[Principal, Depends(requires("lead:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]


def leads_routers(publisher: EventPublisher, reference: ReferenceData, clock: Clock) -> list[APIRouter]:
    """Every route of leads but those of imports."""
    rules = VersionCache(reference, lead_rules_of)
    return [
        _choosing(reference, rules),
        _reading(publisher),
        _creating(publisher, LeadEntry(reference, rules), clock),
        _commanding(publisher, LeadCommands(reference, rules), clock),
    ]


def _choosing(reference: ReferenceData, rules: VersionCache[LeadRules]) -> APIRouter:
    router = APIRouter(tags=["leads"])

    @router.get("/lead-types", responses=gives(LeadTypes), summary="The types of lead, and what may be chosen on their leads, with labels.")
    def lead_types(principal: Reader) -> Response:
        version = reference.version
        section, compiled = reference.configuration(version).leads, rules.get(version)
        shown = section.model_dump(mode="json", exclude={"source_labels", "types"})
        types = [
            kind.model_dump(mode="json") | {"may_create": not kind.creating_units or principal.unit in kind.creating_units}
            for kind in section.types
        ]
        sources = [{"code": source.value, "label": compiled.source_labels[source.value]} for source in LeadSource]
        return Answer(shown | {"types": types, "sources": sources, "config_version": version}).response()

    return router


def _reading(publisher: EventPublisher) -> APIRouter:
    router = APIRouter(prefix="/leads", tags=["leads"])
    database = publisher.database

    @router.get("", responses=gives(Listed[ListedLead]), summary="Leads, the newest first unless sorted otherwise.")
    def list_leads(
        principal: Reader,
        page: Paging,
        state: Annotated[LeadLifeCycle | None, Query(description="Only those in this state.")] = None,
        type: Name = None,
        status: Name = None,
        unit: Name = None,
        owner: Name = None,
        source: Annotated[LeadSource | None, Query(description="Only those that came from there.")] = None,
        category: Name = None,
        number: Name = None,
        contact_id: Record = None,
        account_id: Record = None,
        communication_id: Record = None,
        import_id: Record = None,
        open: Annotated[bool, Query(description="Only those that are pending or in progress.")] = False,
        sort: Annotated[
            str, Query(max_length=40, description=f"One of {', '.join(SORTS)}; with `-` before it descending.", examples=["-priority"])
        ] = "-opened_at",
    ) -> Response:
        filters = {
            "state": state.value if state else None,
            "type": type,
            "status": status,
            "unit": unit,
            "owner": owner,
            "source": source.value if source else None,
            "category": category,
            "number": number,
            "contact_id": contact_id,
            "account_id": account_id,
            "communication_id": communication_id,
            "import_id": import_id,
        }
        order = _sort(sort)
        with database.read() as tx:
            found = lead_views.list_leads(tx, filters, open, rows_of(principal), order, _after(page, order), page.limit + 1)
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (f"{order.by} {order.descending}", row["sort_key"], str(row["id"])))
        return Answer({"items": [_described(row) for row in shown], "next": following}).response()

    @router.get("/{lead_id}", responses=gives(ShownLead, etag=True), summary="A lead with its customer, competitors, products and history.")
    def show_lead(lead_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            found = visible_lead(tx, lead_id, principal)
            past = notes.history_of(tx, RecordKind.LEAD, lead_id, 0, 500)
        return Answer(_described(found) | {"history": past}, revision=found["revision"]).response()

    @router.get("/{lead_id}/history", responses=gives(Listed[HistoryEntry]), summary="Every change of a lead, the oldest first.")
    def show_history(lead_id: UUID, principal: Reader, page: Paging) -> Response:
        after = page.keys(1)
        if after is not None and not isinstance(after[0], int):
            raise _bad_cursor()
        with database.read() as tx:
            visible_lead(tx, lead_id, principal)
            found = notes.history_of(tx, RecordKind.LEAD, lead_id, after[0] if after else 0, page.limit + 1)
        shown = found[: page.limit]
        return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["id"],))}).response()

    @router.get("/{lead_id}/notes", responses=gives(Listed[Note]), summary="The notes on a lead, the newest first.")
    def list_notes(lead_id: UUID, principal: Reader, page: Paging) -> Response:
        keys = page.keys(2)
        with database.read() as tx:
            visible_lead(tx, lead_id, principal)
            found = notes.of_record(tx, RecordKind.LEAD, lead_id, page.limit + 1, None if keys is None else _place(keys))
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (row["written_at"].isoformat(), str(row["id"])))
        return Answer({"items": shown, "next": following}).response()

    return router


def _creating(publisher: EventPublisher, entry: LeadEntry, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["leads"])
    creates = Depends(requires("lead:progress"))

    def entered(body: LeadBody, asking: Command, customer: Customer) -> Entry:
        actor = Actor(asking.principal.user, asking.principal.unit)
        return Entry(actor, asking.cause, clock(), current_traceparent(), body.type, body.wanted(), customer)

    def opened(tx: Transaction, lead: Opened) -> Answer:
        return Answer(_shown(tx, lead.lead.id), 201, 1)

    @router.post(
        "/leads", responses=gives(ListedLead, 201, etag=True), status_code=201, dependencies=[creates], summary="Create a lead by hand."
    )
    def create(body: NewLeadBody, asking: Asking) -> Response:
        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, lambda: opened(tx, entry.enter(tx, entered(body, asking, body.customer()))))

    @router.post(
        "/communications/{communication_id}/leads",
        responses=gives(ListedLead, 201, etag=True),
        status_code=201,
        dependencies=[creates, Depends(requires(READS))],
        summary="Open a lead from a communication, of whoever it is from.",
    )
    def create_from(communication_id: UUID, body: LeadBody, asking: Asking) -> Response:
        def permit(tx: Transaction, kept: Kept) -> None:
            if not views.reaches(tx, communication_id, rows_of(asking.principal)):
                raise NotFound
            check_revision(asking, kept.revision)

        asked = AskedOf(communication_id, asking.principal.user, asking.cause, clock(), current_traceparent(), permit)
        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, lambda: opened(tx, entry.enter_from(tx, entered(body, asking, Customer()), asked)))

    return router


def _commanding(publisher: EventPublisher, commands: LeadCommands, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/leads/{lead_id}", tags=["leads"])
    progresses = Depends(requires("lead:progress"))
    assigns = Depends(requires("case:assign"))

    def do(lead_id: UUID, asking: Command, work: Callable[[Transaction, AskedOfLead], Lead]) -> Response:
        def answer() -> Answer:
            lead = work(tx, asked_of(lead_id, asking, clock))
            return Answer(_shown(tx, lead.id), revision=lead.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/edit",
        responses=gives(ListedLead, etag=True),
        dependencies=[progresses],
        summary="Change what the lead says; its type stays, and a contact that it has.",
    )
    def edit(lead_id: UUID, body: EditBody, asking: Asking) -> Response:
        return do(lead_id, asking, lambda tx, asked: commands.edit(tx, asked, body.edit()))

    @router.post(
        "/status",
        responses=gives(ListedLead, etag=True),
        dependencies=[progresses],
        summary="Set a status, and with it the life-cycle state.",
    )
    def set_status(lead_id: UUID, body: StatusBody, asking: Asking) -> Response:
        move = Move(body.status, body.reason, body.lost_reason or "")
        return do(lead_id, asking, lambda tx, asked: commands.set_status(tx, asked, move))

    @router.post(
        "/win",
        responses=gives(ListedLead, etag=True),
        dependencies=[progresses],
        summary="Win it; a type with automatic conversion creates the account.",
    )
    def win(lead_id: UUID, body: ReasonBody, asking: Asking) -> Response:
        return do(lead_id, asking, lambda tx, asked: commands.close(tx, asked, LeadLifeCycle.WON, body.reason))

    @router.post("/lose", responses=gives(ListedLead, etag=True), dependencies=[progresses], summary="Lose it, for a reason.")
    def lose(lead_id: UUID, body: LoseBody, asking: Asking) -> Response:
        return do(lead_id, asking, lambda tx, asked: commands.close(tx, asked, LeadLifeCycle.LOST, body.reason, body.lost_reason or ""))

    @router.post("/cancel", responses=gives(ListedLead, etag=True), dependencies=[progresses], summary="Cancel it, while it is pending.")
    def cancel(lead_id: UUID, body: ReasonBody, asking: Asking) -> Response:
        return do(lead_id, asking, lambda tx, asked: commands.close(tx, asked, LeadLifeCycle.CANCELLED, body.reason))

    @router.post(
        "/assign", responses=gives(ListedLead, etag=True), dependencies=[assigns], summary="Give the lead to a unit, a user, or both."
    )
    def assign(lead_id: UUID, body: AssignBody, asking: Asking) -> Response:
        return do(lead_id, asking, lambda tx, asked: commands.assign(tx, asked, body.unit, body.owner, body.reason))

    @router.post("/accept", responses=gives(ListedLead, etag=True), dependencies=[progresses], summary="Take a lead of one's own unit.")
    def accept(lead_id: UUID, asking: Asking) -> Response:
        return do(lead_id, asking, commands.accept)

    @router.post(
        "/notes", responses=gives(Note, 201), status_code=201, dependencies=[progresses], summary="Write a note on it, closed or not."
    )
    def write_note(lead_id: UUID, body: NoteBody, asking: Asking) -> Response:
        def answer() -> Answer:
            note = commands.note(tx, asked_of(lead_id, asking, clock), body.text)
            return Answer({"id": note.id, "text": note.text, "author": note.author, "written_at": note.written_at}, 201)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


def asked_of(lead_id: UUID, asking: Command, clock: Clock, *, checks_revision: bool = True) -> AskedOfLead:
    """A command on a lead as the handlers take it."""
    principal = asking.principal

    def permit(lead: Lead) -> None:
        if not may_see(principal, lead.unit, lead.owner):
            raise NotFound
        if checks_revision:
            check_revision(asking, lead.revision)

    return AskedOfLead(lead_id, Actor(principal.user, principal.unit), asking.cause, clock(), current_traceparent(), permit)


def visible_lead(tx: Transaction, lead_id: UUID, principal: Principal) -> dict[str, Any]:
    """The lead as it is shown. Raises `NotFound` where the caller does not reach it."""
    found = lead_views.show(tx, lead_id)
    if found is None or not may_see(principal, found["unit"], found["owner"]):
        raise NotFound
    return found


def _shown(tx: Transaction, lead_id: UUID) -> dict[str, Any]:
    found = lead_views.show(tx, lead_id)
    assert found is not None  # noqa: S101 - it is locked by this transaction
    return _described(found)


def _described(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in described_case(row).items() if name not in ("sort_key", "customer_phone")}
    shown["customer"]["phone"] = row["customer_phone"]
    shown["customer"]["account_number"] = shown.pop("account_number")
    return shown


def _sort(text: str) -> Sort:
    by = text.removeprefix("-")
    if by not in SORTS:
        raise Problem(422, f"Leads are not sorted by {by[:40]!r}.", sorts=sorted(SORTS))
    return Sort(by, text.startswith("-"))


def _after(page: PageRequest, order: Sort) -> tuple[str, str] | None:
    keys = page.keys(3)
    if keys is None:
        return None
    if keys[0] != f"{order.by} {order.descending}" or not all(isinstance(key, str) for key in keys):
        raise _bad_cursor()
    place = str(keys[1]), str(keys[2])
    _check_key(order.by, *place)
    return place


def _check_key(by: str, key: str, id: str) -> None:
    """A made-up cursor must not reach the database, which would break on it."""
    try:
        UUID(id)
        if by.endswith("_at") and key != "infinity":
            datetime.fromisoformat(key)
        if by in ("priority", "importance"):
            int(key)
    except ValueError as error:
        raise _bad_cursor() from error


def _place(keys: tuple[Any, ...]) -> tuple[datetime, UUID]:
    try:
        return datetime.fromisoformat(str(keys[0])), UUID(str(keys[1]))
    except ValueError as error:
        raise _bad_cursor() from error


def _bad_cursor() -> Problem:
    return Problem(400, "The cursor is not one that this list gave; start without it.")
