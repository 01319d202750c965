"""The HTTP API of tasks: decode, call a handler, encode."""

from __future__ import annotations

from fastapi import APIRouter

from services.task import metrics
from services.task.api.absences import absence_routes
from services.task.api.adding import adding
from services.task.api.approvals import approvals_router
from services.task.api.automation import automation_router
from services.task.api.bookings import booking_routes
from services.task.api.changes import changing
from services.task.api.commanding import commanding
from services.task.api.feeds import feed_routes, public_feeds
from services.task.api.operating import operating
from services.task.api.reading import reading
from services.task.api.task_rules import task_rules_router
from services.task.api.time_spent import time_routes
from services.task.api.workflows import workflow_routes
from services.task.handlers.approval_links import ApprovalLinks
from services.task.handlers.changes import SINCE, TOLD, TaskChanges
from services.task.handlers.compile import compile_configuration
from services.task.settings import ApiSettings
from services.task.storage import absences
from shared.clock import Clock, utc_now
from shared.links import LinkKeyFile
from shared.links.words import Said
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.messaging.follow import Follower
from shared.messaging.past import Past
from shared.processes import run_api
from shared.schemas.configuration.models import Organisation
from shared.storage import Database
from shared.web import dead_letters_router
from shared.web.answering import ANSWER_BYTES, Place, answers_router

__all__ = ["public_routers", "routers", "run"]

DECIDING = Place("/decide", "links", Said("You can always sign in and decide there."), {"button": "approve"}, metrics.LINKS)


def routers(
    publisher: EventPublisher,
    reference: ReferenceData,
    clock: Clock = utc_now,
    changes: TaskChanges | None = None,
    published: Past | None = None,
) -> list[APIRouter]:
    """Every route of the service; `publisher` gives the transactions. `changes`: what is followed; None: nothing is.

    `published`: what rules can be tried on; None: on given events only.
    """
    compiled = VersionCache.numbered(reference, compile_configuration).get
    return [
        changing(changes or TaskChanges(publisher.database)),
        reading(publisher.database, compiled, clock),
        workflow_routes(reference, compiled, clock),
        commanding(publisher, reference, compiled, clock),
        adding(publisher, reference, compiled, clock),
        approvals_router(publisher, reference, compiled, clock),
        absence_routes(publisher, reference, compiled, clock),
        operating(publisher, compiled, clock),
        automation_router(publisher.database, reference, compiled, clock),
        task_rules_router(publisher.database, reference, compiled, clock, published),
        time_routes(publisher, reference, compiled, clock),
        booking_routes(publisher, reference, compiled, clock, absences.within),
        feed_routes(publisher, reference, clock),
        dead_letters_router("task", publisher.database),
    ]


def public_routers(publisher: EventPublisher, reference: ReferenceData, settings: ApiSettings, clock: Clock = utc_now) -> list[APIRouter]:
    """What needs no access token: the feeds that calendar programs read, and the pages behind links to approvals."""

    def organisation() -> Organisation:
        return reference.configuration(reference.version).organisation

    keys = LinkKeyFile(settings.link_keys) if settings.link_keys else None
    links = ApprovalLinks(reference, VersionCache.numbered(reference, compile_configuration).get)
    return [
        public_feeds(publisher, reference, clock),
        answers_router(DECIDING, publisher, links, organisation, keys, settings.wrong_links_per_hour, clock),
    ]


def run(settings: ApiSettings) -> None:
    """Serve the API until the process is told to stop."""
    # A connection of its own: requests do not wait for what the stream of changes has to look up.
    database = Database(settings.database, pool_size=1, service="task")
    changes = TaskChanges(database)
    follower = Follower(settings.kafka, settings.topic_prefix, TOLD, changes.take, utc_now() - SINCE, changes.begin)

    def made(publisher: EventPublisher, reference: ReferenceData) -> list[APIRouter]:
        follower.start()
        return routers(publisher, reference, changes=changes, published=Past(settings.kafka, settings.topic_prefix))

    try:
        run_api(
            "task",
            settings,
            made,
            public=lambda publisher, reference: public_routers(publisher, reference, settings),
            body_limits={f"{DECIDING.path}/": ANSWER_BYTES},
            ready=follower.problems,
            on_stop=changes.stop,
        )
    finally:
        follower.close()
        database.close()
