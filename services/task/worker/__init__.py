"""The role `work`: what tasks need done in the background, each job in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from services.task.handlers.absences import Absences
from services.task.handlers.compile import compile_configuration
from services.task.handlers.recurring import Recurring
from services.task.settings import TaskSettings
from services.task.worker.absences import absences_until
from services.task.worker.approvals import Reminder, remind_until
from services.task.worker.purging import Purge, purge_until
from services.task.worker.recurring import recur_until
from shared.messaging import EventPublisher, Reference, VersionCache
from shared.processes import beside, run_worker

__all__ = ["run"]


def jobs(settings: TaskSettings, publisher: EventPublisher, reference: Reference, stop: Event) -> Sequence[Callable[[], object]]:
    """Every job; each runs until `stop`, and raises when it cannot go on."""
    compiled = VersionCache.numbered(reference, compile_configuration)
    recurring = Recurring(publisher, reference, compiled, settings.recurring_catch_up)
    absences = Absences(publisher, compiled.get)
    purge = Purge(publisher.database, compiled.get, settings.firings_keep_days)
    return (
        lambda: recur_until(recurring, stop),
        lambda: remind_until(Reminder(publisher, compiled.get), stop),
        lambda: absences_until(absences, stop),
        lambda: purge_until(purge, stop),
    )


def run(settings: TaskSettings) -> None:
    """Run the role until it is told to stop. Raises when it cannot go on; its supervisor starts it again."""
    run_worker("task", "work", settings, lambda publisher, reference, stop: beside(stop, *jobs(settings, publisher, reference, stop)))
