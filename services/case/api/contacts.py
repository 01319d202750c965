"""Contacts: what is to be seen before speaking with a customer, and what staff change (CON-1, CON-2, EDGE-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import READS, Asking, described_case, refusals, rows_of
from services.case.api.shapes.customers import ContactMerge, CustomerPage, ListedContact, ListedContactMerge
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.records import HistoryEntry
from services.case.domain.contacts import Contact, checked_handle
from services.case.domain.notes import RecordKind
from services.case.handlers import contact_merging as merging
from services.case.handlers import contacts, undeliverable
from services.case.handlers.contacts import Origin, Permit
from services.case.handlers.rules import Rules
from services.case.storage import contact_merges as merges
from services.case.storage import customers, notes, views
from shared.clock import Clock
from shared.handles import LONGEST_HANDLE
from shared.messaging import EventPublisher, VersionCache
from shared.observability.tracing import current_traceparent
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

Reader = Annotated[Principal, Depends(requires("case:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]*$", strip_whitespace=True)]
Value = Annotated[str, StringConstraints(max_length=LONGEST_HANDLE, pattern=r"^[^\x00]*$", strip_whitespace=True)]
Term = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9-]*$")]
Kind = Literal["email", "phone", "x", "other"]
MOST_OPEN = 100
"""Open cases on a customer's page; how many there are is told besides."""
NEWEST = 10
"""Communications and notes on a customer's page."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HandleBody(_Body):
    """A handle. Phone numbers with + and the country's code."""

    kind: Kind
    value: Value = Field(min_length=1, examples=["+44 1632 960001"])


class NewContactBody(_Body):
    """A contact made by hand; the address is one of its handles."""

    name: Name = Field(min_length=1, examples=["Ann Customer"])
    email: Value = ""
    area: Term = ""
    handles: Annotated[tuple[HandleBody, ...], Field(max_length=20)] = ()


class ContactBody(_Body):
    """What is to change; what is left out stays, and an empty text empties."""

    name: Name | None = Field(default=None, examples=["Ann Customer"])
    email: Value | None = Field(default=None, examples=["ann@customer.example"])
    area: Term | None = None


class AccountOfBody(_Body):
    """The account that the contact belongs to from now on; null: none."""

    account_id: UUID | None = Field(examples=["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"])


class MergeBody(_Body):
    """The contact that this one turned out to be."""

    into: UUID = Field(examples=["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"])


def contacts_router(publisher: EventPublisher, rules: VersionCache[Rules], clock: Clock) -> APIRouter:
    """`/contacts` and `/contact-merges`."""
    router = APIRouter(tags=["contacts"])
    database = publisher.database
    edits, merges_them = Depends(requires("contact:edit")), Depends(requires("contact:merge"))

    def do(asking: Command, contact_id: UUID | None, work: Callable[[Transaction, Origin, Permit], Contact], status: int = 200) -> Response:
        def answer() -> Answer:
            if contact_id is not None:
                require_reached(tx, contact_id, asking.principal)
            changed = work(tx, origin(asking), lambda revision: check_revision(asking, revision))
            return Answer(customers.show_contact(tx, changed.id), status, changed.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def origin(asking: Command) -> Origin:
        return Origin(asking.principal.user, asking.cause, clock(), current_traceparent())

    @router.get("/contacts", responses=gives(Listed[ListedContact]), summary="Contacts with their handles, in the order of their ids.")
    def list_contacts(
        principal: Reader,
        page: Paging,
        kind: Annotated[Kind | None, Query(description="With `handle`: only those who have it.")] = None,
        handle: Annotated[
            str | None, Query(description="With `kind`: as it is, or as people write it.", max_length=LONGEST_HANDLE, pattern=r"^[^\x00]*$")
        ] = None,
        account_id: Annotated[UUID | None, Query(description="Only those of this account.")] = None,
        state: Annotated[Literal["prospect", "financial"] | None, Query(description="Financial ones have an account.")] = None,
        area: Annotated[str | None, Query(description="Only those of this area.", max_length=64, pattern=r"^[^\x00]*$")] = None,
    ) -> Response:
        if (kind is None) != (handle is None):
            raise Problem(422, "Give kind and handle together.")
        with refusals():
            wanted = checked_handle(kind, handle) if kind is not None and handle is not None else None
        filters = {"account_id": account_id, "state": state, "area": area}
        with database.read() as tx:
            found = customers.list_contacts(tx, rows_of(principal), wanted, filters, id_after(page), page.limit + 1)
        return listed(found, page)

    @router.get(
        "/contacts/{contact_id}",
        responses=gives(CustomerPage, etag=True),
        summary="The customer's page: all that is to be seen before speaking with them.",
    )
    def show_contact(contact_id: UUID, principal: Reader) -> Response:
        ranks = rules.get().priorities.priorities
        with database.read() as tx:
            found = _page_of(tx, contact_id, principal, ranks)
        return Answer(found, revision=found["revision"]).response()

    @router.get(
        "/contacts/{contact_id}/history", responses=gives(Listed[HistoryEntry]), summary="Every change of a contact, the oldest first."
    )
    def show_history(contact_id: UUID, principal: Reader, page: Paging) -> Response:
        with database.read() as tx:
            require_reached(tx, contact_id, principal)
            found = notes.history_of(tx, RecordKind.CONTACT, contact_id, number_after(page), page.limit + 1)
        return listed(found, page)

    @router.get(
        "/contacts/{contact_id}/merges",
        responses=gives(Listed[ListedContactMerge]),
        summary="The merges of and into a contact, the newest first; at most 100.",
    )
    def show_merges(contact_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            require_reached(tx, contact_id, principal)
            return Answer({"items": merges.merges_of(tx, contact_id, 100), "next": None}).response()

    @router.post(
        "/contacts",
        responses=gives(ListedContact, 201, etag=True),
        status_code=201,
        dependencies=[edits],
        summary="Make a contact by hand.",
    )
    def create(body: NewContactBody, asking: Asking) -> Response:
        values = Contact(UUID(int=0), 1, None, body.name, body.email, clock(), area=body.area)
        handles = [(handle.kind, handle.value) for handle in body.handles]
        return do(asking, None, lambda tx, asked, _: contacts.create(tx, asked, rules.get().customers, values, handles), 201)

    @router.post(
        "/contacts/{contact_id}", responses=gives(ListedContact, etag=True), dependencies=[edits], summary="Change name, address or area."
    )
    def edit(contact_id: UUID, body: ContactBody, asking: Asking) -> Response:
        terms = rules.get().customers
        given = (body.name, body.email, body.area)
        return do(asking, contact_id, lambda tx, asked, permit: contacts.edit(tx, asked, terms, contact_id, permit, *given))

    @router.post(
        "/contacts/{contact_id}/handles",
        responses=gives(ListedContact, etag=True),
        dependencies=[edits],
        summary="Add a handle; others may have it too.",
    )
    def add_handle(contact_id: UUID, body: HandleBody, asking: Asking) -> Response:
        handle = (body.kind, body.value)
        return do(asking, contact_id, lambda tx, asked, permit: contacts.add_handle(tx, asked, contact_id, permit, *handle))

    @router.post(
        "/contacts/{contact_id}/handles/remove", responses=gives(ListedContact, etag=True), dependencies=[edits], summary="Remove a handle."
    )
    def remove_handle(contact_id: UUID, body: HandleBody, asking: Asking) -> Response:
        handle = (body.kind, body.value)
        return do(asking, contact_id, lambda tx, asked, permit: contacts.remove_handle(tx, asked, contact_id, permit, *handle))

    @router.post(
        "/contacts/{contact_id}/handles/restore",
        responses=gives(ListedContact, etag=True),
        dependencies=[edits],
        summary="Take back that a handle is undeliverable: messages go there again.",
    )
    def restore_handle(contact_id: UUID, body: HandleBody, asking: Asking) -> Response:
        handle = (body.kind, body.value)
        return do(asking, contact_id, lambda tx, asked, permit: undeliverable.restore(tx, asked, contact_id, permit, *handle))

    @router.post(
        "/contacts/{contact_id}/account",
        responses=gives(ListedContact, etag=True),
        dependencies=[edits],
        summary="Put a contact into an account, which makes it financial.",
    )
    def put_into_account(contact_id: UUID, body: AccountOfBody, asking: Asking) -> Response:
        id = body.account_id
        return do(asking, contact_id, lambda tx, asked, permit: contacts.put_into_account(tx, asked, contact_id, permit, id))

    @router.post(
        "/contacts/{contact_id}/merge",
        responses=gives(ContactMerge),
        dependencies=[merges_them],
        summary="Merge a contact into the one that it is.",
    )
    def merge(contact_id: UUID, body: MergeBody, asking: Asking) -> Response:
        def answer() -> Answer:
            for id in (contact_id, body.into):
                require_reached(tx, id, asking.principal)
            done = merging.merge(tx, origin(asking), contact_id, body.into, lambda revision: check_revision(asking, revision))
            return Answer(done._asdict())

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/contact-merges/{merge_id}/undo", responses=gives(ContactMerge), dependencies=[merges_them], summary="Undo a merge of contacts."
    )
    def undo(merge_id: UUID, asking: Asking) -> Response:
        def answer() -> Answer:
            found = merges.get(tx, merge_id)
            if found is None:
                raise NotFound
            require_reached(tx, found.target, asking.principal)
            return Answer(merging.undo(tx, origin(asking), merge_id)._asdict())

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


def require_reached(tx: Transaction, contact_id: UUID, principal: Principal) -> None:
    """Raises `NotFound` where there is no such contact, or none of whom the caller has a case, if their own are all they reach."""
    if principal.scope == "own":
        reached = sum(customers.count_cases(tx, contact_id, rows_of(principal))) > 0
    else:
        reached = tx.row("select 1 from contacts where id = %s", (contact_id,)) is not None
    if not reached:
        raise NotFound


def visible_contact(tx: Transaction, contact_id: UUID, principal: Principal) -> list[UUID]:
    """The contact and those merged into it, whose notes are shown with it. Raises `NotFound`."""
    require_reached(tx, contact_id, principal)
    return merges.ids_with_merged(tx, contact_id)


def _page_of(tx: Transaction, contact_id: UUID, principal: Principal, ranks: tuple[str, ...]) -> dict[str, Any]:
    found, rows = customers.show_contact(tx, contact_id), rows_of(principal)
    if found is None:
        raise NotFound
    is_open, closed = customers.count_cases(tx, contact_id, rows)
    if principal.scope == "own" and not is_open + closed:
        raise NotFound
    account_id = found["account_id"]
    account = customers.show_account(tx, account_id) if account_id is not None else None
    if account is not None and account_id is not None:
        account["contacts"] = [one for one in customers.contacts_of(tx, account_id) if one["id"] != contact_id]
    shown = customers.open_cases(tx, contact_id, rows, views.CASE_COLUMNS, ranks, MOST_OPEN) if is_open else []
    together = merges.ids_with_merged(tx, contact_id)
    page = {
        "account": account,
        "merged": [id for id in together if id != contact_id],
        "open_cases": [described_case(row) for row in shown],
        "open_case_count": is_open,
        "closed_case_count": closed,
        "notes": notes.of_records(tx, RecordKind.CONTACT, together, NEWEST),
    }
    if principal.may(READS):
        page["communications"] = views.list_communications(tx, {"contact_id": contact_id}, rows, None, NEWEST)
    return found | page


def id_after(page: PageRequest) -> UUID | None:
    """The id that a list in the order of ids goes on after."""
    keys = page.keys(1)
    try:
        return None if keys is None else UUID(str(keys[0]))
    except ValueError as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error


def number_after(page: PageRequest) -> int:
    """The number of the entry that a history goes on after."""
    keys = page.keys(1)
    if keys is None:
        return 0
    if not isinstance(keys[0], int) or not 0 <= keys[0] < 2**63:
        raise Problem(400, "The cursor is not one that this list gave; start without it.")
    return keys[0]


def listed(found: list[dict[str, Any]], page: PageRequest) -> Response:
    """A page of what has an `id` that it is in the order of."""
    shown = found[: page.limit]
    return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["id"],))}).response()
