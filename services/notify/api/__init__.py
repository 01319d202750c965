"""notify's HTTP API: messages, what staff were told and how they choose to be, suppressions, previews, webhooks (role `api`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query
from pydantic import BaseModel

from services.notify.api.addresses import addresses_router, suppressions_router
from services.notify.api.notifications import notifications_router
from services.notify.api.preferences import preferences_router
from services.notify.api.sms import PATH, REPORT_BYTES, sms_router
from services.notify.api.templates import templates_router
from services.notify.api.webhooks import webhooks_router
from services.notify.settings import Settings, SmsSettings
from services.notify.storage import deliveries
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher, ReferenceData
from shared.observability import configure_logging, get_logger
from shared.observability.health import Ready
from shared.processes import following
from shared.storage import Database, dead_letters
from shared.web import (
    NotFound,
    Page,
    PageRequest,
    Principal,
    Problem,
    TokenVerifier,
    create_app,
    dead_letters_router,
    page_request,
    requires,
    serve,
)

log = get_logger(__name__)
READER = Annotated[Principal, Depends(requires("delivery:read"))]


class DeliveryView(BaseModel):
    """A message to one recipient. `state`: queued (or being sent), sent, failed, or bounced after that; `attempts` to send it so far.

    `limited`: its recipient has had enough for the hour, so that it waits for its turn. `expires_at`: from then on it is not sent any more.
    """

    id: UUID
    cause: UUID
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    definition: str
    template: str
    config_version: int
    channel: str
    recipient: str
    recipient_name: str
    audience: Literal["staff", "unit", "customer"]
    message_id: str
    state: Literal["queued", "sent", "failed", "bounced"]
    attempts: int
    takeovers: int
    error: str
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    limited: bool


class Counts(BaseModel):
    """How much there is."""

    deliveries: int
    dead_letters: int


def deliveries_router(database: Database) -> APIRouter:
    """`GET /deliveries`, `GET /deliveries/{id}` and `GET /counts`."""
    router = APIRouter(tags=["deliveries"])

    @router.get("/deliveries", summary="Messages to people, the newest first.")
    def listed(
        principal: READER,
        page: Annotated[PageRequest, Depends(page_request)],
        item_id: Annotated[UUID | None, Query(description="About this case, task or communication.")] = None,
        case_id: Annotated[UUID | None, Query(description="About this case or any of its tasks.")] = None,
        state: Annotated[Literal["queued", "sent", "failed", "bounced"] | None, Query(description="In this state.")] = None,
    ) -> Page[DeliveryView]:
        after = page.keys(1)
        if after and not isinstance(after[0], int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = deliveries.listed(
                tx,
                item_id=item_id,
                case_id=case_id,
                state=state,
                before=after[0] if after else None,
                limit=page.limit + 1,
                **_reach(principal),
            )
        shown = rows[: page.limit]
        following = page.following(len(rows), shown, lambda row: (row["sequence"],))
        return Page(items=[_view(row) for row in shown], next=following)

    @router.get("/deliveries/{delivery}", summary="One message and what became of it.")
    def one(delivery: UUID, principal: READER) -> DeliveryView:
        with database.read() as tx:
            row = deliveries.get(tx, delivery, **_reach(principal))
        if row is None:
            raise NotFound
        return _view(row)

    @router.get("/counts", summary="How many deliveries and dead letters there are.")
    def counts(_principal: Annotated[Principal, Depends(requires("status:read"))]) -> Counts:
        with database.read() as tx:
            return Counts(deliveries=deliveries.count(tx), dead_letters=dead_letters.count_open(tx))

    return router


def build(
    settings: Settings,
    database: Database,
    verifier: TokenVerifier | None = None,
    reference: ReferenceData | None = None,
    *,
    publisher: EventPublisher | None = None,
    sms: SmsSettings | None = None,
    clock: Clock = utc_now,
    ready: Ready = list,
) -> FastAPI:
    """The whole API; what needs the configuration only where it is known by `reference`; what tells others with a `publisher`."""
    routers = [
        deliveries_router(database),
        notifications_router(database, clock),
        dead_letters_router("notify", database),
    ]
    if reference is not None:
        routers += [
            templates_router(database, reference),
            preferences_router(database, reference, clock),
            webhooks_router(database, reference),
        ]
    if publisher is not None:
        routers += [addresses_router(publisher, clock), suppressions_router(publisher, clock)]
    public = [sms_router(publisher, sms)] if publisher is not None and sms is not None else []
    return create_app("notify", settings, routers, verifier=verifier, public=public, body_limits={PATH: REPORT_BYTES}, ready=ready)


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    configure_logging("notify", "api", settings.log_level)
    sms, database = SmsSettings.load(), Database(settings.database, pool_size=4, service="notify")
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "notify")
    try:
        with following(settings) as reference:
            serve(build(settings, database, None, reference, publisher=publisher, sms=sms, ready=reference.problems), settings)
    finally:
        publisher.close()
        database.close()


def _reach(principal: Principal) -> dict[str, str | None]:
    """Whose rows the caller sees: those about items of their own or their unit's, or all."""
    return {
        "unit": principal.unit if principal.scope == "unit" else None,
        "assignee": principal.user if principal.scope == "own" else None,
    }


def _view(row: dict[str, Any]) -> DeliveryView:
    waits = row["state"] in ("queued", "held", "gathered", "claimed")
    state = "queued" if waits else row["state"]
    return DeliveryView(**{**row, "state": state, "next_attempt_at": row["due_at"] if waits else None})
