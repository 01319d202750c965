"""The role `sweep`: what is done in the background, each in a thread of its own.

It sweeps (`sweeping`), keeps search documents current (`indexing`), seals the audit log (`sealing`), makes bulk changes (`bulk`),
imports leads (`lead_imports`), chases silent customers (`chasing`), and shows what waits (`watching`).
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from services.case.handlers.chasing import Chaser
from services.case.handlers.commands import Commands
from services.case.handlers.rules import rules_of
from services.case.settings import SweepSettings
from services.case.worker.bulk import work_until
from services.case.worker.chasing import chase_until
from services.case.worker.indexing import index_until
from services.case.worker.lead_imports import Importer, import_until
from services.case.worker.sealing import seal_until
from services.case.worker.sweeping import Amounts, Sweeper, sweep_until
from services.case.worker.watching import watch_until
from shared.messaging import EventPublisher, Reference, VersionCache
from shared.messaging.process import stop_on_signals
from shared.observability import configure_logging, serve_health
from shared.processes import beside
from shared.storage import Database
from shared.storage.objects import ObjectStore, open_store

__all__ = ["Amounts", "Sweeper", "dry_run", "run", "sweep_until"]


def run(settings: SweepSettings) -> None:
    """Run the role until it is told to stop. Raises when it cannot go on; its supervisor starts it again."""
    configure_logging("case", "sweep", settings.log_level)
    stop = stop_on_signals()
    objects = open_store(settings)
    database = Database(settings.database, pool_size=8, service="case")
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "case")
    rules = VersionCache(reference, rules_of)
    commands = Commands(reference, rules)
    chaser = Chaser(publisher, rules)
    sweeper = _sweeper(settings, publisher, objects, reference)
    importer = Importer(publisher.transaction, objects, reference, f"import-{settings.instance}")

    def problems() -> list[str]:
        return reference.problems() + objects.problems()

    with closing(serve_health(settings.host, settings.port, problems, lambda: {"config_version": reference.version})):
        try:
            reference.start(stop)
            beside(
                stop,
                lambda: sweep_until(sweeper, stop),
                lambda: index_until(database, stop),
                lambda: seal_until(database, stop),
                lambda: watch_until(database, stop),
                lambda: work_until(publisher, commands, stop),
                lambda: import_until(importer, stop),
                lambda: chase_until(chaser, stop),
            )
        finally:
            publisher.close()
            reference.close()
            database.close()


def dry_run(settings: SweepSettings) -> Amounts:
    """What a round of sweeping would do now. Waits for the configuration."""
    configure_logging("case", "sweep", settings.log_level)
    stop = stop_on_signals()
    database = Database(settings.database, pool_size=2, service="case")
    publisher = EventPublisher(database, settings.kafka, settings.topic_prefix, "case")
    reference = Reference(settings.kafka, settings.topic_prefix)
    try:
        reference.start(stop)
        return _sweeper(settings, publisher, open_store(settings), reference).dry_run()
    finally:
        reference.close()
        publisher.close()
        database.close()


def _sweeper(settings: SweepSettings, publisher: EventPublisher, objects: ObjectStore, reference: Reference) -> Sweeper:
    grace, every = timedelta(days=settings.sweep_grace_days), timedelta(hours=settings.sweep_every_hours)
    return Sweeper(publisher, objects, reference, grace, every, f"sweep-{settings.instance}")
