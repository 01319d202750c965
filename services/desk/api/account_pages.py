"""The page of an account: a tenancy, a household, a company, with its contacts and notes (CON-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.customer_pages import LONGEST_NOTE
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.customers import Customers
from shared.clock import Clock


def account_pages(browser: Browser, customers: Customers, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/accounts/{id}`, and where its form goes to."""
    router = APIRouter(prefix="/accounts/{account}", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    def page(visitor: Visitor, account: UUID, *, message: str = "", error: str = "", text: str = "", status: int = 200) -> Response:
        require(visitor, "case:read")
        try:
            found = customers.account(visitor.token.token, account)
        except Away:
            return unread(browser, visitor, f"/accounts/{account}")
        except Refused as refused:
            return unread(browser, visitor, f"/accounts/{account}", str(refused))
        around = organisation()
        return browser.page(
            "account.html",
            visitor,
            status,
            account=found,
            names=around,
            when=when_of(clock, around),
            key=uuid4(),
            longest=LONGEST_NOTE,
            message=message,
            error=error,
            text=text,
        )

    @router.get("")
    def one_account(account: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        return page(visitor, account, message="The note is written." if done == "noted" else "")

    @router.post("/notes", dependencies=[Depends(from_our_own_page)])
    def write_note(
        account: UUID,
        key: Annotated[UUID, Form()],
        text: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "note:write")
        # Browsers send each line's end as two characters.
        said = text.replace("\r\n", "\n").strip()
        if not said:
            return page(visitor, account, error="Write something first.", status=422)
        if len(said) > LONGEST_NOTE or "\x00" in said:
            return page(visitor, account, error=f"A note has {LONGEST_NOTE} characters at most.", text=text, status=422)
        try:
            customers.note_account(visitor.token.token, account, said, key)
        except Away:
            return page(visitor, account, error="The note is not written: the case service does not answer.", text=text, status=503)
        except Refused as refused:
            return page(visitor, account, error=str(refused), text=text, status=409)
        return see_other(f"/accounts/{account}?done=noted")

    return router
