"""Counts, and sending the present state again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from services.task.handlers.republishing import CHUNK, republish_cases, republish_tasks
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import queries
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.storage import dead_letters
from shared.web import Command, command, requires

Asking = Annotated[Command, Depends(command)]


def operating(publisher: EventPublisher, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """Routes for whoever runs the service."""
    router = APIRouter(tags=["operation"])

    @router.get("/counts", dependencies=[Depends(requires("status:read"))], summary="How many records there are.")
    def counts() -> dict[str, int]:
        with publisher.database.read() as tx:
            return {"tasks": queries.count_tasks(tx), "dead_letters": dead_letters.count_open(tx)}

    @router.post("/republish", status_code=202, dependencies=[Depends(requires("republish"))], summary="Publish every task as it is now.")
    def republish_all(asking: Asking) -> dict[str, int]:
        # One transaction a chunk: what is locked at once stays small, and an interrupted run may simply be repeated.
        count = 0
        for pages, republish in (
            (queries.case_ids_after, republish_cases),
            (queries.tasks_without_case_after, republish_tasks),
        ):
            after: UUID | None = None
            while True:
                now = clock()
                with publisher.transaction() as tx:
                    ids = pages(tx, after, CHUNK)
                    work = Work(compiled, now)
                    # Each run is a cause of its own: after a repeat, revisions have moved on, and its events are others.
                    cause = Cause(derive("republish", asking.cause, now), now, asking.principal.user, current_traceparent())
                    count += republish(tx, work, ids, cause)
                    work.save(tx)
                if len(ids) < CHUNK:
                    break
                after = ids[-1]
        return {"republished": count}

    return router
