"""The HTTP API of tasks: decode, call a handler, encode."""

from __future__ import annotations

import threading

from fastapi import APIRouter

from services.task.api.commanding import commanding
from services.task.api.operating import operating
from services.task.api.reading import reading
from services.task.handlers.compile import compile_configuration
from services.task.settings import TaskSettings
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher, Reference, ReferenceData, VersionCache
from shared.observability import configure_logging
from shared.storage import Database
from shared.web import create_app, dead_letters_router, serve

__all__ = ["routers", "run"]


def routers(publisher: EventPublisher, reference: ReferenceData, clock: Clock = utc_now) -> list[APIRouter]:
    """Every route of the service; `publisher` gives the transactions."""
    compiled = VersionCache(reference, compile_configuration).get
    return [
        reading(publisher.database, compiled, clock),
        commanding(publisher, reference, compiled, clock),
        operating(publisher, compiled, clock),
        dead_letters_router("task", publisher.database),
    ]


def run(settings: TaskSettings) -> None:
    """Serve the API until the process is told to stop."""
    configure_logging("task", "api", settings.log_level)
    database = Database(settings.database, pool_size=8, service="task")
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "task")
    stop = threading.Event()
    # Health has to answer while the configuration is still awaited.
    starting = threading.Thread(target=reference.start, args=(stop,), name="reference-start", daemon=True)
    try:
        starting.start()
        publisher.start_sweeper()
        app = create_app(
            "task",
            settings,
            routers(publisher, reference),
            ready=reference.problems,
            facts=lambda: {"config_version": reference.version},
        )
        serve(app, settings)
    finally:
        stop.set()
        starting.join()
        publisher.close()
        reference.close()
        database.close()
