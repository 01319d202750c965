"""Accounts: a tenancy, a household, a company (CON-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.case.api.contacts import Name, Paging, Reader, Term, id_after, listed, number_after
from services.case.api.reach import Asking, refusals, rows_of
from services.case.api.shapes.customers import ListedAccount, ShownAccount
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.records import HistoryEntry
from services.case.domain.contacts import Account
from services.case.domain.notes import RecordKind
from services.case.handlers import contacts
from services.case.handlers.contacts import Origin
from services.case.handlers.rules import Rules
from services.case.storage import customers, notes
from shared.clock import Clock
from shared.messaging import EventPublisher, VersionCache
from shared.observability.tracing import current_traceparent
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, Principal, answer_once, check_revision, requires

Filter = Annotated[str | None, Query(description="Only those that have this.", max_length=64, pattern=r"^[^\x00]*$")]


class NewAccountBody(BaseModel):
    """An account; the codes are the configuration's, and empty where nothing is known."""

    model_config = ConfigDict(extra="forbid")
    name: Name = Field(min_length=1, examples=["12 Harbour Street"])
    kind: Term = Field("", examples=["tenancy"])
    area: Term = ""
    classification: Term = ""
    credit_rating: Term = ""


class AccountBody(BaseModel):
    """What is to change; what is left out stays, and an empty text empties."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[Name | None, Field(min_length=1, examples=["12 Harbour Street"])] = None
    kind: Term | None = None
    area: Term | None = None
    classification: Term | None = None
    credit_rating: Term | None = None


def accounts_router(publisher: EventPublisher, rules: VersionCache[Rules], clock: Clock) -> APIRouter:
    """`/accounts`."""
    router = APIRouter(prefix="/accounts", tags=["accounts"])
    database = publisher.database
    edits = Depends(requires("contact:edit"))

    def do(asking: Command, work: Callable[[Transaction, Origin], Account], status: int = 200) -> Response:
        asked = Origin(asking.principal.user, asking.cause, clock(), current_traceparent())

        def answer() -> Answer:
            account = work(tx, asked)
            return Answer(customers.show_account(tx, account.id), status, account.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("", responses=gives(Listed[ListedAccount]), summary="Accounts, in the order of their ids.")
    def list_accounts(
        principal: Reader,
        page: Paging,
        number: Filter = None,
        kind: Filter = None,
        area: Filter = None,
        classification: Filter = None,
        credit_rating: Filter = None,
    ) -> Response:
        filters = {"number": number, "kind": kind, "area": area, "classification": classification, "credit_rating": credit_rating}
        with database.read() as tx:
            found = customers.list_accounts(tx, rows_of(principal), filters, id_after(page), page.limit + 1)
        return listed(found, page)

    @router.get("/{account_id}", responses=gives(ShownAccount, etag=True), summary="An account with its contacts and its newest notes.")
    def show_account(account_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            visible_account(tx, account_id, principal)
            found = customers.show_account(tx, account_id)
            if found is None:
                raise NotFound
            more = {
                "contacts": customers.contacts_of(tx, account_id),
                "notes": notes.of_record(tx, RecordKind.ACCOUNT, account_id, 10),
            }
        return Answer(found | more, revision=found["revision"]).response()

    @router.get("/{account_id}/history", responses=gives(Listed[HistoryEntry]), summary="Every change of an account, the oldest first.")
    def show_history(account_id: UUID, principal: Reader, page: Paging) -> Response:
        with database.read() as tx:
            visible_account(tx, account_id, principal)
            found = notes.history_of(tx, RecordKind.ACCOUNT, account_id, number_after(page), page.limit + 1)
        return listed(found, page)

    @router.post("", responses=gives(ListedAccount, 201, etag=True), status_code=201, dependencies=[edits], summary="Make an account.")
    def create(body: NewAccountBody, asking: Asking) -> Response:
        values = Account(UUID(int=0), 1, "", body.name, body.kind, body.area, body.classification, body.credit_rating, clock())
        return do(asking, lambda tx, asked: contacts.create_account(tx, asked, rules.get().customers, values), 201)

    @router.post("/{account_id}", responses=gives(ListedAccount, etag=True), dependencies=[edits], summary="Change an account.")
    def edit(account_id: UUID, body: AccountBody, asking: Asking) -> Response:
        def work(tx: Transaction, asked: Origin) -> Account:
            visible_account(tx, account_id, asking.principal)
            terms, values = rules.get().customers, body.model_dump()
            return contacts.edit_account(tx, asked, terms, account_id, lambda revision: check_revision(asking, revision), values)

        return do(asking, work)

    return router


def visible_account(tx: Transaction, account_id: UUID, principal: Principal) -> list[UUID]:
    """The account, alone. Raises `NotFound`: there is none, or the caller, who reaches only their own cases, has none of its contacts'."""
    if not customers.reaches_account(tx, account_id, rows_of(principal)):
        raise NotFound
    return [account_id]
