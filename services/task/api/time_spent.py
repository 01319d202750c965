"""Services on tasks, and the time spent on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from services.task.api.bodies import Body, Moment, Text, User
from services.task.api.reading import Reader, visible_task
from services.task.api.views import caller_of
from services.task.domain.ownership import may_work_on
from services.task.domain.resources.time_spent import Entry, spent_by_service, standing
from services.task.domain.task import Task
from services.task.handlers import commands, time_spent
from services.task.handlers import waiving as handler
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import time_spent as storage
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    Conflict,
    Forbidden,
    NotFound,
    Unprocessable,
    answer_once,
    check_revision,
    command,
    requires,
)

Asking = Annotated[Command, Depends(command)]
Do = Callable[[Transaction, Work, Task, Cause], Answer]
DAY = 24 * 60


class ServiceBody(Body):
    """Add a service to a task."""

    service: Code


class WaiveBody(Body):
    """Why a task goes without a mandatory service."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$", strip_whitespace=True)]


class TimeBody(Body):
    """Record time. A correction takes the place of the entry it names; with 0 minutes there was no such time."""

    service: Code
    minutes: Annotated[int, Field(ge=0, le=DAY)]
    user: User | None = Field(default=None, description="Who spent it; none: oneself.")
    spent_at: Moment | None = Field(default=None, description="None: now.")
    note: Text = ""
    corrects: UUID | None = Field(default=None, description="The entry that this one takes the place of.")


class EntryView(BaseModel):
    """Time that was recorded. `counts`: no later entry corrects it."""

    id: UUID
    task_id: UUID
    service: str
    minutes: int
    user: str
    spent_at: datetime
    note: str
    corrects: UUID | None
    automatic: bool
    recorded_by: str
    recorded_at: datetime
    counts: bool


class WaiverView(BaseModel):
    """Why and by whose word a mandatory service's minimum is not recorded as the task is completed."""

    reason: str
    by: str
    at: datetime


class Waived(BaseModel):
    """Whether a mandatory service of a task is waived now."""

    task_id: UUID
    service: str
    waived: bool


class ServiceView(BaseModel):
    """A service on a task, and the minutes that were spent on it."""

    service: str
    name: str
    mandatory: bool
    minimum: int
    waiver: WaiverView | None
    added_by: str
    minutes: int


class TimeView(BaseModel):
    """All of a task's services and time. `may_add`: services that could be added."""

    task_id: UUID
    services: list[ServiceView]
    may_add: list[str]
    items: list[EntryView]
    minutes: int


def time_routes(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """`/tasks/{id}/services` and `/tasks/{id}/time`."""
    router = APIRouter(tags=["time"])
    records, waives = Depends(requires("time:record")), Depends(requires("service:waive"))

    def run(task_id: UUID, asking: Command, do: Do) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())
        caller = caller_of(asking.principal)

        def answer() -> Answer:
            work = Work(compiled, now)
            task = commands.load_task(tx, work, task_id)
            if task is None or not caller.sees(task):
                raise NotFound
            check_revision(asking, task.revision)
            actor = caller.actor_on(task)
            if not actor.oversees and not may_work_on(task.standing.assignee, actor):
                raise Forbidden(f"The task is for {task.owner}.")
            return do(tx, work, task, cause)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def shown(tx: Transaction, work: Work, task: Task) -> dict[str, Any]:
        entries = storage.entries_of(tx, (task.id,))
        definition = work.configuration_of(task).definitions.get(task.definition or "")
        listed = {each.service: each for each in definition.services} if definition else {}
        on_task, spent, names = time_spent.services_on(tx, work, task), spent_by_service(entries), compiled(0).services
        for code in spent:
            on_task.setdefault(code, "")
        waivers = storage.waivers_of(tx, (task.id,)).get(task.id, {})
        counting = {entry.id for entry in standing(entries)}
        return {
            "task_id": task.id,
            "services": [
                {
                    "service": code,
                    "name": names.get(code, code),
                    "mandatory": code in listed and listed[code].mandatory,
                    "minimum": listed[code].minimum if code in listed else 0,
                    "waiver": asdict(waivers[code]) if code in waivers else None,
                    "added_by": by,
                    "minutes": spent.get(code, 0),
                }
                for code, by in on_task.items()
            ],
            "may_add": [code for code in time_spent.allowed_services(work, task) if code not in on_task],
            "items": [_entry(entry, counts=entry.id in counting) for entry in entries],
            "minutes": sum(spent.values()),
        }

    @router.get("/tasks/{task_id}/time", response_model=TimeView, summary="The services on a task and the time spent on them.")
    def show_time(task_id: UUID, principal: Reader) -> Response:
        work = Work(compiled, clock())
        with publisher.database.read() as tx:
            task, _ = visible_task(tx, task_id, caller_of(principal))
            return Answer(shown(tx, work, task)).response()

    @router.post("/tasks/{task_id}/services", response_model=TimeView, dependencies=[records], summary="Add a service to a task.")
    def add_service(task_id: UUID, body: ServiceBody, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, task: Task, cause: Cause) -> Answer:
            if not task.state.is_open:
                raise Conflict(f"The task is {task.state}: nothing is added to it.")
            if body.service not in (allowed := time_spent.allowed_services(work, task)):
                raise Unprocessable(f"The service {body.service} cannot be on this task.", services=allowed)
            if body.service not in time_spent.services_on(tx, work, task):
                storage.add_service(tx, task.id, body.service, cause.by, cause.at)
            return Answer(shown(tx, work, task))

        return run(task_id, asking, do)

    def waiving(
        do: Callable[[Transaction, Work, Task, Cause], None], task_id: UUID, service: str, asking: Command, *, waived: bool
    ) -> Response:
        def do_it(tx: Transaction, work: Work, task: Task, cause: Cause) -> Answer:
            with _refusals():
                do(tx, work, task, cause)
            work.save(tx)
            return Answer({"task_id": task.id, "service": service, "waived": waived}, revision=task.revision)

        return run(task_id, asking, do_it)

    @router.post(
        "/tasks/{task_id}/services/{service}/waive",
        response_model=Waived,
        dependencies=[waives],
        summary="Let a task be completed without a mandatory service, for a reason.",
    )
    def waive(task_id: UUID, service: Code, body: WaiveBody, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, task: Task, cause: Cause) -> None:
            handler.waive(tx, work, task, service, body.reason, cause)

        return waiving(do, task_id, service, asking, waived=True)

    @router.post(
        "/tasks/{task_id}/services/{service}/require",
        response_model=Waived,
        dependencies=[waives],
        summary="Require a mandatory service again that was waived.",
    )
    def require(task_id: UUID, service: Code, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, task: Task, cause: Cause) -> None:
            handler.require_again(tx, work, task, service, cause)

        return waiving(do, task_id, service, asking, waived=False)

    @router.post(
        "/tasks/{task_id}/time",
        response_model=EntryView,
        status_code=201,
        dependencies=[records],
        summary="Record time spent on a task, or correct what was recorded.",
    )
    def record_time(task_id: UUID, body: TimeBody, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, task: Task, cause: Cause) -> Answer:
            user = body.user or cause.by
            if body.minutes == 0 and body.corrects is None:
                raise Unprocessable("Only a correction has 0 minutes.")
            oversees = caller_of(asking.principal).oversees(task.unit)
            if user != cause.by and not oversees:
                raise Forbidden("Time of others is recorded by who oversees the task.")
            if user != cause.by and user not in reference.staff:
                raise Unprocessable(f"There is no member of staff {user}.")
            wanted = time_spent.Wanted(body.service, body.minutes, user, body.spent_at or cause.at, body.note, body.corrects)
            with _refusals():
                entry = time_spent.record(tx, work, task, wanted, cause, oversees=oversees)
            return Answer(_entry(entry, counts=True), 201)

        return run(task_id, asking, do)

    return router


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except time_spent.TimeRefused as refused:
        raise (Conflict if refused.conflict else Unprocessable)(str(refused)) from refused


def _entry(entry: Entry, *, counts: bool) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in EntryView.model_fields if name != "counts"} | {"counts": counts}
