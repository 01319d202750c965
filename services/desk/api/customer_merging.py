"""The page that merges a customer into the one who they are, and undoes that (EDGE-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.customers import HANDLE_WORDS, Found
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.customers import Customers
from shared.clock import Clock

Kind = Literal["email", "phone", "x", "other"]


def customer_merging_pages(browser: Browser, customers: Customers, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/contacts/{id}/merge`, and where its forms go to."""
    router = APIRouter(prefix="/contacts/{contact}", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    ours = [Depends(from_our_own_page)]

    def page(
        visitor: Visitor, contact: UUID, kind: Kind = "email", handle: str = "", *, error: str = "", message: str = "", status: int = 200
    ) -> Response:
        token, again = visitor.token.token, f"/contacts/{contact}/merge"
        found: tuple[Found, ...] | None = None
        try:
            customer, merges = customers.one(token, contact), customers.merges(token, contact)
            if customer.merged_into is not None:
                return see_other(f"/contacts/{customer.merged_into}/merge")
            if handle:
                try:
                    found = tuple([one for one in customers.with_handle(token, kind, handle) if one.id != contact])
                except Refused as refused:
                    error, status = str(refused), 422
        except Away:
            return unread(browser, visitor, again)
        except Refused as refused:
            return unread(browser, visitor, again, str(refused))
        around = organisation()
        return browser.page(
            "customer_merging.html",
            visitor,
            status,
            customer=customer,
            merges=merges,
            found=found,
            kind=kind,
            kinds=HANDLE_WORDS,
            handle=handle,
            key=uuid4(),
            names=around,
            when=when_of(clock, around),
            error=error,
            message=message,
        )

    def do(visitor: Visitor, contact: UUID, work: Callable[[str], None], done: str) -> Response:
        require(visitor, "contact:merge")
        try:
            work(visitor.token.token)
        except Away:
            return browser.page("case_away.html", visitor, 503, back=f"/contacts/{contact}/merge")
        except Refused as refused:
            return page(visitor, contact, error=str(refused), status=409)
        return see_other(done)

    @router.get("/merge")
    def merging(
        contact: UUID,
        visitor: Visitor = signed_in,
        kind: Kind = "email",
        handle: Annotated[str, Query(max_length=320, pattern=r"^[^\x00]*$")] = "",
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        require(visitor, "contact:merge")
        require(visitor, "case:read")
        return page(visitor, contact, kind, handle.strip(), message="Done: it is again as it was." if done == "undone" else "")

    @router.post("/merge", dependencies=ours)
    def merge(
        contact: UUID,
        into: Annotated[UUID, Form()],
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        visitor: Visitor = signed_in,
    ) -> Response:
        return do(visitor, contact, lambda token: customers.merge(token, contact, revision, into, key), f"/contacts/{into}?done=merged")

    @router.post("/merge/undo", dependencies=ours)
    def undo(contact: UUID, merge: Annotated[UUID, Form()], key: Annotated[UUID, Form()], visitor: Visitor = signed_in) -> Response:
        return do(visitor, contact, lambda token: customers.undo(token, merge, key), f"/contacts/{contact}/merge?done=undone")

    return router
