"""The page of a customer: what is to be seen before speaking with them (CON-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.domain.customers import Customer
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import due_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.customers import Customers
from services.desk.gateways.tasks import TaskList, Tasks
from shared.clock import Clock
from shared.handles import LONGEST_HANDLE
from shared.web import Forbidden

Kind = Literal["email", "phone", "x", "other"]
LONGEST_NOTE = 20_000
DONE = {
    "noted": "The note is written.",
    "merged": "Done: both are one customer now, this one.",
    "written": "Your message is on its way.",
    "restored": "Done: messages go there again.",
}


def customer_pages(
    browser: Browser, customers: Customers, tasks: Tasks, organisation: Callable[[], Organisation], clock: Clock
) -> APIRouter:
    """`/contacts/{id}`, and where its form goes to."""
    router = APIRouter(prefix="/contacts/{contact}", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    def page(
        visitor: Visitor, contact: UUID, *, message: str = "", trouble: str = "", error: str = "", text: str = "", status: int = 200
    ) -> Response:
        """`error` is about the note that somebody wrote, `trouble` about any other step."""
        if not visitor.may("case:read"):
            raise Forbidden("Your roles do not open this page; it needs the permission case:read.")
        try:
            found = customers.one(visitor.token.token, contact)
        except Away:
            return browser.page("unread.html", visitor, 503, reason="", again=f"/contacts/{contact}")
        except Refused as refused:
            return browser.page("unread.html", visitor, 404, reason=str(refused), again=f"/contacts/{contact}")
        if found.merged_into is not None:
            return see_other(f"/contacts/{found.merged_into}")
        now, around = clock(), organisation()
        return browser.page(
            "customer.html",
            visitor,
            status,
            customer=found,
            tasks=_tasks_of(visitor, found),
            names=around,
            when=lambda at: due_words(at, now, around.zone),
            now=now,
            key=uuid4(),
            longest=LONGEST_NOTE,
            message=message,
            trouble=trouble,
            error=error,
            text=text,
        )

    def _tasks_of(visitor: Visitor, customer: Customer) -> TaskList | None:
        """Their open tasks; None: they cannot be read just now."""
        if not visitor.may("task:read"):
            return TaskList((), False)
        try:
            return tasks.of_customer(visitor.token.token, (customer.id, *customer.merged))
        except (Away, Refused):
            return None

    @router.get("")
    def one_customer(contact: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        return page(visitor, contact, message=DONE.get(done, ""))

    @router.post("/notes", dependencies=[Depends(from_our_own_page)])
    def write_note(
        contact: UUID,
        key: Annotated[UUID, Form()],
        text: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        if not visitor.may("note:write"):
            raise Forbidden("Your roles do not allow this; it needs the permission note:write.")
        # Browsers send each line's end as two characters.
        said = text.replace("\r\n", "\n").strip()
        if not said:
            return page(visitor, contact, error="Write something first.", status=422)
        if len(said) > LONGEST_NOTE or "\x00" in said:
            return page(visitor, contact, error=f"A note has {LONGEST_NOTE} characters at most.", text=text, status=422)
        try:
            customers.note(visitor.token.token, contact, said, key)
        except Away:
            return page(visitor, contact, error="The note is not written: the case service does not answer.", text=text, status=503)
        except Refused as refused:
            return page(visitor, contact, error=str(refused), text=text, status=409)
        return see_other(f"/contacts/{contact}?done=noted")

    @router.post("/restore", dependencies=[Depends(from_our_own_page)])
    def restore(
        contact: UUID,
        key: Annotated[UUID, Form()],
        kind: Annotated[Kind, Form()],
        handle: Annotated[str, Form(max_length=LONGEST_HANDLE)],
        case: Annotated[UUID | None, Form()] = None,
        visitor: Visitor = signed_in,
    ) -> Response:
        if not visitor.may("contact:edit"):
            raise Forbidden("Your roles do not allow this; it needs the permission contact:edit.")
        try:
            customers.restore(visitor.token.token, contact, kind, handle, key)
        except Away:
            return page(visitor, contact, trouble="The case service does not answer. Try again in a moment.", status=503)
        except Refused as refused:
            return page(visitor, contact, trouble=str(refused), status=409)
        return see_other(f"/cases/{case}?done=restored" if case else f"/contacts/{contact}?done=restored")

    return router
