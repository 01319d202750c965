"""Addresses that are not written to: those that mail came back from, and the whole suppression list (role `api`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from services.notify.domain.suppressions import Suppression
from services.notify.storage import suppressions
from services.notify.storage.suppressions import Removed
from shared.clock import Clock, utc_now
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.schemas.events import AddressRevived
from shared.web import NotFound, Page, PageRequest, Principal, Problem, page_request, requires

log = get_logger(__name__)
REVIVER = Annotated[Principal, Depends(requires("delivery:revive"))]
SUPPRESSOR = Annotated[Principal, Depends(requires("suppression:manage"))]
Paging = Annotated[PageRequest, Depends(page_request)]
SUPPRESSIBLE = r"^(([^\x00\s@*]+|\*)@[^\x00\s@*]+|\+[1-9][0-9]{4,14})$"
Reason = Literal["bounced", "complained", "unsubscribed", "by_hand"]


class DeadAddress(BaseModel):
    """An address that refused a message for good: nothing is sent there. `status`: as RFC 3463 has it; `delivery_id`: what came back."""

    address: str
    status: str
    delivery_id: UUID
    since: datetime


AddressText = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=3, max_length=320, pattern=r"^[^\x00\s]+$")]


class ReviveBody(BaseModel):
    """In the body and not in the path, which is logged."""

    model_config = ConfigDict(extra="forbid")
    address: AddressText


class SuppressionView(BaseModel):
    """An address that is not written to, or a whole domain as `*@example.org`. `status`: what a bounce reported, as RFC 3463 has it, and
    `delivery_id` what came back. `added_by`: nobody, where mail bounced. `until`: from then on it does not count.
    """

    address: str
    reason: Reason
    status: str
    note: str
    added_by: str
    delivery_id: UUID | None
    since: datetime
    until: datetime | None


class SuppressBody(BaseModel):
    """An address, a whole domain as `*@example.org`, or a number (E.164), that is not to be written to."""

    model_config = ConfigDict(extra="forbid")
    address: Annotated[
        str,
        StringConstraints(strip_whitespace=True, to_lower=True, max_length=320, pattern=SUPPRESSIBLE),
    ]
    reason: Literal["complained", "unsubscribed", "by_hand"] = "by_hand"
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")] = ""
    until: AwareDatetime | None = None


class SuppressionChange(BaseModel):
    """What an operator did to the list. The address of a customer who was erased is empty."""

    id: int
    at: datetime
    by_user: str
    what: Literal["added", "removed"]
    address: str
    reason: Reason
    note: str
    until: datetime | None


def addresses_router(publisher: EventPublisher, clock: Clock = utc_now) -> APIRouter:
    """`GET /dead-addresses` and `POST /dead-addresses/revive`."""
    router = APIRouter(tags=["addresses"])
    database = publisher.database

    @router.get("/dead-addresses", summary="Addresses that mail came back from for good, by name.")
    def listed(_principal: REVIVER, page: Paging) -> Page[DeadAddress]:
        after = page.keys(1)
        if after and not isinstance(after[0], str):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = suppressions.listed(tx, after[0] if after else "", page.limit + 1, "bounced")
        shown = rows[: page.limit]
        following = page.following(len(rows), shown, lambda row: (row["address"],))
        return Page(items=[DeadAddress(**{name: row[name] for name in DeadAddress.model_fields}) for row in shown], next=following)

    @router.post("/dead-addresses/revive", status_code=204, summary="Write to an address again.")
    def revive(body: ReviveBody, principal: REVIVER) -> None:
        gone = _remove(publisher, clock(), body.address, principal.user, "bounced")
        log.info("dead address revived", delivery=str(gone.delivery_id), by=principal.user)

    return router


def suppressions_router(publisher: EventPublisher, clock: Clock = utc_now) -> APIRouter:
    """`GET` and `POST /suppressions`, `POST /suppressions/remove` and `GET /suppressions/changes`."""
    router = APIRouter(prefix="/suppressions", tags=["addresses"])
    database = publisher.database

    @router.get("", summary="Addresses and domains that are not written to, by name.")
    def listed(
        _principal: SUPPRESSOR, page: Paging, reason: Annotated[Reason | None, Query(description="For this reason.")] = None
    ) -> Page[SuppressionView]:
        after = page.keys(1)
        if after and not isinstance(after[0], str):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = suppressions.listed(tx, after[0] if after else "", page.limit + 1, reason)
        shown = rows[: page.limit]
        following = page.following(len(rows), shown, lambda row: (row["address"],))
        return Page(items=[SuppressionView(**row) for row in shown], next=following)

    @router.post("", status_code=204, summary="Write to an address or a whole domain no more; what waits for it has failed.")
    def add(body: SuppressBody, principal: SUPPRESSOR) -> None:
        if body.until is not None and body.until <= clock():
            raise Problem(422, "until is in the past: the entry would never count.")
        with database.transaction() as tx:
            suppressions.add(tx, Suppression(body.address, body.reason, note=body.note, until=body.until), principal.user)
        log.info("address suppressed", reason=body.reason, by=principal.user)

    @router.post("/remove", status_code=204, summary="Write to it again.")
    def remove(body: ReviveBody, principal: SUPPRESSOR) -> None:
        _remove(publisher, clock(), body.address, principal.user)
        log.info("address no longer suppressed", by=principal.user)

    @router.get("/changes", summary="What operators did to the list, the newest first.")
    def changes(_principal: SUPPRESSOR, page: Paging) -> Page[SuppressionChange]:
        after = page.keys(1)
        if after and not isinstance(after[0], int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = suppressions.changes(tx, after[0] if after else None, page.limit + 1)
        shown = rows[: page.limit]
        following = page.following(len(rows), shown, lambda row: (row["id"],))
        return Page(items=[SuppressionChange(**row) for row in shown], next=following)

    return router


def _remove(publisher: EventPublisher, now: datetime, address: str, user: str, reason: str | None = None) -> Removed:
    """Take an entry off the list; that one which bounced is written to again is told, since case has it marked. Raises `NotFound`."""
    with publisher.transaction() as tx:
        gone = suppressions.remove(tx, address, user, reason)
        if gone is None:
            raise NotFound
        if gone.reason == "bounced":
            # Each is an aggregate of its own: nobody keeps a state of addresses by these events.
            id = derive("revival of an address", gone.change, now)
            kind: Literal["email", "phone"] = "email" if "@" in address else "phone"
            told = AddressRevived(revival_id=id, kind=kind, address=address, revived_by=user)
            tx.emit(told, aggregate_id=id, key=id, revision=1, cause=id, time=now, traceparent=current_traceparent())
    return gone
