"""Mandatory services that a task goes without, by somebody's word (TASK-10)."""

from __future__ import annotations

from collections.abc import Collection

from services.task.domain.resources.time_spent import Waiver
from services.task.domain.task import Task
from services.task.handlers.time_spent import TimeRefused
from services.task.handlers.work import Cause, Work
from services.task.storage import time_spent as storage
from shared.schemas.events import TaskServiceWaived
from shared.storage import Transaction


def waive(tx: Transaction, work: Work, task: Task, service: str, reason: str, cause: Cause) -> None:
    """Let the task be completed without a mandatory service's minimum; one that is waived stays so. Raises `TimeRefused`."""
    if service in _waivers(tx, work, task, service):
        return
    storage.waive(tx, task.id, service, Waiver(reason, cause.by, cause.at))
    changes: dict[str, tuple[object, object]] = {"waived": (None, service), "reason": (None, reason)}
    work.record(TaskServiceWaived, task, cause, changes, more={"service": service, "waived": True})


def require_again(tx: Transaction, work: Work, task: Task, service: str, cause: Cause) -> None:
    """Take a waiver back. Raises `TimeRefused`."""
    if service not in _waivers(tx, work, task, service):
        return
    storage.require_again(tx, task.id, service)
    work.record(TaskServiceWaived, task, cause, {"waived": (service, None)}, more={"service": service, "waived": False})


def _waivers(tx: Transaction, work: Work, task: Task, service: str) -> Collection[str]:
    """What is waived on the task, of which this service is a mandatory one."""
    if not task.state.is_open:
        raise TimeRefused(f"The task is {task.state}: what it takes is settled.", conflict=True)
    definition = work.configuration_of(task).definitions.get(task.definition or "")
    mandatory = [each.service for each in definition.services if each.mandatory] if definition else []
    if service not in mandatory:
        there = ", ".join(mandatory) or "none"
        raise TimeRefused(f"{service} is no mandatory service of this task (there are: {there}).")
    return storage.waivers_of(tx, (task.id,)).get(task.id, {})
