"""Adding a task to a case on its page (TASK-3)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.case_actions import ShowCase
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.tasks import Tasks
from shared.web import Forbidden


def case_tasks_router(browser: Browser, tasks: Tasks, show: ShowCase) -> APIRouter:
    """Where the form below the tasks of a case goes to."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(from_our_own_page)])
    signed_in: Visitor = Depends(browser.visitor)

    @router.post("/cases/{case}/tasks")
    def add(
        case: UUID,
        key: Annotated[UUID, Form()],
        definition: Annotated[str, Form(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")],
        visitor: Visitor = signed_in,
    ) -> Response:
        if not visitor.may("task:create"):
            raise Forbidden("Your roles do not allow this; it needs the permission task:create.")
        try:
            tasks.add(visitor.token.token, case, definition, f"desk-add-task-{key}")
        except Away:
            return browser.page("case_away.html", visitor, 503, back=f"/cases/{case}")
        except Refused as refused:
            return show(visitor, case, error=str(refused), status=409)
        return see_other(f"/cases/{case}?done=task-added")

    return router
