"""Products: the catalogue, those of a case, an account's goods; their warranty and return (CASE-14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import Asking, may_see, refusals
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.products import AccountProduct, CaseProduct, ProductCheck, RemovedProduct
from services.case.domain.case import Case
from services.case.domain.products import Holder, Item, ProductRefused
from services.case.handlers.products import AskedOfItem, ProductCommands, Told, UnknownItem
from services.case.storage import cases, products
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration.products import Products as Catalogue
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    NotFound,
    PageRequest,
    Principal,
    Problem,
    Unprocessable,
    answer_once,
    check_revision,
    page_request,
    requires,
)

Reader = Annotated[Principal, Depends(requires("case:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Serial = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(9000, 12, 31))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ItemBody(_Body):
    """A product; what is left out, the catalogue says."""

    product: Code = Field(examples=["boiler-24"])
    serial_number: Serial = Field(default="", examples=["B24-0001337"])
    issued_on: Day | None = Field(default=None, description="The day it left the warehouse.", examples=["2026-03-01"])
    warranty_until: Day | None = Field(
        default=None, description="The last day of its warranty; none: its issue date plus the catalogue's period.", examples=["2028-03-01"]
    )
    return_policy: Code | None = Field(default=None, description="None: the catalogue's default.", examples=["thirty-days"])

    def told(self) -> Told:
        """As the commands take it."""
        return Told(self.product, self.serial_number, self.issued_on, self.warranty_until, self.return_policy)


class WarrantyBody(_Body):
    """Is it covered? `replace`: have it replaced by a planned task if it is; refused (409) if it is not."""

    on: Day | None = Field(default=None, description="The day that the customer asked; none: today.", examples=["2026-11-23"])
    replace: bool = Field(default=False, examples=[True])


class ReturnBody(_Body):
    """May it come back, and for what?"""

    on: Day | None = Field(default=None, description="The day that it comes back; none: today.", examples=["2026-11-23"])
    reason: Code = Field(description="A coverage reason of its return policy.", examples=["faulty"])


def products_router(publisher: EventPublisher, reference: ReferenceData, commands: ProductCommands, clock: Clock) -> APIRouter:
    """`/products`, `/cases/{id}/products` and `/accounts/{id}/products`."""
    router = APIRouter(tags=["products"])

    @router.get(
        "/products",
        responses=gives(Catalogue),
        dependencies=[Depends(requires("case:read"))],
        summary="The catalogue of the newest configuration.",
    )
    def catalogue() -> Response:
        return Answer(reference.configuration(reference.version).products.model_dump(mode="json")).response()

    router.include_router(_holder_router(Holder.CASE, publisher, commands, clock))
    router.include_router(_holder_router(Holder.ACCOUNT, publisher, commands, clock))
    return router


def _holder_router(holder: Holder, publisher: EventPublisher, commands: ProductCommands, clock: Clock) -> APIRouter:
    router = APIRouter(prefix=f"/{holder}s/{{holder_id}}/products")
    database = publisher.database
    progresses, checks = Depends(requires("case:progress")), Depends(requires("product:check"))
    shape, page_shape = (CaseProduct, Listed[CaseProduct]) if holder is Holder.CASE else (AccountProduct, Listed[AccountProduct])
    of = "a case" if holder is Holder.CASE else "an account"

    def do(asking: Command, holder_id: UUID, work: Callable[[Transaction, AskedOfItem], Answer]) -> Response:
        principal = asking.principal

        def permit(case: Case) -> None:
            if not may_see(principal, case.unit, case.owner):
                raise NotFound

        def expect(revision: int) -> None:
            check_revision(asking, revision)

        asked = AskedOfItem(holder, holder_id, principal.user, asking.cause, clock(), current_traceparent(), permit, expect)
        with refusals(), _refusals(), publisher.transaction() as tx:
            if holder is Holder.ACCOUNT:
                _require_account(tx, holder_id, principal)
            return answer_once(tx, asking, lambda: work(tx, asked))

    def read(holder_id: UUID, principal: Principal, find: Callable[[Transaction], Any]) -> Any:
        with database.read() as tx:
            if holder is Holder.ACCOUNT:
                _require_account(tx, holder_id, principal)
            else:
                case = cases.get(tx, holder_id)
                if case is None or not may_see(principal, case.unit, case.owner):
                    raise NotFound
            found = find(tx)
        if found is None:
            raise NotFound
        return found

    def show(item: Item, status: int = 200) -> Answer:
        shown = item._asdict()
        shown[f"{holder}_id"] = shown.pop("holder_id")
        return Answer(shown, status, item.revision)

    @router.get("", responses=gives(page_shape), summary=f"The products of {of}.")
    def list_items(holder_id: UUID, principal: Reader, page: Paging) -> Response:
        keys = page.keys(1)
        after = None if keys is None else _uuid(keys[0])
        found = read(holder_id, principal, lambda tx: products.of_holder(tx, holder, holder_id, after, page.limit + 1))
        items = found[: page.limit]
        return Answer({"items": items, "next": page.following(len(found), items, lambda row: (str(row["id"]),))}).response()

    @router.post("", responses=gives(shape, 201, etag=True), status_code=201, dependencies=[progresses], summary=f"Add a product to {of}.")
    def add(holder_id: UUID, body: ItemBody, asking: Asking) -> Response:
        return do(asking, holder_id, lambda tx, asked: show(commands.add(tx, asked, body.told()), 201))

    @router.get("/{item_id}", responses=gives(shape, etag=True), summary=f"One product of {of}.")
    def show_item(holder_id: UUID, item_id: UUID, principal: Reader) -> Response:
        found = read(holder_id, principal, lambda tx: products.shown(tx, holder, holder_id, item_id))
        return Answer(found, revision=found["revision"]).response()

    @router.put("/{item_id}", responses=gives(shape, etag=True), dependencies=[progresses], summary="Tell all of it anew.")
    def change(holder_id: UUID, item_id: UUID, body: ItemBody, asking: Asking) -> Response:
        return do(asking, holder_id, lambda tx, asked: show(commands.change(tx, asked, item_id, body.told())))

    @router.delete(
        "/{item_id}",
        responses=gives(RemovedProduct),
        dependencies=[progresses],
        summary=f"Take it from {of}; what was checked on it stays.",
    )
    def remove(holder_id: UUID, item_id: UUID, asking: Asking) -> Response:
        def work(tx: Transaction, asked: AskedOfItem) -> Answer:
            commands.remove(tx, asked, item_id)
            return Answer({"removed": item_id})

        return do(asking, holder_id, work)

    @router.post(
        "/{item_id}/return-check",
        responses=gives(ProductCheck),
        dependencies=[checks],
        summary="Whether it may come back, and whether it is covered or refundable.",
    )
    def check_return(holder_id: UUID, item_id: UUID, body: ReturnBody, asking: Asking) -> Response:
        return do(
            asking, holder_id, lambda tx, asked: Answer(commands.check_return(tx, asked, item_id, body.on, body.reason)._asdict(), 200)
        )

    @router.get("/{item_id}/checks", responses=gives(Listed[ProductCheck]), summary="What was decided on it, the newest first.")
    def list_checks(holder_id: UUID, item_id: UUID, principal: Reader, page: Paging) -> Response:
        after = page.place()
        found = read(holder_id, principal, lambda tx: products.checks_of(tx, holder, holder_id, item_id, after, page.limit + 1))
        items = found[: page.limit]
        following = page.following(len(found), items, lambda row: (row["checked_at"].isoformat(), str(row["id"])))
        return Answer({"items": items, "next": following}).response()

    if holder is Holder.CASE:

        @router.post(
            "/{item_id}/warranty-check",
            responses=gives(ProductCheck),
            dependencies=[checks],
            summary="Whether its warranty covers it; have it replaced if so.",
        )
        def check_warranty(holder_id: UUID, item_id: UUID, body: WarrantyBody, asking: Asking) -> Response:
            return do(
                asking,
                holder_id,
                lambda tx, asked: Answer(commands.check_warranty(tx, asked, item_id, body.on, body.replace)._asdict(), 200),
            )

    return router


def _require_account(tx: Transaction, account_id: UUID, principal: Principal) -> None:
    """An account is for whoever may see a case; those who see only their own, only where they have one of the account's."""
    if principal.scope == "own" and not products.has_case(tx, account_id, principal.user):
        raise NotFound


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except UnknownItem as error:
        raise NotFound from error
    except ProductRefused as error:
        raise Unprocessable(str(error), what=error.what, why=error.why) from error


def _uuid(value: Any) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error
