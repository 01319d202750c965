"""The process around a consumer loop: settings, logging, database, reference data, health, signals. What a `consume` role consists of."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing

from shared.messaging.consumer import ConsumerLoop
from shared.messaging.handler import Handlers
from shared.messaging.publisher import EventPublisher
from shared.messaging.reference import Reference, ReferenceData
from shared.observability import configure_logging, serve_health
from shared.settings import ProcessSettings
from shared.storage import Database


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: the role finishes what it has in hand and leaves."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_consumer(
    service: str, settings: ProcessSettings, handlers: Callable[[ReferenceData], Handlers], more_problems: Callable[[], list[str]] = list
) -> None:
    """Run a service's `consume` role until it is told to stop. Raises when it cannot go on; its supervisor starts it again.

    `more_problems`: what of the service's own keeps it from being ready.
    """
    configure_logging(service, "consume", settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=4, service=service)
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, service)
    loops: list[ConsumerLoop] = []

    def problems() -> list[str]:
        return reference.problems() + (loops[0].problems() if loops else ["starting"]) + more_problems()

    with closing(serve_health(settings.host, settings.port, problems, lambda: {"config_version": reference.version})):
        try:
            reference.start(stop)
            if not stop.is_set():
                publisher.start_sweeper()
                loops.append(ConsumerLoop(service, settings, handlers(reference), publisher, reference, stop))
                loops[0].run()
        finally:
            publisher.close()
            reference.close()
            database.close()
