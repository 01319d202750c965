"""Automation rules over HTTP: which there are, what fired, and what one would do (AUTO-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.task.api.trying import Compared, Trials, TrialVerdict, TriedEvent, fields_of
from services.task.handlers.compile_rules import rule_of
from services.task.handlers.work import CompiledOf
from services.task.storage import firings
from services.task.storage.firings import Count, Reach
from shared.clock import Clock
from shared.messaging import ReferenceData
from shared.schemas.configuration.automation import AutomationRule, facts_on
from shared.schemas.events import Code, RuleAction
from shared.storage import Database
from shared.web import Answer, PageRequest, Principal, Unprocessable, page_request, requires

Reader = Annotated[Principal, Depends(requires("rule:read"))]


class Times(BaseModel):
    """How often, and when last."""

    times: int
    last_at: datetime | None


class RuleView(BaseModel):
    """A rule of the newest configuration, as it stands there, with how often it fired and was cut."""

    rule: dict[str, Any]
    fired: Times
    cut: Times = Field(description="How often it was told that the rule was kept from firing: once for an item within the rule's time.")


class RuleList(BaseModel):
    """All rules, in their order."""

    items: list[RuleView]


class FiringView(BaseModel):
    """One firing: by which event, for what, and what was done."""

    id: UUID
    rule: str
    item_id: UUID = Field(description="The case or lead; of a task or communication without one itself.")
    task_id: UUID | None
    on: str
    cause_id: UUID = Field(description="The event.")
    depth: int = Field(description="How many firings led to it, itself among them.")
    at: datetime
    outcome: Literal["done", "partly", "refused"]
    actions: list[dict[str, Any]]


class FiringPage(BaseModel):
    """One page of firings, the newest first."""

    items: list[FiringView]
    next: str | None


class DryRun(BaseModel):
    """A rule, by its code or as the configuration would have it, and an event."""

    model_config = ConfigDict(extra="forbid")

    rule: Code | AutomationRule
    event: TriedEvent


class DryRunResult(BaseModel):
    """Whether the rule would fire, why not, and what it would do."""

    verdict: TrialVerdict
    compared: list[Compared]
    outcome: Literal["done", "partly", "refused"] | None = None
    actions: list[RuleAction]


def automation_router(database: Database, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """`/automation/rules`, `/automation/firings` and `/automation/dry-run`. None of them changes anything."""
    router = APIRouter(prefix="/automation", tags=["automation"])
    trials = Trials(database, reference, compiled, clock)

    @router.get("/rules", response_model=RuleList, summary="The rules of the newest configuration, and how often each fired.")
    def list_rules(_: Reader) -> Response:
        sections = reference.configuration().automation
        codes = [section.code for section in sections]
        with database.read() as tx:
            fired, cut = firings.fired(tx, codes), firings.was_cut(tx, codes)
        never = Count(0, None)
        items = [
            {
                "rule": section.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                "fired": fired.get(section.code, never)._asdict(),
                "cut": cut.get(section.code, never)._asdict(),
            }
            for section in sections
        ]
        return Answer({"items": items}).response()

    @router.get("/firings", response_model=FiringPage, summary="What rules did, the newest first.")
    def list_firings(
        principal: Reader,
        page: Annotated[PageRequest, Depends(page_request)],
        item: Annotated[UUID | None, Query(description="Only for this case, lead, or task without one.")] = None,
        rule: Annotated[Code | None, Query(description="Only of this rule.")] = None,
    ) -> Response:
        reach = {"all": Reach(), "unit": Reach(principal.unit, principal.user)}.get(principal.scope, Reach(None, principal.user))
        with database.read() as tx:
            found = firings.page(tx, reach, item, rule, page.place(), page.limit + 1)
        shown = found[: page.limit]
        items = [{("on" if name == "happening" else name): value for name, value in one._asdict().items()} for one in shown]
        return Answer({"items": items, "next": page.following(len(found), shown, lambda one: (one.at.isoformat(), one.id))}).response()

    @router.post("/dry-run", response_model=DryRunResult, summary="What a rule would do on an event. Nothing is changed.")
    def dry_run(body: DryRun, principal: Reader) -> Response:
        section = _section(body.rule)
        units = {user.user: user.unit for user in reference.configuration().users}
        trial = trials.trial(rule_of(section, units), section.condition, section.active, body.event, principal)
        return Answer(
            trial.shown() | {"actions": [action.model_dump(mode="json", exclude_defaults=True) for action in trial.actions]}
        ).response()

    def _section(given: Code | AutomationRule) -> AutomationRule:
        if isinstance(given, AutomationRule):
            known = facts_on(given.on)
            if unknown := [name for name in fields_of(given.condition) if name not in known]:
                raise Unprocessable(f"There is no field {unknown[0]} on {given.on}.", fields=sorted(known))
            return given
        found = next((section for section in reference.configuration().automation if section.code == given), None)
        if found is None:
            raise Unprocessable(f"There is no rule {given}.")
        return found

    return router
