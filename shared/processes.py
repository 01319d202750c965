"""The processes around an HTTP API that takes commands, and around work in the background: database, reference data, publisher, serving.

The process around a consumer loop is `shared.messaging.process`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from fastapi import APIRouter

from shared.messaging import EventPublisher, Reference, ReferenceData
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, serve_health
from shared.settings import ProcessSettings
from shared.storage import Database
from shared.web import create_app, serve

CONNECTIONS = 8
"""To the database, of one process."""


@contextmanager
def following(settings: ProcessSettings) -> Iterator[Reference]:
    """Reference data that a thread begins to read: health has to answer while the configuration is still awaited."""
    reference = Reference(settings.kafka, settings.topic_prefix)
    stop = threading.Event()
    starting = threading.Thread(target=reference.start, args=(stop,), name="reference-start", daemon=True)
    starting.start()
    try:
        yield reference
    finally:
        stop.set()
        starting.join()
        reference.close()


Routers = Callable[[EventPublisher, ReferenceData], Sequence[APIRouter]]


def _none(_publisher: EventPublisher, _reference: ReferenceData) -> Sequence[APIRouter]:
    return ()


def run_api(
    service: str,
    settings: ProcessSettings,
    routers: Routers,
    public: Routers = _none,
    body_limits: Mapping[str, int] | None = None,
    ready: Callable[[], list[str]] = list,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve `routers` until the process is told to stop; what their commands publish goes by the outbox.

    `public` ones ask for no access token; `body_limits` as `create_app` takes them. `ready`: why something else that it needs does not
    work; `on_stop` as `serve` takes it.
    """
    configure_logging(service, "api", settings.log_level)
    database = Database(settings.database, pool_size=CONNECTIONS, service=service)
    try:
        with following(settings) as reference:
            publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, service)
            try:
                publisher.start_sweeper()
                app = create_app(
                    service,
                    settings,
                    routers(publisher, reference),
                    ready=lambda: [*reference.problems(), *ready()],
                    facts=lambda: {"config_version": reference.version},
                    public=public(publisher, reference),
                    body_limits=body_limits,
                )
                serve(app, settings, on_stop)
            finally:
                publisher.close()
    finally:
        database.close()


Work = Callable[[EventPublisher, Reference, threading.Event], None]


def run_worker(service: str, role: str, settings: ProcessSettings, work: Work) -> None:
    """Do `work`, which returns when its event is set, until the process is told to stop. What it raises ends the process.

    It begins once the configuration is known.
    """
    configure_logging(service, role, settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=CONNECTIONS, service=service)
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, service)
    with closing(serve_health(settings.host, settings.port, reference.problems, lambda: {"config_version": reference.version})):
        try:
            reference.start(stop)
            if not stop.is_set():
                publisher.start_sweeper()
                work(publisher, reference, stop)
        finally:
            publisher.close()
            reference.close()
            database.close()


def beside(stop: threading.Event, *works: Callable[[], object]) -> None:
    """Each in a thread until told to stop. When one fails all stop, and its failure is raised: none must be missing unseen."""
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work) for work in works]
        for one in running:
            one.add_done_callback(lambda _: stop.set())
        for one in running:
            one.result()
