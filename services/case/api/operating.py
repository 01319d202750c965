"""Counts, and sending the present state again: for whoever runs the service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.case.api.reach import Asking
from services.case.api.shapes.customers import AccountsRepublished
from services.case.api.shapes.declaring import gives
from services.case.handlers.commands import republish
from services.case.handlers.contacts import Origin, republish_accounts
from services.case.handlers.leads.commands import republish as republish_leads
from services.case.storage import views
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.storage import Transaction
from shared.web import Command, requires

CHUNK = 500
"""Records in one transaction: what is locked at once stays small."""


def operating(publisher: EventPublisher, clock: Clock) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operation"])
    republishes = Depends(requires("republish"))

    @router.get("/counts", dependencies=[Depends(requires("status:read"))], summary="How many records there are.")
    def counts() -> dict[str, int]:
        with publisher.database.read() as tx:
            return views.counts(tx)

    def accounts_after(tx: Transaction, after: UUID | None, asking: Command, limit: int) -> list[UUID]:
        return republish_accounts(tx, Origin(asking.principal.user, asking.cause, clock(), current_traceparent()), after, limit)

    @router.post(
        "/republish",
        status_code=202,
        dependencies=[republishes],
        summary="Publish every case, every lead and every account as it is now.",
    )
    def republish_all(asking: Asking) -> dict[str, int]:
        def cases(tx: Transaction, after: UUID | None) -> list[UUID]:
            return republish(tx, after, asking.cause, clock(), current_traceparent())

        def leads(tx: Transaction, after: UUID | None) -> list[UUID]:
            return republish_leads(tx, after, asking.cause, clock(), current_traceparent())

        def accounts(tx: Transaction, after: UUID | None) -> list[UUID]:
            return accounts_after(tx, after, asking, CHUNK)

        count = 0
        for again in (cases, leads, accounts):
            after: UUID | None = None
            while True:
                with publisher.transaction() as tx:
                    ids = again(tx, after)
                if not ids:
                    break
                count, after = count + len(ids), ids[-1]
        return {"republished": count}

    @router.post(
        "/republish/accounts",
        status_code=202,
        responses=gives(AccountsRepublished, 202),
        dependencies=[republishes],
        summary="Publish the next accounts, in the order of their ids, as they are now.",
    )
    def republish_some(
        asking: Asking,
        after: Annotated[UUID | None, Query(description="`next` of the answer before; none: from the first.")] = None,
        limit: Annotated[int, Query(ge=1, le=CHUNK, description="Most accounts of this request.")] = CHUNK,
    ) -> AccountsRepublished:
        with publisher.transaction() as tx:
            ids = accounts_after(tx, after, asking, limit)
        return AccountsRepublished(republished=len(ids), next=ids[-1] if len(ids) == limit else None)

    return router
