"""What a workflow comes to: when the tasks of a case would start and finish, and what would delay its end (TASK-1, TASK-2, EDGE-5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict

from services.task.api.bodies import Moment
from services.task.domain.critical_path import forecast_workflow
from services.task.domain.workflow import WorkflowRefused
from services.task.handlers.compile import workflow_of
from services.task.handlers.work import CompiledOf
from shared.calendars import CalendarError, DurationError
from shared.clock import Clock
from shared.messaging import ReferenceData
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.tasks import Dependency, Workflow
from shared.web import Answer, NotFound, Unprocessable, requires

MOST_TASKS = 1000
MOST_DEPENDENCIES = 10_000


class WorkflowBody(BaseModel):
    """A workflow as it would stand in the configuration, and when a case opens that has it; none: now."""

    model_config = ConfigDict(extra="forbid")

    workflow: Workflow
    opens_at: Moment | None = None


class WorkflowTaskView(BaseModel):
    """A task of the workflow, in a case on which everybody begins at once and takes all the time there is.

    `conditional`: not every case gets it. `waits_for`: what its start waits for; `finishes_after`: what its completion waits for.
    `slack_seconds`: how much later it may finish without moving the end; in working time where its own time is that.
    """

    definition: str
    subject_line: str
    conditional: bool
    waits_for: list[str]
    finishes_after: list[str]
    starts_at: datetime
    finishes_at: datetime
    slack_seconds: int
    critical: bool


class WorkflowView(BaseModel):
    """What a case with all tasks of the workflow would come to. `critical_path`: the chain of tasks that decides its end, first to last."""

    config_version: int
    opens_at: datetime
    finishes_at: datetime | None
    critical_path: list[str]
    tasks: list[WorkflowTaskView]
    dependencies: list[Dependency]


def workflow_routes(reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["tasks"])
    reads = Depends(requires("configuration:read"))

    @router.get(
        "/workflows/{subject}",
        response_model=WorkflowView,
        dependencies=[reads],
        summary="What a case of a subject would come to: when its tasks start and finish, and its critical path.",
    )
    def show(subject: str, opens_at: Annotated[Moment | None, Query(description="When the case opens; none: now.")] = None) -> Response:
        configuration = reference.configuration(reference.version)
        section = next((each.workflow for each in configuration.subjects if each.code == subject), None)
        if section is None:
            raise NotFound("There is no such subject.")
        return Answer(view(configuration, section, opens_at or clock()).model_dump()).response()

    @router.post(
        "/workflows/preview",
        response_model=WorkflowView,
        dependencies=[reads],
        summary="What a workflow would come to that is only a draft; or all that is wrong with it.",
    )
    def preview(body: WorkflowBody) -> Response:
        if len(body.workflow.tasks) > MOST_TASKS or len(body.workflow.dependencies) > MOST_DEPENDENCIES:
            raise Unprocessable(f"A preview takes up to {MOST_TASKS} tasks and {MOST_DEPENDENCIES} dependencies.")
        configuration = reference.configuration(reference.version)
        return Answer(view(configuration, body.workflow, body.opens_at or clock()).model_dump()).response()

    def view(configuration: Configuration, section: Workflow, opens_at: datetime) -> WorkflowView:
        known = compiled(reference.version)
        definitions = {definition.code: definition for definition in configuration.task_definitions}
        try:
            workflow = workflow_of(section, definitions, known.default_calendar, known.calendars)
            found = forecast_workflow(workflow, opens_at, known.calendars)
        except WorkflowRefused as error:
            problems = [
                {"kind": each.kind.value, "message": each.message, "codes": each.codes, "task": each.node, "dependency": each.dependency}
                for each in error.problems
            ]
            raise Unprocessable("The workflow cannot be used.", problems=problems) from error
        except (CalendarError, DurationError) as error:
            raise Unprocessable(f"The workflow cannot be used: {error}.") from error
        always = {entry for entry in section.tasks if isinstance(entry, str)}
        tasks = [
            WorkflowTaskView(
                definition=code,
                subject_line=known.definitions[code].subject_line,
                conditional=code not in always,
                waits_for=list(dict.fromkeys(link.after for link in workflow.holding_start.get(code, ()))),
                finishes_after=list(dict.fromkeys(link.after for link in workflow.holding_finish.get(code, ()))),
                starts_at=task.starts_at,
                finishes_at=task.finishes_at,
                slack_seconds=int(task.slack.total_seconds()),
                critical=task.is_critical,
            )
            for code, task in found.tasks.items()
        ]
        return WorkflowView(
            config_version=reference.version,
            opens_at=opens_at,
            finishes_at=found.finishes_at,
            critical_path=list(found.chain),
            tasks=tasks,
            dependencies=list(section.dependencies),
        )

    return router
